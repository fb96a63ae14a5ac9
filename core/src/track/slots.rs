//! The ring of one-second slots by which `monerod` reckons its current rates (facts of
//! `connection_basic_shared_state` and `network_throttle` in monero-project/monero).
//!
//! The one idea: bytes fall into slots of whole monotonic seconds, and the rate is the sum of the
//! newest nine over nine, reckoned only when bytes move; so it stays what it was on an idle
//! connection.

use crate::model::{Moment, Rates};

/// Slots summed.
const SLOTS: usize = 9;
const SECOND_US: u64 = 1_000_000;

/// Bytes of the newest nine seconds, each way.
#[derive(Debug, Clone, Default)]
pub(super) struct Slots {
    /// The whole second of the newest slot.
    newest: u64,
    out: [u64; SLOTS],
    received: [u64; SLOTS],
}

impl Slots {
    /// Adds what moved between two moments, evenly over the seconds they span, and returns the
    /// rates; `None` if nothing moved.
    pub(super) fn add(
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
        // What is older than the ring does not count.
        let oldest_us = (self.newest + 1).saturating_sub(SLOTS as u64) * SECOND_US;
        let span = until.monotonic_us.saturating_sub(from.monotonic_us).max(1);
        let mut start = from.monotonic_us.max(oldest_us);
        let (mut delegated, mut left_in) = (bytes_out, bytes_in);
        if start > from.monotonic_us {
            delegated -= share(bytes_out, start - from.monotonic_us, span);
            left_in -= share(bytes_in, start - from.monotonic_us, span);
        }
        while start < until.monotonic_us {
            let second = start / SECOND_US;
            let end = ((second + 1) * SECOND_US).min(until.monotonic_us);
            let is_last = end == until.monotonic_us;
            // The last slot takes what rounding left, so that no byte is lost.
            let out = if is_last { delegated } else { share(bytes_out, end - start, span) };
            let received = if is_last { left_in } else { share(bytes_in, end - start, span) };
            self.put(second, out.min(delegated), received.min(left_in));
            delegated -= out.min(delegated);
            left_in -= received.min(left_in);
            start = end;
        }
        self.put(self.newest, delegated, left_in);
        let mean = |slots: &[u64; SLOTS]| {
            slots.iter().fold(0_u64, |sum, n| sum.saturating_add(*n)) as f64 / SLOTS as f64
        };
        Some(Rates { out_bytes_per_s: mean(&self.out), in_bytes_per_s: mean(&self.received) })
    }

    /// Makes `second` the newest slot, emptying those in between.
    fn advance(&mut self, second: u64) {
        let passed = second.saturating_sub(self.newest);
        for step in 1..=passed.min(SLOTS as u64) {
            let at = place(second - (step - 1));
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
            if let Some(slot) = slots.get_mut(place(second)) {
                *slot = slot.saturating_add(bytes);
            }
        }
    }
}

fn place(second: u64) -> usize {
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
    fn nine_seconds_are_summed_and_the_rest_forgotten() {
        let mut slots = Slots::default();
        for second in 100..130 {
            let rates = slots.add(at(second * 1000), at(second * 1000 + 1000), 900, 0).unwrap();
            // The slot that is just beginning holds nothing yet: at most eight whole ones count.
            let whole = (second - 99).min(8) * 900;
            assert_eq!(rates.out_bytes_per_s, whole as f64 / 9.0, "{second}");
        }
        // After ten idle seconds only what is new counts.
        let rates = slots.add(at(140_000), at(140_500), 450, 9).unwrap();
        assert_eq!(rates, Rates { out_bytes_per_s: 50.0, in_bytes_per_s: 1.0 });
    }

    #[test]
    fn nothing_moved_reckons_nothing() {
        assert_eq!(Slots::default().add(at(0), at(1000), 0, 0), None);
    }

    #[test]
    fn no_byte_is_lost_however_the_looks_fall() {
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
    fn a_span_longer_than_the_ring_counts_its_last_nine_seconds() {
        let mut slots = Slots::default();
        let rates = slots.add(at(0), at(90_000), 90_000, 0).unwrap();
        assert!((rates.out_bytes_per_s - 1000.0 * 8.0 / 9.0).abs() < 1.0, "{rates:?}");
    }
}
