//! One side cut into messages and interleaved frames (RFC 2326 section 10.12), and where the next one begins
//! behind a gap.

use crate::decode::rtp;

use super::head::{self, Begin, Head, MAX_HEAD};

/// Most bytes of a body that are read. A session description has some hundred.
const MAX_BODY: usize = 64 * 1024;
/// Most bytes of a frame that are read: the packet of an Ethernet network is shorter.
const MAX_FRAME: usize = 4096;
/// The marker of a frame, its channel, and its length in 16 bits.
const FRAME_HEADER: usize = 4;
/// Most bytes in which a frame is searched for.
const MAX_SEARCHED: usize = 8192;
/// Channels of more media than that are not set up.
const MAX_CHANNEL: u8 = 32;
/// How many frames that follow each other are no accident.
const FRAMES_IN_A_ROW: u8 = 3;

/// What follows on a side.
#[derive(Debug)]
pub(super) enum Part<'a> {
    /// A message, and its body as far as it is read.
    Message(Head, &'a [u8]),
    /// A frame, and how many bytes more it has.
    Frame { channel: u8, bytes: &'a [u8], cut: u64 },
}

/// Where a side is.
#[derive(Debug, Default)]
pub(super) struct Framing {
    position: Position,
    /// Bytes of what is under way.
    kept: Vec<u8>,
}

#[derive(Debug, Default)]
enum Position {
    #[default]
    Between,
    Head,
    Body {
        head: Head,
        left: Left,
    },
    Frame {
        channel: u8,
        left: Left,
    },
    /// It is not known where the next part begins.
    Lost,
}

/// What is left of a body or frame.
#[derive(Debug, Clone, Copy)]
struct Left {
    bytes: u64,
    /// Bytes that are passed over from now on.
    cut: u64,
    max_kept: usize,
}

impl Left {
    fn new(bytes: u64, max_kept: usize) -> Self {
        Self { bytes, cut: 0, max_kept }
    }

    /// Takes bytes up to the end; whether that is reached.
    fn take(&mut self, bytes: &mut &[u8], kept: &mut Vec<u8>) -> bool {
        let length = self.bytes.min(bytes.len() as u64) as usize;
        let (taken, rest) = bytes.split_at(length);
        *bytes = rest;
        let room = if self.cut > 0 { 0 } else { self.max_kept.saturating_sub(kept.len()) };
        let read = taken.get(..room).unwrap_or(taken);
        kept.extend_from_slice(read);
        self.cut += (length - read.len()) as u64;
        self.bytes -= length as u64;
        self.bytes == 0
    }

    /// Bytes are missing; whether they end within.
    fn lose(&mut self, bytes: u64) -> bool {
        let is_within = bytes < self.bytes;
        self.cut += bytes;
        self.bytes = self.bytes.saturating_sub(bytes);
        is_within
    }
}

impl Framing {
    /// Begins with bytes that may be within a part.
    pub(super) fn lost() -> Self {
        Self { position: Position::Lost, kept: Vec::new() }
    }

    /// Takes bytes.
    pub(super) fn data(&mut self, bytes: &[u8], sink: &mut dyn FnMut(Part<'_>)) {
        if matches!(self.position, Position::Lost) && head::begin(bytes).is_message() {
            *self = Self::default();
        }
        self.read(bytes, sink);
        while matches!(self.position, Position::Lost) {
            let Some(at) = find_frames(&self.kept) else {
                let surplus = self.kept.len().saturating_sub(MAX_SEARCHED);
                self.kept.drain(..surplus);
                return;
            };
            let kept = std::mem::take(&mut self.kept);
            self.position = Position::Between;
            self.read(kept.get(at..).unwrap_or_default(), sink);
        }
    }

    fn read(&mut self, mut bytes: &[u8], sink: &mut dyn FnMut(Part<'_>)) {
        while !bytes.is_empty() {
            match &mut self.position {
                Position::Between => self.begin(&mut bytes, sink),
                Position::Head => self.head(&mut bytes, sink),
                Position::Body { left, .. } => {
                    if left.take(&mut bytes, &mut self.kept) {
                        let kept = std::mem::take(&mut self.kept);
                        if let Position::Body { head, .. } = std::mem::take(&mut self.position) {
                            sink(Part::Message(head, &kept));
                        }
                    }
                }
                Position::Frame { channel, left } => {
                    if left.take(&mut bytes, &mut self.kept) {
                        sink(Part::Frame { channel: *channel, bytes: &self.kept, cut: left.cut });
                        self.kept.clear();
                        self.position = Position::Between;
                    }
                }
                Position::Lost => {
                    self.kept.extend_from_slice(bytes);
                    bytes = &[];
                }
            }
        }
    }

    /// A part begins. A whole frame is handed over without being kept.
    fn begin(&mut self, bytes: &mut &[u8], sink: &mut dyn FnMut(Part<'_>)) {
        if self.kept.is_empty() {
            if let Some((b'\r' | b'\n', rest)) = bytes.split_first() {
                *bytes = rest;
                return;
            }
            if let Some((channel, frame, rest)) = whole_frame(bytes) {
                sink(Part::Frame { channel, bytes: frame, cut: 0 });
                *bytes = rest;
                return;
            }
        }
        while self.kept.len() < FRAME_HEADER {
            let Some((byte, rest)) = bytes.split_first() else { return };
            self.kept.push(*byte);
            *bytes = rest;
            if self.kept.first() != Some(&b'$') {
                self.position = Position::Head;
                return;
            }
        }
        if let [_, channel, high, low, ..] = self.kept[..] {
            self.kept.clear();
            let length = u16::from_be_bytes([high, low]);
            if length > 0 {
                let left = Left::new(length.into(), MAX_FRAME);
                self.position = Position::Frame { channel, left };
            }
        }
    }

    fn head(&mut self, bytes: &mut &[u8], sink: &mut dyn FnMut(Part<'_>)) {
        let before = self.kept.len();
        let room = MAX_HEAD.saturating_sub(before).min(bytes.len());
        self.kept.extend_from_slice(bytes.get(..room).unwrap_or_default());
        // The end may begin in the bytes before.
        let from = before.saturating_sub(3);
        let Some(length) = end_of_head(&self.kept, from) else {
            *bytes = bytes.get(room..).unwrap_or_default();
            let is_other = before < MAX_SHOWN && head::begin(&self.kept) == Begin::Other;
            if is_other {
                self.position = Position::Lost;
            } else if self.kept.len() >= MAX_HEAD {
                *self = Self::lost();
            }
            return;
        };
        *bytes = bytes.get(length - before..).unwrap_or_default();
        self.kept.truncate(length);
        let head = head::read(&self.kept);
        self.kept.clear();
        self.position = match head {
            Some(head) if head.body_bytes > 0 => {
                let left = Left::new(head.body_bytes, MAX_BODY);
                Position::Body { head, left }
            }
            Some(head) => {
                sink(Part::Message(head, &[]));
                Position::Between
            }
            // Its end is known.
            None => Position::Between,
        };
    }

    /// Bytes are missing.
    pub(super) fn gap(&mut self, bytes: u64) {
        let is_within = match &mut self.position {
            Position::Body { left, .. } | Position::Frame { left, .. } => left.lose(bytes),
            Position::Between | Position::Head | Position::Lost => false,
        };
        if !is_within {
            *self = Self::lost();
        }
    }

    pub(super) fn memory(&self) -> usize {
        self.kept.capacity()
    }
}

/// Up to how many bytes the begin of a head is checked with each segment.
const MAX_SHOWN: usize = 512;

/// Where a head ends, whose end is not before `from`.
fn end_of_head(bytes: &[u8], from: usize) -> Option<usize> {
    let searched = bytes.get(from..)?;
    let find = |end: &[u8]| {
        let at = searched.windows(end.len()).position(|bytes| bytes == end);
        at.map(|at| from + at + end.len())
    };
    [find(b"\n\r\n"), find(b"\n\n")].into_iter().flatten().min()
}

/// Channel and bytes of a frame, and what follows.
fn whole_frame(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let ([b'$', channel, high, low], rest) = bytes.split_first_chunk()? else { return None };
    let (frame, rest) = rest.split_at_checked(u16::from_be_bytes([*high, *low]).into())?;
    Some((*channel, frame, rest))
}

/// Where the first of several frames of media or reports that follow each other begins.
pub(super) fn find_frames(bytes: &[u8]) -> Option<usize> {
    let is_begin = |at: &usize| bytes.get(*at..).is_some_and(begins_frames);
    (0..bytes.len()).find(is_begin)
}

fn begins_frames(mut bytes: &[u8]) -> bool {
    for _ in 0..FRAMES_IN_A_ROW {
        let [b'$', channel, high, low, first, second, ..] = *bytes else { return false };
        let is_media = rtp::read(&[first, second], 0) == rtp::Read::Report || first >> 6 == 2;
        let length = usize::from(u16::from_be_bytes([high, low]));
        if channel > MAX_CHANNEL || !is_media || length < 8 {
            return false;
        }
        bytes = bytes.get(FRAME_HEADER + length..).unwrap_or_default();
    }
    true
}

#[cfg(test)]
mod tests;
