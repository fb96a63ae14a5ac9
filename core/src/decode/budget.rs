//! The bounds on what first bytes and decoders hold, and what was refused because of them.

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

    fn used(&self) -> u64 {
        self.used
    }

    /// Changes a charge; `false` if the limit is exceeded then.
    fn change(&mut self, from: u64, to: u64) -> bool {
        self.used = self.used.saturating_sub(from).saturating_add(to);
        self.used <= self.limit
    }
}

/// The bounds of recognition and of decoders are separate, so that connections that send a few bytes and
/// then nothing do not take the room of what is recognised.
#[derive(Debug, Clone)]
pub(super) struct Budgets {
    /// For first bytes.
    pub(super) recognition: Budget,
    /// For decoders.
    pub(super) decoders: Budget,
}

/// What one connection holds.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Charge {
    pub(super) recognition: u64,
    pub(super) decoder: u64,
}

impl Budgets {
    pub(super) fn used(&self) -> u64 {
        self.recognition.used() + self.decoders.used()
    }

    /// Changes what a connection holds; `false` if a bound that it uses is exceeded then.
    pub(super) fn change(&mut self, from: &mut Charge, to: Charge) -> bool {
        let from = std::mem::replace(from, to);
        let first = self.recognition.change(from.recognition, to.recognition);
        let second = self.decoders.change(from.decoder, to.decoder);
        (first || to.recognition == 0) && (second || to.decoder == 0)
    }
}

/// What happened to the connections of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DecodeCounts {
    /// Connections whose protocol was recognised.
    pub recognised: u64,
    /// Connections whose first bytes are of no known protocol.
    pub unrecognised: u64,
    /// Flows of datagrams of no known protocol.
    pub unrecognised_flows: u64,
    /// Connections that were not read because there are too many.
    pub streams_refused: u64,
    /// Connections whose recognition was given up because all together hold too much.
    pub recognitions_dropped: u64,
    /// Decoders that were dropped because they, or all together, held too much.
    pub decoders_dropped: u64,
    /// Names of addresses that were dropped because they were not taken in time.
    pub names_refused: u64,
    /// What the assemblers of removed connections counted.
    pub assembly: AssemblyCounts,
}
