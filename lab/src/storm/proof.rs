//! A storm while `conns` watches, and a table of what it told.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};

use super::run::{Done, Order, Storm};
use super::truth::Report;
use super::watch::{Local, Served};
use crate::conns::Conns;
use crate::netns::Namespace;

/// `conns --closed` is ended when all is told; it must not end before.
const TIME_MOST: Duration = Duration::from_secs(3600);

/// Arguments of `conns-lab storm-truth`.
#[derive(Args, Clone, Debug)]
pub struct Proof {
    #[command(flatten)]
    order: Order,
    /// Who watches; each has a storm of its own.
    #[arg(long, value_delimiter = ',', default_values_t = [Sampler::Closed, Sampler::Events, Sampler::Agent])]
    sampler: Vec<Sampler>,
    /// The conns binary; else $CONNS, else the one beside this program.
    #[arg(long)]
    conns: Option<PathBuf>,
}

/// Who watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Sampler {
    /// `conns --closed --for`, which tells of ends.
    Closed,
    /// `conns events`.
    Events,
    /// `conns serve`, by the live stream of its events.
    Agent,
}

impl std::fmt::Display for Sampler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Closed => "closed",
            Self::Events => "events",
            Self::Agent => "agent",
        })
    }
}

impl Proof {
    /// Runs it and prints the tables; whether all holds.
    pub fn run(&self) -> Result<bool> {
        let conns = Conns::find(self.conns.as_deref())?;
        let program = std::env::current_exe().context("finding the own executable")?;
        let mut all_hold = true;
        for sampler in &self.sampler {
            let (done, report) = sampler.watch(&program, conns.path(), self.order)?;
            let title = match sampler {
                Sampler::Closed => "conns --closed -o jsonl",
                Sampler::Events => "conns events -o jsonl",
                Sampler::Agent => "conns serve, GET /api/v1/events",
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

impl Sampler {
    /// A storm that it watches; `program` has the roles of `conns-lab peer`.
    pub fn watch(self, program: &Path, conns: &Path, order: Order) -> Result<(Done, Report)> {
        let namespace = Namespace::create("storm")?;
        let storm = Storm::prepare(program, &namespace, order)?;
        let (done, report);
        match self {
            Self::Closed | Self::Events => {
                let watching = match self {
                    Self::Closed => Local::closed(conns, TIME_MOST)?,
                    _ => Local::events(conns)?,
                };
                done = storm.blow()?;
                report = watching.finish(&done, &namespace)?;
            }
            Self::Agent => {
                let watching = Served::start(conns)?;
                done = storm.blow()?;
                report = watching.finish(&done, &namespace)?;
            }
        }
        Ok((done, report))
    }
}
