//! In-order assembly of one direction of a TCP connection (RFC 9293 section 3.10.7.4) from its
//! segments, as they are seen on the wire: reordered, repeated, overlapping, lost, cut by the capture.
//!
//! A direction that is joined in the middle begins with the first byte of several segments: the first
//! one seen may be out of order. A gap is filled by a retransmission, or given up: the acknowledgements
//! of the receiver show that its bytes will not be sent again.
//!
//! Positions are 64 bits wide and count payload bytes: 0 is the byte after the SYN, or the first byte
//! seen if the SYN was not. Each byte is handed over once, or is part of one gap, or is skipped. Bytes
//! seen first win over later ones at the same position.

mod pending;
mod range;
mod room;
mod segment;
mod start;
mod wait;

pub use room::Room;
pub use segment::{Assembled, AssemblyCounts, Segment};

pub use wait::{MAX_GAP_SEGMENTS, MAX_GAP_WAIT_US};

use pending::{Held, Part, Pending};
use range::Range;
use start::Start;
use wait::Wait;

/// Most bytes held back in one direction until a gap before them is filled, overhead included. Above
/// it the gap is given up. It is above the largest receive buffer by default (`tcp_rmem`, 6 MiB), so
/// that a lost segment is sent again before as much waits behind it.
pub const MAX_PENDING_BYTES: u64 = 8 << 20;
/// Most bytes held back in all directions together: 8 connections that wait for a lost segment with
/// the largest buffer each, or 64 with a window of 1 MiB.
pub const MAX_TOTAL_PENDING_BYTES: u64 = 64 << 20;
/// A segment further ahead is not of this connection: the largest window (RFC 7323 section 2.3).
/// More is not skipped at once, so that 32-bit distances stay unambiguous.
pub const MAX_AHEAD: u64 = 1 << 30;
/// A segment further behind is no retransmission: what a sender may send again is what its buffer
/// holds (`tcp_wmem`), a few MiB by default. The sequence numbers have wrapped since.
pub const MAX_BEHIND: u64 = 64 << 20;

