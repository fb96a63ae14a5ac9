//! What recognition costs in memory: an agent that decodes payload beside one that does not, each with the same idle
//! connections, in turns.
//!
//! The connections are real, and carry what `corpus/` has recorded of each protocol; then both ends are silent.

mod carried;
mod report;

use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Args;
use conns_lab::agent::Agent;
use conns_lab::netns::Namespace;
use conns_lab::process::wait_for;
use serde_json::Value;

use crate::run::machine::Machine;
use carried::{Carried, Open};

/// How long the agent has to see all sockets.
const TIMEOUT: Duration = Duration::from_secs(60);
/// Layers of a silent connection are computed again for 3 s; some samples more.
const SETTLES: Duration = Duration::from_secs(6);

/// What to run.
#[derive(Args, Clone, Debug)]
pub(crate) struct Plan {
    /// Sockets to open; both ends of a connection count.
    #[arg(long, default_value_t = 10_000)]
    sockets: u32,
    /// Turns of each agent with each kind of connections.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// The conns binary.
    #[arg(long, default_value = "target/release/conns")]
    conns: PathBuf,
    /// Folder of the recorded sessions.
    #[arg(long, default_value = "corpus")]
    corpus: PathBuf,
    /// Folder of the dated results.
    #[arg(long, default_value = "bench/runs")]
    out: PathBuf,
}

/// Private memory of an agent (`RssAnon`), KiB.
#[derive(Clone, Copy, Debug)]
struct Memory {
    /// Before the connections were opened.
    before: u64,
    /// With them.
    with: u64,
    /// After they were closed.
    after: u64,
}

/// The turns of one kind of connections.
#[derive(Clone, Debug)]
struct Series {
    name: &'static str,
    /// Of one round each: without decoding, and with it.
    rounds: Vec<(Memory, Memory)>,
}

/// Runs the plan and writes `<UTC>-memory.md` and `.csv`.
pub(crate) fn run(plan: &Plan) -> anyhow::Result<()> {
    let started = Instant::now();
    let mut machine = Machine::read(&plan.conns);
    machine.versions.truncate(1);
    let mut all = Vec::new();
    for carried in Carried::all(&plan.corpus)? {
        let mut series = Series { name: carried.name, rounds: Vec::new() };
        for round in 0..plan.rounds {
            eprintln!("{}: round {} of {}", carried.name, round + 1, plan.rounds);
            let turn = |tap| turn(plan, &carried, tap);
            series.rounds.push(if round % 2 == 0 {
                let without = turn(false)?;
                (without, turn(true)?)
            } else {
                let with = turn(true)?;
                (turn(false)?, with)
            });
        }
        all.push(series);
    }
    let text = report::markdown(&machine, &all, plan.sockets, started.elapsed());
    print!("{text}");
    let stem = plan.out.join(format!("{}-memory", machine.stamp()));
    crate::run::write(&stem, &[("md", text), ("csv", report::csv(&all))])
}

fn turn(plan: &Plan, carried: &Carried, tap: bool) -> anyhow::Result<Memory> {
    let home = Namespace::create("memory")?;
    // A closed connection leaves no minisock behind.
    home.set("net/ipv4/tcp_max_tw_buckets", "0")?;
    let conns = std::fs::canonicalize(&plan.conns).with_context(|| {
        format!("there is no {}: build it, or give --conns", plan.conns.display())
    })?;
    let tapped = if tap { "--tap=true" } else { "--tap=false" };
    let agent = Agent::start(&conns, Some(&home), &["--listen", "http=127.0.0.1:0", tapped])?;
    let is_missing = |health: &Value| {
        let abilities = health["abilities"].as_array().map_or(&[][..], Vec::as_slice);
        !abilities.iter().any(|one| one["name"] == "ebpf-tap" && one["missing"].is_null())
    };
    let health = agent.health(Some(&home))?;
    ensure!(!tap || !is_missing(&health), "the agent has no tap: {}", health["abilities"]);
    sleep(SETTLES);
    let sockets = || -> anyhow::Result<u64> {
        let health = agent.health(Some(&home))?;
        health["sockets"].as_u64().context("/health reports no sockets")
    };
    let (before, others) = (private_kib(&agent)?, sockets()?);
    let open: Open = home.inside(|| carried.open(plan.sockets / 2))??;
    let all = others + u64::from(plan.sockets / 2) * 2;
    wait_for("the agent to see the sockets", TIMEOUT, || Ok((sockets()? >= all).then_some(())))?;
    sleep(SETTLES);
    let with = private_kib(&agent)?;
    if tap && let Some(protocol) = carried.protocol {
        check(&agent, &home, protocol, u64::from(plan.sockets / 2) * 2)?;
    }
    drop(open);
    wait_for("the agent to see the end", TIMEOUT, || {
        Ok((sockets()? < others + all / 10).then_some(()))
    })?;
    sleep(SETTLES);
    Ok(Memory { before, with, after: private_kib(&agent)? })
}

/// All sockets must have been recognised, or there is nothing to measure.
fn check(agent: &Agent, home: &Namespace, protocol: &str, expected: u64) -> anyhow::Result<()> {
    let filter = format!("netns_inode=={}%20and%20app=={protocol}", home.inode()?);
    let path =
        format!("/api/v1/connections?view=all&fields=local_port&limit=10000&filter={filter}");
    let answer = agent.get(Some(home), &path)?;
    let list: Value = serde_json::from_slice(&answer.body).context("cannot read the list")?;
    let found = list["connections"].as_array().map_or(0, |rows| rows.len() as u64);
    // A page has at most 10 000 rows.
    let expected = expected.min(10_000);
    ensure!(found >= expected, "{found} of {expected} sockets were recognised as {protocol}");
    Ok(())
}

fn private_kib(agent: &Agent) -> anyhow::Result<u64> {
    let place = format!("/proc/{}/status", agent.pid());
    let status = std::fs::read_to_string(&place).with_context(|| format!("cannot read {place}"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let number = line.and_then(|line| line.trim().strip_suffix(" kB"));
    number.with_context(|| format!("no RssAnon in {place}"))?.parse().context("no number")
}
