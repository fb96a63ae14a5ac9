//! The limits the agent keeps under attack, and which of them were exceeded.

use std::process::ExitStatus;
use std::time::Duration;

use anyhow::Result;
use serde_json::Value;

use crate::health::Schedule;

use super::STOP_TIMEOUT;
use super::gauge::Readings;
use super::requests::REQUESTS;

/// How late a sample may be, beyond the lateness of the control thread.
const MAX_LATENESS: Duration = Duration::from_millis(100);

/// Lateness of the control thread from which on the machine counts as stalled, and samples may be skipped.
const STALLED: Duration = Duration::from_millis(500);
const MIB: u64 = 1 << 20;
/// The most memory, in bytes, that the agent may use under its default limits with ten thousand sockets; the parts follow
/// from constants of `surfaces/server`.
const MAX_RESIDENT: u64 =
    STATE + BYTES_IN_FLIGHT + BODIES + BUFFERS + STREAMS + RESPONSE_CACHE + BEING_WRITTEN;
/// The agent itself, with its state of ten thousand sockets and recently closed ones.
const STATE: u64 = 80 * MIB;
/// A serving process: its copies of that state, the program and its threads.
const SERVING_PROCESS: u64 = 96 * MIB;
/// The bound of bytes in flight, and one list of ten thousand rows beyond it, which may always be sent.
const BYTES_IN_FLIGHT: u64 = (64 + 24) * MIB;
/// `BODIES_BYTES`.
const BODIES: u64 = 32 * MIB;
/// Each of `CLIENTS` with a read buffer of `HEAD_BYTES` and a chunk below `COUNTED_FROM`.
const BUFFERS: u64 = 3072 * (16 + 16) * 1024;
/// 32 streams of changes, of three chunks of 256 KiB.
const STREAMS: u64 = 24 * MIB;
/// Lists of the current snapshot in the response cache.
const RESPONSE_CACHE: u64 = 64 * MIB;
/// Lists that `BLOCKING_THREADS` are writing, each with room to grow.
const BEING_WRITTEN: u64 = 4 * 48 * MIB;

/// The result of a soak.
#[derive(Debug)]
pub struct Verdict {
    figures: String,
    broken: Vec<String>,
}

impl Verdict {
    pub(super) fn of(
        r: &Readings,
        last: &Value,
        (before, after): (usize, usize),
        ended: Result<(ExitStatus, Duration)>,
        stderr: &[String],
    ) -> Self {
        let mut broken = Vec::new();
        let mut must = |is_ok: bool, otherwise: String| {
            if !is_ok {
                broken.push(otherwise);
            }
        };
        let schedule = Schedule::read(last);
        let (lateness, skipped) = schedule.as_ref().map_or((Duration::MAX, u64::MAX), |schedule| {
            (schedule.lateness_max, schedule.skipped)
        });
        let max = MAX_LATENESS + r.control_lateness_max;
        must(
            lateness <= max,
            format!("a sample began {lateness:?} late as /health reports, more than {max:?}"),
        );
        must(
            r.gap_max <= max,
            format!("two samples were {:?} off the interval, more than {max:?}", r.gap_max),
        );
        let is_stalled = r.control_lateness_max >= STALLED;
        must(skipped == 0 || is_stalled, format!("{skipped} samples were skipped"));
        let max_resident = MAX_RESIDENT + if r.processes > 1 { SERVING_PROCESS } else { 0 };
        let (peak_mib, max_mib) = (r.resident_peak / MIB, max_resident / MIB);
        must(
            r.resident_peak <= max_resident,
            format!("{peak_mib} MiB were resident, more than {max_mib}"),
        );
        must(
            after <= before,
            format!("{after} descriptors are open after the attack, {before} were before it"),
        );
        for request in REQUESTS {
            let name = request.name;
            must(r.answered.contains(name), format!("{name} was never answered"));
        }
        for trouble in &r.errors {
            must(false, trouble.clone());
        }
        let more = r.further_errors;
        must(more == 0, format!("and {more} further errors"));
        for line in stderr.iter().filter(|line| line.contains("panicked")) {
            must(false, format!("it panicked: {line}"));
        }
        let end = match ended {
            Ok((status, after)) => {
                must(status.success(), format!("it ended with {status} at SIGTERM"));
                must(
                    after <= STOP_TIMEOUT,
                    format!("it took {after:?} to end, more than {STOP_TIMEOUT:?}"),
                );
                format!("{after:.1?}")
            }
            Err(error) => {
                must(false, format!("it did not end at SIGTERM: {error:#}"));
                "never".to_owned()
            }
        };
        let figures = format!(
            "lateness {lateness:.1?}, gap {:.1?}, machine {:.1?}, {} updates, {} received, {skipped} skipped, peak {peak_mib} MiB of {max_mib}, \
             descriptors {before} → {after}, {} answers, worst {:.0?}, {} refusals, end {end}",
            r.gap_max,
            r.control_lateness_max,
            r.updates,
            r.received,
            r.answers,
            r.answer_time_max,
            r.refused,
        );
        Self { figures, broken }
    }

    /// Whether every limit was kept.
    pub fn is_ok(&self) -> bool {
        self.broken.is_empty()
    }

    /// The figures, and the limits that were exceeded.
    pub fn lines(&self) -> Vec<String> {
        let verdict = if self.is_ok() { "soak: ok" } else { "soak: FAILED" };
        let mut lines = vec![format!("{verdict}: {}", self.figures)];
        lines.extend(self.broken.iter().map(|what| format!("  - {what}")));
        lines
    }
}
