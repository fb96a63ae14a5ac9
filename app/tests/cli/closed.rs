//! `conns --closed`: what has closed while it was watched, in every format.

use std::net::TcpListener;
use std::process::Stdio;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use serde_json::Value;

use crate::Case;
use crate::follower::{Ended, Follower};
use crate::program::first_line;
use crate::sandbox::Sandbox;
use crate::scene::same;

pub(crate) const TESTS: &[Case] = &[
    Case("closed_lists_what_closed_in_every_format", &[], formats),
    Case("closed_prints_lines_as_it_happens", &[], lines),
    Case("closed_is_an_empty_list_where_nothing_closed", &[], empty),
    Case("closed_after_head_is_a_good_end", &[], head),
];

/// Lifetimes of the connections, longer at each attempt for a loaded machine. Without events samples
/// are a second apart.
const LIVES: [Duration; 4] = [
    Duration::from_millis(2200),
    Duration::from_secs(5),
    Duration::from_secs(10),
    Duration::from_secs(20),
];

/// Opens a connection that lives for a while, closes it, and lets so much time pass again; the port of its
/// client.
fn live(sandbox: &Sandbox, listener: &TcpListener, life: Duration) -> Result<u16> {
    let (client, server) = sandbox.connect(listener.local_addr()?, listener)?;
    let port = client.local_addr()?.port();
    sleep(life);
    drop((client, server));
    sleep(life);
    Ok(port)
}

fn formats() -> Result<()> {
    let sandbox = Sandbox::new()?;
    let listener = sandbox.listen("127.0.0.1:0")?;
    let mut seen = String::new();
    for life in LIVES {
        let columns = "process,local_port,remote_port,ended,duration";
        let commands: [&[&str]; 5] = [
            &["-o", "json"],
            &["-o", "csv", "--columns", columns],
            &["-o", "table", "--no-header", "--columns", columns, "--sort", "-closed_at"],
            &["-o", "wide"],
            &["--group-by", "proto", "-o", "json"],
        ];
        let watching: Vec<Follower> = commands
            .iter()
            .map(|words| {
                let words = [&["--closed", "--for", "10m"], *words].concat();
                Follower::start(&sandbox, sandbox.conns(&words, "")?)
            })
            .collect::<Result<_>>()?;
        let port = live(&sandbox, &listener, life)?;
        let ended: Vec<Ended> = watching
            .into_iter()
            .map(|follower| {
                follower.signal(Signal::INT)?;
                let ended = follower.end()?;
                ended.good()?;
                Ok(ended)
            })
            .collect::<Result<_>>()?;
        let [json, csv, table, wide, groups] = &*ended else { unreachable!("five were started") };
        seen = format!("{:?}", ended.iter().map(|ended| &ended.rest).collect::<Vec<_>>());
        let port_text = port.to_string();
        let has_port = |line: &String| line.contains(&port_text);
        if [json, csv, table, wide].iter().any(|ended| !ended.rest.iter().any(has_port)) {
            continue;
        }
        check_json(json, port)?;
        same("the header", &*csv.rest[0], "process,local_port,remote_port,ended,duration_us")?;
        let titles = "PROCESS PID LOCAL REMOTE DIRECTION DURATION BYTES-OUT BYTES-IN TOTAL-RETRANS \
                      CLOSED-BY ENDED CLOSED-AT";
        let header = wide.rest[0].split_whitespace().take(12).collect::<Vec<_>>().join(" ");
        same("the titles", &*header, titles)?;
        let groups: Value = serde_json::from_str(&groups.rest.concat())?;
        ensure!(groups["groups"][0]["connections"].as_u64() >= Some(2), "{groups}");
        return Ok(());
    }
    anyhow::bail!("a connection that lived {:?} is not listed: {seen}", LIVES.last())
}

fn check_json(ended: &Ended, port: u16) -> Result<()> {
    let json: Value = serde_json::from_str(&ended.rest.concat())?;
    let records = json["connections"].as_array().context("no list")?;
    let of = |key: &str| records.iter().filter(|record| record[key] == port).count();
    same(
        "rows of the client's and the server's end",
        (of("local_port"), of("remote_port")),
        (1, 1),
    )?;
    let is_polling = !ended.err.is_empty();
    for record in records.iter().filter(|r| r["local_port"] == port || r["remote_port"] == port) {
        ensure!(record.get("ended").is_some(), "{record}");
        same(
            "how it ended",
            &record["ended"],
            &if is_polling { Value::Null } else { "fin".into() },
        )?;
    }
    same("losses", json["losses"].as_array().map(Vec::is_empty), Some(!is_polling))
}

fn lines() -> Result<()> {
    let sandbox = Sandbox::new()?;
    let listener = sandbox.listen("127.0.0.1:0")?;
    let words = ["--closed", "--for", "10m", "-o", "jsonl"];
    let follower = Follower::start(&sandbox, sandbox.conns(&words, "")?)?;
    for life in LIVES {
        let port = live(&sandbox, &listener, life)?;
        let is_it = |record: &Value| record["local_port"] == port;
        if let Some(record) = follower.record(life, is_it)? {
            ensure!(
                record.get("event").is_none(),
                "a connection is listed, not an event: {record}"
            );
            ensure!(record.get("ended").is_some(), "{record}");
            follower.signal(Signal::TERM)?;
            follower.end()?.good()?;
            return Ok(());
        }
    }
    anyhow::bail!("a connection that lived {:?} is not listed", LIVES.last())
}

fn empty() -> Result<()> {
    let sandbox = Sandbox::new()?;
    let run = |format: &str| {
        let words = ["--closed", "--for", "0.3s", "-o", format];
        let ended = Follower::start(&sandbox, sandbox.conns(&words, "pid == 0")?)?.end()?;
        ended.good()?;
        Ok::<_, anyhow::Error>(ended.rest)
    };
    let json: Value = serde_json::from_str(&run("json")?.concat())?;
    same("json", &json["connections"], &Value::Array(Vec::new()))?;
    same("jsonl", run("jsonl")?.len(), 0)?;
    for format in ["table", "wide", "csv"] {
        same(format, run(format)?.len(), 1)?;
    }
    Ok(())
}

fn head() -> Result<()> {
    let sandbox = Sandbox::new()?;
    let listener = sandbox.listen("127.0.0.1:0")?;
    for life in LIVES {
        let mut command = sandbox.conns(&["--closed", "--for", "10m", "-o", "jsonl"], "")?;
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = sandbox.spawn(&mut command)?;
        let first = std::thread::scope(|scope| {
            let reading = scope.spawn(|| first_line(&mut child));
            while !reading.is_finished() {
                live(&sandbox, &listener, life)?;
            }
            reading.join().map_err(|_| anyhow::anyhow!("the reader panicked"))?
        });
        let Ok(first) = first else { continue };
        ensure!(first.starts_with('{'), "the first line was {first:?}");
        let ran = sandbox.collect(child, "conns --closed | head -1")?;
        ensure!(matches!(ran.code, Some(0 | 3)), "{:?}: {}", ran.code, ran.err);
        return Ok(());
    }
    anyhow::bail!("no line came")
}
