//! The ways `conns` reports a storm: a program that follows events itself, and an agent over its API. Their output goes to a
//! file during the storm and is parsed afterwards, so that parsing does not slow the storm down.

use std::fs::File;
use std::io::{BufRead, BufReader, Seek, SeekFrom, Write};
use std::net::{Shutdown, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use serde_json::Value;

use super::reported::{FIELDS, Lost, Reported};
use super::run::{Done, Folder};
use super::truth::{Report, Truth};
use crate::agent::Agent;
use crate::follow::visit;
use crate::netns::Namespace;
use crate::process::{READY_TIMEOUT, wait_for};

/// Events are reported soon; the machine may be busy with the storm.
const REPORT_TIMEOUT: Duration = Duration::from_secs(60);
/// How long `conns` may take to stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(20);

/// A running `conns` that follows events itself.
#[derive(Debug)]
pub struct Local {
    child: Child,
    /// Kinds of events it reports.
    kinds: &'static [&'static str],
    /// Where connections are opened to find out whether it reports.
    canary: Namespace,
    folder: Folder,
}

impl Local {
    /// Starts `conns --closed --for time`.
    pub fn closed(conns: &Path, time: Duration) -> Result<Self> {
        let time = format!("{}s", time.as_secs());
        Self::start(conns, &["--closed", "--for", &time], &["closed"])
    }

    /// Starts `conns events`.
    pub fn events(conns: &Path) -> Result<Self> {
        Self::start(conns, &["events"], &["opened", "accepted", "closed"])
    }

    /// Starts it, and waits until it reports a connection of the canary namespace.
    fn start(conns: &Path, arguments: &[&str], kinds: &'static [&'static str]) -> Result<Self> {
        let canary = Namespace::create("canary")?;
        let folder = Folder::create()?;
        let out = File::create(folder.file("out")).context("making a file for its output")?;
        let stderr =
            File::create(folder.file("stderr")).context("making a file for its standard error")?;
        let child = Command::new(conns)
            .args(arguments)
            .args(["-o", "jsonl", "--columns", FIELDS])
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(stderr)
            .spawn()
            .with_context(|| format!("starting {}", conns.display()))?;
        let mut local = Self { child, kinds, canary, folder };
        wait_for("conns to report a connection", READY_TIMEOUT, || {
            local.must_run()?;
            local.canary.inside(visit)??;
            Ok((std::fs::metadata(local.folder.file("out"))?.len() > 0).then_some(()))
        })?;
        Ok(local)
    }

    fn stderr(&self) -> Result<String> {
        Ok(std::fs::read_to_string(self.folder.file("stderr"))?)
    }

    fn must_run(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            Some(status) => {
                bail!("conns ended with {status} before the storm did: {}", self.stderr()?)
            }
            None => Ok(()),
        }
    }

    /// Waits until all is reported, stops it as Ctrl-C does, and compares its output with the records of `namespace`.
    pub fn finish(mut self, done: &Done, namespace: &Namespace) -> Result<Report> {
        self.must_run()?;
        let place = self.folder.file("out");
        let reported = std::fs::metadata(&place)?.len();
        let port = self.canary.inside(visit)??;
        wait_for("conns to report one more connection", REPORT_TIMEOUT, || {
            let mut is_reported = false;
            read_lines(&place, reported, |line| {
                is_reported |= is_of_visit(&event(line)?, &self.canary, port);
                Ok(())
            })?;
            Ok(is_reported.then_some(()))
        })?;
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).context("no pid")?;
        kill_process(pid, Signal::INT).context("stopping conns")?;
        let status = wait_for("the end of conns", STOP_TIMEOUT, || Ok(self.child.try_wait()?))?;
        let stderr = self.stderr()?;
        // 3: a part could not be reported, and was named.
        ensure!(matches!(status.code(), Some(0 | 3)), "conns ended with {status}: {stderr}");
        let mut truth = Truth::of(done, namespace.name());
        read_lines(&place, 0, |line| {
            truth.take(&event(line)?);
            Ok(())
        })?;
        let mut lost = Lost::default();
        lost.take_text(&stderr);
        Ok(truth.report(self.kinds, lost))
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn event(line: &str) -> Result<Reported<'_>> {
    serde_json::from_str(line).with_context(|| format!("reading the line {line}"))
}

/// Whether this is the end of the canary's connection to that port. Events are in order, so all before it are reported too.
fn is_of_visit(reported: &Reported<'_>, namespace: &Namespace, port: u16) -> bool {
    reported.netns.as_deref() == Some(namespace.name())
        && reported.kind() == "closed"
        && reported.ends().is_some_and(|(local, _)| local.port() == port)
}

/// Reads the complete lines after the first `skipped` bytes.
fn read_lines(place: &Path, skipped: u64, mut take: impl FnMut(&str) -> Result<()>) -> Result<()> {
    let mut file = File::open(place).context("cannot open its output")?;
    file.seek(SeekFrom::Start(skipped))?;
    let mut lines = BufReader::new(file);
    let mut line = String::new();
    loop {
        line.clear();
        lines.read_line(&mut line).context("reading its output")?;
        let Some(line) = line.strip_suffix('\n') else { return Ok(()) };
        take(line)?;
    }
}

