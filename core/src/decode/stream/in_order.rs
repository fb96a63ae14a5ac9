//! The part of a stream that gets its bytes in order: recognition first, then the decoder.

use std::sync::Arc;

use crate::decode::assembly::{Assembled, MAX_AHEAD};
use crate::decode::recognition::{Outcome, Recognition};
use crate::decode::{BothSides, Decoder, Ends, Inner, ProtocolSpec, Side, Want};
use crate::model::{Application, Certainty, Layer, LayerOrigin, Moment};

use super::Common;

/// Most protocols inside each other: TLS, HTTP, a tunnel, and what it carries.
const MAX_LAYERS: usize = 4;

#[derive(Debug)]
pub(super) struct InOrder {
    ends: Ends,
    phase: Phase,
    gap_bytes: u64,
    /// Charged to the budget.
    charge: u64,
    /// Passed over since the source was last steered.
    skipped: BothSides<u64>,
    /// Position of the next byte.
    positions: BothSides<u64>,
    ended: BothSides<bool>,
}

#[derive(Debug)]
enum Phase {
    Recognising(Box<Recognition>),
    Decoding(Decoding),
    /// Not recognised, or the decoder was dropped.
    Ignored,
}

#[derive(Debug)]
struct Decoding {
    protocol: &'static ProtocolSpec,
    certainty: Certainty,
    since: Moment,
    decoder: Box<dyn Decoder>,
}

impl InOrder {
    pub(super) fn new(ends: Ends) -> Self {
        Self {
            ends,
            phase: Phase::Recognising(Box::default()),
            gap_bytes: 0,
            charge: 0,
            skipped: BothSides::default(),
            positions: BothSides::default(),
            ended: BothSides::default(),
        }
    }

    pub(super) fn position(&self, side: Side) -> u64 {
        *self.positions.of(side)
    }

    pub(super) fn want(&self, side: Side) -> Want {
        match &self.phase {
            Phase::Recognising(_) => Want::Whole,
            Phase::Decoding(decoding) => decoding.decoder.want(side),
            Phase::Ignored => Want::NoMore,
        }
    }

    /// Whether the protocol is not decided yet.
    pub(super) fn is_recognising(&self) -> bool {
        matches!(self.phase, Phase::Recognising(_))
    }

    /// The process has read that many bytes since the connection began.
    pub(super) fn read_by_process(&mut self, bytes_total: u64, at: Moment) {
        if let Phase::Decoding(decoding) = &mut self.phase {
            decoding.decoder.read_by_process(bytes_total, at);
        }
    }

    /// Takes what follows in order; returns how many bytes after it are not wanted. `is_late` is
    /// whether the begin of the side was not seen.
    pub(super) fn apply(
        &mut self,
        side: Side,
        assembled: Assembled<'_>,
        is_late: bool,
        at: Moment,
        common: &mut Common,
    ) -> u64 {
        match assembled {
            Assembled::Data { position, bytes } => {
                if let Phase::Recognising(recognition) = &mut self.phase
                    && position == 0
                    && is_late
                {
                    recognition.begins_late(side);
                }
                *self.positions.of_mut(side) = position + bytes.len() as u64;
                self.data(side, bytes, at, common);
            }
            Assembled::Gap { position, bytes } => {
                *self.positions.of_mut(side) = position + bytes;
                self.gap(side, bytes, at, common);
            }
            Assembled::End { .. } => self.end(side, at, common),
        }
        self.charge(common);
        self.skip(side, at)
    }

    fn data(&mut self, side: Side, bytes: &[u8], at: Moment, common: &mut Common) {
        let mut rest = bytes;
        if let Phase::Recognising(recognition) = &mut self.phase {
            let kept = recognition.add(side, bytes, at);
            rest = bytes.get(kept..).unwrap_or_default();
            self.decide(at, common);
        }
        if let Phase::Decoding(decoding) = &mut self.phase
            && !rest.is_empty()
        {
            decoding.decoder.data(side, rest, at);
        }
    }

    fn gap(&mut self, side: Side, bytes: u64, at: Moment, common: &mut Common) {
        self.gap_bytes += bytes;
        if let Phase::Recognising(recognition) = &mut self.phase {
            recognition.interrupt(side);
            self.decide(at, common);
        }
        if let Phase::Decoding(decoding) = &mut self.phase {
            decoding.decoder.gap(side, bytes, at);
        }
    }

