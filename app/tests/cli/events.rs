//! `conns events`, with and without eBPF. What needs eBPF is tested in `lab/`.

use std::net::{TcpListener, TcpStream};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::Signal;
use serde_json::Value;

use crate::Case;
use crate::follower::Follower;
use crate::program::{SOON, first_line};
use crate::sandbox::Sandbox;
use crate::scene::same;

pub(crate) const TESTS: &[Case] = &[
    Case("events_report_a_connection_from_opened_to_closed", &[], from_first_to_last),
    Case("events_as_text_are_one_line_each", &[], text),
    Case("events_end_on_either_signal", &[], signals),
    Case("events_end_when_their_time_is_up", &[], in_time),
    Case("events_end_without_an_event_when_their_reader_closes", &[], reader_closed),
    Case("events_after_head_are_a_good_end", &[], head),
    Case("events_have_the_columns_asked_for", &[], columns),
    Case("events_of_a_kind_end_at_their_limit", &[], kind_and_limit),
];

/// Maximum time until a sample shows a connection, without eBPF; generous.
const POLL_TIMEOUT: Duration = Duration::from_secs(5);

/// A connection that is there.
pub(crate) type Pair = (TcpStream, TcpStream);

/// Opens connections one by one until `follower` reports one of them as opened; it may not follow yet
/// when the first one opens. Returns that connection, and the record of its client.
fn open_until_reported(
    sandbox: &Sandbox,
    listener: &TcpListener,
    follower: &Follower,
) -> Result<(Pair, Value)> {
    let until = Instant::now() + SOON;
    let mut there: Vec<Pair> = Vec::new();
    while Instant::now() < until {
        there.push(sandbox.connect(listener.local_addr()?, listener)?);
        let ports: Vec<u16> = there
            .iter()
            .map(|(client, _)| Ok(client.local_addr()?.port()))
            .collect::<Result<_>>()?;
        let is_it = |record: &Value| {
            record["event"] == "opened" && ports.iter().any(|port| record["local_port"] == *port)
        };
        if let Some(record) = follower.record(POLL_TIMEOUT, is_it)? {
            let at = ports.iter().position(|port| record["local_port"] == *port);
            let pair = at.map(|at| there.swap_remove(at)).context("it is there")?;
            return Ok((pair, record));
        }
    }
    bail!("no opened event within {SOON:?}")
}

fn kind_and_limit() -> Result<()> {
    let sandbox = Sandbox::new()?;
    let listener = sandbox.listen("127.0.0.1:0")?;
    let words = ["events", "-o", "jsonl", "--kind", "opened,failed", "--limit", "2"];
    let follower = Follower::start(&sandbox, sandbox.conns(&words, "")?)?;
    // The second one comes with the first, or it is opened here; accepted and closed ones do not count.
    let (_first, _) = open_until_reported(&sandbox, &listener, &follower)?;
    let _second = sandbox.connect(listener.local_addr()?, &listener)?;
    let ended = follower.end()?;
    for line in &ended.rest {
        let record: Value = serde_json::from_str(line)?;
        ensure!(record["event"] == "opened", "{record} is of another kind");
    }
    ensure!(ended.rest.len() <= 1, "{} events after the first of two", ended.rest.len());
    ended.good()?;
    Ok(())
}

fn from_first_to_last() -> Result<()> {
    let sandbox = Sandbox::new()?;
    let listener = sandbox.listen("127.0.0.1:0")?;
    let follower = Follower::start(&sandbox, sandbox.conns(&["events", "-o", "jsonl"], "")?)?;
    let ((client, server), opened) = open_until_reported(&sandbox, &listener, &follower)?;
    let keys: Vec<&str> =
        opened.as_object().context("no object")?.keys().map(|key| &**key).collect();
    for key in ["event", "at_us", "serial", "local_addr", "remote_port", "process", "opened_at_us"]
    {
        ensure!(keys.contains(&key), "no `{key}` in {opened}");
    }
    same("the remote port", &opened["remote_port"], &listener.local_addr()?.port().into())?;
    let port = client.local_addr()?.port();
    drop(client);
    drop(server);
    let is_end = |record: &Value| record["event"] == "closed" && record["local_port"] == port;
    let closed = follower.record(SOON, is_end)?.context("no closed event of the client")?;
    let number = |record: &Value, key: &str| record[key].as_u64().context(key.to_owned());
    ensure!(number(&closed, "serial")? > number(&opened, "serial")?, "{closed} after {opened}");
    ensure!(number(&closed, "at_us")? >= number(&opened, "at_us")?, "{closed} after {opened}");
    // Known with eBPF only.
    match &closed["ended"] {
        Value::Null => same("who closed first", &closed["closed_by"], &Value::Null)?,
        ended => {
            same("how it ended", ended, &"fin".into())?;
            same("who closed first", &closed["closed_by"], &"local".into())?;
            same("payload", &closed["bytes_out"], &0.into())?;
        }
    }
    follower.signal(Signal::TERM)?;
    follower.end()?.good()?;
    Ok(())
}

