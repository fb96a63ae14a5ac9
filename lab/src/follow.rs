//! Runs `conns events` and keeps each line, so that tests can ask what was reported.
//!
//! Invariant: events are reported in the order they happened. Once the end of a connection opened for the purpose (a
//! *canary*) is reported, all events before it are too, and no test has to sleep.

use std::io::{BufRead, BufReader, Read};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::netns::Namespace;
use crate::process::{READY_TIMEOUT, wait_for};

/// How long an event may take to be reported.
const REPORT_TIMEOUT: Duration = Duration::from_secs(20);

/// `conns events` at work; dropping it ends it.
#[derive(Debug)]
pub struct Follower {
    child: Child,
    reported: Arc<Mutex<Vec<Value>>>,
    stderr: Arc<Mutex<String>>,
    canary: Namespace,
}

impl Follower {
    /// Starts it and waits until it reports events.
    pub fn start(conns: &Path) -> Result<Self> {
        let canary = Namespace::create("canary")?;
        let mut child = Command::new(conns)
            .args(["events", "-o", "jsonl"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("starting {}", conns.display()))?;
        let output = child.stdout.take().context("conns has no standard output")?;
        let complaints = child.stderr.take().context("conns has no standard error")?;
        let reported: Arc<Mutex<Vec<Value>>> = Arc::default();
        let stderr: Arc<Mutex<String>> = Arc::default();
        let (lines, text_of_stderr) = (Arc::clone(&reported), Arc::clone(&stderr));
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(std::result::Result::ok) {
                // A line that is no JSON is kept as text, and fits no expectation.
                let event = serde_json::from_str(&line).unwrap_or(Value::String(line));
                lines.lock().unwrap_or_else(PoisonError::into_inner).push(event);
            }
        });
        std::thread::spawn(move || {
            // Standard error is for messages of failures only.
            for line in BufReader::new(complaints).lines().map_while(std::result::Result::ok) {
                let mut text = text_of_stderr.lock().unwrap_or_else(PoisonError::into_inner);
                text.push_str(&line);
                text.push('\n');
            }
        });
        let mut follower = Self { child, reported, stderr, canary };
        wait_for("conns events to report a connection", READY_TIMEOUT, || {
            follower.must_run()?;
            follower.canary.inside(visit)??;
            Ok((!follower.lock().is_empty()).then_some(()))
        })?;
        Ok(follower)
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Value>> {
        self.reported.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn must_run(&mut self) -> Result<()> {
        if let Some(status) = self.child.try_wait()? {
            let stderr = self.stderr.lock().unwrap_or_else(PoisonError::into_inner).clone();
            bail!("conns events ended with {status}: {stderr}");
        }
        Ok(())
    }

    /// All events of this end so far, in order.
    pub fn of(&self, namespace: &Namespace, local: SocketAddr, remote: SocketAddr) -> Vec<Value> {
        let is_meant = |event: &&Value| {
            event["netns"] == namespace.name() && ends(event) == Some((local, remote))
        };
        self.lock().iter().filter(is_meant).cloned().collect()
    }

    /// Waits until `closed` or `failed` is reported of a connection, and returns all its events.
    pub fn until_over(
        &mut self,
        namespace: &Namespace,
        local: SocketAddr,
        remote: SocketAddr,
    ) -> Result<Vec<Value>> {
        let what = format!("the end of {local} to {remote} in {}", namespace.name());
        wait_for(&what, REPORT_TIMEOUT, || {
            self.must_run()?;
            let reported = self.of(namespace, local, remote);
            let is_over = |event: &Value| event["event"] == "closed" || event["event"] == "failed";
            Ok(reported.last().is_some_and(is_over).then_some(reported))
        })
        .with_context(|| format!("reported of it: {:?}", self.of(namespace, local, remote)))
    }

    /// Waits until all events before this call are reported.
    pub fn catch_up(&mut self) -> Result<()> {
        // An earlier canary may have had the same port.
        let earlier = self.lock().len();
        let port = self.canary.inside(visit)??;
        wait_for("conns events to report one more connection", REPORT_TIMEOUT, || {
            self.must_run()?;
            let is_it = |event: &Value| {
                event["netns"] == self.canary.name()
                    && event["local_port"] == port
                    && event["event"] == "closed"
            };
            Ok(self.lock().iter().skip(earlier).any(is_it).then_some(()))
        })
    }

    /// All events of this namespace so far, in order.
    pub fn all(&self, namespace: &Namespace) -> Vec<Value> {
        self.lock().iter().filter(|event| event["netns"] == namespace.name()).cloned().collect()
    }

    /// What it reported last, of any namespace, and its messages, to explain a missing event.
    pub fn describe(&self) -> String {
        let reported = self.lock();
        let last = reported.iter().rev().take(12).rev().map(|event| {
            let of = |key: &str| event[key].to_string();
            let keys = ["event", "netns", "local", "local_port", "remote", "remote_port"];
            keys.map(of).join(" ")
        });
        let last: Vec<String> = last.collect();
        let stderr = self.stderr.lock().unwrap_or_else(PoisonError::into_inner).clone();
        format!("{} events, the last of them {last:#?}; messages: {stderr:?}", reported.len())
    }

    /// Kills it by SIGKILL, so that it cannot clean up.
    pub fn kill(mut self) -> Result<()> {
        self.child.kill().context("killing conns events")?;
        let status = self.child.wait().context("waiting for the end of conns events")?;
        ensure!(status.code().is_none(), "conns events had ended by itself with {status}");
        Ok(())
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The two ends of an event, local first.
pub fn ends(event: &Value) -> Option<(SocketAddr, SocketAddr)> {
    let end = |host: &str, port: &str| {
        let port = u16::try_from(event[port].as_u64()?).ok()?;
        Some(SocketAddr::new(event[host].as_str()?.parse().ok()?, port))
    };
    Some((end("local_addr", "local_port")?, end("remote_addr", "remote_port")?))
}

/// A connection that is opened, accepted and closed; and the port it went to.
pub(crate) fn visit() -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").context("listening")?;
    let port = listener.local_addr()?.port();
    let stream = TcpStream::connect(("127.0.0.1", port)).context("connecting")?;
    let (mut other, _) = listener.accept().context("accepting")?;
    stream.shutdown(Shutdown::Write)?;
    other.read_to_end(&mut Vec::new())?;
    Ok(port)
}
