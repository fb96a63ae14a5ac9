//! A peer process in a namespace: started, waited for with a deadline, commanded, and killed by its own pid.
//!
//! A peer prints one JSON object a line; its first is `ready`. It lives as long as its standard input is open, so
//! peers die with the lab even when the lab is killed.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::netns::Namespace;

/// How long a peer may take to become ready; generous, because the machine may be busy compiling.
pub const READY_TIMEOUT: Duration = Duration::from_secs(20);

/// A peer that runs; dropping it ends it.
#[derive(Debug)]
pub struct Peer {
    shown: String,
    child: Child,
    input: Option<ChildStdin>,
    events: Receiver<Value>,
    ready: Value,
}

/// By how much longer the lab waits for anything, from `LAB_SLOWNESS`: a virtual machine without help of the processor is many times
/// slower.
fn slowness() -> u32 {
    std::env::var("LAB_SLOWNESS").ok().and_then(|factor| factor.parse().ok()).unwrap_or(1)
}

impl Peer {
    /// Starts `lab peer <arguments>` (split at spaces) inside the namespace and waits until it is ready.
    pub fn start(lab: &Path, namespace: &Namespace, arguments: &str) -> Result<Self> {
        let mut command = Command::new(lab);
        command
            .arg("peer")
            .args(arguments.split_whitespace())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = namespace.spawn(&mut command)?;
        let input = child.stdin.take();
        let output = child.stdout.take().context("a peer has no standard output")?;
        let (send, events) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if let Ok(event) = serde_json::from_str(&line)
                    && send.send(event).is_err()
                {
                    break;
                }
            }
        });
        let mut peer = Self {
            shown: format!("peer {arguments} in {}", namespace.name()),
            child,
            input,
            events,
            ready: Value::Null,
        };
        peer.ready = peer.wait("ready", READY_TIMEOUT)?;
        Ok(peer)
    }

    /// The pid of the process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How long its threads have waited for a processor; zero if the kernel does not count it.
    pub fn waited(&self) -> Duration {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.pid()));
        let waited = |task: PathBuf| -> Option<u64> {
            // Nanoseconds on a processor, and those of waiting for one.
            let text = std::fs::read_to_string(task.join("schedstat")).ok()?;
            text.split_whitespace().nth(1)?.parse().ok()
        };
        let tasks = tasks.into_iter().flatten().filter_map(Result::ok);
        Duration::from_nanos(tasks.filter_map(|task| waited(task.path())).sum())
    }

    /// The peer's `ready` event.
    pub fn ready(&self) -> &Value {
        &self.ready
    }

    /// Waits for the next event of this name; others are passed over.
    pub fn wait(&mut self, event: &str, within: Duration) -> Result<Value> {
        let within = within * slowness();
        let until = Instant::now() + within;
        loop {
            match self.events.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(value) if value["event"] == event => return Ok(value),
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => {
                    bail!("{} did not report `{event}` within {within:?}", self.shown)
                }
                Err(RecvTimeoutError::Disconnected) => {
                    bail!(
                        "{} ended before it reported `{event}`: {:?}",
                        self.shown,
                        self.child.try_wait()
                    )
                }
            }
        }
    }

    /// Kills it by SIGKILL, so that it closes nothing itself.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill().with_context(|| format!("killing {}", self.shown))?;
        self.child.wait().with_context(|| format!("waiting for the end of {}", self.shown))?;
        Ok(())
    }

    /// Sends one word to the peer's standard input.
    pub fn send(&mut self, word: &str) -> Result<()> {
        let input = self.input.as_mut().context("the peer's input is closed")?;
        writeln!(input, "{word}").with_context(|| format!("sending `{word}` to {}", self.shown))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        drop(self.input.take());
        let until = Instant::now() + Duration::from_millis(500);
        while Instant::now() < until {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until `condition` gives a value; the error names what was waited for.
pub fn wait_for<T>(
    what: &str,
    within: Duration,
    mut condition: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let within = within * slowness();
    let until = Instant::now() + within;
    loop {
        if let Some(value) = condition()? {
            return Ok(value);
        }
        if Instant::now() > until {
            bail!("{what} did not happen within {within:?}");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Whether there is such a program to run; those of the system's own folder count.
pub fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    places.any(|folder| folder.join(program).is_file())
}

/// A program beside, or one folder above, the running executable: where cargo puts the workspace's binaries.
pub fn beside_me(name: &str) -> Option<PathBuf> {
    let me = std::env::current_exe().ok()?;
    me.ancestors().skip(1).take(2).map(|folder| folder.join(name)).find(|place| place.is_file())
}
