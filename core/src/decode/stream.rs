//! One connection over TCP: assembles its sides, recognises its protocol, and hands the bytes to the
//! decoder.

mod in_order;

use std::sync::Arc;

use crate::model::{Application, Moment};

use super::assembly::{Assembled, Assembler, AssemblyCounts, Room, Segment};
use super::budget::{Budget, DecodeCounts};
use super::{BothSides, Ends, ProtocolSpec, Side, Want};

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
    pub(super) budget: Budget,
    pub(super) counts: DecodeCounts,
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
        let is_late = !segment.syn && !self.assemblers.of(side).began_at_syn();
        self.assemble(side, is_late, at, shared, |assembler, room, sink| {
            assembler.push(segment, room, sink);
        });
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
        if !bytes.is_empty() {
            let position = position.max(expected);
            self.flow.apply(side, Assembled::Data { position, bytes }, false, at, common);
        }
    }

    /// The source lost segments of a side: those before `until`, or an unknown number.
    pub(super) fn lost(&mut self, side: Side, until: Option<u32>, at: Moment, shared: &mut Shared) {
        self.assemble(side, false, at, shared, |assembler, room, sink| match until {
            Some(sequence) => assembler.give_up_before(sequence, room, sink),
            None => assembler.give_up(room, sink),
        });
    }

    /// The process has read that many bytes since the connection began.
    pub(super) fn read_by_process(&mut self, bytes_total: u64, at: Moment) {
        self.flow.read_by_process(bytes_total, at);
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
        if flow.want(side) != Want::NoMore {
            step(assemblers.of_mut(side), room, &mut |assembled| {
                flow.apply(side, assembled, is_late, at, common)
            });
        }
        for side in Side::ALL {
            if flow.want(side) == Want::NoMore {
                assemblers.of_mut(side).clear(room);
            }
        }
    }

    /// What the source must be steered to, and the sequence number from which on bytes are wanted.
    pub(super) fn steering(&mut self, side: Side) -> Option<(Want, Option<u32>)> {
        if self.flow.is_recognising() {
            return None;
        }
        let skipped = self.flow.take_skipped(side, MIN_STEERED_SKIP);
        let want = match self.flow.want(side) {
            Want::NoMore => Want::NoMore,
            Want::Whole | Want::Skip(_) if skipped > 0 => Want::Skip(skipped),
            Want::Whole | Want::Skip(_) => Want::Whole,
        };
        let steered = self.steered.of_mut(side);
        // After a skip the source hands over everything again by itself.
        let after = if want == Want::NoMore { Want::NoMore } else { Want::Whole };
        let is_new = Some(want) != *steered;
        *steered = Some(after);
        is_new.then(|| (want, self.assemblers.of(side).next_sequence()))
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
