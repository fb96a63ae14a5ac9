//! Runs a storm while `conns` observes it, and prints a table of what was reported.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};

use super::kept::Kept;
use super::run::{Done, Options, Storm};
use super::truth::Report;
use super::watch::{Local, Served};
use crate::conns::Conns;
use crate::netns::Namespace;

/// Longer than any storm: `conns --closed` is stopped once all is reported.
const MAX_TIME: Duration = Duration::from_secs(3600);

/// Arguments of `conns-lab storm-truth`.
#[derive(Args, Clone, Debug)]
pub struct Proof {
    #[command(flatten)]
    options: Options,
    /// Which observers; each has a storm of its own.
    #[arg(long, value_delimiter = ',', default_values_t = [Sampler::Closed, Sampler::Events, Sampler::Agent, Sampler::History])]
    sampler: Vec<Sampler>,
    /// The conns binary; else $CONNS, else the one beside this program.
    #[arg(long)]
    conns: Option<PathBuf>,
}

/// The observer of a storm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Sampler {
    /// `conns --closed --for`, which reports closed connections.
    Closed,
    /// `conns events`.
    Events,
    /// `conns serve`, by the live stream of its events.
    Agent,
    /// `conns serve`, by the rows that its history keeps.
    History,
}

impl std::fmt::Display for Sampler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Closed => "closed",
            Self::Events => "events",
            Self::Agent => "agent",
            Self::History => "history",
        })
    }
}

impl Proof {
    /// Runs it and prints the tables; true if every report is ok.
    pub fn run(&self) -> Result<bool> {
        let conns = Conns::find(self.conns.as_deref())?;
        let program = std::env::current_exe().context("finding the own executable")?;
        let mut all_ok = true;
        for sampler in &self.sampler {
            let (done, report) = sampler.watch(&program, conns.path(), self.options)?;
            let title = match sampler {
                Sampler::Closed => "conns --closed -o jsonl",
                Sampler::Events => "conns events -o jsonl",
                Sampler::Agent => "conns serve, GET /api/v1/events",
                Sampler::History => "conns serve, table closed of its history",
            };
            println!("## {title}\n\n{}\n\n{report}", summary(&done, self.options));
            all_ok &= report.is_ok();
        }
        Ok(all_ok)
    }
}

fn summary(done: &Done, options: Options) -> String {
    format!(
        "{} connections in {:.2} s: {:.0} a second ({} expected), each from 1 to 1000 bytes each way; the latest began {:.1} ms late.",
        done.count(),
        done.took.as_secs_f64(),
        done.rate(),
        options.rate,
        done.latest.as_secs_f64() * 1e3,
    )
}

impl Sampler {
    /// A storm that it watches; `program` has the roles of `conns-lab peer`.
    pub fn watch(self, program: &Path, conns: &Path, options: Options) -> Result<(Done, Report)> {
        let namespace = Namespace::create("storm")?;
        let storm = Storm::prepare(program, &namespace, options)?;
        let (done, report);
        match self {
            Self::Closed | Self::Events => {
                let watching = match self {
                    Self::Closed => Local::closed(conns, MAX_TIME)?,
                    _ => Local::events(conns)?,
                };
                done = storm.run()?;
                report = watching.finish(&done, &namespace)?;
            }
            Self::Agent => {
                let watching = Served::start(conns)?;
                done = storm.run()?;
                report = watching.finish(&done, &namespace)?;
            }
            Self::History => {
                let watching = Kept::start(conns)?;
                done = storm.run()?;
                report = watching.finish(&done, &namespace)?;
            }
        }
        Ok((done, report))
    }
}
