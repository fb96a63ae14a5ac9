//! Round-trip times of a path: smoothed, and the least of the latest 30 s.

use std::collections::VecDeque;

/// Seconds over which the base round-trip time is the minimum. A route that became longer is known after this time.
const BASE_SECONDS: u64 = 30;

/// What is known of the round-trip time. Times are microseconds; `None` before the first acknowledgement.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RoundTrip {
    /// Exponentially weighted mean with weight 1/8 (RFC 6298, section 2).
    pub smoothed_us: Option<u64>,
    /// The least of the latest 30 s: the path without a queue, if it was empty once.
    pub base_us: Option<u64>,
}

/// Estimates [`RoundTrip`] from samples.
#[derive(Debug, Clone, Default)]
pub(super) struct Estimator {
    smoothed_us: Option<f64>,
    /// The least sample of each second that had one; at most `BASE_SECONDS` + 1 entries.
    minima: VecDeque<(u64, u64)>,
    base_us: Option<u64>,
}

impl Estimator {
    pub(super) fn add(&mut self, now_us: u64, sample_us: u64) {
        let sample = sample_us as f64;
        self.smoothed_us =
            Some(self.smoothed_us.map_or(sample, |smoothed| smoothed + (sample - smoothed) / 8.0));
        let second = now_us / 1_000_000;
        match self.minima.back_mut() {
            Some((last, least)) if *last == second => *least = (*least).min(sample_us),
            _ => self.minima.push_back((second, sample_us)),
        }
        while self.minima.front().is_some_and(|(first, _)| first + BASE_SECONDS < second) {
            self.minima.pop_front();
        }
        self.base_us = self.minima.iter().map(|(_, least)| *least).min();
    }

    pub(super) fn smoothed_us(&self) -> Option<f64> {
        self.smoothed_us
    }

    pub(super) fn base_us(&self) -> Option<u64> {
        self.base_us
    }

    pub(super) fn read(&self) -> RoundTrip {
        RoundTrip {
            smoothed_us: self.smoothed_us.map(|smoothed| smoothed as u64),
            base_us: self.base_us,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_is_the_least_of_30_seconds() {
        let mut estimator = Estimator::default();
        estimator.add(0, 20_000);
        estimator.add(1_000_000, 50_000);
        assert_eq!(estimator.base_us(), Some(20_000));
        estimator.add(30_999_999, 50_000);
        assert_eq!(estimator.base_us(), Some(20_000));
        estimator.add(31_000_000, 60_000);
        assert_eq!(estimator.base_us(), Some(50_000));
    }

    #[test]
    fn minima_are_bounded() {
        let mut estimator = Estimator::default();
        for now_ms in 0..100_000 {
            estimator.add(now_ms * 1000, 1);
        }
        assert!(estimator.minima.len() as u64 <= BASE_SECONDS + 1);
    }
}
