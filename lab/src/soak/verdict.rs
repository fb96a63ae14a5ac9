//! What the agent promises, as numbers, and which of it did not hold.

use std::process::ExitStatus;
use std::time::Duration;

use anyhow::Result;
use serde_json::Value;

use super::END_WITHIN;
use super::customer::QUESTIONS;
use super::gauge::Readings;

/// A beat may be so late, beyond what the machine itself is late: a thread that does nothing but wake up shows that.
const SLIP_MOST: Duration = Duration::from_millis(100);

/// A machine on which a thread that does nothing but wake up is so late has no time to look in.
const STOOD_STILL: Duration = Duration::from_millis(500);
const MIB: u64 = 1 << 20;
/// The most memory the agent may use under its default limits with ten thousand sockets, bytes; the parts are
/// from the constants of `surfaces/server`.
const RESIDENT_MOST: u64 =
    STATE + ON_THEIR_WAY + BODIES + BUFFERS + STREAMS + SHELF + BEING_WRITTEN;
/// The agent itself, with its state of ten thousand sockets and of those that closed lately.
const STATE: u64 = 80 * MIB;
/// `IN_FLIGHT_BYTES`, and one list of ten thousand rows beyond it, which may always be sent.
const ON_THEIR_WAY: u64 = (64 + 24) * MIB;
/// `BODIES_BYTES`.
const BODIES: u64 = 32 * MIB;
/// Each of `CLIENTS` with a read buffer of `HEAD_BYTES` and a piece below `COUNTED_FROM`.
const BUFFERS: u64 = 3072 * (16 + 16) * 1024;
/// 32 streams of changes, of three pieces of 256 KiB.
const STREAMS: u64 = 24 * MIB;
/// Lists of this beat that are kept for whoever asks next.
const SHELF: u64 = 64 * MIB;
/// Lists that `BLOCKING_THREADS` are writing, each with room to grow.
const BEING_WRITTEN: u64 = 4 * 48 * MIB;

/// What came of it.
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
        said: &[String],
    ) -> Self {
        let mut broken = Vec::new();
        let mut must = |holds: bool, otherwise: String| {
            if !holds {
                broken.push(otherwise);
            }
        };
        let number = |place: &str| last.pointer(place).and_then(Value::as_u64);
        let slip = Duration::from_micros(number("/beats/slip_max_us").unwrap_or(u64::MAX));
        let missed = number("/beats/missed").unwrap_or(u64::MAX);
        let most = SLIP_MOST + r.control_worst;
        must(
            slip <= most,
            format!("a look began {slip:?} late by its own word, more than {most:?}"),
        );
        must(
            r.gap_worst <= most,
            format!("two looks were {:?} off a second, more than {most:?}", r.gap_worst),
        );
        let stood_still = r.control_worst >= STOOD_STILL;
        must(missed == 0 || stood_still, format!("{missed} looks were left out"));
        must(
            r.resident_peak <= RESIDENT_MOST,
            format!(
                "{} MiB were resident, more than {}",
                r.resident_peak / MIB,
                RESIDENT_MOST / MIB
            ),
        );
        must(
            after <= before,
            format!("{after} descriptors are open after the attack, {before} were before it"),
        );
        for question in QUESTIONS {
            let name = question.name;
            must(r.answered.contains(name), format!("{name} was never answered"));
        }
        for trouble in &r.troubles {
            must(false, trouble.clone());
        }
        let more = r.troubles_more;
        must(more == 0, format!("and {more} troubles more"));
        for line in said.iter().filter(|line| line.contains("panicked")) {
            must(false, format!("it panicked: {line}"));
        }
        let end = match ended {
            Ok((status, after)) => {
                must(status.success(), format!("it ended with {status} at SIGTERM"));
                must(
                    after <= END_WITHIN,
                    format!("it took {after:?} to end, more than {END_WITHIN:?}"),
                );
                format!("{after:.1?}")
            }
            Err(error) => {
                must(false, format!("it did not end at SIGTERM: {error:#}"));
                "never".to_owned()
            }
        };
        let figures = format!(
            "slip {slip:.1?}, gap {:.1?}, machine {:.1?}, {} updates, {} told, {missed} missed, peak {} MiB of {}, \
             descriptors {before} → {after}, {} answers, worst {:.0?}, {} refusals, end {end}",
            r.gap_worst,
            r.control_worst,
            r.updates,
            r.told,
            r.resident_peak / MIB,
            RESIDENT_MOST / MIB,
            r.answers,
            r.answer_worst,
            r.refused,
        );
        Self { figures, broken }
    }

    /// Whether everything held.
    pub fn holds(&self) -> bool {
        self.broken.is_empty()
    }

    /// The figures, and what did not hold.
    pub fn lines(&self) -> Vec<String> {
        let verdict = if self.holds() { "soak: all held" } else { "soak: BROKEN" };
        let mut lines = vec![format!("{verdict}: {}", self.figures)];
        lines.extend(self.broken.iter().map(|what| format!("  - {what}")));
        lines
    }
}
