//! How long a gap is waited for once the receiver has acknowledged its bytes: what it has, the sender
//! does not send again, so that only reordering in the source can still bring it.

/// How long the source may hand over late what the receiver acknowledged, microseconds of its own time.
/// Captures reorder packets by milliseconds.
pub const MAX_GAP_WAIT_US: u64 = 1_000_000;
/// After how many more segments of the connection it is given up in any case: batches in which capture
/// and NIC reorder are shorter.
pub const MAX_GAP_SEGMENTS: u32 = 64;

/// What was acknowledged and not handed over.
#[derive(Debug, Default)]
pub(super) struct Wait {
    /// The highest position acknowledged.
    acknowledged: u64,
    missing: Option<Missing>,
}

#[derive(Debug, Clone, Copy)]
struct Missing {
    until: u64,
    since_us: u64,
    segments: u32,
}

impl Wait {
    /// Notes that what is before `acknowledged` was, while the next byte is that at `position`.
    pub(super) fn note(&mut self, position: u64, acknowledged: u64, at_us: u64) {
        self.acknowledged = self.acknowledged.max(acknowledged);
        if self.missing.is_none() {
            self.renew(position, at_us);
        }
    }

    /// Waits for what is missing from now on.
    pub(super) fn renew(&mut self, position: u64, at_us: u64) {
        let until = self.acknowledged;
        self.missing =
            (until > position).then_some(Missing { until, since_us: at_us, segments: 0 });
    }

    /// Counts a segment; the position up to which it was waited for long enough.
    pub(super) fn expired(&mut self, position: u64, at_us: u64) -> Option<u64> {
        let missing = self.missing.as_mut()?;
        if position >= missing.until {
            self.renew(position, at_us);
            return None;
        }
        missing.segments += 1;
        let waited_us = at_us.saturating_sub(missing.since_us);
        let is_over = waited_us >= MAX_GAP_WAIT_US || missing.segments > MAX_GAP_SEGMENTS;
        is_over.then_some(missing.until)
    }
}
