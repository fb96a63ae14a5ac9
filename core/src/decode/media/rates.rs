//! Bytes and frames of the last seconds.

use crate::model::Moment;

/// Seconds over which a rate is measured.
const SECONDS: u64 = 5;
const SECONDS_LEN: usize = SECONDS as usize + 1;

/// Bytes and frames by the second, on a clock that only counts forward.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Rates {
    /// By the second modulo their number; the current second is incomplete.
    slots: [Slot; SECONDS_LEN],
    first_second: Option<u64>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    second: u64,
    bytes: u64,
    frames: u64,
}

/// A rate over the last seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rate {
    pub(super) bytes_per_s: f64,
    pub(super) frames_per_s: f64,
}

fn second(at: Moment) -> u64 {
    at.monotonic_us / 1_000_000
}

impl Rates {
    pub(super) fn add(&mut self, bytes: u64, frames: u64, at: Moment) {
        let second = second(at);
        self.first_second.get_or_insert(second);
        let index = (second % (SECONDS + 1)) as usize;
        let Some(slot) = self.slots.get_mut(index) else { return };
        if slot.second != second {
            *slot = Slot { second, bytes: 0, frames: 0 };
        }
        slot.bytes += bytes;
        slot.frames += frames;
    }

    /// Over the complete seconds before `now`, five at most; `None` before there is one.
    pub(super) fn rate(&self, now: Moment) -> Option<Rate> {
        let now = second(now);
        // The first second is incomplete too.
        let complete = now.saturating_sub(self.first_second? + 1).min(SECONDS);
        if complete == 0 {
            return None;
        }
        let is_counted = |slot: &&Slot| slot.second < now && slot.second + complete >= now;
        let (bytes, frames) = self
            .slots
            .iter()
            .filter(is_counted)
            .fold((0, 0), |(bytes, frames), slot| (bytes + slot.bytes, frames + slot.frames));
        let seconds = complete as f64;
        Some(Rate { bytes_per_s: bytes as f64 / seconds, frames_per_s: frames as f64 / seconds })
    }
}

#[cfg(test)]
mod tests {
    use super::{Rate, Rates};
    use crate::model::Moment;

    fn at(tenths: u64) -> Moment {
        Moment { monotonic_us: tenths * 100_000, wall_us: 0 }
    }

    #[test]
    fn a_rate_is_over_complete_seconds() {
        let mut rates = Rates::default();
        for tenths in 15..65 {
            rates.add(100, 1, at(tenths));
        }
        assert_eq!(rates.rate(at(19)), None);
        assert_eq!(rates.rate(at(65)), Some(Rate { bytes_per_s: 1000.0, frames_per_s: 10.0 }));
        // Nothing came since: four of the five seconds are empty, the fifth was incomplete.
        assert_eq!(rates.rate(at(110)), Some(Rate { bytes_per_s: 100.0, frames_per_s: 1.0 }));
        assert_eq!(rates.rate(at(200)), Some(Rate { bytes_per_s: 0.0, frames_per_s: 0.0 }));
    }
}
