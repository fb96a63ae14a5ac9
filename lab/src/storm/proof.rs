//! A storm while `conns` watches, and a table of what it told.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};

use super::run::{Done, Order, Storm};
use super::truth::Report;
use super::watch::{Closed, Served};
use crate::conns::Conns;
use crate::netns::Namespace;

/// Arguments of `conns-lab storm-truth`.
#[derive(Args, Clone, Debug)]
pub struct Proof {
    #[command(flatten)]
    order: Order,
    /// Who watches; each has a storm of its own.
    #[arg(long, value_delimiter = ',', default_values_t = [Watcher::Closed, Watcher::Agent])]
    watcher: Vec<Watcher>,
    /// How long `conns --closed` watches; else three times as long as the storm, and 5 s.
    #[arg(long, value_name = "TIME", value_parser = crate::soak::span)]
    watch_for: Option<Duration>,
    /// The conns binary; else $CONNS, else the one beside this program.
    #[arg(long)]
    conns: Option<PathBuf>,
}

/// Who watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Watcher {
    /// `conns --closed --for`.
    Closed,
    /// `conns serve`, by the live stream of its events.
    Agent,
}

impl std::fmt::Display for Watcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Closed => "closed",
            Self::Agent => "agent",
        })
    }
}

impl Proof {
    /// Runs it and prints the tables; whether all holds.
    pub fn run(&self) -> Result<bool> {
        let conns = Conns::find(self.conns.as_deref())?;
        let program = std::env::current_exe().context("finding the own executable")?;
        let watched = self.watch_for.unwrap_or(self.order.time * 3 + Duration::from_secs(5));
        let mut all_hold = true;
        for watcher in &self.watcher {
            let (done, report) = match watcher {
                Watcher::Closed => closed(&program, conns.path(), self.order, watched)?,
                Watcher::Agent => served(&program, conns.path(), self.order)?,
            };
            let title = match watcher {
                Watcher::Closed => "conns --closed --for",
                Watcher::Agent => "conns serve, GET /api/v1/events",
            };
            println!("## {title}\n\n{}\n\n{report}", told_of(&done, self.order));
            all_hold &= report.holds();
        }
        Ok(all_hold)
    }
}

fn told_of(done: &Done, order: Order) -> String {
    format!(
        "{} connections in {:.2} s: {:.0} a second ({} wanted), each from 1 to 1000 bytes each way; the latest began {:.1} ms late.",
        done.count(),
        done.took.as_secs_f64(),
        done.rate(),
        order.rate,
        done.latest.as_secs_f64() * 1e3,
    )
}

/// A storm that `conns --closed` watches for so long.
pub fn closed(
    program: &Path,
    conns: &Path,
    order: Order,
    watched: Duration,
) -> Result<(Done, Report)> {
    let namespace = Namespace::create("storm")?;
    let storm = Storm::prepare(program, &namespace, order)?;
    let watching = Closed::start(conns, watched)?;
    let done = storm.blow()?;
    let report = watching.finish(&done, &namespace)?;
    Ok((done, report))
}

/// A storm that an agent watches, whose events are followed.
pub fn served(program: &Path, conns: &Path, order: Order) -> Result<(Done, Report)> {
    let namespace = Namespace::create("storm")?;
    let storm = Storm::prepare(program, &namespace, order)?;
    let watching = Served::start(conns)?;
    let done = storm.blow()?;
    let report = watching.finish(&done, &namespace)?;
    Ok((done, report))
}
