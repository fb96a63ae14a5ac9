//! Bytes as a stream of media, driven as a source drives it.

use conns_core::decode::assembly::Segment;
use conns_core::decode::{Ends, Limits, Side, Streams, registry};
use conns_core::model::{Endpoint, Moment};

/// What one connection of these protocols may hold, and the first bytes of it.
const MAX_MEMORY: u64 = 512 * 1024;

/// A connection and a flow, for protocols by their names.
pub(crate) struct Run {
    pub(crate) streams: Streams<u8>,
    next: [u32; 2],
    now: Moment,
}

/// The flow that a session sets up, beside the connection 0.
pub(crate) const FLOW: u8 = 1;

pub(crate) fn ends(client: u16, server: u16) -> Ends {
    let end = |port| Some(Endpoint { address: [127, 0, 0, 1].into(), port });
    Ends { local: end(client), remote: end(server), opener: Some(Side::Sent) }
}

impl Run {
    pub(crate) fn new(names: &[&str], is_from_start: bool) -> Self {
        let protocols = registry().filter(|protocol| names.contains(&protocol.name));
        let mut streams = Streams::new(protocols.collect(), Limits::default());
        assert!(streams.open(0, ends(40_000, 554)));
        assert!(streams.open(FLOW, ends(5000, 6000)));
        let mut run = Self { streams, next: [u32::MAX - 1000; 2], now: Moment::default() };
        if is_from_start {
            for side in Side::ALL {
                let segment = Segment { sequence: *run.next(side), syn: true, ..Segment::default() };
                run.streams.segment(0, side, segment, run.now);
                *run.next(side) = run.next(side).wrapping_add(1);
            }
        }
        run
    }

    fn next(&mut self, side: Side) -> &mut u32 {
        let [sent, received] = &mut self.next;
        if side == Side::Sent { sent } else { received }
    }

    /// Bytes of the connection in order.
    pub(crate) fn data(&mut self, side: Side, bytes: &[u8]) {
        let segment = Segment { sequence: *self.next(side), bytes, ..Segment::default() };
        *self.next(side) = self.next(side).wrapping_add(bytes.len() as u32);
        self.streams.segment(0, side, segment, self.now);
    }

    /// A datagram of the flow.
    pub(crate) fn datagram(&mut self, side: Side, bytes: &[u8]) {
        self.streams.datagram(FLOW, side, bytes, 0, self.now);
    }

    /// Steps of bytes: side, kind and time, length (two bytes, little endian), and that many bytes.
    pub(crate) fn steps(&mut self, mut rest: &[u8]) {
        while let Some((&[kind, low, high], behind)) = rest.split_first_chunk() {
            let length = usize::from(u16::from_le_bytes([low, high]));
            let side = if kind & 1 == 0 { Side::Sent } else { Side::Received };
            rest = behind;
            self.now.monotonic_us += u64::from(kind >> 4) * 500_000;
            if kind >> 1 & 7 == 6 {
                let next = self.next(side);
                *next = next.wrapping_add(length as u32);
                let next = *next;
                self.streams.lost(0, side, Some(next), self.now);
            } else {
                let (bytes, behind) = rest.split_at(length.min(rest.len()));
                rest = behind;
                match kind >> 1 & 7 {
                    5 => self.datagram(side, bytes),
                    _ => self.data(side, bytes),
                }
            }
            assert!(self.streams.decoding_memory() <= MAX_MEMORY);
        }
    }

    /// Every layer has as many values as its protocol has fields; nothing is held when all is removed.
    pub(crate) fn finish(mut self) {
        for key in [0, FLOW] {
            self.streams.close(key, self.now);
            for side in Side::ALL {
                let application = self.streams.application(key, side, self.now);
                for layer in application.iter().flat_map(|application| &application.layers) {
                    let spec = registry().find(|spec| *spec.name == *layer.protocol);
                    assert_eq!(spec.expect("registered").fields.len(), layer.values.len());
                }
            }
            self.streams.remove(key);
        }
        assert_eq!(self.streams.memory(), 0);
    }
}
