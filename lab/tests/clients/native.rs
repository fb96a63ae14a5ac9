//! The native API through tools that check it against its own document, and libraries for metrics and events.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use conns_lab::health::UPDATE_EVENT;
use conns_lab::netns::Namespace;
use serde_json::{Value, json};

use crate::fixture::{Folder, Talks, agent, installed, same, script};

const PORT: u16 = 5_000;

pub(crate) fn as_documented() -> Result<()> {
    let namespace = Namespace::create("document")?;
    let _talks = Talks::open(&namespace, PORT, 3)?;
    let agent = agent(&namespace, &["--listen", "http=:0"])?;
    let folder = Folder::create("document")?;
    let url = format!("{}/openapi.json", agent.place("http")?.trim_end_matches('/'));
    let mut command = Command::new("timeout");
    command
        .args(["120", &installed("schemathesis")?, "run", &url])
        // Never ends; another test reads it.
        .args(["--exclude-path", "/api/v1/changes"])
        // Filters and cursors have rules that a schema cannot express.
        .args(["--exclude-checks", "positive_data_acceptance"])
        .args(["--phases", "examples,coverage,fuzzing", "--max-examples", "20", "--seed", "1"])
        .args(["--generation-database", "none", "--request-timeout", "20"])
        .args(["--continue-on-failure", "--no-color"])
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let output = namespace.spawn(&mut command)?.wait_with_output()?;
    let stdout = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        bail!("{}: {stdout}{}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    let tested = stdout.lines().find_map(|line| line.trim().strip_prefix("Tested: "));
    let tested: usize = tested.with_context(|| stdout.to_string())?.trim().parse()?;
    ensure!(tested >= 10, "{tested} operations were tested: {stdout}");
    Ok(())
}

pub(crate) fn metrics_and_events() -> Result<()> {
    let namespace = Namespace::create("libraries")?;
    let mut talks = Talks::open(&namespace, PORT, 2)?;
    let agent = agent(&namespace, &["--interval", "200ms", "--listen", "http=:0"])?;
    let url = agent.place("http")?.trim_end_matches('/').to_owned();
    // One end of each, as long as it is established.
    let here = namespace.name();
    let mean = format!("netns == \"{here}\" and local_port == {PORT} and state == established");
    let mut command = Command::new("timeout");
    command
        .args(["120", &installed("python")?, &script("native.py")?, &url, &mean, UPDATE_EVENT])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut child = namespace.spawn(&mut command)?;
    let mut input = child.stdin.take().context("no input")?;
    let mut lines = BufReader::new(child.stdout.take().context("no output")?).lines();
    let mut next = || -> Result<Value> {
        let line = lines.next().context("the script ended early")??;
        Ok(serde_json::from_str(&line)?)
    };

    let start = next()?;
    let names: Vec<&Value> = events(&start["start"])?.iter().map(|e| &e["event"]).collect();
    same("first events", names, vec![&json!("snapshot"), &json!("opened"), &json!(UPDATE_EVENT)])?;
    let ports = far_ports(&start["start"][1]);
    same("the whole state", ports, talks.far_ports())?;

    let far = talks.add(&namespace, 10, 10)?.far;
    writeln!(input)?;
    let opened = next()?;
    let opened = events(&opened["opened"])?.last().context("no event")?.clone();
    same("what was opened", far_ports(&opened), vec![far])?;
    let id = &opened["data"]["connections"][0]["id"];

    talks.talks.pop();
    writeln!(input)?;
    let end = next()?;
    ensure!(child.wait()?.success(), "the script failed");
    let removed = events(&end["events"]["removed"])?.last().context("no event")?;
    ensure!(removed["data"].to_string().contains(&id.to_string()), "{removed} is not about {id}");
    let resumed = events(&end["events"]["resumed"])?;
    ensure!(
        resumed.iter().all(|event| event["event"] != "reset" && event["event"] != "snapshot"),
        "resuming began anew: {resumed:?}"
    );
    metrics(&end["metrics"])
}

/// What the strict parser of the format made of the metrics.
fn metrics(read: &Value) -> Result<()> {
    let media = read["type"].as_str().unwrap_or_default();
    ensure!(media.starts_with("application/openmetrics-text"), "served as {media}");
    let families = read["families"].as_object().context("no metrics")?;
    for (name, family) in families {
        ensure!(name.starts_with("conns_"), "a foreign name: {name}");
        ensure!(family["help"].as_str().is_some_and(|help| !help.is_empty()), "{name}: no help");
        ensure!(family["type"] != "unknown", "{name} has no type");
    }
    let sockets = families["conns_sockets"]["samples"].as_array().context("no sockets")?;
    let established = sockets.iter().filter(|sample| sample[1]["state"] == "ESTAB");
    let established: f64 = established.filter_map(|sample| sample[2].as_f64()).sum();
    // Two talks, both of whose ends are here.
    ensure!(established >= 4.0, "{established} established sockets");
    Ok(())
}

fn events(value: &Value) -> Result<&Vec<Value>> {
    value.as_array().with_context(|| format!("no events but {value}"))
}

/// The remote ports an event reports, sorted.
fn far_ports(event: &Value) -> Vec<u16> {
    let list = event["data"]["connections"].as_array();
    let port = |row: &Value| row["remote_port"].as_u64().and_then(|port| port.try_into().ok());
    let mut ports: Vec<u16> = list.into_iter().flatten().filter_map(port).collect();
    ports.sort_unstable();
    ports
}
