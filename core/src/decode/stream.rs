//! One connection: assembles its sides, recognises its protocol, and hands the bytes to the decoder.

mod in_order;

use std::sync::Arc;

use crate::model::{Application, Moment, ResolvedName};

use super::assembly::{Assembled, Assembler, AssemblyCounts, Room, Segment};
use super::budget::{Budgets, DecodeCounts};
use super::media::Publications;
use super::{BothSides, Ends, ExpectedFlow, ProtocolSpec, Side, Want};

use in_order::InOrder;

/// Fewer skipped bytes are not worth a change of what the source hands over.
const MIN_STEERED_SKIP: u64 = 16 * 1024;

/// What the streams of a source share.
#[derive(Debug)]
pub(super) struct Shared {
    /// For bytes behind gaps.
    pub(super) room: Room,
    pub(super) common: Common,
}

/// The part of it that does not depend on how bytes are put in order.
#[derive(Debug)]
pub(super) struct Common {
    pub(super) protocols: Vec<&'static ProtocolSpec>,
    /// For first bytes and decoders.
    pub(super) budgets: Budgets,
    pub(super) counts: DecodeCounts,
    /// What is published on all connections.
    pub(super) publications: Publications,
    /// Names that decoders read since a stream was last changed.
    pub(super) names: Vec<ResolvedName>,
    /// Flows that decoders set up since a stream was last changed.
    pub(super) expected: Vec<ExpectedFlow>,
}

/// One connection.
#[derive(Debug)]
pub(super) struct Stream {
    assemblers: BothSides<Assembler>,
    flow: InOrder,
    /// What the source hands over; `None` before it was steered.
    steered: BothSides<Option<Want>>,
    /// Whether it is in the list of changed streams.
    pub(super) is_listed: bool,
}

impl Stream {
    pub(super) fn new(ends: Ends) -> Self {
        Self {
            assemblers: BothSides::default(),
            flow: InOrder::new(ends),
            steered: BothSides::default(),
            is_listed: false,
        }
    }

    /// Adds a segment of a side.
    pub(super) fn segment(
        &mut self,
        side: Side,
        segment: Segment<'_>,
        at: Moment,
        shared: &mut Shared,
    ) {
        if self.flow.is_unwanted(side) {
            // Nothing of it is assembled any more: its end is when the FIN is seen.
            if segment.fin {
                self.flow.end(side, at, &mut shared.common);
            }
        } else {
            let begins_at_syn = segment.syn || self.assemblers.of(side).began_at_syn();
            self.assemble(side, !begins_at_syn, at, shared, |assembler, room, sink| {
                assembler.push(segment, room, sink);
            });
        }
        let at_us = at.monotonic_us;
        for (side, ack) in [(side, None), (side.other(), segment.ack)] {
            let is_late = !self.assemblers.of(side).began_at_syn();
            self.assemble(side, is_late, at, shared, |assembler, room, sink| {
                if let Some(ack) = ack {
                    assembler.acknowledged(ack, at_us, room, sink);
                }
                assembler.give_up_acknowledged(at_us, room, sink);
            });
        }
    }

    /// Adds bytes of a side that the source has put in order. Positions ascend; missing ones are a gap.
    pub(super) fn chunk(
        &mut self,
        side: Side,
        position: u64,
        bytes: &[u8],
        at: Moment,
        shared: &mut Shared,
    ) {
        let Shared { room: _, common } = shared;
        let expected = self.flow.position(side);
        let repeated = expected.saturating_sub(position);
        let bytes = usize::try_from(repeated).ok().and_then(|n| bytes.get(n..)).unwrap_or_default();
        if position > expected {
            let bytes = position - expected;
            self.flow.apply(side, Assembled::Gap { position: expected, bytes }, false, at, common);
        }
        // What is not wanted behind the gap may reach into the bytes.
        let begin = position.max(expected);
        let unwanted = self.flow.position(side).saturating_sub(begin);
        let bytes = usize::try_from(unwanted).ok().and_then(|n| bytes.get(n..)).unwrap_or_default();
        if !bytes.is_empty() {
            let position = begin + unwanted;
            self.flow.apply(side, Assembled::Data { position, bytes }, false, at, common);
        }
    }

    /// Adds a datagram of a side, `cut` bytes of which were not captured. `expected` is the protocol of a flow
    /// that a connection set up.
    pub(super) fn datagram(
        &mut self,
        side: Side,
        bytes: &[u8],
        cut: u32,
        expected: Option<&'static ProtocolSpec>,
        at: Moment,
        shared: &mut Shared,
    ) {
        self.flow.datagram(side, bytes, cut, expected, at, &mut shared.common);
    }

