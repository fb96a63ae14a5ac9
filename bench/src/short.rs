//! Short connections: which share of a storm does each of several watchers see?
//!
//! The storm records every connection, and what a watcher reports is ticked off on that list. Each watcher
//! has a storm of its own, in a namespace of its own, and time before and after it.

mod report;
mod seen;
mod watch;
mod watchers;

use std::path::PathBuf;
use std::time::Instant;

use anyhow::Context;
use clap::Args;
use conns_lab::netns::Namespace;
use conns_lab::storm::{Options, Storm};

use crate::run::machine::Machine;
use seen::Seen;
use watchers::{Sampler, WATCHERS};

/// What to run.
#[derive(Args, Clone, Debug)]
pub(crate) struct Plan {
    #[command(flatten)]
    storm: Options,
    /// Only watchers whose name contains this.
    #[arg(long)]
    only: Option<String>,
    /// The conns binary.
    #[arg(long, default_value = "target/release/conns")]
    conns: PathBuf,
    /// Where programs are that cargo installed for this (`cargo install --root`).
    #[arg(long, default_value = "target/peers")]
    peers: PathBuf,
    /// Folder of the dated results.
    #[arg(long, default_value = "bench/runs")]
    out: PathBuf,
}

/// One watcher and its storm.
#[derive(Debug)]
struct Sighting {
    sampler: &'static Sampler,
    /// Connections a second that the storm came to beside this watcher; `None` if it did not run.
    rate: Option<f64>,
    seen: Seen,
    /// Why it saw nothing, or something else worth knowing.
    remark: Option<String>,
}

/// Runs the plan and writes `<UTC>-short.md` and `.csv`.
pub(crate) fn run(plan: &Plan) -> anyhow::Result<()> {
    let started = Instant::now();
    let mut machine = Machine::read(&plan.conns);
    let chosen = WATCHERS
        .iter()
        .filter(|sampler| plan.only.as_deref().is_none_or(|only| sampler.label.contains(only)));
    machine.versions = chosen.clone().filter_map(|sampler| sampler.version(plan)).collect();
    machine.versions.dedup();
    let mut sightings = Vec::new();
    for sampler in chosen {
        eprintln!("{}: {} connections a second", sampler.label, plan.storm.rate);
        sightings.push(
            sight(plan, sampler).with_context(|| format!("watching with {}", sampler.label))?,
        );
    }
    let text = report::markdown(&machine, &sightings, plan.storm, started.elapsed());
    print!("{text}");
    let stem = plan.out.join(format!("{}-short", machine.stamp()));
    crate::run::write(&stem, &[("md", text), ("csv", report::csv(&sightings))])
}

fn sight(plan: &Plan, sampler: &'static Sampler) -> anyhow::Result<Sighting> {
    let mut sighting = Sighting { sampler, rate: None, seen: Seen::default(), remark: None };
    let Some(program) = sampler.find(plan) else {
        sighting.remark = Some("not installed".to_owned());
        return Ok(sighting);
    };
    let namespace = Namespace::create("short")?;
    let storm = Storm::prepare(&crate::own::program()?, &namespace, plan.storm)?;
    let watch = match watch::start(sampler, &program, &namespace)? {
        Ok(watch) => watch,
        Err(why) => {
            sighting.remark = Some(why);
            return Ok(sighting);
        }
    };
    let done = storm.run()?;
    let reported = watch.finish()?;
    sighting.rate = Some(done.rate());
    sighting.seen = Seen::count(&done, reported.lines()?, sampler.parse)?;
    sighting.remark = reported.remark();
    Ok(sighting)
}
