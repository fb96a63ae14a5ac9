//! The agent as two processes: what each may do, that clients find the same, and how the two end.

use std::fs;
use std::io::{Read, Write};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use conns_lab::agent::Agent;
use conns_lab::netns::Namespace;
use conns_lab::process::wait_for;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::fixture::{Folder, HTTP, STOP_TIMEOUT, TIMEOUT, agent, gets, peer, rows, token};

const SEPARATE: &str = "--serving-process=yes";

/// The serving process, as `/health` reports it.
fn serving(agent: &Agent, namespace: &Namespace) -> Result<(u32, Value)> {
    // The serving process answers before the collector has read back what both may do.
    let health = wait_for("the report of privileges", TIMEOUT, || {
        let health = agent.health(Some(namespace))?;
        Ok((!health["privileges"].is_null()).then_some(health))
    })?;
    let process = health["privileges"]["serving_process"].clone();
    let pid = process["pid"].as_u64().with_context(|| format!("no serving process: {health}"))?;
    Ok((u32::try_from(pid)?, process))
}

fn status_lines(pid: u32) -> Result<impl Fn(&str) -> Result<String>> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    Ok(move |key: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
        line.map(|line| line.trim().to_owned()).with_context(|| format!("no {key} in {status}"))
    })
}

/// `/proc` confirms the report: another user, no capability, a filter, and the port is its alone.
pub(crate) fn confined() -> Result<()> {
    let namespace = Namespace::create("serve")?;
    let agent = agent(&namespace, &["--listen", HTTP, SEPARATE])?;
    let (pid, reported) = serving(&agent, &namespace)?;
    ensure!(pid != agent.pid(), "the collector serves");
    let (collector, process) = (status_lines(agent.pid())?, status_lines(pid)?);
    let uids = process("Uid")?;
    ensure!(
        uids.split_whitespace().all(|uid| uid.parse().is_ok_and(|uid: u32| reported["uid"] == uid)),
        "{uids}"
    );
    ensure!(uids != collector("Uid")? && !uids.starts_with('0'), "users: {uids}");
    ensure!(process("Groups")?.is_empty(), "groups: {}", process("Groups")?);
    for key in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        ensure!(process(key)?.trim_start_matches('0').is_empty(), "{key}: {}", process(key)?);
    }
    ensure!(process("NoNewPrivs")? == "1" && process("Seccomp")? == "2", "{reported}");
    ensure!(reported["landlock"] == "fully-enforced" || reported["landlock"] == "partly-enforced");
    let port = agent.address("http")?.port();
    let filter = format!("local_port == {port} and state == listen");
    // The collector, which has opened the port, has it no more.
    wait_for("the port to be its alone", TIMEOUT, || {
        let rows = rows(&agent, &namespace, &namespace, &filter)?;
        let owners = rows.first().and_then(|row| row["owners"].as_array().cloned());
        let pids: Option<Vec<Value>> =
            owners.map(|owners| owners.iter().map(|owner| owner["pid"].clone()).collect());
        Ok((pids == Some(vec![pid.into()])).then_some(()))
    })
}

