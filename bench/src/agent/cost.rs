//! The cost of the agent without clients, beside one bare drain a second over the same sockets.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::Value;

use crate::run::fixture::Fixture;
use crate::run::measure_in;

use super::Mode;
use super::dialect::HEALTH;
use super::served::Served;

/// Time before measuring, because the first sample is the most expensive.
const SETTLES: Duration = Duration::from_secs(2);
/// The agent's sample interval.
const INTERVAL: Duration = Duration::from_secs(1);

/// The ability to read tables by eBPF.
const EBPF: &str = "ebpf-watch";

/// What was measured at one size.
#[derive(Clone, Debug)]
pub(crate) struct Cost {
    /// How it was started.
    pub(crate) mode: Mode,
    /// Whether it reads the tables by eBPF, as `/health` reports.
    pub(crate) is_by_ebpf: bool,
    /// Established sockets, both ends counted.
    pub(crate) sockets: u32,
    /// Sockets of any state the agent saw, of the whole machine.
    pub(crate) seen: u64,
    /// How long it was watched.
    pub(crate) watched: Duration,
    /// CPU the agent used in that time.
    pub(crate) cpu: Duration,
    /// CPU that a drain each second used in that time.
    pub(crate) drain: Duration,
    /// Resident, MB; of two processes the sum, in which the program that both run counts twice.
    pub(crate) resident_mb: f64,
    /// Its peak, MB.
    pub(crate) peak_mb: f64,
    /// With each page once, also where the process maps it twice, as those of rings of the kernel are, MB.
    pub(crate) proportional_mb: f64,
}

impl Cost {
    /// Share of one core, %.
    pub(crate) fn percent(&self, cpu: Duration) -> f64 {
        100.0 * cpu.as_secs_f64() / self.watched.as_secs_f64()
    }
}

/// Measures the agent without clients for `time`.
pub(crate) fn watch(served: &Served, fixture: &Fixture, time: Duration) -> anyhow::Result<Cost> {
    sleep(SETTLES);
    let drain = [crate::own::program()?.display().to_string(), "drain".to_owned()];
    let before = served.cpu()?;
    let started = Instant::now();
    let mut drained = Duration::ZERO;
    let mut due = started;
    while due < started + time {
        let usage = measure_in(fixture.netns(), &drain)?;
        drained += Duration::from_micros(usage.cpu_us());
        due += INTERVAL;
        sleep(due.saturating_duration_since(Instant::now()));
    }
    let (cpu, watched) = (served.cpu()? - before, started.elapsed());
    served.check()?;
    let (resident_mb, peak_mb) = (served.megabytes("VmRSS")?, served.megabytes("VmHWM")?);
    let proportional_mb = served.proportional_megabytes()?;
    // Requested last, so that answering is no part of the cost.
    let health: Value =
        serde_json::from_slice(&HEALTH.fetch(fixture.netns())?).context("cannot read /health")?;
    let abilities = health["abilities"].as_array().map_or(&[][..], Vec::as_slice);
    let is_by_ebpf = abilities.iter().any(|one| one["name"] == EBPF && one["missing"].is_null());
    Ok(Cost {
        mode: served.mode(),
        is_by_ebpf,
        sockets: fixture.sockets(),
        seen: health["sockets"].as_u64().context("/health reports no sockets")?,
        watched,
        cpu,
        drain: drained,
        resident_mb,
        peak_mb,
        proportional_mb,
    })
}
