//! Measures the agent: its cost without clients, and its answers beside nginx serving the same bytes.
//!
//! Every figure has its reference in the same minute. A drain a second stands beside the agent's CPU, and
//! nginx takes turns with the agent, round by round, over the same loopback and under the same load generator.

mod cost;
pub(crate) mod dialect;
mod load;
mod nginx;
mod report;
pub(crate) mod served;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;

use crate::run::fixture::Fixture;
use crate::run::machine::{Machine, ask};
use dialect::{DIALECTS, Dialect};
use load::Load;
use nginx::Nginx;
use served::Served;

/// How an agent is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mode {
    /// `--source`.
    pub(crate) source: &'static str,
    /// Whether a process of its own serves clients.
    pub(crate) has_serving_process: bool,
}

/// The default on loopback, which is eBPF where that works.
pub(crate) const DEFAULT: Mode = Mode { source: "auto", has_serving_process: false };

/// The default, with a serving process, and netlink with `/proc` alone.
const MODES: [Mode; 3] =
    [DEFAULT, Mode { has_serving_process: true, ..DEFAULT }, Mode { source: "kernel", ..DEFAULT }];

/// What to measure.
#[derive(Args, Clone, Debug)]
pub(crate) struct Plan {
    /// Established sockets to open, one size after another; the answers are measured at the last.
    #[arg(long, value_delimiter = ',', default_value = "100,1000,10000")]
    sizes: Vec<u32>,
    /// Seconds the agent is left alone at each size.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(2..))]
    watch: u32,
    /// Rounds of each dialect, the agent and nginx in turn.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Seconds of load in each turn.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..))]
    turn: u32,
    /// Processes that own the sockets.
    #[arg(long, default_value_t = 20)]
    processes: u32,
    /// The conns binary to measure.
    #[arg(long, default_value = "target/release/conns")]
    conns: PathBuf,
    /// Folder of the dated results.
    #[arg(long, default_value = "bench/runs")]
    out: PathBuf,
}

/// One dialect, with its rounds.
#[derive(Debug)]
struct Race {
    dialect: &'static Dialect,
    /// Bytes of one answer.
    bytes: usize,
    /// The agent and nginx, of one round each.
    rounds: Vec<(Load, Load)>,
}

/// Runs the plan and writes `<UTC>-agent.md` and `.csv`.
pub(crate) fn run(plan: &Plan) -> anyhow::Result<()> {
    let started = Instant::now();
    let mut machine = Machine::read(&plan.conns);
    machine.versions = versions(&plan.conns);
    let mut costs = Vec::new();
    let mut races = Vec::new();
    let (last, _) =
        plan.sizes.split_last().context("no sizes to measure at: give --sizes 10000")?;
    for sockets in &plan.sizes {
        eprintln!("{sockets} sockets: setting up");
        let fixture = Fixture::start(*sockets, plan.processes)?;
        for mode in MODES {
            let served = Served::start(&plan.conns, fixture.netns(), mode)?;
            eprintln!("{sockets} sockets: watching the agent ({mode:?}) for {} s", plan.watch);
            costs.push(cost::watch(&served, &fixture, Duration::from_secs(plan.watch.into()))?);
            served.end()?;
        }
        // Last: what asked and was answered stays in TIME-WAIT for a minute.
        if sockets == last {
            let served = Served::start(&plan.conns, fixture.netns(), DEFAULT)?;
            races = race(plan, &served, &fixture)?;
            served.end()?;
        }
        fixture.end()?;
    }
    let text = report::markdown(&machine, &costs, &races, *last, started.elapsed());
    print!("{text}");
    let stem = plan.out.join(format!("{}-agent", machine.stamp()));
    crate::run::write(&stem, &[("md", text), ("csv", report::csv(&costs, &races))])
}

/// In each round every dialect has its turn, and in each turn the agent and nginx change places.
fn race(plan: &Plan, served: &Served, fixture: &Fixture) -> anyhow::Result<Vec<Race>> {
    let nginx = Nginx::prepare(fixture.netns())?;
    let mut races = Vec::new();
    for dialect in &DIALECTS {
        let body = dialect.fetch(fixture.netns())?;
        dialect.check(&body, fixture.sockets())?;
        nginx.put(dialect, &body)?;
        races.push(Race { dialect, bytes: body.len(), rounds: Vec::new() });
    }
    let nginx = nginx.start()?;
    let turn = Duration::from_secs(plan.turn.into());
    for round in 0..plan.rounds {
        eprintln!("answers: round {} of {}", round + 1, plan.rounds);
        for (place, race) in (0..).zip(&mut races) {
            let ours = || load::of_agent(race.dialect, fixture.netns(), nginx.folder(), turn);
            let theirs = || load::of_nginx(race.dialect, fixture.netns(), nginx.folder(), turn);
            let pair = if (round + place) % 2 == 0 {
                let ours = ours()?;
                (ours, theirs()?)
            } else {
                let theirs = theirs()?;
                (ours()?, theirs)
            };
            race.rounds.push(pair);
        }
        served.check()?;
    }
    nginx.end()?;
    Ok(races)
}

fn versions(conns: &std::path::Path) -> Vec<String> {
    let of = |program: &str, flag: &str| {
        let version = ask(std::path::Path::new(program), flag);
        version.unwrap_or_else(|| format!("{program}: not installed"))
    };
    let conns = conns.display().to_string();
    // wrk ends its first line with its author.
    let wrk = of("wrk", "-v");
    let wrk = wrk.split(" [").next().unwrap_or_default().to_owned();
    vec![of(&conns, "--version"), of("nginx", "-v"), wrk]
}
