//! A small storm, observed in each way; `conns-lab storm-truth` makes the large one.

use std::time::Duration;

use anyhow::{Result, ensure};
use conns_lab::storm::{Options, Sampler};

use crate::fixture::{conns, lab};

/// A rate at which samples miss connections.
const OPTIONS: Options = Options { rate: 1500, time: Duration::from_secs(2) };

/// Runs a storm, of which no event may be missing. This test runs alone.
fn check(sampler: Sampler) -> Result<()> {
    let (done, report) = sampler.watch(&lab(), conns()?.path(), OPTIONS)?;
    ensure!(done.count() == 3000, "the storm had {} connections", done.count());
    ensure!(report.is_ok() && report.missing() == 0, "{report}");
    Ok(())
}

/// `conns --closed --for`.
pub(crate) fn closed() -> Result<()> {
    check(Sampler::Closed)
}

/// `conns events`.
pub(crate) fn events() -> Result<()> {
    check(Sampler::Events)
}

/// The live stream of an agent.
pub(crate) fn agent() -> Result<()> {
    check(Sampler::Agent)
}

/// The history of an agent.
pub(crate) fn history() -> Result<()> {
    check(Sampler::History)
}
