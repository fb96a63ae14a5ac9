//! The part of a stream that gets its bytes in order, or its datagrams: recognition first, then the
//! decoder.

use std::sync::Arc;

use crate::decode::assembly::{Assembled, MAX_AHEAD};
use crate::decode::budget::Charge;
use crate::decode::datagram::{Datagram, recognise};
use crate::decode::recognition::{Outcome, Recognition};
use crate::decode::{BothSides, Decoder, Ends, Inner, ProtocolSpec, Side, Want};
use crate::model::{Application, Certainty, Known, Layer, LayerOrigin, Moment, Unknown};

use super::Common;

/// Most protocols inside each other: TLS, HTTP, a tunnel, and what it carries.
const MAX_LAYERS: usize = 4;
/// How many datagrams of a flow are shown to the protocols: those of a protocol that is joined in the
/// middle may be encrypted, and then all are.
const MAX_PROBED_DATAGRAMS: u8 = 8;

#[derive(Debug)]
pub(super) struct InOrder {
    ends: Ends,
    phase: Phase,
    /// The protocol of the server's port, once the begin was missed.
    by_port: Option<(&'static ProtocolSpec, Moment)>,
    gap_bytes: u64,
    /// Charged to the budgets.
    charge: Charge,
    /// The sides of which nothing more was wanted once: the source does not hand them over any more.
    no_more: BothSides<bool>,
    /// What is wanted of each side, as of the last step.
    wants: BothSides<Want>,
    /// Passed over since the source was last steered.
    skipped: BothSides<u64>,
    /// Position of the next byte.
    positions: BothSides<u64>,
    ended: BothSides<bool>,
}

#[derive(Debug)]
enum Phase {
    Recognising(Box<Recognition>),
    /// Of datagrams, as many of which were tried.
    Probing(u8),
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
    max_memory: u64,
}

impl Decoding {
    /// Passes over what follows as far as the decoder wants to skip it; returns how many bytes that are.
    fn pass_over(&mut self, side: Side, bytes: u64, at: Moment) -> u64 {
        let mut passed = 0;
        while let Want::Skip(wanted @ 1..) = self.decoder.want(side)
            && passed < bytes
        {
            let next = wanted.min(bytes - passed);
            self.decoder.skipped(side, next, at);
            passed += next;
        }
        passed
    }
}

impl InOrder {
    pub(super) fn new(ends: Ends) -> Self {
        Self {
            ends,
            phase: Phase::Recognising(Box::default()),
            by_port: None,
            gap_bytes: 0,
            charge: Charge::default(),
            no_more: BothSides::default(),
            wants: BothSides { sent: Want::Whole, received: Want::Whole },
            skipped: BothSides::default(),
            positions: BothSides::default(),
            ended: BothSides::default(),
        }
    }

    pub(super) fn position(&self, side: Side) -> u64 {
        *self.positions.of(side)
    }

    /// Whether nothing more is wanted of a side.
    pub(super) fn is_unwanted(&self, side: Side) -> bool {
        *self.wants.of(side) == Want::NoMore
    }

    /// Asks the decoder what it wants, after a step of it.
    fn refresh_wants(&mut self) {
        for side in Side::ALL {
            let no_more = self.no_more.of_mut(side);
            let want = match &self.phase {
                Phase::Recognising(_) | Phase::Probing(_) => Want::Whole,
                Phase::Decoding(decoding) => decoding.decoder.want(side),
                Phase::Ignored => Want::NoMore,
            };
            *no_more |= want == Want::NoMore && matches!(self.phase, Phase::Decoding(_));
            *self.wants.of_mut(side) = if *no_more { Want::NoMore } else { want };
        }
    }

    /// Whether the protocol is not decided yet.
    pub(super) fn is_recognising(&self) -> bool {
        matches!(self.phase, Phase::Recognising(_) | Phase::Probing(_))
    }

