//! Payload that a listener received before there was a socket of its connection: with a SYN (fast open, RFC 7413), or with
//! the last segment of the handshake. It is handed over when the connection is seen.

use std::collections::HashMap;
use std::time::Duration;

use conns_contract::{Payload, Side};
use conns_core::decode::assembly::Segment;
use conns_core::model::{ConnectionId, Endpoint, Moment};
use foldhash::fast::RandomState;

use super::{Sink, begin_of};
use crate::layout::{PAYLOAD_FIN, PayloadHeader};

/// Most bytes kept: a thousand connections with first bytes each. Any peer can send a SYN with payload.
const MAX_BYTES: usize = 4 * 1024 * 1024;
/// What each segment takes besides its bytes.
const SEGMENT_BYTES: usize = 160;
/// A connection that is accepted answers sooner.
const LIFETIME: Duration = Duration::from_secs(5);

/// Network namespace, this end, the other end.
type Key = (u64, Endpoint, Endpoint);

/// The segments by the ends of their connection.
#[derive(Debug, Default)]
pub(super) struct EarlySegments {
    by_ends: HashMap<Key, Vec<EarlySegment>, RandomState>,
    bytes: usize,
    refused_bytes: u64,
}

#[derive(Debug)]
struct EarlySegment {
    sequence: u32,
    fin: bool,
    cut: u32,
    bytes: Box<[u8]>,
    at: Moment,
}

impl EarlySegments {
    pub(super) fn add(&mut self, netns: u64, header: &PayloadHeader, bytes: &[u8], at: Moment) {
        let size = SEGMENT_BYTES + bytes.len();
        if self.bytes + size > MAX_BYTES {
            self.refused_bytes += bytes.len() as u64;
            return;
        }
        self.bytes += size;
        let segment = EarlySegment {
            sequence: header.sequence.get(),
            fin: header.has(PAYLOAD_FIN),
            cut: header.cut.get(),
            bytes: bytes.into(),
            at,
        };
        self.by_ends.entry((netns, header.local(), header.remote())).or_default().push(segment);
    }

    /// Hands over the segments of the connection that begins with this record.
    pub(super) fn hand_over(&mut self, header: &PayloadHeader, id: ConnectionId, sink: Sink<'_>) {
        if self.by_ends.is_empty() {
            return;
        }
        let key = (id.socket.netns, header.local(), header.remote());
        let segments = self.by_ends.remove(&key).unwrap_or_default();
        if let Some(first) = segments.first() {
            sink(id, first.at, begin_of(Side::Received, first.sequence));
        }
        for EarlySegment { sequence, fin, cut, bytes, at } in &segments {
            self.bytes -= SEGMENT_BYTES + bytes.len();
            let (sequence, fin, cut) = (*sequence, *fin, *cut);
            let segment = Segment { sequence, syn: false, fin, bytes, cut, ack: None };
            let before = sequence;
            sink(id, *at, Payload::Segment { side: Side::Received, segment, before });
        }
    }

    /// Removes the segments whose connection was not seen.
    pub(super) fn expire(&mut self, now: Moment) {
        let Self { by_ends, bytes, .. } = self;
        by_ends.retain(|_, segments| {
            let is_kept = segments.iter().any(|segment| now.since(segment.at) < LIFETIME);
            if !is_kept {
                let sizes = segments.iter().map(|segment| SEGMENT_BYTES + segment.bytes.len());
                *bytes -= sizes.sum::<usize>();
            }
            is_kept
        });
    }

    /// Bytes that the bound refused since the last call.
    pub(super) fn take_refused(&mut self) -> u64 {
        std::mem::take(&mut self.refused_bytes)
    }
}
