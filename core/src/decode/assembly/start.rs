//! The begin of a direction that is joined in the middle: the first segments are held back until it is
//! known which of them is the first, because the one seen first may have overtaken others.

use super::pending::{Held, Part};
use super::{Assembler, MAX_AHEAD, MAX_PENDING_BYTES, Next, Room, Segment, Sink};

/// How many more segments are awaited: what lies before is lost then, not late (RFC 5681 section 3.2
/// takes three for that).
const MAX_START_SEGMENTS: u8 = 3;
/// How far before the first segment seen the provisional position 0 is.
const PROVISIONAL: u32 = (MAX_AHEAD / 2) as u32;

/// The segments seen since the first one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Start {
    /// The lowest sequence number of them.
    first: u32,
    segments: u8,
}

impl Start {
    /// Whether no earlier segment is awaited.
    pub(super) fn is_over(self) -> bool {
        self.segments >= MAX_START_SEGMENTS
    }

    /// Whether the receiver has the first one, and so everything before it.
    pub(super) fn is_acknowledged(self, ack: u32) -> bool {
        ack.wrapping_sub(self.first).cast_signed() > 0
    }
}

impl Assembler {
    /// The sequence number of position 0 when this is the first segment. If the receiver's
    /// acknowledgements are reported, which show later what is the first byte, that is provisional.
    pub(super) fn provisional(&mut self, segment: &Segment<'_>, length: u64) -> u32 {
        let sequence = segment.sequence.wrapping_add(u32::from(segment.syn));
        if segment.syn || segment.ack.is_none() || length == 0 {
            return sequence;
        }
        self.start = Some(Start { first: sequence, segments: 0 });
        sequence.wrapping_sub(PROVISIONAL)
    }

    /// Before a segment is added: it may be that of the SYN, or there may be no room to wait.
    pub(super) fn continue_start(
        &mut self,
        segment: &Segment<'_>,
        room: &mut Room,
        sink: Sink<'_>,
    ) {
        let (Some(start), Some(next)) = (&mut self.start, self.next) else { return };
        if !segment.syn && segment.bytes.is_empty() && segment.cut == 0 {
            return;
        }
        let sequence = segment.sequence.wrapping_add(u32::from(segment.syn));
        let is_earlier = sequence.wrapping_sub(start.first).cast_signed() < 0;
        let offset = sequence.wrapping_sub(next.sequence);
        let is_plausible = offset < PROVISIONAL;
        if segment.syn && is_earlier && is_plausible {
            self.began_at_syn = true;
            return self.begin_at(offset.into(), room, sink);
        }
        if is_earlier && is_plausible {
            start.first = sequence;
        }
        start.segments += 1;
        if !self.can_wait(segment, room) {
            self.begin(room, sink);
        }
    }

    /// Whether there is room to hold a segment back while the first byte is not known.
    pub(super) fn can_wait(&self, segment: &Segment<'_>, room: &Room) -> bool {
        // Bytes and cut part are two entries.
        let charge = 2 * Held::charge_of(Part::Bytes(segment.bytes));
        self.pending.charge() + charge <= MAX_PENDING_BYTES && room.has_room(charge)
    }

    /// Ends the search for the first byte: it is the lowest one seen.
    pub(super) fn begin(&mut self, room: &mut Room, sink: Sink<'_>) {
        if self.start.is_some() {
            let first = self.pending.first().unwrap_or(PROVISIONAL.into());
            self.begin_at(first, room, sink);
        }
    }

    /// The byte at the provisional position `offset` is the first one.
    fn begin_at(&mut self, offset: u64, room: &mut Room, sink: Sink<'_>) {
        self.start = None;
        self.pending.rebase(offset);
        self.end = self.end.map(|end| end.saturating_sub(offset));
        self.highest = self.highest.saturating_sub(offset);
        self.next = self.next.map(|Next { sequence, .. }| Next {
            // Less than 2^30.
            sequence: sequence.wrapping_add(offset as u32),
            position: 0,
        });
        self.drain(room, sink);
    }
}
