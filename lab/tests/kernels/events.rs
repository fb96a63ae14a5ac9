//! `conns events` with programs or without: both ends of a connection with their processes, and what is lost is reported.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use conns_lab::netns::Namespace;
use conns_lab::process::wait_for;
use serde_json::Value;

use crate::fixture::{TIMEOUT, conns, peer};

/// The connection lives for several samples, so that it is reported without programs too.
pub(crate) fn reported_or_lost() -> Result<()> {
    let conns = conns()?;
    let missing = conns.missing("ebpf-events")?;
    let namespace = Namespace::create("a")?;
    let server = peer(&namespace, "listen --at 127.0.0.1:7067 --do sink")?;
    let mut child = Command::new(conns.path())
        .args(["events", "-o", "jsonl", "--for", "25s", "--netns", namespace.name()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    // Without programs, the first sample must have been taken.
    std::thread::sleep(Duration::from_secs(8));
    let client = peer(&namespace, "connect --to 127.0.0.1:7067 --do ignore")?;
    std::thread::sleep(Duration::from_secs(4));
    let (client_pid, server_pid) = (client.pid(), server.pid());
    drop(client);
    let events = BufReader::new(child.stdout.take().context("no standard output")?)
        .lines()
        .map(|line| Ok(serde_json::from_str(&line?)?))
        .collect::<Result<Vec<Value>>>()?;
    let mut stderr = String::new();
    child.stderr.take().context("no standard error")?.read_to_string(&mut stderr)?;
    let status = wait_for("conns events to end", TIMEOUT, || Ok(child.try_wait()?))?;
    let of = |kind: &str, pid: u32, port: &str| {
        events.iter().any(|one| one["event"] == kind && one["pid"] == pid && one[port] == 7067)
    };
    let closed = of("closed", client_pid, "remote_port") && of("closed", server_pid, "local_port");
    let is_opened = of("opened", client_pid, "remote_port");
    ensure!(closed && is_opened, "{client_pid}, {server_pid}: {events:#?}: {stderr}");
    match missing {
        None => ensure!(status.code() == Some(0), "it ended with {status}: {stderr}"),
        Some(missing) => {
            let is_reported = !stderr.trim().is_empty() && status.code() == Some(3);
            ensure!(is_reported, "{missing}, and it ended with {status}: {stderr:?}");
        }
    }
    Ok(())
}
