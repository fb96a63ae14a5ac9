//! What the agent's programs in the kernel cost the monitored processes: connections opened and closed, and bytes moved, with
//! an agent, with one that does not decode payload, and without one, in turns.
//!
//! The turns of a pair are over within seconds, and each pair changes the order; so
//! what drifts on the machine hits both. How far two turns without an agent are apart stands beside it: what is smaller
//! than that is not measured.

mod agent;
mod bulk;
mod calls;
mod connects;
mod report;
mod turn;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use conns_lab::netns::Namespace;

use crate::run::machine::Machine;
use agent::Watching;
use turn::Turn;

/// What to run.
#[derive(Args, Clone, Debug)]
pub(crate) struct Plan {
    /// Pairs of turns of each kind of work.
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u32).range(2..))]
    pairs: u32,
    /// Seconds of work in each turn.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..))]
    turn: u32,
    /// Only this work.
    #[arg(long)]
    only: Option<Work>,
    /// The conns binary.
    #[arg(long, default_value = "target/release/conns")]
    conns: PathBuf,
    /// Folder of the dated results.
    #[arg(long, default_value = "bench/runs")]
    out: PathBuf,
}

/// What is done in a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Work {
    /// Connect, accept and close, one after the other, in one thread.
    Connects,
    /// The same with a request and an answer of 100 bytes each.
    Exchanges,
    /// One stream over loopback, as fast as possible.
    Bulk,
    /// A system call that does nothing, in a loop.
    Calls,
}

impl Work {
    /// As shown in the result: what is done, and in which unit it is counted.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Connects => ("connect, accept, close", "connections"),
            Self::Exchanges => ("connect, request, answer, close", "connections"),
            Self::Bulk => ("one stream over loopback", "MB"),
            Self::Calls => ("getppid in a loop", "calls"),
        }
    }
}

/// The turns that are compared.
#[derive(Clone, Copy, Debug)]
struct Pair {
    without: Turn,
    /// With an agent that decodes no payload.
    untapped: Turn,
    /// With an agent that does.
    with: Turn,
}

/// All pairs of one kind of work.
#[derive(Clone, Debug)]
struct Series {
    work: Work,
    pairs: Vec<Pair>,
}

/// Runs the plan and writes `<UTC>-overhead.md` and `.csv`.
pub(crate) fn run(plan: &Plan) -> anyhow::Result<()> {
    let started = Instant::now();
    let mut machine = Machine::read(&plan.conns);
    machine.versions.truncate(1);
    let namespace = Namespace::create("overhead")?;
    // A closed connection then leaves nothing behind: neither ports nor tables run full, however many there were.
    namespace.set("net/ipv4/tcp_max_tw_buckets", "0")?;
    let time = Duration::from_secs(plan.turn.into());
    let work = |work: Work| -> anyhow::Result<Turn> {
        namespace.inside(|| match work {
            Work::Connects => connects::turn(time, &[]),
            Work::Exchanges => connects::turn(time, &[7; 100]),
            Work::Bulk => bulk::turn(time),
            Work::Calls => calls::turn(time),
        })?
    };
    let mut all = Vec::new();
    for kind in [Work::Connects, Work::Exchanges, Work::Bulk, Work::Calls] {
        if plan.only.is_some_and(|only| only != kind) {
            continue;
        }
        // The first turn is the slowest, with and without an agent.
        work(kind)?;
        let mut series = Series { work: kind, pairs: Vec::new() };
        for pair in 0..plan.pairs {
            eprintln!("{}: pair {} of {}", kind.names().0, pair + 1, plan.pairs);
            let watched = |tap: bool| -> anyhow::Result<Turn> {
                let watching = Watching::start(&plan.conns, tap)?;
                let turn = work(kind)?;
                watching.end()?;
                Ok(turn)
            };
            let pair = if pair % 2 == 0 {
                let (without, untapped) = (work(kind)?, watched(false)?);
                Pair { without, untapped, with: watched(true)? }
            } else {
                let (with, untapped) = (watched(true)?, watched(false)?);
                Pair { without: work(kind)?, untapped, with }
            };
            series.pairs.push(pair);
        }
        all.push(series);
    }
    let text = report::markdown(&machine, &all, plan.turn, started.elapsed());
    print!("{text}");
    let stem = plan.out.join(format!("{}-overhead", machine.stamp()));
    crate::run::write(&stem, &[("md", text), ("csv", report::csv(&all))])
}
