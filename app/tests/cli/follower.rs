//! A `conns` that runs until a signal, and the lines it has written so far.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::program::{SOON, is_about_privileges, short};
use crate::sandbox::Sandbox;

/// A running `conns`; killed when dropped.
pub(crate) struct Follower {
    shown: String,
    child: Child,
    lines: Receiver<String>,
    err: Option<JoinHandle<String>>,
}

/// The message if events are derived from samples; then the exit code is 3.
const POLLING: &str = "events are derived from samples";

/// How it ended.
pub(crate) struct Ended {
    pub(crate) shown: String,
    pub(crate) code: Option<i32>,
    /// All lines not read before.
    pub(crate) rest: Vec<String>,
    pub(crate) err: String,
}

impl Follower {
    pub(crate) fn start(sandbox: &Sandbox, mut command: Command) -> Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let shown = short(&command);
        let mut child = sandbox.spawn(&mut command)?;
        let out = child.stdout.take().context("its output is no pipe")?;
        let mut err = child.stderr.take().context("its standard error is no pipe")?;
        let (send, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                if send.send(line).is_err() {
                    return;
                }
            }
        });
        let err = thread::spawn(move || {
            let mut stderr = String::new();
            // A partial text is checked as it is.
            let _ = err.read_to_string(&mut stderr);
            stderr
        });
        Ok(Self { shown, child, lines, err: Some(err) })
    }

    /// The next line; `None` if none comes within `time`.
    pub(crate) fn line(&self, time: Duration) -> Result<Option<String>> {
        match self.lines.recv_timeout(time) {
            Ok(line) => Ok(Some(line)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => bail!("{} has ended", self.shown),
        }
    }

    /// The first record among the next lines that `is_it`; `None` if none comes within `time`.
    pub(crate) fn record(
        &self,
        time: Duration,
        is_it: impl Fn(&Value) -> bool,
    ) -> Result<Option<Value>> {
        let until = Instant::now() + time;
        while let Some(line) = self.line(until.saturating_duration_since(Instant::now()))? {
            let record = serde_json::from_str(&line).with_context(|| format!("no JSON: {line}"))?;
            if is_it(&record) {
                return Ok(Some(record));
            }
        }
        Ok(None)
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).context("no pid")?;
        kill_process(pid, signal).with_context(|| format!("{signal:?} to {}", self.shown))
    }

    /// Waits for its end.
    pub(crate) fn end(mut self) -> Result<Ended> {
        let until = Instant::now() + SOON;
        let status = loop {
            if let Some(status) = self.child.try_wait()? {
                break status;
            }
            ensure!(Instant::now() < until, "{} did not end within {SOON:?}", self.shown);
            thread::sleep(Duration::from_millis(5));
        };
        let err = self.err.take().context("it was waited for twice")?;
        let err = err.join().map_err(|_| anyhow!("reading standard error panicked"))?;
        let rest = self.lines.iter().collect();
        Ok(Ended { shown: self.shown.clone(), code: status.code(), rest, err })
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Ended {
    /// Fails unless it exited with 0 and without messages, or, if events are derived from samples, with
    /// 3 and that message alone.
    pub(crate) fn good(&self) -> Result<&Self> {
        let complaints: Vec<&str> =
            self.err.lines().filter(|line| !is_about_privileges(line)).collect();
        let is_polling = complaints.iter().all(|line| line.contains(POLLING));
        let (shown, expected) = (&self.shown, if complaints.is_empty() { 0 } else { 3 });
        ensure!(is_polling && complaints.len() < 2, "{shown} complains: {complaints:?}");
        ensure!(self.code == Some(expected), "{shown}: {:?} instead of {expected}", self.code);
        Ok(self)
    }
}