    /// Adds a datagram of a flow that this connection set up.
    pub(super) fn flow_datagram(
        &mut self,
        number: u32,
        side: Side,
        bytes: &[u8],
        cut: u32,
        at: Moment,
        shared: &mut Shared,
    ) {
        self.flow.flow_datagram(number, side, bytes, cut, at, &mut shared.common);
    }

    /// The source lost segments of a side: those before `until`, or an unknown number.
    pub(super) fn lost(&mut self, side: Side, until: Option<u32>, at: Moment, shared: &mut Shared) {
        let is_late = !self.assemblers.of(side).began_at_syn();
        self.assemble(side, is_late, at, shared, |assembler, room, sink| match until {
            Some(sequence) => assembler.give_up_before(sequence, room, sink),
            None => assembler.give_up(room, sink),
        });
    }

    /// Gives up what waits behind gaps, because the room is needed for others.
    pub(super) fn make_room(&mut self, at: Moment, shared: &mut Shared) {
        for side in Side::ALL {
            let is_late = !self.assemblers.of(side).began_at_syn();
            self.assemble(side, is_late, at, shared, |assembler, room, sink| {
                assembler.make_room(room, sink);
            });
        }
    }

    /// The process has written or read that many bytes of a side since the connection began.
    pub(super) fn moved_by_process(&mut self, side: Side, bytes_total: u64, at: Moment) {
        self.flow.moved_by_process(side, bytes_total, at);
    }

    /// Both sides ended.
    pub(super) fn close(&mut self, at: Moment, shared: &mut Shared) {
        for side in Side::ALL {
            self.lost(side, None, at, shared);
            self.flow.end(side, at, &mut shared.common);
        }
    }

    fn assemble(
        &mut self,
        side: Side,
        is_late: bool,
        at: Moment,
        shared: &mut Shared,
        step: impl FnOnce(&mut Assembler, &mut Room, &mut dyn FnMut(Assembled<'_>) -> u64),
    ) {
        let Self { assemblers, flow, .. } = self;
        let Shared { room, common } = shared;
        if !flow.is_unwanted(side) {
            step(assemblers.of_mut(side), room, &mut |assembled| {
                flow.apply(side, assembled, is_late, at, common)
            });
        }
        for side in Side::ALL {
            if flow.is_unwanted(side) {
                let assembler = assemblers.of_mut(side);
                assembler.clear(room);
                if assembler.has_fin() {
                    flow.end(side, at, common);
                }
            }
        }
    }

    /// Bytes held back behind gaps.
    pub(super) fn pending_bytes(&self) -> u64 {
        self.assemblers.sent.pending_bytes() + self.assemblers.received.pending_bytes()
    }

    /// What the source must be steered to, and the sequence number from which on bytes are wanted.
    pub(super) fn steering(&mut self, side: Side) -> Option<(Want, Option<u32>)> {
        if self.flow.is_recognising() {
            return None;
        }
        let assembler = self.assemblers.of(side);
        let resume_at = assembler.next_sequence();
        let mut skipped = self.flow.take_skipped(side);
        if resume_at.is_some() {
            // Segments that waited behind a gap are part of what is skipped.
            skipped = skipped.min(assembler.bytes_to_come());
        }
        let want = if self.flow.is_unwanted(side) {
            Want::NoMore
        } else if skipped >= MIN_STEERED_SKIP {
            Want::Skip(skipped)
        } else {
            Want::Whole
        };
        let steered = self.steered.of_mut(side);
        // After a skip the source hands over everything again by itself.
        let after = if want == Want::NoMore { Want::NoMore } else { Want::Whole };
        let is_new = Some(want) != *steered;
        *steered = Some(after);
        is_new.then_some((want, resume_at))
    }

    /// The layers as the end that sends `seen_from` has them; `None` if no protocol is recognised.
    pub(super) fn application(&self, seen_from: Side, now: Moment) -> Option<Arc<Application>> {
        self.flow.application(seen_from, now)
    }

    /// Releases everything that is charged, and returns what the assemblers counted.
    pub(super) fn remove(mut self, shared: &mut Shared) -> AssemblyCounts {
        let mut counts = AssemblyCounts::default();
        for side in Side::ALL {
            let assembler = self.assemblers.of_mut(side);
            assembler.clear(&mut shared.room);
            counts += *assembler.counts();
        }
        self.flow.release(&mut shared.common);
        counts
    }
}
