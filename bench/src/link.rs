//! Transfers between two hosts: `conns link` beside scp, rsync, rclone, syncthing, uftp, srt, qcp and sendme, over one path
//! of the lab and over loopback.
//!
//! Tools take turns: each round starts with the next tool, on a fresh path whose dice have the round's seed, so that a
//! ratio compares runs of one round. A transfer counts only if every file at the receiver equals what was sent. A tool that
//! failed or met the time limit is named with the reason, and takes no further turns of that case.

mod group;
mod host;
pub(crate) mod matrix;
mod payload;
mod report;
mod tools;
mod transfer;

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path as FilePath, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::ensure;
use clap::Args;
use conns_lab::netns::Namespace;
use conns_lab::path::{A4, B4, Path, Queue, Shape};
use serde::Serialize;

use crate::run::machine::{Machine, ask};
use host::Host;
use payload::Payload;
use tools::{TOOLS, Tool};
use transfer::Transfer;

/// What to run.
#[derive(Args, Clone, Debug, Serialize)]
pub(crate) struct Plan {
    /// Round trip of the path, ms.
    #[arg(long, default_value_t = 100)]
    rtt: u32,
    /// Packets lost at random each way, %.
    #[arg(long, default_value_t = 1.0)]
    loss: f64,
    /// Rate of the path, Mbit/s of IP packets.
    #[arg(long, default_value_t = 100)]
    rate: u64,
    /// Length of the queue before it, ms.
    #[arg(long, default_value_t = 100)]
    queue: u64,
    /// Size of the large file, MB.
    #[arg(long, default_value_t = 500)]
    megabytes: u64,
    /// Small files, of 4096 bytes each.
    #[arg(long, default_value_t = 10_000)]
    files: u32,
    /// Runs of each tool; the median counts.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Seconds after which a transfer is ended.
    #[arg(long, default_value_t = 150)]
    limit: u64,
    /// Only tools whose name contains this.
    #[arg(long)]
    only: Option<String>,
    /// Only these cases.
    #[arg(long, value_enum, value_delimiter = ',')]
    cases: Vec<Case>,
    /// The conns binary.
    #[arg(long, default_value = "target/release/conns")]
    conns: PathBuf,
    /// Where programs are that cargo installed for this (`cargo install --root`).
    #[arg(long, default_value = "target/peers")]
    peers: PathBuf,
    /// Folder of what is sent and received, which is removed in the end.
    #[arg(long, default_value = "/tmp")]
    scratch: PathBuf,
    /// Folder of the dated results.
    #[arg(long, default_value = "bench/runs")]
    out: PathBuf,
}

/// What is sent over what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Case {
    /// One large file over the path.
    File,
    /// Many small files over the path.
    Files,
    /// One large file over loopback.
    Loopback,
}

impl Case {
    const ALL: [Self; 3] = [Self::File, Self::Files, Self::Loopback];
}

/// How one transfer ended.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "ended", rename_all = "kebab-case")]
enum Attempt {
    /// All arrived, and equals what was sent.
    Done {
        seconds: f64,
        cpu_of_sender: f64,
        cpu_of_receiver: f64,
        /// Share of the time in which a process waited for a processor.
        waited: f64,
    },
    /// The limit came first.
    TooSlow { seconds: f64, bytes: u64 },
    /// It did not run, failed, or sent something else.
    Failed { reason: String },
}

/// A tool in one case.
#[derive(Debug, Serialize)]
struct Series {
    tool: &'static str,
    case: Case,
    /// Bytes of a transfer.
    bytes: u64,
    attempts: Vec<Attempt>,
}

impl Series {
    fn has_failed(&self) -> bool {
        self.attempts.iter().any(|attempt| !matches!(attempt, Attempt::Done { .. }))
    }
}

/// Runs the plan and writes `<UTC>-link.md` and `.json`.
pub(crate) fn run(plan: &Plan) -> anyhow::Result<()> {
    let started = Instant::now();
    let mut machine = Machine::read(&plan.conns);
    machine.versions = versions(plan);
    let scratch = Scratch(plan.scratch.join(format!("conns-bench-link-{}", std::process::id())));
    let file = Payload::file(scratch.0.join("file"), plan.megabytes * 1_000_000)?;
    let folder = Payload::folder(scratch.0.join("files"), plan.files, 4096)?;
    let mut all = Vec::new();
    for case in Case::ALL {
        if !plan.cases.is_empty() && !plan.cases.contains(&case) {
            continue;
        }
        let payload = if case == Case::Files { &folder } else { &file };
        let chosen = chosen(plan, case);
        let new = |tool: &&'static Tool| Series {
            tool: tool.label,
            case,
            bytes: payload.bytes,
            attempts: Vec::new(),
        };
        let mut series: Vec<Series> = chosen.iter().map(new).collect();
        for round in 0..plan.rounds {
            for place in 0..chosen.len() {
                let turn = (place + round as usize) % chosen.len();
                if series[turn].has_failed() {
                    continue;
                }
                let attempt = attempt(plan, case, round, chosen[turn], payload, &scratch.0);
                let attempt = attempt
                    .unwrap_or_else(|error| Attempt::Failed { reason: format!("{error:#}") });
                eprintln!("{case:?}, round {}: {}: {attempt:?}", round + 1, chosen[turn].label);
                series[turn].attempts.push(attempt);
            }
        }
        all.extend(series);
        // A run that is ended early has the cases so far.
        let text = report::markdown(&machine, plan, &all, started.elapsed());
        let stem = plan.out.join(format!("{}-link", machine.stamp()));
        crate::run::write(&stem, &[("md", text), ("json", report::json(plan, &all)?)])?;
    }
    print!("{}", report::markdown(&machine, plan, &all, started.elapsed()));
    Ok(())
}

