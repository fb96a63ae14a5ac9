//! Runs `conns serve`: reads the ports it chose from its standard error, sends requests over plain sockets, and ends it by
//! its own pid.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::memory_group::MemoryGroup;
use crate::netns::Namespace;
use crate::process::{READY_TIMEOUT, wait_for};

/// An agent that runs; dropping it ends it.
#[derive(Debug)]
pub struct Agent {
    child: Child,
    /// Where it listens, by protocol, from its standard error.
    places: BTreeMap<String, String>,
    stderr: Arc<Mutex<Vec<String>>>,
}

/// What an agent answered over HTTP.
#[derive(Debug)]
pub struct HttpAnswer {
    /// The status code.
    pub status: u16,
    /// The header block as sent.
    pub head: String,
    /// The body as sent.
    pub body: Vec<u8>,
}

impl Agent {
    /// Starts `conns serve` with these arguments, in `namespace` or in the caller's, and waits until it is
    /// ready. `arguments` name its configuration files; those named in the environment are not read.
    pub fn start(conns: &Path, namespace: Option<&Namespace>, arguments: &[&str]) -> Result<Self> {
        Self::start_in(None, conns, namespace, arguments)
    }

    /// As [`Agent::start`], in a control group.
    pub fn start_in(
        group: Option<&MemoryGroup>,
        conns: &Path,
        namespace: Option<&Namespace>,
        arguments: &[&str],
    ) -> Result<Self> {
        let mut command = match group {
            None => Command::new(conns),
            Some(group) => {
                // Enters the group before the agent reads its limit, under the same pid.
                let mut command = Command::new("sh");
                command.args(["-c", "echo $$ >\"$0\" && exec \"$@\""]);
                command.arg(group.processes()).arg(conns);
                command
            }
        };
        command.arg("serve").args(arguments).stdin(Stdio::null()).stderr(Stdio::piped());
        for name in std::env::vars().map(|(name, _)| name).filter(|name| name.starts_with("CONNS_"))
        {
            command.env_remove(name);
        }
        // Agents of several tests would share one file; a test of the history names its own.
        command.env("CONNS_HISTORY_SIZE", "0");
        let mut child = match namespace {
            Some(namespace) => namespace.spawn(&mut command)?,
            None => command.spawn().with_context(|| format!("starting {}", conns.display()))?,
        };
        let output = child.stderr.take().context("the agent has no standard error")?;
        let stderr = Arc::new(Mutex::new(Vec::new()));
        let lines = Arc::clone(&stderr);
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
            }
        });
        let mut agent = Self { child, places: BTreeMap::new(), stderr };
        wait_for("the agent to be ready", READY_TIMEOUT, || {
            if let Some(status) = agent.child.try_wait()? {
                bail!("the agent ended with {status}: {}", agent.stderr_lines().join("\n"));
            }
            Ok(agent.stderr_lines().iter().any(|line| line == "conns: ready").then_some(()))
        })
        .with_context(|| agent.stderr_lines().join("\n"))?;
        for line in agent.stderr_lines() {
            // "conns: monero on 127.0.0.1:18081"
            if let Some((protocol, place)) =
                line.strip_prefix("conns: ").and_then(|line| line.split_once(" on "))
            {
                agent.places.insert(protocol.to_owned(), place.to_owned());
            }
        }
        Ok(agent)
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The ids of its processes: its own, and that which serves clients, if it is another.
    pub fn pids(&self) -> Result<Vec<u32>> {
        let pid = self.pid();
        let place = format!("/proc/{pid}/task/{pid}/children");
        let children = std::fs::read_to_string(&place)
            .with_context(|| format!("reading {place}: has the agent ended?"))?;
        let children = children.split_whitespace().map(|child| Ok(child.parse()?));
        std::iter::once(Ok(pid)).chain(children).collect()
    }

    /// All lines of its standard error so far.
    pub fn stderr_lines(&self) -> Vec<String> {
        self.stderr.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Where it listens for `protocol`, from its standard error: `http://127.0.0.1:7979`, `127.0.0.1:18081`, a path.
    pub fn place(&self, protocol: &str) -> Result<&str> {
        let place = self.places.get(protocol).map(String::as_str);
        place
            .with_context(|| format!("the agent does not listen for {protocol}: {:?}", self.places))
    }

    /// The address it listens at for `protocol`.
    pub fn address(&self, protocol: &str) -> Result<SocketAddr> {
        let place = self.place(protocol)?;
        let bare = place.split_once("://").map_or(place, |(_, rest)| rest);
        bare.trim_end_matches('/').parse().with_context(|| format!("{place} is no address"))
    }

    /// A connection to the port of `protocol`, from `namespace` or the caller's own.
    pub fn connect(&self, namespace: Option<&Namespace>, protocol: &str) -> Result<TcpStream> {
        let address = self.address(protocol)?;
        let stream = match namespace {
            Some(namespace) => namespace.inside(|| TcpStream::connect(address))?,
            None => TcpStream::connect(address),
        }
        .with_context(|| format!("connecting to the agent's {protocol} at {address}"))?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        stream.set_write_timeout(Some(Duration::from_secs(20)))?;
        Ok(stream)
    }

    /// GETs a path of the native API.
    pub fn get(&self, namespace: Option<&Namespace>, path: &str) -> Result<HttpAnswer> {
        let mut stream = self.connect(namespace, "http")?;
        let host = self.address("http")?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")?;
        HttpAnswer::read(&mut stream)
    }

    /// Its `/health` document.
    pub fn health(&self, namespace: Option<&Namespace>) -> Result<Value> {
        let answer = self.get(namespace, "/health")?;
        serde_json::from_slice(&answer.body)
            .with_context(|| format!("no JSON: {}", String::from_utf8_lossy(&answer.body)))
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw).context("no pid")?;
        Ok(kill_process(pid, signal)?)
    }

    /// Waits for its end.
    pub fn wait(&mut self, within: Duration) -> Result<ExitStatus> {
        wait_for("the agent's end", within, || Ok(self.child.try_wait()?))
    }
}

impl HttpAnswer {
    /// Reads until the other end closes. Chunks are put together.
    pub fn read(stream: &mut impl Read) -> Result<Self> {
        let mut all = Vec::new();
        stream.read_to_end(&mut all).context("reading an answer")?;
        let end =
            all.windows(4).position(|four| four == b"\r\n\r\n").context("no end of headers")?;
        let body = all.split_off(end + 4);
        let head = String::from_utf8_lossy(&all).into_owned();
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status = status.with_context(|| format!("no status in {head}"))?;
        let is_chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
        let body = if is_chunked { unchunked(&body)? } else { body };
        Ok(Self { status, head, body })
    }
}

fn unchunked(mut rest: &[u8]) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|two| two == b"\r\n").context("no chunk size")?;
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..end])?.trim(), 16)?;
        if size == 0 {
            return Ok(body);
        }
        let chunk = rest.get(end + 2..end + 2 + size).context("a chunk is cut short")?;
        body.extend_from_slice(chunk);
        rest = rest.get(end + 4 + size..).context("no end of a chunk")?;
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.signal(Signal::TERM);
        let until = Instant::now() + Duration::from_secs(10);
        while Instant::now() < until {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
