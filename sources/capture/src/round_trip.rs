//! Round trips from the place of the capture to one end: from a segment to its acknowledgement (RFC 6298).

use conns_core::model::Moment;

/// The round trips of one direction.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct RoundTrip {
    /// The position behind the segment that is measured, and when it was seen.
    measured: Option<(i64, Moment)>,
    estimate: Option<Estimate>,
}

#[derive(Debug, Clone, Copy)]
struct Estimate {
    smoothed_us: u64,
    deviation_us: u64,
    min_us: u64,
}

impl RoundTrip {
    /// A segment that ends at `position` was seen for the first time.
    pub(crate) fn start(&mut self, position: i64, now: Moment) {
        self.measured.get_or_insert((position, now));
    }

    /// The segment was sent again.
    pub(crate) fn cancel(&mut self) {
        self.measured = None;
    }

    /// Everything before `position` is acknowledged.
    pub(crate) fn complete(&mut self, position: i64, now: Moment) {
        let Some((_, since)) = self.measured.filter(|(end, _)| *end <= position) else { return };
        self.measured = None;
        let us = now.monotonic_us.saturating_sub(since.monotonic_us);
        self.estimate = Some(match self.estimate {
            None => Estimate { smoothed_us: us, deviation_us: us / 2, min_us: us },
            // RFC 6298 section 2.3.
            Some(before) => Estimate {
                smoothed_us: (before.smoothed_us.saturating_mul(7).saturating_add(us)) / 8,
                deviation_us: (before
                    .deviation_us
                    .saturating_mul(3)
                    .saturating_add(before.smoothed_us.abs_diff(us)))
                    / 4,
                min_us: before.min_us.min(us),
            },
        });
    }

    /// The smoothed one, microseconds.
    pub(crate) fn smoothed_us(&self) -> Option<u64> {
        self.estimate.map(|estimate| estimate.smoothed_us)
    }

    /// The mean deviation, microseconds.
    pub(crate) fn deviation_us(&self) -> Option<u64> {
        self.estimate.map(|estimate| estimate.deviation_us)
    }

    /// The shortest one, microseconds.
    pub(crate) fn min_us(&self) -> Option<u64> {
        self.estimate.map(|estimate| estimate.min_us)
    }
}
