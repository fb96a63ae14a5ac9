//! The agent's `/health` document and the name of its updates, read in one place.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

/// The name of the event by which `/api/v1/changes` reports each update.
pub const UPDATE_EVENT: &str = "update";

/// Number and wall-clock time of the snapshot that the document describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Grows by one with each snapshot.
    pub sequence: u64,
    /// Microseconds since 1970.
    pub at_us: i64,
}

impl Snapshot {
    /// Reads it from the document.
    pub fn read(health: &Value) -> Result<Self> {
        let sequence = number(health, "/snapshot/sequence")?;
        let at_us = health.pointer("/snapshot/at_us").and_then(Value::as_i64);
        Ok(Self { sequence, at_us: at_us.with_context(|| format!("no time in {health}"))? })
    }
}

/// How the sampler keeps its schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Samples that were due while another was running.
    pub skipped: u64,
    /// How late the last sample began.
    pub lateness: Duration,
    /// How late the latest sample began.
    pub lateness_max: Duration,
}

impl Schedule {
    /// Reads it from the document.
    pub fn read(health: &Value) -> Result<Self> {
        let lateness = number(health, "/samples/lateness_us")?;
        let lateness_max = number(health, "/samples/lateness_max_us")?;
        Ok(Self {
            skipped: number(health, "/samples/skipped")?,
            lateness: Duration::from_micros(lateness),
            lateness_max: Duration::from_micros(lateness_max),
        })
    }
}

fn number(health: &Value, pointer: &str) -> Result<u64> {
    let number = health.pointer(pointer).and_then(Value::as_u64);
    number.with_context(|| format!("no number at {pointer} in {health}"))
}