/// Each way to the data answers, in each dialect, over TCP and the socket file; `conns events` has what
/// happens.
pub(crate) fn answers() -> Result<()> {
    let namespace = Namespace::create("serve")?;
    let folder = Folder::create()?;
    let unix = format!("unix:{}", folder.text("run/conns.sock"));
    let listen =
        ["--listen", &unix, "--listen", "http=127.0.0.1:7979", "--listen", "ems-json=:1112"];
    let agent = agent(&namespace, &[&listen[..], &[SEPARATE]].concat())?;
    let _listener = peer(&namespace, "listen --at 127.0.0.1:9001 --do ignore")?;
    let client = peer(&namespace, "connect --to 127.0.0.1:9001 --count 3 --do ignore")?;
    let filter = "remote_port == 9001";
    let found = wait_for("three connections with their owner", TIMEOUT, || {
        let rows = rows(&agent, &namespace, &namespace, filter)?;
        let is_held = |row: &Value| row["pid"] == client.pid();
        Ok((rows.len() == 3 && rows.iter().all(is_held)).then_some(rows))
    })?;
    ensure!(found.iter().all(|row| row["verdict"].is_string()), "{found:?}");
    let url = "http://127.0.0.1:7979";
    let get = |path: &str| gets(&namespace, 200, &[&format!("{url}{path}")]);
    wait_for("the events of the three connections", TIMEOUT, || {
        let events: Value =
            serde_json::from_str(&get("/api/v1/events?filter=remote_port%20==%209001")?)?;
        let events = events["events"].as_array().cloned().unwrap_or_default();
        let of_client = |event: &&Value| {
            event["event"] == "opened" && event["netns_inode"] == found[0]["netns_inode"]
        };
        Ok((events.iter().filter(of_client).count() == 3).then_some(()))
    })
    .with_context(|| format!("{:?}", get("/api/v1/events?filter=remote_port%20==%209001")))?;
    let metrics = get("/metrics")?;
    ensure!(metrics.contains("conns_connections"), "{metrics}");
    let over_file = gets(
        &namespace,
        200,
        &["--unix-socket", &folder.text("run/conns.sock"), "http://localhost/health"],
    )?;
    ensure!(over_file.contains("\"status\""), "{over_file}");
    let monero = gets(
        &namespace,
        200,
        &[
            "-d",
            r#"{"jsonrpc":"2.0","id":"0","method":"get_connections"}"#,
            &format!("{url}/monero/json_rpc"),
        ],
    );
    ensure!(monero.as_ref().is_ok_and(|answer| answer.contains("\"jsonrpc\"")), "{monero:?}");
    let mut lines = agent.connect(Some(&namespace), "ems-json")?;
    lines.write_all(b"listConnections\r\n")?;
    let mut some = [0; 16];
    lines.read_exact(&mut some).context("the answer of ems-json")?;
    Ok(())
}

/// What is no loss in the first process is none in the second.
pub(crate) fn changes() -> Result<()> {
    let namespace = Namespace::create("serve")?;
    let agent = agent(&namespace, &["--listen", HTTP, SEPARATE, "--interval", "200ms"])?;
    let address = agent.address("http")?;
    let mut stream = agent.connect(Some(&namespace), "http")?;
    write!(stream, "GET /api/v1/changes?view=all HTTP/1.1\r\nHost: {address}\r\n\r\n")?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    let _listener = peer(&namespace, "listen --at 127.0.0.1:9001 --do ignore")?;
    let client = peer(&namespace, "connect --to 127.0.0.1:9001 --do ignore")?;
    let mut seen = String::new();
    let mut until = |words: &[&str]| -> Result<()> {
        let mut buffer = [0; 4096];
        while !words.iter().all(|word| seen.contains(word)) {
            let length = stream.read(&mut buffer).with_context(|| format!("{words:?}: {seen}"))?;
            ensure!(length > 0, "the stream ended before {words:?}: {seen}");
            seen.push_str(&String::from_utf8_lossy(&buffer[..length]));
        }
        Ok(())
    };
    until(&["\"remote_port\":9001"])?;
    drop(client);
    until(&["event: closed"])
}

