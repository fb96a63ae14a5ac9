//! The counters of a socket: read from a sample, widened across wraps, and subtracted.

use crate::model::{Socket, Totals};

/// Counters of one socket since it was established.
///
/// The kernel has some of them in 32 or 16 bits. [`Counters::continuing`] widens these: the
/// difference of two samples is read as a signed number of that width, so that a counter that
/// wrapped goes on, and one that went back by less than half of its range went back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counters {
    pub(super) bytes_out: u64,
    pub(super) bytes_in: u64,
    pub(super) segments_out: u64,
    pub(super) segments_in: u64,
    /// Retransmitted, less duplicates; goes back when a duplicate is reported late.
    pub(super) segments_lost: u64,
    pub(super) timeouts: u32,
    pub(super) busy_us: u64,
    pub(super) rwnd_limited_us: u64,
    pub(super) sndbuf_limited_us: u64,
    pub(super) drops: u64,
}

impl Counters {
    /// The counters as the kernel reports them; 0 where it does not.
    pub(super) fn of(socket: &Socket, fin_received: bool) -> Self {
        let bytes_out = socket.bytes_out().get().unwrap_or(0);
        let bytes_in = socket.bytes_in(fin_received).get().unwrap_or(0);
        let drops = socket.memory.get().and_then(|m| m.drops).unwrap_or(0).into();
        let Some(tcp) = socket.tcp.value() else {
            return Self { bytes_out, bytes_in, drops, ..Self::default() };
        };
        let retransmitted = tcp.total_retrans().unwrap_or(0);
        Self {
            bytes_out,
            bytes_in,
            segments_out: tcp.data_segs_out().unwrap_or(0).into(),
            segments_in: tcp.data_segs_in().unwrap_or(0).into(),
            segments_lost: retransmitted.saturating_sub(tcp.dsack_dups().unwrap_or(0)).into(),
            timeouts: tcp.total_rto().unwrap_or(0).into(),
            busy_us: tcp.busy_time().unwrap_or(0),
            rwnd_limited_us: tcp.rwnd_limited().unwrap_or(0),
            sndbuf_limited_us: tcp.sndbuf_limited().unwrap_or(0),
            drops,
        }
    }

    /// The counters of a sample after `earlier` of the same socket, the narrow ones widened. A
    /// narrow counter that the sample does not have stays as it was.
    pub(super) fn continuing(socket: &Socket, fin_received: bool, earlier: &Self) -> Self {
        let mut now = Self::of(socket, fin_received);
        let drops = socket.memory.get().and_then(|memory| memory.drops);
        now.drops = drops.map_or(earlier.drops, |drops| widened(earlier.drops, drops));
        let Some(tcp) = socket.tcp.value() else {
            return Self {
                segments_out: earlier.segments_out,
                segments_in: earlier.segments_in,
                segments_lost: earlier.segments_lost,
                timeouts: earlier.timeouts,
                ..now
            };
        };
        let next = |earlier: u64, read: Option<u32>| widened(earlier, read.unwrap_or(0));
        // Both counters may have wrapped, or one of them: only their difference counts.
        let duplicates = tcp.dsack_dups().unwrap_or(0);
        let lost = tcp.total_retrans().map(|retransmitted| retransmitted.wrapping_sub(duplicates));
        now.segments_out = next(earlier.segments_out, tcp.data_segs_out());
        now.segments_in = next(earlier.segments_in, tcp.data_segs_in());
        now.segments_lost = next(earlier.segments_lost, lost);
        now.timeouts = widened_16(earlier.timeouts, tcp.total_rto().unwrap_or(0));
        now
    }

    /// The difference to `earlier`; 0 for a counter that went back.
    pub(super) fn since(self, earlier: Self) -> Self {
        Self {
            bytes_out: self.bytes_out.saturating_sub(earlier.bytes_out),
            bytes_in: self.bytes_in.saturating_sub(earlier.bytes_in),
            segments_out: self.segments_out.saturating_sub(earlier.segments_out),
            segments_in: self.segments_in.saturating_sub(earlier.segments_in),
            segments_lost: self.segments_lost.saturating_sub(earlier.segments_lost),
            timeouts: self.timeouts.saturating_sub(earlier.timeouts),
            busy_us: self.busy_us.saturating_sub(earlier.busy_us),
            rwnd_limited_us: self.rwnd_limited_us.saturating_sub(earlier.rwnd_limited_us),
            sndbuf_limited_us: self.sndbuf_limited_us.saturating_sub(earlier.sndbuf_limited_us),
            drops: self.drops.saturating_sub(earlier.drops),
        }
    }

    /// The widened counters, if one of them is beyond 32 bits.
    pub(super) fn totals(&self) -> Option<Totals> {
        let Self { segments_out, segments_lost, drops, .. } = *self;
        let is_wide = [segments_out, segments_lost, drops].iter().any(|n| *n > u32::MAX.into());
        is_wide.then_some(Totals { segments_out, segments_lost, drops })
    }
}

/// `earlier`, advanced to a value that has `now` as its low 32 bits, by the smaller of the two
/// possible steps; 0 if a step back goes below it.
fn widened(earlier: u64, now: u32) -> u64 {
    let step = now.wrapping_sub(earlier as u32).cast_signed();
    earlier.saturating_add_signed(step.into())
}

/// As [`widened`], for a counter of 16 bits.
fn widened_16(earlier: u32, now: u16) -> u32 {
    let step = now.wrapping_sub(earlier as u16).cast_signed();
    earlier.saturating_add_signed(step.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrap_goes_on_and_a_small_step_back_goes_back() {
        assert_eq!(widened(10, 12), 12);
        assert_eq!(widened(u64::from(u32::MAX) - 1, 3), (1 << 32) + 3);
        assert_eq!(widened((5 << 32) + 7, 2), (5 << 32) + 2);
        // Back over the wrap.
        assert_eq!(widened((1 << 32) + 3, u32::MAX), u64::from(u32::MAX));
        // A step of exactly half of the range is a step back.
        assert_eq!(widened(1 << 31, 0), 0);
        assert_eq!(widened((1 << 31) + 1, 0), 1 << 32);
        assert_eq!(widened(5, u32::MAX), 0);
        assert_eq!(widened_16(65_535, 1), 65_537);
        assert_eq!(widened_16(65_537, 65_535), 65_535);
    }
}
