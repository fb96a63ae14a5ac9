//! A small storm, watched in each way; `conns-lab storm-truth` makes the large one.

use std::time::Duration;

use anyhow::{Result, ensure};
use conns_lab::storm::{Order, Sampler};

use crate::stage::{conns, lab};

/// So many that they cannot be told by looking, and so few that a machine busy with other tests keeps up.
const ORDER: Order = Order { rate: 1500, time: Duration::from_secs(2) };

/// Here nothing may be lost either: if something is, the table says so.
fn told_by(sampler: Sampler) -> Result<()> {
    let (done, report) = sampler.watch(&lab(), conns()?.path(), ORDER)?;
    ensure!(done.count() == 3000, "the storm had {} connections", done.count());
    ensure!(report.holds() && report.missing() == 0, "{report}");
    Ok(())
}

/// `conns --closed --for`.
pub(crate) fn closed() -> Result<()> {
    told_by(Sampler::Closed)
}

/// `conns events`.
pub(crate) fn events() -> Result<()> {
    told_by(Sampler::Events)
}

/// The live stream of an agent.
pub(crate) fn agent() -> Result<()> {
    told_by(Sampler::Agent)
}
