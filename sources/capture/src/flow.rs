//! A UDP flow of a capture file: the datagrams between two ends.

use conns_core::decode::{BothSides, Side};
use conns_core::model::{Endpoint, Moment};

use crate::repeats::{self, Repeats};
use crate::transport::Datagram;

/// How long a flow without datagrams is listed, microseconds: as Linux tracks one that both ends have used
/// (`net.netfilter.nf_conntrack_udp_timeout_stream`).
const TIMEOUT_US: u64 = 120_000_000;

/// A UDP flow.
#[derive(Debug)]
pub(crate) struct Flow {
    /// The end that sent the first datagram seen, and the other one.
    pub(crate) ends: BothSides<Endpoint>,
    /// What each of them sent.
    pub(crate) sent: BothSides<Sent>,
    repeats: BothSides<Repeats>,
    last_at: Moment,
}

/// The datagrams of one end.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sent {
    pub(crate) datagrams: u64,
    pub(crate) bytes: u64,
}

impl Flow {
    /// A flow whose first datagram `source` sent.
    pub(crate) fn new(source: Endpoint, destination: Endpoint, now: Moment) -> Self {
        Self {
            ends: BothSides { sent: source, received: destination },
            sent: BothSides::default(),
            repeats: BothSides::default(),
            last_at: now,
        }
    }

    /// Adds a datagram that the end `side` sent; false if it was captured before.
    pub(crate) fn apply(
        &mut self,
        side: Side,
        datagram: &Datagram<'_>,
        ip_id: u32,
        now: Moment,
    ) -> bool {
        // Without an identification, equal datagrams do not differ from copies.
        let digest = || {
            let head = datagram.payload.first_chunk().map_or(0, |head| u64::from_le_bytes(*head));
            repeats::digest(&[u64::from(ip_id), u64::from(datagram.payload_bytes), head])
        };
        if ip_id != 0 && self.repeats.of_mut(side).is_repeated(digest(), now.monotonic_us) {
            return false;
        }
        let sent = self.sent.of_mut(side);
        sent.datagrams += 1;
        sent.bytes += u64::from(datagram.payload_bytes);
        self.last_at = now;
        true
    }

    /// Whether it is not listed any more.
    pub(crate) fn is_over(&self, now: Moment) -> bool {
        now.monotonic_us.saturating_sub(self.last_at.monotonic_us) > TIMEOUT_US
    }
}