    /// A side ended.
    pub(super) fn end(&mut self, side: Side, at: Moment, common: &mut Common) {
        if std::mem::replace(self.ended.of_mut(side), true) {
            return;
        }
        match &mut self.phase {
            Phase::Recognising(recognition) => {
                recognition.complete_side(side);
                self.decide(at, common);
            }
            Phase::Decoding(decoding) => decoding.decoder.end(side, at),
            Phase::Ignored => {}
        }
        self.charge(common);
    }

    fn decide(&mut self, at: Moment, common: &mut Common) {
        let Phase::Recognising(recognition) = &mut self.phase else { return };
        match recognition.decide(&common.protocols, self.ends) {
            Outcome::Undecided => {}
            Outcome::Recognised { protocol, certainty, mut decoder } => {
                recognition.replay(&mut *decoder);
                for side in Side::ALL.into_iter().filter(|side| *self.ended.of(*side)) {
                    decoder.end(side, at);
                }
                common.counts.recognised += 1;
                self.phase = Phase::Decoding(Decoding { protocol, certainty, since: at, decoder });
            }
            Outcome::Unrecognised => {
                if !recognition.restart() {
                    common.counts.unrecognised += 1;
                    self.phase = Phase::Ignored;
                }
            }
        }
    }

    /// Passes over what the decoder does not want.
    fn skip(&mut self, side: Side, at: Moment) -> u64 {
        let Phase::Decoding(decoding) = &mut self.phase else { return 0 };
        let Want::Skip(bytes) = decoding.decoder.want(side) else { return 0 };
        let bytes = bytes.min(MAX_AHEAD);
        decoding.decoder.skipped(side, bytes, at);
        *self.positions.of_mut(side) += bytes;
        *self.skipped.of_mut(side) += bytes;
        bytes
    }

    /// Charges what is held to the budget, and drops it if that is too much.
    fn charge(&mut self, common: &mut Common) {
        let (held, limit) = match &self.phase {
            Phase::Recognising(recognition) => (recognition.memory(), u64::MAX),
            Phase::Decoding(decoding) => {
                let limit = decoding.protocol.stream.as_ref().map_or(0, |stream| stream.max_memory);
                (decoding.decoder.memory(), limit)
            }
            Phase::Ignored => (0, u64::MAX),
        };
        if common.budget.change(self.charge, held) && held <= limit {
            self.charge = held;
            return;
        }
        self.charge = held;
        match &self.phase {
            Phase::Recognising(_) => common.counts.recognitions_dropped += 1,
            Phase::Decoding(_) => common.counts.decoders_dropped += 1,
            // It holds nothing: others exceed the limit.
            Phase::Ignored => return,
        }
        self.release(common);
    }

    /// Drops what is held.
    pub(super) fn release(&mut self, common: &mut Common) {
        self.phase = Phase::Ignored;
        common.budget.change(std::mem::take(&mut self.charge), 0);
    }

    /// How many bytes were passed over since the last call, if they are at least `min`.
    pub(super) fn take_skipped(&mut self, side: Side, min: u64) -> u64 {
        let skipped = std::mem::take(self.skipped.of_mut(side));
        if skipped >= min { skipped } else { 0 }
    }

    pub(super) fn application(&self, seen_from: Side, now: Moment) -> Option<Arc<Application>> {
        let Phase::Decoding(Decoding { protocol, certainty, since, decoder }) = &self.phase else {
            return None;
        };
        let outermost =
            Inner { protocol, certainty: *certainty, since: *since, decoder: decoder.as_ref() };
        let chain = std::iter::successors(Some(outermost), |outer| outer.decoder.inner());
        let layers = chain.take(MAX_LAYERS).map(|layer| Layer {
            protocol: layer.protocol.name.into(),
            certainty: layer.certainty,
            origin: LayerOrigin::Seen,
            since: layer.since,
            gap_bytes: self.gap_bytes,
            values: layer.decoder.values(seen_from, now),
        });
        Some(Arc::new(Application { layers: layers.collect() }))
    }
}