/// Receives what was assembled. The result is how many bytes after it are not wanted, at most
/// [`MAX_AHEAD`].
pub type Sink<'a> = &'a mut dyn FnMut(Assembled<'_>) -> u64;

/// Assembles one direction.
#[derive(Debug, Default)]
pub struct Assembler {
    /// What is expected next; `None` before the first segment.
    next: Option<Next>,
    /// Bytes behind a gap.
    pending: Pending,
    /// Position of the FIN.
    end: Option<u64>,
    is_ended: bool,
    began_at_syn: bool,
    /// While segments are collected to find the first byte; positions are provisional until then.
    start: Option<Start>,
    /// What the receiver acknowledged and the source has not handed over.
    wait: Wait,
    /// The highest position seen.
    highest: u64,
    /// Where the last implausible segment ended.
    stray: Option<u32>,
    counts: AssemblyCounts,
}

/// The next byte to hand over.
#[derive(Debug, Clone, Copy)]
struct Next {
    sequence: u32,
    position: u64,
}

impl Next {
    fn advance(&mut self, bytes: u64) {
        self.position += bytes;
        // Sequence numbers are modulo 2^32.
        self.sequence = self.sequence.wrapping_add(bytes as u32);
    }
}

impl Assembler {
    /// What was repeated, refused, missed.
    #[must_use]
    pub fn counts(&self) -> &AssemblyCounts {
        &self.counts
    }

    /// Whether the SYN was seen, so that position 0 is the first byte of the direction.
    #[must_use]
    pub fn began_at_syn(&self) -> bool {
        self.began_at_syn
    }

    /// Whether everything up to the FIN was handed over.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.is_ended
    }

    /// The sequence number of the next byte; `None` before the first one is known.
    #[must_use]
    pub fn next_sequence(&self) -> Option<u32> {
        self.next.filter(|_| self.start.is_none()).map(|next| next.sequence)
    }

    /// How far the next byte is beyond the highest one seen: what a source need not hand over.
    #[must_use]
    pub fn bytes_to_come(&self) -> u64 {
        self.position().saturating_sub(self.highest)
    }

    /// Whether a FIN was seen, be it that bytes before it are missing.
    #[must_use]
    pub fn has_fin(&self) -> bool {
        self.end.is_some()
    }

    /// Bytes held back behind a gap, overhead included.
    #[must_use]
    pub fn pending_bytes(&self) -> u64 {
        self.pending.charge()
    }

    /// Adds a segment, and hands over what is in order now.
    pub fn push(&mut self, segment: Segment<'_>, room: &mut Room, sink: Sink<'_>) {
        let length = segment.bytes.len() as u64 + u64::from(segment.cut);
        if self.is_ended {
            self.counts.bytes_after_end += length;
            return;
        }
        self.continue_start(&segment, room, sink);
        let waits = self.next.is_some() || self.can_wait(&segment, room);
        let Some(mut range) = self.locate(&segment, length, waits) else { return };
        if range.position - self.position() > MAX_AHEAD {
            // What lies between was lost by the source.
            self.give_up_to(range.position, room, sink);
        }
        if segment.fin {
            match self.end {
                // Of an earlier connection between these ports, or forged: bytes behind it were handed over.
                _ if self.is_before_next(&segment, length) => self.counts.conflicts += 1,
                None => self.set_end(range.end(), room),
                Some(end) if end != range.end() => self.counts.conflicts += 1,
                Some(_) => {}
            }
        }
        if let Some(end) = self.end {
            self.counts.bytes_after_end += range.clip(end);
        }
        self.highest = self.highest.max(range.end());
        let behind = range.position + range.bytes.len() as u64;
        self.place(range.position, Part::Bytes(range.bytes), room, sink);
        self.place(behind, Part::Cut(range.cut), room, sink);
        if self.start.is_some_and(Start::is_over) {
            self.begin(room, sink);
        }
        self.end_if_reached(sink);
    }

    /// Notes that the receiver acknowledged everything before this sequence number, which shows at
    /// the latest what the first byte is.
    pub fn acknowledged(&mut self, ack: u32, at_us: u64, room: &mut Room, sink: Sink<'_>) {
        if self.start.is_some_and(|start| start.is_acknowledged(ack)) {
            self.begin(room, sink);
            self.end_if_reached(sink);
        }
        let Some(next) = self.next.filter(|_| self.start.is_none()) else { return };
        let ahead = u64::from(ack.wrapping_sub(next.sequence));
        if ahead <= MAX_AHEAD && !self.is_ended {
            self.wait.note(next.position, next.position + ahead, at_us);
        }
    }

    /// Notes that a segment of either direction was seen, and gives up the bytes that the receiver
    /// acknowledged [`MAX_GAP_WAIT_US`] or [`MAX_GAP_SEGMENTS`] ago.
    pub fn give_up_acknowledged(&mut self, at_us: u64, room: &mut Room, sink: Sink<'_>) {
        let Some(until) = self.wait.expired(self.position(), at_us) else { return };
        let until = until.min(self.end.unwrap_or(u64::MAX));
        if until > self.position() {
            self.counts.gaps_acknowledged += 1;
            self.give_up_to(until, room, sink);
        }
        self.wait.renew(self.position(), at_us);
        self.end_if_reached(sink);
    }

    /// Gives up every gap: what is held back is handed over with the gaps before it. For the end of
    /// a connection, or a source that knows that the missing segments will not come.
    pub fn give_up(&mut self, room: &mut Room, sink: Sink<'_>) {
        self.begin(room, sink);
        while let Some(first) = self.pending.first() {
            self.gap_to(first, room, sink);
        }
        if let Some(end) = self.end {
            self.gap_to(end, room, sink);
        }
        self.end_if_reached(sink);
    }

    /// Gives up every gap because the room of all directions is needed for others.
    pub fn make_room(&mut self, room: &mut Room, sink: Sink<'_>) {
        self.counts.gaps_given_up += u64::from(!self.pending.is_empty());
        self.give_up(room, sink);
    }

    /// Gives up the bytes before this sequence number, which a source knows to be lost. Without effect
    /// before the first segment, or if the number is implausible.
    pub fn give_up_before(&mut self, sequence: u32, room: &mut Room, sink: Sink<'_>) {
        self.begin(room, sink);
        let Some(next) = self.next else { return };
        let ahead = u64::from(sequence.wrapping_sub(next.sequence));
        if ahead > MAX_AHEAD {
            return;
        }
        self.give_up_to(next.position + ahead, room, sink);
        self.end_if_reached(sink);
    }

    /// Gives up the gaps before `target`, no further than the FIN.
    fn give_up_to(&mut self, target: u64, room: &mut Room, sink: Sink<'_>) {
        let target = target.min(self.end.unwrap_or(u64::MAX));
        while self.position() < target {
            let first = self.pending.first().unwrap_or(target);
            self.gap_to(first.min(target), room, sink);
        }
    }

    /// Passes over the next bytes without handing them over, and hands over what follows if it is
    /// held back. Returns how many were passed over: at most [`MAX_AHEAD`], none before the first
    /// segment, and none behind the FIN.
    pub fn skip(&mut self, bytes: u64, room: &mut Room, sink: Sink<'_>) -> u64 {
        self.begin(room, sink);
        let skipped = self.pass_over(bytes, room);
        self.drain(room, sink);
        self.end_if_reached(sink);
        skipped
    }

    /// Releases what is held back. For the end of a connection, after [`Self::give_up`] if its bytes
    /// are wanted.
    pub fn clear(&mut self, room: &mut Room) {
        room.release(self.pending.clear());
    }

    /// Where the segment belongs; `None` if nothing of it does. `waits` is whether it may be held back
    /// until it is known whether it is the first one.
    fn locate<'a>(&mut self, segment: &Segment<'a>, length: u64, waits: bool) -> Option<Range<'a>> {
        let sequence = segment.sequence.wrapping_add(u32::from(segment.syn));
        if self.next.is_none() {
            if !segment.syn && !segment.fin && length == 0 {
                // An acknowledgement, or a keep-alive, whose number is one too low.
                return None;
            }
            self.began_at_syn = segment.syn;
            if !segment.syn && !segment.fin && length == 1 {
                // Either a keep-alive (RFC 9293 section 3.8.4), whose byte was sent before or never, or
                // one byte in the middle of a stream: the next one follows it.
                self.next = Some(Next { sequence: sequence.wrapping_add(1), position: 0 });
                self.counts.repeated_bytes += 1;
                return None;
            }
            let sequence = if waits { self.provisional(segment, length) } else { sequence };
            self.next = Some(Next { sequence, position: 0 });
        }
        let next = self.next?;
        let mut range = Range { position: next.position, bytes: segment.bytes, cut: segment.cut };
        // Distances are modulo 2^32: what is a little behind was seen before.
        let ahead = sequence.wrapping_sub(next.sequence);
        let behind = u64::from(ahead.wrapping_neg());
        if ahead > 0 && behind <= MAX_BEHIND {
            self.counts.repeated_bytes += range.trim(behind);
        } else if u64::from(ahead) <= MAX_AHEAD || self.is_resumed(sequence, length) {
            range.position += u64::from(ahead);
        } else {
            return None;
        }
        self.stray = None;
        Some(range)
    }

    /// Whether the segment ends before the next byte.
    fn is_before_next(&self, segment: &Segment<'_>, length: u64) -> bool {
        // Sequence numbers are modulo 2^32.
        let end = segment.sequence.wrapping_add(u32::from(segment.syn)).wrapping_add(length as u32);
        self.next.is_some_and(|next| end.wrapping_sub(next.sequence).cast_signed() < 0)
    }

    /// Notes where the direction ends. What is held back behind it is dropped.
    fn set_end(&mut self, end: u64, room: &mut Room) {
        self.end = Some(end);
        let charge = self.pending.charge();
        self.counts.bytes_after_end += self.pending.drop_behind(end);
        room.release(charge - self.pending.charge());
    }

    /// Whether an implausible segment begins where another one ended: then the source lost more than
    /// [`MAX_AHEAD`] bytes, up to 4 GiB.
    fn is_resumed(&mut self, sequence: u32, length: u64) -> bool {
        let is_resumed = length > 0 && self.stray == Some(sequence);
        if length > 0 && !is_resumed {
            self.stray = Some(sequence.wrapping_add(length as u32));
        }
        self.counts.implausible_segments += u64::from(!is_resumed);
        is_resumed
    }

    /// Hands over, holds back or drops a part of a segment.
    fn place(&mut self, position: u64, part: Part<'_>, room: &mut Room, sink: Sink<'_>) {
        if self.pending.is_empty() {
            return self.place_free(position, part, room, sink);
        }
        let (free, overlap) = self.pending.compare(position, part);
        self.counts.repeated_bytes += overlap.bytes;
        self.counts.conflicts += u64::from(overlap.differs);
        for (from, to) in free {
            self.place_free(from, part.slice(from - position, to - position), room, sink);
        }
    }

    /// The same for a part that overlaps nothing that is held back.
    fn place_free(&mut self, from: u64, part: Part<'_>, room: &mut Room, sink: Sink<'_>) {
        loop {
            let passed = self.position().saturating_sub(from).min(part.length());
            let (position, part) = (from + passed, part.slice(passed, part.length()));
            if part.length() == 0 {
                return;
            }
            if position == self.position() {
                let skipped = self.emit(part, sink);
                self.pass_over(skipped, room);
                return self.drain(room, sink);
            }
            let charge = Held::charge_of(part);
            if self.pending.charge() + charge <= MAX_PENDING_BYTES && room.take(charge) {
                return self.pending.insert(position, part);
            }
            self.counts.gaps_given_up += 1;
            let first = self.pending.first().map_or(position, |first| first.min(position));
            self.gap_to(first, room, sink);
        }
    }

    /// Hands over what is held back and is in order now.
    fn drain(&mut self, room: &mut Room, sink: Sink<'_>) {
        while let Some(held) = self.pending.take_at(self.position()) {
            room.release(held.charge());
            let skipped = self.emit(held.part(), sink);
            self.pass_over(skipped, room);
        }
    }

    fn emit(&mut self, part: Part<'_>, sink: Sink<'_>) -> u64 {
        let position = self.position();
        self.advance(part.length());
        match part {
            Part::Bytes(bytes) => sink(Assembled::Data { position, bytes }),
            Part::Cut(bytes) => {
                self.counts.gap_bytes += u64::from(bytes);
                sink(Assembled::Gap { position, bytes: bytes.into() })
            }
        }
    }

    /// Hands over a gap up to `target`, and what is held back behind it.
    fn gap_to(&mut self, target: u64, room: &mut Room, sink: Sink<'_>) {
        let position = self.position();
        let bytes = target.saturating_sub(position);
        if bytes > 0 {
            self.advance(bytes);
            self.counts.gap_bytes += bytes;
            let skipped = sink(Assembled::Gap { position, bytes });
            self.pass_over(skipped, room);
        }
        self.drain(room, sink);
    }

    fn pass_over(&mut self, bytes: u64, room: &mut Room) -> u64 {
        let before_end = self.end.map_or(u64::MAX, |end| end.saturating_sub(self.position()));
        let bytes = if self.next.is_some() { bytes.min(MAX_AHEAD).min(before_end) } else { 0 };
        if bytes > 0 {
            self.advance(bytes);
            self.counts.skipped_bytes += bytes;
            room.release(self.pending.drop_before(self.position()));
        }
        bytes
    }

    fn end_if_reached(&mut self, sink: Sink<'_>) {
        let position = self.position();
        if !self.is_ended && self.end.is_some_and(|end| end <= position) {
            self.is_ended = true;
            sink(Assembled::End { position });
        }
    }

    fn advance(&mut self, bytes: u64) {
        if let Some(next) = &mut self.next {
            next.advance(bytes);
        }
    }

    fn position(&self) -> u64 {
        self.next.map_or(0, |next| next.position)
    }
}
