//! How long an event takes from the kernel to a reader of an agent whose samples are far apart.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use conns_lab::agent::Agent;
use conns_lab::netns::Namespace;
use serde_json::Value;

use crate::fixture::conns;

/// Connections that are opened one by one.
const CONNECTIONS: u16 = 40;
/// The longest that an event takes to its reader, in microseconds of the clock that dates events.
const LIMIT_US: u64 = 100_000;
/// Most of them that may be later. A thread of a loaded machine may wait for a core; an event that waits for a sample is
/// seconds late, and all of them are.
const MOST_LATE: usize = 10;

/// An event is dated by the kernel; its reader reads the same clock when the line arrives.
pub(crate) fn at_most_100_ms_between_samples() -> Result<()> {
    let namespace = Namespace::create("latency")?;
    let conns = conns()?;
    let arguments = ["--listen", "http=127.0.0.1:0", "--interval", "20s"];
    let agent = Agent::start(conns.path(), Some(&namespace), &arguments)?;
    let listener = namespace.inside(|| TcpListener::bind("127.0.0.1:0"))?.context("listening")?;
    let to = listener.local_addr()?;
    let mut stream = agent.connect(Some(&namespace), "http")?;
    let path =
        format!("/api/v1/events?filter=remote_port=={}&fields=remote_port,local_port", to.port());
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {}\r\nAccept: text/event-stream\r\n\r\n",
        agent.address("http")?
    )?;
    let mut lines = BufReader::new(stream).lines();
    // The stream has begun once its headers are read.
    while !lines.next().context("the stream ended in its headers")??.is_empty() {}
    let mut late = Vec::new();
    let mut all = Vec::new();
    for number in 0..CONNECTIONS {
        let client = namespace.inside(|| TcpStream::connect(to))?.context("connecting")?;
        let delay_us = arrival(&mut lines, client.local_addr()?.port())?;
        all.push(delay_us);
        if delay_us > LIMIT_US {
            late.push(delay_us);
        }
        drop(listener.accept()?);
        drop(client);
        // Spread over the time between two drains.
        std::thread::sleep(Duration::from_millis(u64::from(number) * 7 % 120));
    }
    all.sort_unstable();
    if let [first, .., last] = &*all {
        eprintln!("events arrived after {first} to {last} us, median {} us", all[all.len() / 2]);
    }
    ensure!(
        late.len() <= MOST_LATE,
        "{} of {CONNECTIONS} took longer than {LIMIT_US} us: {late:?}",
        late.len()
    );
    Ok(())
}

/// Reads until the event `opened` of the connection from `port`, and returns the time since the kernel dated it.
fn arrival(lines: &mut impl Iterator<Item = std::io::Result<String>>, port: u16) -> Result<u64> {
    loop {
        let line = lines.next().context("the stream ended")?.context("reading the stream")?;
        let now = SystemTime::now();
        let Some(data) = line.strip_prefix("data: ") else { continue };
        let data: Value = serde_json::from_str(data).with_context(|| format!("no JSON: {data}"))?;
        let is_it = |event: &&Value| event["event"] == "opened" && event["local_port"] == port;
        if let Some(event) = data["events"].as_array().into_iter().flatten().find(is_it) {
            let at_us = event["at_us"].as_u64().with_context(|| format!("no time in {event}"))?;
            let now_us = u64::try_from(now.duration_since(UNIX_EPOCH)?.as_micros())?;
            return Ok(now_us.saturating_sub(at_us));
        }
    }
}
