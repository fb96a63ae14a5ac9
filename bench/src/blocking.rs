//! Whether long answers delay short ones: two clients request the same long list while a third requests `/health` at an
//! interval; the result is how long the third waited.
//!
//! Each list is measured beside a turn without list clients, on the same agent and sockets.

mod report;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, ensure};
use clap::Args;
use conns_lab::agent::HttpAnswer;

use crate::agent::DEFAULT;
use crate::agent::dialect::{Dialect, HEALTH, LONG_LISTS};
use crate::agent::served::Served;
use crate::run::fixture::Fixture;
use crate::run::machine::{Machine, ask};

/// Clients that request the list.
const LIST_CLIENTS: usize = 2;
/// Longest wait for the first sample with all sockets.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// What to measure.
#[derive(Args, Clone, Debug)]
pub(crate) struct Plan {
    /// Established sockets to open; both ends of a connection count, and each is a row of a list.
    #[arg(long, default_value_t = 100_000)]
    sockets: u32,
    /// Seconds of each turn.
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u32).range(2..))]
    turn: u32,
    /// Milliseconds between two requests of /health.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    interval_ms: u32,
    /// Only lists whose name contains this.
    #[arg(long)]
    only: Option<String>,
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

/// The answers of one turn.
#[derive(Debug)]
struct Turn {
    /// The list that was requested; `None` of a turn without list clients.
    list: Option<&'static Dialect>,
    /// Bytes of one list.
    bytes: usize,
    /// How long each answer to /health took.
    health: Vec<Duration>,
    /// How many of these reported that the last sample began more than three intervals ago (503).
    stale: usize,
    /// How long each list took.
    lists: Vec<Duration>,
    /// Lists that were refused or cut, because their readers together are beyond a bound of the agent
    /// (docs/agent-safety.md).
    cut: usize,
}

/// Runs the plan and writes `<UTC>-blocking.md` and `.csv`.
pub(crate) fn run(plan: &Plan) -> anyhow::Result<()> {
    let started = Instant::now();
    let mut machine = Machine::read(&plan.conns);
    machine.versions = vec![
        ask(&plan.conns, "--version")
            .unwrap_or_else(|| format!("{}: version unknown", plan.conns.display())),
    ];
    eprintln!("{} sockets: setting up", plan.sockets);
    let fixture = Fixture::start(plan.sockets, plan.processes)?;
    let served = Served::start(&plan.conns, fixture.netns(), DEFAULT)?;
    wait_until_fresh(fixture.netns())?;
    let is_chosen =
        |list: &&Dialect| plan.only.as_deref().is_none_or(|only| list.name.contains(only));
    let mut turns = vec![measure(plan, None, &fixture)?];
    for list in LONG_LISTS.iter().filter(is_chosen) {
        eprintln!("{LIST_CLIENTS} clients request the list `{}`", list.name);
        turns.push(measure(plan, Some(list), &fixture)?);
        served.check()?;
    }
    served.end()?;
    fixture.end()?;
    ensure!(turns.len() > 1, "no list has a name that contains {:?}", plan.only);
    let text = report::markdown(&machine, plan, &turns, started.elapsed());
    print!("{text}");
    let stem = plan.out.join(format!("{}-blocking", machine.stamp()));
    crate::run::write(&stem, &[("md", text), ("csv", report::csv(&turns))])
}

/// One turn.
fn measure(plan: &Plan, list: Option<&'static Dialect>, fixture: &Fixture) -> anyhow::Result<Turn> {
    let netns = fixture.netns();
    let mut bytes = 0;
    if let Some(list) = list {
        let body = list.fetch(netns)?;
        list.check(&body, fixture.sockets())?;
        bytes = body.len();
    }
    let stop = AtomicBool::new(false);
    let stop = &stop;
    thread::scope(|scope| {
        let clients: Vec<_> = list
            .iter()
            .flat_map(|list| std::iter::repeat_n(*list, LIST_CLIENTS))
            .map(|list| scope.spawn(move || request_until(stop, netns, list)))
            .collect();
        let health = scope.spawn(|| request_health(plan, stop, netns));
        thread::sleep(Duration::from_secs(plan.turn.into()));
        stop.store(true, Relaxed);
        let (mut lists, mut cut) = (Vec::new(), 0);
        for client in clients {
            let (took, failed) = joined(client)?;
            lists.extend(took);
            cut += failed;
        }
        let (health, stale) = joined(health)?;
        ensure!(!health.is_empty(), "/health was never answered");
        ensure!(list.is_none() || !lists.is_empty(), "no list was answered");
        Ok(Turn { list, bytes, health, stale, lists, cut })
    })
}

fn joined<T>(thread: ScopedJoinHandle<'_, anyhow::Result<T>>) -> anyhow::Result<T> {
    thread.join().map_err(|_| anyhow!("a thread of a client panicked: see above"))?
}

/// Requests the list again and again, and returns how long each answer took, and how many were cut.
fn request_until(
    stop: &AtomicBool,
    netns: &str,
    list: &Dialect,
) -> anyhow::Result<(Vec<Duration>, usize)> {
    crate::inside::enter(netns)?;
    let (mut took, mut cut) = (Vec::new(), 0);
    while !stop.load(Relaxed) {
        let started = Instant::now();
        match list.ask() {
            Ok(_) => took.push(started.elapsed()),
            Err(_) => cut += 1,
        }
    }
    Ok((took, cut))
}

/// Waits until the agent has read the owners of all descriptors once, which its first samples wait for.
fn wait_until_fresh(netns: &str) -> anyhow::Result<()> {
    let began = Instant::now();
    while HEALTH.fetch(netns).is_err() {
        ensure!(began.elapsed() < START_TIMEOUT, "no fresh sample within {START_TIMEOUT:?}");
        thread::sleep(Duration::from_secs(1));
    }
    Ok(())
}

/// Requests /health at the interval, and returns how long each answer took, and how many reported a late sample. A request
/// that is due while another waits is skipped.
fn request_health(
    plan: &Plan,
    stop: &AtomicBool,
    netns: &str,
) -> anyhow::Result<(Vec<Duration>, usize)> {
    crate::inside::enter(netns)?;
    let interval = Duration::from_millis(plan.interval_ms.into());
    let (mut took, mut stale) = (Vec::new(), 0);
    let mut due = Instant::now();
    while !stop.load(Relaxed) {
        let started = Instant::now();
        let HttpAnswer { status, head, .. } = HEALTH.answer().context("cannot request /health")?;
        ensure!(matches!(status, 200 | 503), "/health answered {head}");
        stale += usize::from(status == 503);
        took.push(started.elapsed());
        while due <= Instant::now() {
            due += interval;
        }
        thread::sleep(due.saturating_duration_since(Instant::now()));
    }
    Ok((took, stale))
}
