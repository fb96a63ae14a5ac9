//! Tools over QUIC that cargo installs: qcp, which starts its server by ssh, and sendme, whose receiver fetches.

use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use super::super::transfer::{Ended, Process, Transfer};
use super::ssh;

/// Files at a time, as for rclone; the default is 1.
const PARALLEL: &str = "16";
const POLL_INTERVAL: Duration = Duration::from_millis(2);

pub(super) fn qcp_cubic(transfer: &Transfer<'_>) -> Ended {
    qcp(transfer, "cubic")
}

pub(super) fn qcp_bbr(transfer: &Transfer<'_>) -> Ended {
    qcp(transfer, "bbr")
}

/// Its defaults for rate and round trip, 100 Mbit/s and 300 ms, fit the path.
fn qcp(transfer: &Transfer<'_>, congestion: &str) -> Ended {
    let client = ssh::serve(transfer)?;
    let program = transfer.program("qcp")?;
    let remote = program.display().to_string();
    let target = format!("{}:{}/", client.login, transfer.target());
    let source = transfer.source();
    let port = client.port.to_string();
    let mut arguments = vec!["-q", "--congestion", congestion, "--ssh-config", "/dev/null"];
    arguments.extend(["--remote-qcp-binary", &remote]);
    for word in client.options.iter().map(String::as_str).chain(["-p", &port]) {
        arguments.extend(["-S", word]);
    }
    if transfer.payload.is_folder() {
        arguments.extend(["-r", "-j", PARALLEL]);
    }
    arguments.extend([source.as_str(), target.as_str()]);
    transfer.send(&program, &arguments)
}

/// The sender hashes and prints a ticket; the receiver then fetches, without a relay.
pub(super) fn sendme(transfer: &Transfer<'_>) -> Ended {
    let program = transfer.program("sendme")?;
    let shown = program.display().to_string();
    let source = transfer.source();
    // Both write into the folder they are started in.
    let folders = [transfer.from.path(""), transfer.target()];
    let inside = r#"cd "$0" && exec "$@""#;
    transfer.timed(|until| {
        let send = [
            "-c",
            inside,
            &folders[0],
            &shown,
            "send",
            "--no-progress",
            "--relay",
            "disabled",
            &source,
        ];
        let child = transfer.from.spawn("sender", Path::new("sh"), &send)?;
        let mut sender = Process { child };
        let mut receiver: Option<Process> = None;
        while Instant::now() < until {
            if let Some(status) = sender.ended()? {
                bail!("the sender ended with {status}: {}", transfer.from.log("sender"));
            }
            match &mut receiver {
                Some(receiver) => {
                    if let Some(status) = receiver.ended()? {
                        if !status.success() {
                            bail!("the receiver failed: {}", transfer.to.log("receiver"));
                        }
                        return Ok(true);
                    }
                }
                None => {
                    if let Some(ticket) = ticket(transfer)? {
                        let words = [
                            "-c",
                            inside,
                            &folders[1],
                            &shown,
                            "receive",
                            "--no-progress",
                            "--relay",
                        ];
                        let receive = [&words[..], &["disabled", &ticket]].concat();
                        let child = transfer.to.spawn("receiver", Path::new("sh"), &receive)?;
                        receiver = Some(Process { child });
                    }
                }
            }
            sleep(POLL_INTERVAL);
        }
        Ok(false)
    })
}

fn ticket(transfer: &Transfer<'_>) -> anyhow::Result<Option<String>> {
    let log = std::fs::read(transfer.from.path("sender.log")).context("cannot read the ticket")?;
    let log = String::from_utf8_lossy(&log);
    // The last word of a whole line.
    let lines = log.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    let line = lines.filter_map(|line| line.split_once("sendme receive ")).next();
    Ok(line.and_then(|(_, ticket)| ticket.split_whitespace().next().map(str::to_owned)))
}
