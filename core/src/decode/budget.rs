//! The bound on what first bytes and decoders hold, and what was refused because of it.

use super::assembly::AssemblyCounts;

/// Bytes that may be held by all streams of a source together.
#[derive(Debug, Clone)]
pub(super) struct Budget {
    limit: u64,
    used: u64,
}

impl Budget {
    pub(super) fn new(limit: u64) -> Self {
        Self { limit, used: 0 }
    }

    pub(super) fn used(&self) -> u64 {
        self.used
    }

    /// Changes a charge; `false` if the limit is exceeded then.
    pub(super) fn change(&mut self, from: u64, to: u64) -> bool {
        self.used = self.used.saturating_sub(from).saturating_add(to);
        self.used <= self.limit
    }
}

/// What happened to the connections of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DecodeCounts {
    /// Connections whose protocol was recognised.
    pub recognised: u64,
    /// Connections whose first bytes are of no known protocol.
    pub unrecognised: u64,
    /// Connections that were not read because there are too many.
    pub streams_refused: u64,
    /// Connections whose recognition was given up because all together hold too much.
    pub recognitions_dropped: u64,
    /// Decoders that were dropped because they, or all together, held too much.
    pub decoders_dropped: u64,
    /// What the assemblers of removed connections counted.
    pub assembly: AssemblyCounts,
}
