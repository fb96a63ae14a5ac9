//! The two ways `conns` tells of a storm: a program that follows events by itself, and an agent asked over its API. What
//! they say goes to a file while the storm blows and is read afterwards, so that reading costs the storm nothing.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use serde::Deserialize;
use serde_json::Value;

use super::run::{Done, Folder};
use super::told::{FIELDS, Lost, Told};
use super::truth::{Report, Truth};
use crate::agent::Agent;
use crate::netns::Namespace;
use crate::process::{READY_WITHIN, wait_for};

/// How much longer than its `--for` the program may take to end: what is in the ring is told first.
const END_WITHIN: Duration = Duration::from_secs(60);
/// The agent tells what happened with its next look; it may be late in a storm.
const TOLD_WITHIN: Duration = Duration::from_secs(30);

/// `conns --closed --for TIME -o jsonl`, at work.
#[derive(Debug)]
pub struct Closed {
    child: Child,
    time: Duration,
    folder: Folder,
}

impl Closed {
    /// Starts it, and waits until it tells of a connection made for that.
    pub fn start(conns: &Path, time: Duration) -> Result<Self> {
        let folder = Folder::create()?;
        let out = File::create(folder.file("out")).context("making a file for what is told")?;
        let said = File::create(folder.file("said")).context("making a file for what is said")?;
        let child = Command::new(conns)
            .args(["--closed", "--for", &format!("{}s", time.as_secs()), "-o", "jsonl"])
            .args(["--columns", FIELDS])
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(said)
            .spawn()
            .with_context(|| format!("starting {}", conns.display()))?;
        let mut closed = Self { child, time, folder };
        let canary = Namespace::create("canary")?;
        wait_for("conns --closed to tell of a connection", READY_WITHIN, || {
            if let Some(status) = closed.child.try_wait()? {
                bail!("conns --closed ended with {status}: {}", closed.said()?);
            }
            canary.inside(visit)??;
            Ok((std::fs::metadata(closed.folder.file("out"))?.len() > 0).then_some(()))
        })?;
        Ok(closed)
    }

    fn said(&self) -> Result<String> {
        Ok(std::fs::read_to_string(self.folder.file("said"))?)
    }

    /// Waits for its end and holds what it told against what was done in `namespace`.
    pub fn finish(mut self, done: &Done, namespace: &Namespace) -> Result<Report> {
        ensure!(
            self.child.try_wait()?.is_none(),
            "the storm outlasted the {:?} that conns was told to watch: {}",
            self.time,
            self.said()?
        );
        let child = &mut self.child;
        let status =
            wait_for(
                "the end of conns --closed",
                self.time + END_WITHIN,
                || Ok(child.try_wait()?),
            )?;
        let said = self.said()?;
        // 3: something could not be told, and was named.
        ensure!(matches!(status.code(), Some(0 | 3)), "conns --closed ended with {status}: {said}");
        let mut truth = Truth::of(done, namespace.name());
        let out = File::open(self.folder.file("out"))?;
        for line in BufReader::new(out).lines() {
            let line = line.context("reading what was told")?;
            let told: Told<'_> =
                serde_json::from_str(&line).with_context(|| format!("reading the line {line}"))?;
            truth.take(&told);
        }
        let mut lost = Lost::default();
        lost.take_text(&said);
        Ok(truth.report(&["closed"], lost))
    }
}

impl Drop for Closed {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A connection that is opened, accepted and closed; and the port it went to.
fn visit() -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").context("listening")?;
    let stream = TcpStream::connect(listener.local_addr()?).context("connecting")?;
    let (mut other, _) = listener.accept().context("accepting")?;
    stream.shutdown(Shutdown::Write)?;
    other.read_to_end(&mut Vec::new())?;
    Ok(listener.local_addr()?.port())
}

/// An agent in a namespace of its own, and one stream of its events.
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
    events: Vec<Told<'a>>,
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
        // HTTP/1.0 has no chunks: what is written down is what is told.
        write!(stream, "GET {path} HTTP/1.0\r\nHost: {host}\r\nAccept: text/event-stream\r\n\r\n")?;
        let place = folder.file("stream");
        let mut out = File::create(&place).context("making a file for what is told")?;
        let mut from = stream.try_clone().context("sharing the stream")?;
        let copying = std::thread::spawn(move || std::io::copy(&mut from, &mut out));
        wait_for("the stream of events to begin", READY_WITHIN, || {
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

    /// Waits until all is told that happened, and holds it against what was done in `namespace`.
    pub fn finish(self, done: &Done, namespace: &Namespace) -> Result<Report> {
        self.wait_until_all_is_told()?;
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
            for told in events(event, data)? {
                truth.take(&told);
            }
            Ok(())
        })?;
        Ok(truth.report(&["opened", "accepted", "closed"], lost))
    }

    /// Events are told in the order they happened: when the end of a connection made now is told, all before are.
    fn wait_until_all_is_told(&self) -> Result<()> {
        let place = self.folder.file("stream");
        let told = std::fs::metadata(&place)?.len();
        let port = self.home.inside(visit)??;
        wait_for("the agent to tell of one more connection", TOLD_WITHIN, || {
            let mut is_told = false;
            read_stream(&place, told, |event, data| {
                is_told |= events(event, data)?.iter().any(|told| {
                    told.netns.as_deref() == Some(self.home.name())
                        && told.event == "closed"
                        && told.ends().is_some_and(|(local, _)| local.port() == port)
                });
                Ok(())
            })?;
            Ok(is_told.then_some(()))
        })
    }
}

/// The events that the data of an event of the stream has.
fn events<'a>(event: &str, data: &'a str) -> Result<Vec<Told<'a>>> {
    if event != "events" {
        return Ok(Vec::new());
    }
    let events: Events<'a> =
        serde_json::from_str(data).with_context(|| format!("reading the data {data}"))?;
    Ok(events.events)
}

/// Reads the complete lines behind the first `skipped` bytes; each event's name and data are given to `take`.
fn read_stream(
    place: &Path,
    skipped: u64,
    mut take: impl FnMut(&str, &str) -> Result<()>,
) -> Result<()> {
    let mut file = File::open(place).context("opening what was told")?;
    file.seek(SeekFrom::Start(skipped))?;
    let mut lines = BufReader::new(file);
    let (mut line, mut event) = (String::new(), String::new());
    loop {
        line.clear();
        lines.read_line(&mut line).context("reading what was told")?;
        let Some(line) = line.strip_suffix('\n') else { return Ok(()) };
        if let Some(name) = line.strip_prefix("event: ") {
            name.clone_into(&mut event);
        } else if let Some(data) = line.strip_prefix("data: ") {
            take(&event, data)?;
        }
    }
}