/// An agent in its own namespace, and one stream of its events.
#[derive(Debug)]
pub struct Served {
    agent: Agent,
    home: Namespace,
    stream: TcpStream,
    copying: JoinHandle<std::io::Result<u64>>,
    folder: Folder,
}

/// The data of an event of the stream.
#[derive(Deserialize)]
struct Events<'a> {
    #[serde(borrow)]
    events: Vec<Reported<'a>>,
}

impl Served {
    /// Starts an agent and follows its events.
    pub fn start(conns: &Path) -> Result<Self> {
        let home = Namespace::create("agent")?;
        let agent = Agent::start(
            conns,
            Some(&home),
            &["--listen", "http=127.0.0.1:0", "--follow-namespaces"],
        )?;
        let folder = Folder::create()?;
        let mut stream = agent.connect(Some(&home), "http")?;
        stream.set_read_timeout(None)?;
        let path = format!("/api/v1/events?fields={FIELDS}");
        let host = agent.address("http")?;
        // HTTP/1.0 has no chunks: the file is the stream.
        write!(stream, "GET {path} HTTP/1.0\r\nHost: {host}\r\nAccept: text/event-stream\r\n\r\n")?;
        let place = folder.file("stream");
        let mut out = File::create(&place).context("making a file for its output")?;
        let mut from = stream.try_clone().context("sharing the stream")?;
        let copying = std::thread::spawn(move || std::io::copy(&mut from, &mut out));
        wait_for("the stream of events to begin", READY_TIMEOUT, || {
            let text = std::fs::read_to_string(&place)?;
            ensure!(
                text.is_empty() || text.starts_with("HTTP/1.") && text.get(8..13) == Some(" 200 "),
                "the agent answered {text}"
            );
            Ok(text.contains("event: begin").then_some(()))
        })?;
        Ok(Self { agent, home, stream, copying, folder })
    }

    /// The agent.
    pub fn agent(&self) -> &Agent {
        &self.agent
    }

    /// The `/health` document of the agent.
    pub fn health(&self) -> Result<Value> {
        self.agent.health(Some(&self.home))
    }

    /// Waits until all is reported, and compares it with the records of `namespace`.
    pub fn finish(self, done: &Done, namespace: &Namespace) -> Result<Report> {
        self.wait_until_all_is_reported()?;
        let answer = self.agent.get(Some(&self.home), "/api/v1/events?limit=1&fields=netns")?;
        ensure!(answer.status == 200, "the list of events answers {}", answer.status);
        let list: Value = serde_json::from_slice(&answer.body)?;
        let mut lost = Lost::default();
        lost.take_list(&list["losses"]);
        self.stream.shutdown(Shutdown::Both)?;
        self.copying.join().map_err(|_| anyhow!("the thread that copies panicked"))??;
        let mut truth = Truth::of(done, namespace.name());
        read_stream(&self.folder.file("stream"), 0, |event, data| {
            if event == "reset" {
                let data: Value = serde_json::from_str(data)?;
                let reason = data["reason"].as_str().unwrap_or_default();
                lost.take(&format!("events: {reason}"), data["missed"].as_u64().unwrap_or(0));
            }
            for reported in events(event, data)? {
                truth.take(&reported);
            }
            Ok(())
        })?;
        Ok(truth.report(&["opened", "accepted", "closed"], lost))
    }

    /// Waits until the stream reports a connection opened now.
    fn wait_until_all_is_reported(&self) -> Result<()> {
        let place = self.folder.file("stream");
        let reported = std::fs::metadata(&place)?.len();
        let port = self.home.inside(visit)??;
        wait_for("the agent to report one more connection", REPORT_TIMEOUT, || {
            let mut is_reported = false;
            read_stream(&place, reported, |event, data| {
                is_reported |= events(event, data)?
                    .iter()
                    .any(|reported| is_of_visit(reported, &self.home, port));
                Ok(())
            })?;
            Ok(is_reported.then_some(()))
        })
    }
}

/// The events in the data of one event of the stream.
fn events<'a>(event: &str, data: &'a str) -> Result<Vec<Reported<'a>>> {
    if event != "events" {
        return Ok(Vec::new());
    }
    let events: Events<'a> =
        serde_json::from_str(data).with_context(|| format!("reading the data {data}"))?;
    Ok(events.events)
}

/// Gives each event's name and data to `take`.
fn read_stream(
    place: &Path,
    skipped: u64,
    mut take: impl FnMut(&str, &str) -> Result<()>,
) -> Result<()> {
    let mut event = String::new();
    read_lines(place, skipped, |line| {
        if let Some(name) = line.strip_prefix("event: ") {
            name.clone_into(&mut event);
        } else if let Some(data) = line.strip_prefix("data: ") {
            take(&event, data)?;
        }
        Ok(())
    })
}
