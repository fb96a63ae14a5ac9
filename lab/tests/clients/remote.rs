//! `conns --agent` against `conns` itself: the same machine, seen from there and from here.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use conns_lab::netns::Namespace;
use serde_json::{Value, json};

use crate::fixture::{Folder, Talks, agent, client, conns, same};

const PORT: u16 = 5_000;
/// Accepts the exit code for an answer of which a part could not be read, such as some processes.
const PARTLY: &str = "\"$0\" \"$@\"; code=$?; [ $code = 3 ] && exit 0; exit $code";
/// What of a row stays as it is while nothing happens.
const LASTING: [&str; 10] = [
    "proto",
    "family",
    "state",
    "direction",
    "local_addr",
    "local_port",
    "remote_addr",
    "remote_port",
    "netns",
    "cookie",
];

pub(crate) fn same_as_here() -> Result<()> {
    let namespace = Namespace::create("remote")?;
    let talks = Talks::open(&namespace, PORT, 3)?;
    let folder = Folder::create("remote")?;
    let socket = folder.after("unix:") + "/agent.sock";
    let agent = agent(&namespace, &["--listen", "http=:0", "--listen", &socket])?;
    let program = conns()?;
    let program = program.to_str().context("a path that is no UTF-8")?;
    let run = |arguments: &[&str]| -> Result<Value> {
        let stdout = client(&namespace, "sh", &[&["-c", PARTLY, program], arguments].concat())?;
        serde_json::from_str(&stdout).with_context(|| format!("no JSON: {stdout}"))
    };
    let over_tcp = agent.place("http")?;
    let mean = format!("netns == \"{}\" and port == {PORT}", namespace.name());
    let both_ends = 2 * talks.talks.len();

    for elsewhere in [over_tcp, socket.as_str()] {
        let list = ["-o", "json", mean.as_str()];
        let here = by_cookie(&run(&list)?["connections"])?;
        let there =
            by_cookie(&run(&[&["--agent", elsewhere], &list[..]].concat())?["connections"])?;
        same("connections", here.len(), both_ends)?;
        same("connections", keys(&there), keys(&here))?;
        for (cookie, here) in &here {
            let there = &there[cookie];
            for key in LASTING.iter().chain(&["process", "pid", "bytes_in", "bytes_out"]) {
                same(key, &there[*key], &here[*key])?;
            }
        }

        let why = ["why", "-o", "json", mean.as_str()];
        let there = by_cookie(&run(&[&["--agent", elsewhere], &why[..]].concat())?["verdicts"])?;
        same("verdicts", keys(&there), keys(&here))?;
        for (cookie, row) in &there {
            same("verdict of a quiet connection", &row["verdict"], &json!("idle"))?;
            for key in LASTING {
                same(key, &row[key], &here[cookie][key])?;
            }
        }

        let call = ["call", "-o", "json", "--netns", namespace.name(), "Network.GetConnections();"];
        let here = of_talks(&run(&call)?)?;
        let there = of_talks(&run(&[&["--agent", elsewhere], &call[..]].concat())?)?;
        same("rows of 1E's table", here.len(), both_ends)?;
        same("1E's table", there, here)?;
    }
    Ok(())
}

fn by_cookie(rows: &Value) -> Result<BTreeMap<u64, Value>> {
    let rows = rows.as_array().with_context(|| format!("no rows but {rows}"))?;
    let cookie =
        |row: &Value| row["cookie"].as_u64().with_context(|| format!("no cookie in {row}"));
    rows.iter().map(|row| Ok((cookie(row)?, row.clone()))).collect()
}

fn keys(rows: &BTreeMap<u64, Value>) -> Vec<u64> {
    rows.keys().copied().collect()
}

/// The rows of 1E's table that are the talks' two ends, in an order of their own.
fn of_talks(table: &Value) -> Result<Vec<String>> {
    let rows = table.as_array().context("no table")?;
    ensure!(rows.iter().all(Value::is_object), "rows that are no records: {table}");
    let is_ours = |row: &&Value| row["LocalPort"] == PORT || row["RemotePort"] == PORT;
    let mut rows: Vec<String> = rows.iter().filter(is_ours).map(Value::to_string).collect();
    rows.sort_unstable();
    Ok(rows)
}
