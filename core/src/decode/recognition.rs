//! Finds the protocol of a connection: keeps its first bytes, and shows them to every protocol until
//! one is certain or all refuse.

use crate::model::{Certainty, Moment};

use super::media::Publications;
use super::{BothSides, Decoder, Ends, Opening, Prefix, Probe, ProtocolSpec, Side};

/// Most first bytes of a side that are kept. A TLS ClientHello with post-quantum keys has 1.8 KiB, and
/// requests of HTTP are rarely longer.
pub const MAX_PREFIX_BYTES: usize = 4096;
/// Most chunks that are kept, so that a peer that sends single bytes gets no more memory than others.
const MAX_CHUNKS: usize = 64;
/// A connection that began before it was seen is probed again with later bytes, because the first
/// ones may lie within a message: that many times.
const MAX_LATE_WINDOWS: u8 = 16;

/// The first bytes of a connection, and which protocols refused them.
#[derive(Debug, Default)]
pub(super) struct Recognition {
    kept: BothSides<Kept>,
    chunks: Vec<KeptChunk>,
    /// By the index of the protocol.
    refused: Vec<bool>,
    is_interrupted: bool,
    late_windows: u8,
}

#[derive(Debug, Default)]
struct Kept {
    bytes: Vec<u8>,
    began_late: bool,
    is_complete: bool,
}

/// Consecutive bytes that were kept together.
#[derive(Debug, Clone, Copy)]
struct KeptChunk {
    side: Side,
    length: usize,
    at: Moment,
}

/// The result so far.
#[derive(Debug)]
pub(super) enum Outcome {
    Undecided,
    Recognised {
        protocol: &'static ProtocolSpec,
        certainty: Certainty,
        decoder: Box<dyn Decoder>,
        max_memory: u64,
    },
    Unrecognised,
}

impl Recognition {
    /// Notes that the bytes of a side do not begin with its first one.
    pub(super) fn begins_late(&mut self, side: Side) {
        self.kept.of_mut(side).began_late = true;
    }

    /// Adds bytes of a side; returns how many of them are kept. If not all are, the next decision is
    /// final.
    pub(super) fn add(&mut self, side: Side, bytes: &[u8], at: Moment) -> usize {
        let kept = self.kept.of_mut(side);
        let room = MAX_PREFIX_BYTES.saturating_sub(kept.bytes.len());
        let taken = bytes.get(..room).unwrap_or(bytes);
        kept.bytes.extend_from_slice(taken);
        kept.is_complete = kept.bytes.len() >= MAX_PREFIX_BYTES;
        if taken.len() < bytes.len() || self.chunks.len() >= MAX_CHUNKS {
            self.complete();
        }
        self.chunks.push(KeptChunk { side, length: taken.len(), at });
        taken.len()
    }

    /// Notes that bytes of a side are missing: the next decision is final.
    pub(super) fn interrupt(&mut self, side: Side) {
        if self.kept.of(side).bytes.is_empty() {
            self.begins_late(side);
        }
        self.is_interrupted = true;
        self.complete();
    }

    /// No more bytes of a side follow.
    pub(super) fn complete_side(&mut self, side: Side) {
        self.kept.of_mut(side).is_complete = true;
    }

    fn complete(&mut self) {
        Side::ALL.into_iter().for_each(|side| self.complete_side(side));
    }

    /// Bytes held on the heap.
    pub(super) fn memory(&self) -> u64 {
        let bytes = self.kept.sent.bytes.capacity() + self.kept.received.bytes.capacity();
        (bytes + self.chunks.capacity() * size_of::<KeptChunk>() + self.refused.capacity()) as u64
    }

    /// Shows the bytes to the protocols.
    pub(super) fn decide(
        &mut self,
        protocols: &[&'static ProtocolSpec],
        ends: Ends,
        publications: &Publications,
    ) -> Outcome {
        let Some(first) = self.chunks.first().map(|chunk| chunk.side) else {
            return self.if_complete(Outcome::Unrecognised);
        };
        let prefix = |kept: &Kept| (kept.began_late, kept.is_complete);
        let flags =
            BothSides { sent: prefix(&self.kept.sent), received: prefix(&self.kept.received) };
        let prefix = |side| {
            let (began_late, is_complete) = *flags.of(side);
            let bytes = self.kept.of(side).bytes.as_slice();
            Prefix { bytes, is_from_start: !began_late, is_complete }
        };
        let prefixes = BothSides { sent: prefix(Side::Sent), received: prefix(Side::Received) };
        let opening = Opening { prefixes, first, ends, publications };
        self.refused.resize(protocols.len(), false);
        let mut possible = None;
        for (protocol, refused) in protocols.iter().zip(&mut self.refused) {
            let Some(stream) = protocol.stream.as_ref().filter(|_| !*refused) else { continue };
            let recognised = |certainty| Outcome::Recognised {
                protocol,
                certainty,
                decoder: (stream.decoder)(&opening),
                max_memory: stream.max_memory,
            };
            match (stream.probe)(&opening) {
                Probe::Certain => return recognised(Certainty::Certain),
                Probe::Maybe if possible.is_none() => possible = Some((protocol, stream)),
                Probe::Maybe | Probe::NeedMore => {}
                Probe::NotMine => *refused = true,
            }
        }
        let is_refused =
            |(protocol, refused): (&&ProtocolSpec, &bool)| *refused || protocol.stream.is_none();
        if protocols.iter().zip(&self.refused).all(is_refused) {
            return Outcome::Unrecognised;
        }
        let result = match possible {
            Some((protocol, stream)) => Outcome::Recognised {
                protocol,
                certainty: Certainty::Likely,
                decoder: (stream.decoder)(&opening),
                max_memory: stream.max_memory,
            },
            None => Outcome::Unrecognised,
        };
        self.if_complete(result)
    }

    fn if_complete(&self, outcome: Outcome) -> Outcome {
        let is_complete = self.kept.sent.is_complete && self.kept.received.is_complete;
        // A side that is full is not held up by one that never sends.
        let is_full =
            Side::ALL.iter().any(|side| self.kept.of(*side).bytes.len() >= MAX_PREFIX_BYTES);
        if is_complete || is_full { outcome } else { Outcome::Undecided }
    }

    /// Whether a side was not seen from its begin without gap.
    pub(super) fn is_late(&self) -> bool {
        self.kept.sent.began_late || self.kept.received.began_late || self.is_interrupted
    }

    /// Begins anew with the bytes that follow, if a side was not seen from its begin without gap;
    /// `false` if it was, or if that was done [`MAX_LATE_WINDOWS`] times.
    pub(super) fn restart(&mut self) -> bool {
        if !self.is_late() || self.late_windows >= MAX_LATE_WINDOWS {
            return false;
        }
        self.late_windows += 1;
        self.chunks.clear();
        self.refused.clear();
        for side in Side::ALL {
            let kept = self.kept.of_mut(side);
            kept.bytes.clear();
            kept.began_late = true;
            kept.is_complete = false;
        }
        true
    }

    /// Hands the kept bytes to a decoder, in the order in which they came.
    pub(super) fn replay(&self, decoder: &mut dyn Decoder) {
        let mut rest = BothSides {
            sent: self.kept.sent.bytes.as_slice(),
            received: self.kept.received.bytes.as_slice(),
        };
        for KeptChunk { side, length, at } in &self.chunks {
            let rest = rest.of_mut(*side);
            if let Some((bytes, behind)) = rest.split_at_checked(*length)
                && !bytes.is_empty()
            {
                decoder.data(*side, bytes, *at);
                *rest = behind;
            }
        }
    }
}