/// A configuration that changes reaches the serving process, which reads no file.
pub(crate) fn reload() -> Result<()> {
    let namespace = Namespace::create("serve")?;
    let folder = Folder::create()?;
    let (secret, hash) = token()?;
    fs::write(folder.path("conns.toml"), "interval = \"500ms\"\n")?;
    let file = folder.text("conns.toml");
    let agent = agent(&namespace, &["--config", &file, "--listen", HTTP, SEPARATE])?;
    let url = format!("http://{}/api/v1/connections", agent.address("http")?);
    gets(&namespace, 200, &[&url])?;
    fs::write(folder.path("conns.toml"), format!("interval = \"300ms\"\ntokens = [\"{hash}\"]\n"))?;
    agent.signal(Signal::HUP)?;
    wait_for("the token to be required", TIMEOUT, || {
        let (status, _) = crate::fixture::curl(&namespace, &[&url])?;
        Ok((status == 401).then_some(()))
    })?;
    let bearer = format!("Authorization: Bearer {secret}");
    gets(&namespace, 200, &["-H", &bearer, &url])?;
    wait_for("the new interval", TIMEOUT, || {
        let of_health = url.replace("connections", "health");
        let health: Value =
            serde_json::from_str(&gets(&namespace, 200, &["-H", &bearer, &of_health])?)?;
        Ok((health["interval_us"] == 300_000).then_some(()))
    })?;
    fs::write(folder.path("conns.toml"), "interval = \"never\"\n")?;
    agent.signal(Signal::HUP)?;
    crate::fixture::wait_stderr(&agent, "configuration not reloaded")?;
    gets(&namespace, 200, &["-H", &bearer, &url]).map(drop)
}

/// If the serving process ends, so does the agent, with an error; and the other way round, whatever ends it.
pub(crate) fn ends() -> Result<()> {
    let namespace = Namespace::create("serve")?;
    let kill = |pid: u32, signal| -> Result<()> {
        let pid = Pid::from_raw(i32::try_from(pid)?).context("no pid")?;
        Ok(kill_process(pid, signal)?)
    };
    let has_ended = |pid: u32| -> Result<()> {
        wait_for("the other process to end", STOP_TIMEOUT, || {
            let status = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            Ok((status.is_empty() || status.contains(") Z ")).then_some(()))
        })
    };
    let mut first = agent(&namespace, &["--listen", "http=127.0.0.1:7979", SEPARATE])?;
    let (serving_pid, _) = serving(&first, &namespace)?;
    // Signals for the whole group are for the collector.
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        kill(serving_pid, signal)?;
    }
    ensure!(serving(&first, &namespace)?.0 == serving_pid, "it took a signal for its own");
    kill(serving_pid, Signal::KILL)?;
    let status = first.wait(STOP_TIMEOUT)?;
    ensure!(status.code() == Some(1), "{status}");
    let message = first.stderr_lines().join("\n");
    ensure!(message.contains("serving process ended: signal: 9"), "{message}");

    let mut second = agent(&namespace, &["--listen", "http=127.0.0.1:7979", SEPARATE])?;
    let (serving_pid, _) = serving(&second, &namespace)?;
    second.signal(Signal::KILL)?;
    second.wait(STOP_TIMEOUT)?;
    has_ended(serving_pid)?;

    let mut third = agent(&namespace, &["--listen", "http=127.0.0.1:7979", SEPARATE])?;
    let (serving_pid, _) = serving(&third, &namespace)?;
    third.signal(Signal::TERM)?;
    let status = third.wait(STOP_TIMEOUT + Duration::from_secs(2))?;
    ensure!(status.code() == Some(0), "{status}: {:?}", third.stderr_lines());
    has_ended(serving_pid)
}

/// Where other machines can connect it is the default; on loopback it is not.
pub(crate) fn default() -> Result<()> {
    let namespace = Namespace::create("serve")?;
    for (arguments, expected) in [
        (&["--listen", HTTP][..], 0),
        (&["--listen", "http=0.0.0.0:0", "--insecure"], 1),
        (&["--listen", "http=0.0.0.0:0", "--insecure", "--serving-process=no"], 0),
        (&["--listen", HTTP, SEPARATE], 1),
    ] {
        let agent = agent(&namespace, arguments)?;
        let found = agent.pids()?.len() - 1;
        ensure!(found == expected, "{arguments:?}: {found} processes besides it");
    }
    Ok(())
}
