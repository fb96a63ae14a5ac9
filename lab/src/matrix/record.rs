//! Records the evidence of a case for `corpus/verdict`, which the core replays without root.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use super::Judge;
use crate::scenario::{Case, Expect};

/// The fields of a socket that a verdict may depend on, by their names in `conns fields`.
const FIELDS: &str = "proto,state,recv_queue,send_queue,backlog,backlog_max,drops,timer,timer_expires,\
    timer_retransmits,rcvbuf,rcvbuf_used,sndbuf,sndbuf_used,snd_cwnd,snd_mss,snd_wnd,unacked,\
    notsent_bytes,rtt,min_rtt,last_data_sent,last_data_recv,last_ack_recv,bytes_out,bytes_in,congestion,cookie";

static FOLDER: OnceLock<PathBuf> = OnceLock::new();

/// Records every case that runs from now on into this folder.
pub fn record_into(folder: PathBuf) {
    let _ = FOLDER.set(folder);
}

/// Writes the first of `rows` that has the expected class, with its socket as it is now.
pub(super) fn record(judge: &Judge, case: &Case, expect: &Expect, rows: &[&Value]) -> Result<()> {
    let (Some(folder), Judge::Conns(conns)) = (FOLDER.get(), judge) else { return Ok(()) };
    let Some(verdict) = rows.iter().find(|row| row["verdict"] == *expect.class) else {
        return Ok(());
    };
    let netns = verdict["netns"].as_str().context("a verdict without namespace")?;
    let sockets = conns.readable_records(&["-a", "--netns", netns, "--columns", FIELDS])?;
    // The socket may have closed since.
    let Some(socket) = sockets.iter().find(|row| row["cookie"] == verdict["cookie"]) else {
        return Ok(());
    };
    let mut socket: Map<String, Value> = socket.as_object().cloned().unwrap_or_default();
    socket.retain(|name, value| !value.is_null() && name != "cookie");
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let version = kernel.trim().split('-').next();
    let recorded = json!({
        "case": case.name,
        "kernel": version,
        "class": verdict["verdict"],
        "confidence_percent": verdict["confidence_percent"],
        "socket": socket,
        "evidence": verdict["evidence"],
    });
    // Both ends of a connection may be expected on one side.
    let end = expect.pick.remote_port.map_or(String::new(), |port| format!("-to-{port}"));
    let side = format!("{:?}", expect.pick.side).to_lowercase();
    write(folder, &format!("{}-{side}{end}-{}", case.name, expect.class), &recorded)
}

fn write(folder: &Path, name: &str, recorded: &Value) -> Result<()> {
    let path = folder.join(format!("{}.json", name.replace(['/', '.'], "-")));
    std::fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
    let text = serde_json::to_string_pretty(recorded)? + "\n";
    std::fs::write(&path, text).with_context(|| format!("writing {}", path.display()))
}