fn text() -> Result<()> {
    let sandbox = Sandbox::new()?;
    let listener = sandbox.listen("127.0.0.1:0")?;
    let lines = Follower::start(&sandbox, sandbox.conns(&["events"], "")?)?;
    let witness = Follower::start(&sandbox, sandbox.conns(&["events", "-o", "jsonl"], "")?)?;
    let until = Instant::now() + SOON;
    let mut there = Vec::new();
    loop {
        // The witness may have begun before the other.
        let ((client, server), _) = open_until_reported(&sandbox, &listener, &witness)?;
        let ends = format!("{} ", client.local_addr()?);
        there.push((client, server));
        while let Some(line) = lines.line(POLL_TIMEOUT)? {
            let words: Vec<&str> = line.split_whitespace().collect();
            let [time, kind, _, local, arrow, remote, ..] = &*words else {
                bail!("a line is {line:?}")
            };
            ensure!(time.ends_with('Z') && time.contains('T') && time.len() == 27, "{line:?}");
            ensure!(["opened", "accepted", "closed"].contains(kind), "{line:?}");
            ensure!(["->", "<-", "--"].contains(arrow), "{line:?}");
            ensure!(
                local.starts_with("127.0.0.1:") && remote.starts_with("127.0.0.1:"),
                "{line:?}"
            );
            if line.contains(&ends) && *kind == "opened" {
                lines.signal(Signal::INT)?;
                lines.end()?.good()?;
                return Ok(());
            }
        }
        ensure!(Instant::now() < until, "no line for {ends}");
    }
}

fn signals() -> Result<()> {
    let sandbox = Sandbox::new()?;
    for (signal, format) in [(Signal::INT, "text"), (Signal::TERM, "jsonl")] {
        let follower =
            Follower::start(&sandbox, sandbox.conns(&["events", "-o", format], "pid == 0")?)?;
        // A signal before its handlers are installed kills it: wait for a sample.
        let listener = sandbox.listen("127.0.0.1:0")?;
        let witness = Follower::start(&sandbox, sandbox.conns(&["events", "-o", "jsonl"], "")?)?;
        open_until_reported(&sandbox, &listener, &witness)?;
        follower.signal(signal)?;
        let ended = follower.end()?;
        ended.good()?;
        ensure!(ended.rest.is_empty(), "nothing matches, and still {:?}", ended.rest);
    }
    Ok(())
}

fn in_time() -> Result<()> {
    let sandbox = Sandbox::new()?;
    let start = Instant::now();
    let words = ["events", "-o", "jsonl", "--for", "1.5s"];
    let ended = Follower::start(&sandbox, sandbox.conns(&words, "pid == 0")?)?.end()?;
    ended.good()?;
    ensure!(start.elapsed() >= Duration::from_millis(1500), "it ended after {:?}", start.elapsed());
    same("what it printed", ended.rest, Vec::new())
}

fn reader_closed() -> Result<()> {
    let sandbox = Sandbox::new()?;
    let mut command = sandbox.conns(&["events"], "pid == 0")?;
    let (reader, writer) = std::io::pipe()?;
    command.stdin(Stdio::null()).stdout(writer).stderr(Stdio::piped());
    let child = sandbox.spawn(&mut command)?;
    // The command has a copy of the writing end.
    command.stdout(Stdio::null());
    drop(reader);
    let ran = sandbox.collect(child, "conns events >&- ")?;
    ensure!(matches!(ran.code, Some(0 | 3)), "{:?}: {}", ran.code, ran.err);
    Ok(())
}

fn head() -> Result<()> {
    let sandbox = Sandbox::new()?;
    let listener = sandbox.listen("127.0.0.1:0")?;
    let mut command = sandbox.conns(&["events", "-o", "jsonl"], "")?;
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = sandbox.spawn(&mut command)?;
    let witness = Follower::start(&sandbox, sandbox.conns(&["events", "-o", "jsonl"], "")?)?;
    let first = std::thread::scope(|scope| {
        let reading = scope.spawn(|| first_line(&mut child));
        let mut there = Vec::new();
        while !reading.is_finished() {
            there.push(open_until_reported(&sandbox, &listener, &witness)?.0);
        }
        reading.join().map_err(|_| anyhow::anyhow!("the reader panicked"))?
    })?;
    let event: Value = serde_json::from_str(&first)?;
    ensure!(event["serial"].is_u64(), "{event}");
    let ran = sandbox.collect(child, "conns events | head -1")?;
    ensure!(matches!(ran.code, Some(0 | 3)), "{:?}: {}", ran.code, ran.err);
    Ok(())
}

fn columns() -> Result<()> {
    let sandbox = Sandbox::new()?;
    let listener = sandbox.listen("127.0.0.1:0")?;
    let words = ["events", "-o", "jsonl", "--columns", "local_port,ended,serial"];
    let follower = Follower::start(&sandbox, sandbox.conns(&words, "")?)?;
    let (_pair, opened) = open_until_reported(&sandbox, &listener, &follower)?;
    let keys: Vec<&str> =
        opened.as_object().context("no object")?.keys().map(|key| &**key).collect();
    same("the keys", keys, vec!["at_us", "event", "local_port", "serial"])
}
