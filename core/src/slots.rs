//! The ring of one-second slots by which `monerod` computes its current rates (see
//! `connection_basic_shared_state` and `network_throttle` in monero-project/monero).
//!
//! Bytes are counted in slots of whole monotonic seconds, and the rate is the sum of the newest nine
//! over nine. It is computed only when bytes move, so it does not change on an idle connection.

use crate::model::{Moment, Rates};

/// Slots summed.
const SLOTS: usize = 9;
const SECOND_US: u64 = 1_000_000;

/// Bytes of the newest nine seconds, each way.
#[derive(Debug, Clone, Default)]
pub(crate) struct Slots {
    /// The whole second of the newest slot.
    newest: u64,
    out: [u64; SLOTS],
    received: [u64; SLOTS],
}

impl Slots {
    /// Adds bytes that moved at a moment, and returns the rates; `None` if there are none.
    pub(crate) fn add_at(&mut self, at: Moment, bytes_out: u64, bytes_in: u64) -> Option<Rates> {
        self.add(at, at, bytes_out, bytes_in)
    }

    /// Adds bytes that moved between two moments, evenly over the seconds between them, and returns the
    /// rates; `None` if no bytes moved.
    pub(crate) fn add(
        &mut self,
        from: Moment,
        until: Moment,
        bytes_out: u64,
        bytes_in: u64,
    ) -> Option<Rates> {
        if bytes_out == 0 && bytes_in == 0 {
            return None;
        }
        self.advance(until.monotonic_us / SECOND_US);
        // Bytes older than the ring do not count.
        let oldest_us = (self.newest + 1).saturating_sub(SLOTS as u64) * SECOND_US;
        let span = until.monotonic_us.saturating_sub(from.monotonic_us).max(1);
        let mut start = from.monotonic_us.max(oldest_us);
        let (mut rest_out, mut rest_in) = (bytes_out, bytes_in);
        if start > from.monotonic_us {
            rest_out -= share(bytes_out, start - from.monotonic_us, span);
            rest_in -= share(bytes_in, start - from.monotonic_us, span);
        }
        while start < until.monotonic_us {
            let second = start / SECOND_US;
            let end = (second + 1).saturating_mul(SECOND_US).min(until.monotonic_us);
            let is_last = end == until.monotonic_us;
            // The last slot gets the remainder of the rounding, so that no byte is lost.
            let out = if is_last { rest_out } else { share(bytes_out, end - start, span) };
            let received = if is_last { rest_in } else { share(bytes_in, end - start, span) };
            self.put(second, out.min(rest_out), received.min(rest_in));
            rest_out -= out.min(rest_out);
            rest_in -= received.min(rest_in);
            start = end;
        }
        self.put(self.newest, rest_out, rest_in);
        let mean = |slots: &[u64; SLOTS]| {
            slots.iter().fold(0_u64, |sum, n| sum.saturating_add(*n)) as f64 / SLOTS as f64
        };
        Some(Rates { out_bytes_per_s: mean(&self.out), in_bytes_per_s: mean(&self.received) })
    }

    /// Makes `second` the newest slot, and clears those in between.
    fn advance(&mut self, second: u64) {
        let passed = second.saturating_sub(self.newest);
        for step in 1..=passed.min(SLOTS as u64) {
            let at = slot_of(second - (step - 1));
            for slots in [&mut self.out, &mut self.received] {
                if let Some(slot) = slots.get_mut(at) {
                    *slot = 0;
                }
            }
        }
        self.newest = self.newest.max(second);
    }

    fn put(&mut self, second: u64, out: u64, received: u64) {
        for (slots, bytes) in [(&mut self.out, out), (&mut self.received, received)] {
            if let Some(slot) = slots.get_mut(slot_of(second)) {
                *slot = slot.saturating_add(bytes);
            }
        }
    }
}

fn slot_of(second: u64) -> usize {
    usize::try_from(second % SLOTS as u64).unwrap_or(0)
}

/// The part of `bytes` that falls on `part` of `whole` microseconds.
fn share(bytes: u64, part: u64, whole: u64) -> u64 {
    let share = u128::from(bytes) * u128::from(part) / u128::from(whole.max(1));
    u64::try_from(share).unwrap_or(u64::MAX).min(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Moment {
        Moment { monotonic_us: ms * 1000, wall_us: 0 }
    }

    #[test]
    fn nine_seconds_are_summed_and_older_ones_dropped() {
        let mut slots = Slots::default();
        for second in 100..130 {
            let rates = slots.add(at(second * 1000), at(second * 1000 + 1000), 900, 0).unwrap();
            // The newest slot is still empty: at most eight whole ones count.
            let whole = (second - 99).min(8) * 900;
            assert_eq!(rates.out_bytes_per_s, whole as f64 / 9.0, "{second}");
        }
        // After ten idle seconds only the new bytes count.
        let rates = slots.add(at(140_000), at(140_500), 450, 9).unwrap();
        assert_eq!(rates, Rates { out_bytes_per_s: 50.0, in_bytes_per_s: 1.0 });
    }

    #[test]
    fn no_bytes_have_no_rates() {
        assert_eq!(Slots::default().add(at(0), at(1000), 0, 0), None);
    }

    #[test]
    fn no_byte_is_lost_at_any_sample_interval() {
        let mut slots = Slots::default();
        let mut now = 5_000;
        for step in [1, 999, 333, 1700, 250, 2, 1500] {
            slots.add(at(now), at(now + step), 1001, 7);
            now += step;
        }
        assert_eq!(slots.out.iter().sum::<u64>(), 7007);
        assert_eq!(slots.received.iter().sum::<u64>(), 49);
    }

    #[test]
    fn the_last_second_of_the_clock_is_a_slot() {
        let mut slots = Slots::default();
        let end = Moment { monotonic_us: u64::MAX, wall_us: 0 };
        let begin = Moment { monotonic_us: u64::MAX - 100, wall_us: 0 };
        let rates = slots.add(begin, end, 900, 9).unwrap();
        assert_eq!(rates, Rates { out_bytes_per_s: 100.0, in_bytes_per_s: 1.0 });
    }

    #[test]
    fn a_span_longer_than_the_ring_counts_its_last_nine_seconds() {
        let mut slots = Slots::default();
        let rates = slots.add(at(0), at(90_000), 90_000, 0).unwrap();
        assert!((rates.out_bytes_per_s - 1000.0 * 8.0 / 9.0).abs() < 1.0, "{rates:?}");
    }
}
