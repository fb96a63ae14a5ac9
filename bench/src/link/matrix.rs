//! `conns link` alone over paths of several round trips and losses, and beside one TCP flow.
//!
//! The path has 100 Mbit/s and a queue of 100 ms. Alone the rate method is `low`, beside TCP it is `fair`. A transfer is sampled while it runs: the queueing delay by the path, and
//! the bytes at the receiver by the growth of its files. Steady is from 5 s on.

mod report;
mod run;

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use serde::Serialize;

use super::Scratch;
use super::payload::Payload;
use crate::run::machine::Machine;
use run::Flow;

/// Rate of the path, Mbit/s of IP packets, and length of its queue, ms.
const RATE_MBIT: u64 = 100;
const QUEUE_MS: u64 = 100;

/// What to run.
#[derive(Args, Clone, Debug, Serialize)]
pub(crate) struct Plan {
    /// Round trips, ms.
    #[arg(long, value_delimiter = ',', default_value = "20,100,300")]
    rtts: Vec<u32>,
    /// Packets lost at random each way, %.
    #[arg(long, value_delimiter = ',', default_value = "0,0.1,1,5")]
    losses: Vec<f64>,
    /// Round trips of the paths that are shared with a TCP flow, ms; `0` is none.
    #[arg(long, value_delimiter = ',', default_value = "20,100")]
    fair_rtts: Vec<u32>,
    /// Seconds beside a TCP flow; the shares are those of the last 20.
    #[arg(long, default_value_t = 70, value_parser = clap::value_parser!(u32).range(30..))]
    fair_seconds: u32,
    /// Through a relay on the sender's host.
    #[arg(long)]
    relayed: bool,
    /// Size of the file, MB.
    #[arg(long, default_value_t = 500)]
    megabytes: u64,
    /// Runs of each path; the median counts.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Seconds after which a transfer is ended.
    #[arg(long, default_value_t = 200)]
    limit: u64,
    /// The conns binary.
    #[arg(long, default_value = "target/release/conns")]
    conns: PathBuf,
    /// Folder of what is sent and received, which is removed in the end.
    #[arg(long, default_value = "/tmp")]
    scratch: PathBuf,
    /// Folder of the dated results.
    #[arg(long, default_value = "bench/runs")]
    out: PathBuf,
}

/// What one transfer did.
#[derive(Clone, Copy, Debug, Serialize)]
struct Figures {
    /// Mbit/s from the start of the sender to its success.
    whole: f64,
    /// Mbit/s from 5 s on.
    steady: f64,
    /// Queueing delay from 5 s on, ms.
    queue_median: f64,
    queue_p95: f64,
    /// Share of the time in which a process waited for a processor, %.
    waited: f64,
}

/// All runs of one path.
#[derive(Debug, Serialize)]
struct Cell {
    rtt: u32,
    loss: f64,
    figures: Vec<Figures>,
    failures: Vec<String>,
}

/// A run beside a TCP flow.
#[derive(Debug, Serialize)]
struct Shared {
    rtt: u32,
    /// `link`, or `CUBIC` for comparison: a loss-based flow of the kernel beside the same TCP flow.
    flow: &'static str,
    congestion: &'static str,
    is_tcp_first: bool,
    /// Mbit/s in the last 20 s.
    rate: f64,
    tcp: f64,
    failure: Option<String>,
}

/// Runs the plan and writes `<UTC>-link-matrix.md` and `.json`.
pub(crate) fn run(plan: &Plan) -> anyhow::Result<()> {
    let started = Instant::now();
    let mut machine = Machine::read(&plan.conns);
    machine.versions.truncate(1);
    let name = format!("conns-bench-matrix-{}", std::process::id());
    let scratch = Scratch(plan.scratch.join(name));
    let (mut cells, mut shared) = (Vec::new(), Vec::new());
    let stem = plan.out.join(format!("{}-link-matrix", machine.stamp()));
    let write = |cells: &[Cell], shared: &[Shared]| {
        let text = report::markdown(&machine, plan, cells, shared, started.elapsed());
        let json = report::json(plan, cells, shared)?;
        crate::run::write(&stem, &[("md", text.clone()), ("json", json)])?;
        anyhow::Ok(text)
    };
    let payload = Payload::file(scratch.0.join("file"), plan.megabytes * 1_000_000)?;
    for &rtt in &plan.rtts {
        for &loss in &plan.losses {
            let mut cell = Cell { rtt, loss, figures: Vec::new(), failures: Vec::new() };
            for round in 0..plan.rounds {
                let figures = run::alone(plan, rtt, loss, round, &payload, &scratch.0);
                eprintln!("{rtt} ms, {loss} %, round {}: {figures:?}", round + 1);
                match figures {
                    Ok(figures) => cell.figures.push(figures),
                    Err(error) => cell.failures.push(format!("{error:#}")),
                }
            }
            cells.push(cell);
            write(&cells, &shared)?;
        }
    }
    drop(payload);
    // More than the path carries in the time.
    let bytes = u64::from(plan.fair_seconds) * RATE_MBIT * 1_000_000 / 8;
    let fair_rtts = plan.fair_rtts.iter().filter(|rtt| **rtt > 0);
    let payload = Payload::file(scratch.0.join("long"), bytes)?;
    for &rtt in fair_rtts {
        for congestion in ["cubic", "bbr"] {
            for is_tcp_first in [false, true] {
                for (name, flow) in [("link", Flow::Link(&payload)), ("CUBIC", Flow::Cubic)] {
                    let rates = run::shared(plan, rtt, congestion, is_tcp_first, flow, &scratch.0);
                    eprintln!(
                        "{name} at {rtt} ms beside {congestion}, which is first: {is_tcp_first}: {rates:?}"
                    );
                    let (rates, failure) = match rates {
                        Ok(rates) => (rates, None),
                        Err(error) => ((0.0, 0.0), Some(format!("{error:#}"))),
                    };
                    let (rate, tcp) = rates;
                    let flow = name;
                    shared.push(Shared { rtt, flow, congestion, is_tcp_first, rate, tcp, failure });
                    write(&cells, &shared)?;
                }
            }
        }
    }
    print!("{}", write(&cells, &shared)?);
    Ok(())
}
