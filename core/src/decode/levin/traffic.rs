//! What the process of a node has written and read, when, and how fast, as the node itself counts it: it notes when it reads,
//! not when bytes arrive (`connection_basic`, `network_throttle` of monero-project/monero).

use crate::decode::{BothSides, Side};
use crate::model::Moment;
use crate::slots::Slots;

/// What moved between a process and its socket.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    moved: BothSides<Option<Moved>>,
    /// Whether the connection was seen from its begin, so that what is noted first moved just now.
    is_from_start: bool,
    slots: Slots,
    rates: BothSides<f64>,
}

/// What was written, or read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moved {
    /// Bytes since the connection began.
    pub(super) bytes: u64,
    pub(super) last: Moment,
}

impl Traffic {
    pub(super) fn new(is_from_start: bool) -> Self {
        Self { is_from_start, ..Self::default() }
    }

    /// Notes how many bytes of a side were written or read since the connection began.
    pub(super) fn add(&mut self, side: Side, bytes_total: u64, at: Moment) {
        let moved = self.moved.of_mut(side);
        let before = match moved {
            Some(before) => before.bytes,
            None if self.is_from_start => 0,
            None => bytes_total,
        };
        let new = bytes_total.saturating_sub(before);
        *moved = Some(Moved { bytes: bytes_total, last: at });
        let (out, received) = match side {
            Side::Sent => (new, 0),
            Side::Received => (0, new),
        };
        // Each direction is counted for itself: a rate stays as it was when its bytes moved last.
        if let Some(rates) = self.slots.add_at(at, out, received) {
            *self.rates.of_mut(side) = match side {
                Side::Sent => rates.out_bytes_per_s,
                Side::Received => rates.in_bytes_per_s,
            };
        }
    }

    /// What was written of [`Side::Sent`], or read of [`Side::Received`]; `None` before the first call.
    pub(super) fn moved(&self, side: Side) -> Option<Moved> {
        *self.moved.of(side)
    }

    /// Bytes a second over nine slots of one second, as of the last bytes that moved.
    pub(super) fn rate(&self, side: Side) -> Option<f64> {
        self.moved.of(side).map(|_| *self.rates.of(side))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment { monotonic_us: seconds * 1_000_000, wall_us: 0 }
    }

    #[test]
    fn a_rate_stays_until_bytes_of_its_side_move() {
        let mut traffic = Traffic::new(false);
        assert_eq!(traffic.rate(Side::Received), None);
        traffic.add(Side::Received, 0, at(100));
        traffic.add(Side::Received, 9000, at(101));
        traffic.add(Side::Sent, 0, at(101));
        traffic.add(Side::Sent, 900, at(130));
        assert_eq!(traffic.rate(Side::Received), Some(1000.0));
        assert_eq!(traffic.rate(Side::Sent), Some(100.0));
        traffic.add(Side::Received, 9900, at(131));
        assert_eq!(traffic.rate(Side::Received), Some(100.0));
        assert_eq!(traffic.moved(Side::Received).map(|moved| moved.bytes), Some(9900));
    }
}