/// The tools of a case; congestion control makes no difference on loopback.
fn chosen(plan: &Plan, case: Case) -> Vec<&'static Tool> {
    let is_chosen = |tool: &&Tool| {
        plan.only.as_deref().is_none_or(|only| tool.label.contains(only))
            && (case != Case::Loopback || tool.congestion.is_none_or(|name| name == "cubic"))
    };
    TOOLS.iter().filter(is_chosen).collect()
}

/// Of Debian's packages as dpkg has them, of the rest as they print it.
fn versions(plan: &Plan) -> Vec<String> {
    let version = |name: &&str| {
        let Some(program) = transfer::find(name, &plan.conns, &plan.peers) else {
            return format!("{name}: not installed");
        };
        ask(&program, "--version").unwrap_or_else(|| format!("{name}: version unknown"))
    };
    let mut versions: Vec<String> = ["conns", "qcp", "sendme"].iter().map(version).collect();
    let packages = Command::new("dpkg-query")
        .args(["-W", "-f=${binary:Package} ${Version}\n"])
        .args(["openssh-client", "rsync", "rclone", "syncthing", "syncthing-relaysrv"])
        .args(["uftp", "srt-tools"])
        .output();
    let text = packages.map(|output| output.stdout).unwrap_or_default();
    versions.extend(String::from_utf8_lossy(&text).lines().map(str::to_owned));
    versions
}

/// One transfer on a fresh path with fresh hosts.
fn attempt(
    plan: &Plan,
    case: Case,
    round: u32,
    tool: &Tool,
    payload: &Payload,
    scratch: &FilePath,
) -> anyhow::Result<Attempt> {
    for program in tool.programs {
        ensure!(
            transfer::find(program, &plan.conns, &plan.peers).is_some(),
            "{program} is not installed"
        );
    }
    ensure!(tool.sends_folders || !payload.is_folder(), "it sends single files only");
    let folder = Scratch(scratch.join("hosts"));
    if case == Case::Loopback {
        let namespace = Namespace::create("link")?;
        if let Some(congestion) = tool.congestion {
            let route = "route replace local 127.0.0.1 dev lo proto kernel scope host src 127.0.0.1 table local congctl";
            let words: Vec<&str> = route.split(' ').chain([congestion]).collect();
            namespace.ip(&words)?;
        }
        let [from, to] = ["a", "b"].map(|name| {
            Host::new(&namespace, IpAddr::V4(Ipv4Addr::LOCALHOST), folder.0.join(name))
        });
        return transferred(plan, None, tool, payload, &from?, &to?);
    }
    let shape = |seed: u32| Shape {
        loss: plan.loss / 100.0,
        rate_bits: Some(plan.rate * 1_000_000),
        queue: Queue::Bytes(plan.rate * plan.queue * 1_000 / 8),
        seed: seed.into(),
        ..Shape::delay(Duration::from_millis(plan.rtt.into()) / 2)
    };
    let path = Path::build(shape(2 * round + 1), shape(2 * round + 2))?;
    if let Some(congestion) = tool.congestion {
        path.set_congestion_control(congestion)?;
    }
    let from = Host::new(path.a(), A4, folder.0.join("a"))?;
    let to = Host::new(path.b(), B4, folder.0.join("b"))?;
    transferred(plan, Some(plan.rate * 1_000_000), tool, payload, &from, &to)
}

fn transferred(
    plan: &Plan,
    rate_bits: Option<u64>,
    tool: &Tool,
    payload: &Payload,
    from: &Host<'_>,
    to: &Host<'_>,
) -> anyhow::Result<Attempt> {
    let target = to.folder.join("in");
    fs::create_dir_all(&target)?;
    let limit = Duration::from_secs(plan.limit);
    let (conns, peers) = (plan.conns.as_path(), plan.peers.as_path());
    let transfer =
        Transfer { from, to, payload, target: target.clone(), rate_bits, limit, conns, peers };
    let ended = (tool.run)(&transfer);
    let bytes = payload::bytes_below(&target);
    from.end()?;
    to.end()?;
    let Some(timing) = ended? else {
        return Ok(Attempt::TooSlow { seconds: limit.as_secs_f64(), bytes });
    };
    payload.check(&target)?;
    Ok(Attempt::Done {
        seconds: timing.wall.as_secs_f64(),
        cpu_of_sender: timing.cpu_of_sender.as_secs_f64(),
        cpu_of_receiver: timing.cpu_of_receiver.as_secs_f64(),
        waited: timing.waited,
    })
}

/// A folder that is removed when dropped.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
