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
    /// Timestamp of the first frame of the second, and when it came.
    first_frame: Option<(u64, u64)>,
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
    /// Counts bytes.
    pub(super) fn bytes(&mut self, bytes: u64, at: Moment) {
        if let Some(slot) = self.slot(at) {
            slot.bytes += bytes;
        }
    }

    /// Counts a frame.
    pub(super) fn frame(&mut self, timestamp_ms: Option<u64>, at: Moment) {
        if let Some(slot) = self.slot(at) {
            slot.frames += 1;
            if slot.first_frame.is_none() {
                slot.first_frame = timestamp_ms.map(|timestamp| (timestamp, at.monotonic_us));
            }
        }
    }

    fn slot(&mut self, at: Moment) -> Option<&mut Slot> {
        let second = second(at);
        self.first_second.get_or_insert(second);
        let slot = self.slots.get_mut((second % (SECONDS + 1)) as usize)?;
        if slot.second != second {
            *slot = Slot { second, ..Slot::default() };
        }
        Some(slot)
    }

    /// Media time that passed for each unit of real time since a frame of the last seconds, 0 if there is none any
    /// more; `None` before two seconds passed.
    pub(super) fn pace(&self, last_ms: Option<u64>, now: Moment) -> Option<f64> {
        let recent = second(now).saturating_sub(SECONDS);
        let frames = self.slots.iter().filter(|slot| slot.second >= recent);
        let first = frames.filter_map(|slot| slot.first_frame).min_by_key(|(_, came_us)| *came_us);
        let Some((first_ms, came_us)) = first else {
            return (self.first_second? < recent && last_ms.is_some()).then_some(0.0);
        };
        let real_us = now.monotonic_us.checked_sub(came_us).filter(|us| *us >= 2_000_000)?;
        let media_ms = last_ms?.checked_sub(first_ms)?;
        Some(media_ms as f64 * 1000.0 / real_us as f64)
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
            rates.bytes(100, at(tenths));
            rates.frame(Some(tenths * 100), at(tenths));
        }
        assert_eq!(rates.rate(at(19)), None);
        assert_eq!(rates.rate(at(65)), Some(Rate { bytes_per_s: 1000.0, frames_per_s: 10.0 }));
        // Nothing came since: four of the five seconds are empty, the fifth was incomplete.
        assert_eq!(rates.rate(at(110)), Some(Rate { bytes_per_s: 100.0, frames_per_s: 1.0 }));
        assert_eq!(rates.rate(at(200)), Some(Rate { bytes_per_s: 0.0, frames_per_s: 0.0 }));
        let pace = |tenths| rates.pace(Some(6400), at(tenths)).map(|pace| (pace * 100.0).round());
        assert_eq!((pace(64), pace(104), pace(200)), (Some(100.0), Some(26.0), Some(0.0)));
    }
}