    /// The process has read that many bytes since the connection began.
    pub(super) fn moved_by_process(&mut self, side: Side, bytes_total: u64, at: Moment) {
        if let Phase::Decoding(decoding) = &mut self.phase {
            decoding.decoder.moved_by_process(side, bytes_total, at);
            self.refresh_wants();
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
        self.finish_step(common);
        self.skip(side, at)
    }

    /// Takes a datagram, `cut` bytes of which were not captured. `expected` is the protocol of a flow that a
    /// connection set up.
    pub(super) fn datagram(
        &mut self,
        side: Side,
        bytes: &[u8],
        cut: u32,
        expected: Option<&'static ProtocolSpec>,
        at: Moment,
        common: &mut Common,
    ) {
        if matches!(self.phase, Phase::Recognising(_)) {
            self.phase = Phase::Probing(0);
        }
        if let Some(protocol) = expected
            && let Some(spec) = &protocol.datagram
            && !matches!(&self.phase, Phase::Decoding(one) if std::ptr::eq(one.protocol, protocol))
        {
            common.counts.recognised += 1;
            let decoder = (spec.decoder)(&Datagram { bytes, cut, side, ends: self.ends });
            let (certainty, max_memory) = (Certainty::Certain, spec.max_memory);
            let decoding = Decoding { protocol, certainty, since: at, decoder, max_memory };
            self.phase = Phase::Decoding(decoding);
        }
        if let Phase::Probing(tried) = &mut self.phase {
            *tried += 1;
            let datagram = Datagram { bytes, cut, side, ends: self.ends };
            if let Some((protocol, spec, certainty)) = recognise(&common.protocols, &datagram) {
                common.counts.recognised += 1;
                let (decoder, max_memory) = ((spec.decoder)(&datagram), spec.max_memory);
                let decoding = Decoding { protocol, certainty, since: at, decoder, max_memory };
                self.phase = Phase::Decoding(decoding);
            } else if *tried >= MAX_PROBED_DATAGRAMS {
                common.counts.unrecognised_flows += 1;
                self.phase = Phase::Ignored;
            }
        }
        self.refresh_wants();
        let is_wanted = !self.is_unwanted(side);
        if let Phase::Decoding(decoding) = &mut self.phase
            && is_wanted
        {
            decoding.decoder.data(side, bytes, at);
            if cut > 0 {
                self.gap_bytes += u64::from(cut);
                decoding.decoder.gap(side, cut.into(), at);
            }
        }
        self.finish_step(common);
    }

    /// Takes a datagram of a flow that this connection set up.
    pub(super) fn flow_datagram(
        &mut self,
        number: u32,
        side: Side,
        bytes: &[u8],
        cut: u32,
        at: Moment,
        common: &mut Common,
    ) {
        if let Phase::Decoding(decoding) = &mut self.phase {
            decoding.decoder.flow_datagram(number, side, bytes, cut, at);
            self.finish_step(common);
        }
    }

    fn data(&mut self, side: Side, bytes: &[u8], at: Moment, common: &mut Common) {
        let mut rest = bytes;
        if let Phase::Recognising(recognition) = &mut self.phase {
            let kept = recognition.add(side, bytes, at);
            rest = bytes.get(kept..).unwrap_or_default();
            self.decide(at, common);
        }
        let Phase::Decoding(decoding) = &mut self.phase else { return };
        let passed = decoding.pass_over(side, rest.len() as u64, at) as usize;
        let rest = rest.get(passed..).unwrap_or_default();
        if !rest.is_empty() && !*self.no_more.of(side) {
            decoding.decoder.data(side, rest, at);
        }
    }

    fn gap(&mut self, side: Side, bytes: u64, at: Moment, common: &mut Common) {
        if let Phase::Recognising(recognition) = &mut self.phase {
            recognition.interrupt(side);
            self.decide(at, common);
        }
        let mut missing = bytes;
        if let Phase::Decoding(decoding) = &mut self.phase {
            missing -= decoding.pass_over(side, bytes, at);
            if missing > 0 {
                decoding.decoder.gap(side, missing, at);
            }
        }
        self.gap_bytes += missing;
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
            Phase::Probing(_) | Phase::Ignored => {}
        }
        self.finish_step(common);
    }

    fn decide(&mut self, at: Moment, common: &mut Common) {
        let Phase::Recognising(recognition) = &mut self.phase else { return };
        match recognition.decide(&common.protocols, self.ends, &common.publications) {
            Outcome::Undecided => {}
            Outcome::Recognised { protocol, certainty, mut decoder, max_memory } => {
                recognition.replay(&mut *decoder);
                for side in Side::ALL.into_iter().filter(|side| *self.ended.of(*side)) {
                    decoder.end(side, at);
                }
                common.counts.recognised += 1;
                let decoding = Decoding { protocol, certainty, since: at, decoder, max_memory };
                self.phase = Phase::Decoding(decoding);
            }
            Outcome::Unrecognised => {
                if self.by_port.is_none() && recognition.is_late() {
                    let protocol = self.ends.protocol_of_port(&common.protocols);
                    self.by_port = protocol.map(|protocol| (protocol, at));
                }
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
        let Want::Skip(bytes) = *self.wants.of(side) else { return 0 };
        let bytes = bytes.min(MAX_AHEAD);
        decoding.decoder.skipped(side, bytes, at);
        *self.positions.of_mut(side) += bytes;
        *self.skipped.of_mut(side) += bytes;
        self.refresh_wants();
        bytes
    }

    /// After bytes were handed over: takes what the decoder read, charges what is held to the budgets, and
    /// drops it if that is too much.
    fn finish_step(&mut self, common: &mut Common) {
        let mut held = Charge::default();
        let mut is_within = true;
        match &mut self.phase {
            Phase::Recognising(recognition) => held.recognition = recognition.memory(),
            Phase::Decoding(decoding) => {
                common.names.append(&mut decoding.decoder.take_names());
                common.expected.append(&mut decoding.decoder.take_expected_flows());
                held.decoder = decoding.decoder.memory();
                is_within = held.decoder <= decoding.max_memory;
            }
            Phase::Probing(_) | Phase::Ignored => {}
        }
        if common.budgets.change(&mut self.charge, held) && is_within {
            return self.refresh_wants();
        }
        match &self.phase {
            Phase::Decoding(_) => common.counts.decoders_dropped += 1,
            _ => common.counts.recognitions_dropped += 1,
        }
        self.release(common);
    }

    /// Drops what is held.
    pub(super) fn release(&mut self, common: &mut Common) {
        self.phase = Phase::Ignored;
        self.refresh_wants();
        common.budgets.change(&mut self.charge, Charge::default());
    }

    /// How many bytes were passed over since the last call.
    pub(super) fn take_skipped(&mut self, side: Side) -> u64 {
        std::mem::take(self.skipped.of_mut(side))
    }

    pub(super) fn application(&self, seen_from: Side, now: Moment) -> Option<Arc<Application>> {
        let Phase::Decoding(decoding) = &self.phase else { return self.application_by_port() };
        let Decoding { protocol, certainty, since, decoder, max_memory: _ } = decoding;
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

    /// The layer of the server's port.
    fn application_by_port(&self) -> Option<Arc<Application>> {
        let (protocol, since) = self.by_port?;
        let layer = Layer {
            protocol: protocol.name.into(),
            certainty: Certainty::Port,
            origin: LayerOrigin::Seen,
            since,
            gap_bytes: self.gap_bytes,
            values: vec![Known::Unknown(Unknown::BeganBefore); protocol.fields.len()].into(),
        };
        Some(Arc::new(Application { layers: Box::new([layer]) }))
    }
}
