//! Where a side is in its messages: in a head, in a body, in a chunk. Bodies are passed over.

use crate::decode::Want;
use crate::model::Moment;

use super::head::{Begin, Body, MAX_HEAD, begin};

/// Longest line between chunks, extensions and trailers included, bytes.
const MAX_LINE: usize = 4096;
/// Bytes of the line end behind a chunk.
const LINE_END: u64 = 2;
/// Up to how many bytes the begin of a head is checked with each segment.
const MAX_REREAD: usize = 64;

/// The position in the messages of one side.
#[derive(Debug, Default)]
pub(super) struct Messages {
    at: Position,
    /// The head or line so far.
    bytes: Vec<u8>,
    /// When the first byte of it came.
    since: Moment,
    /// Whether bodies are handed over.
    is_body_read: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Position {
    /// In a head, or before it.
    #[default]
    Head,
    /// In a body with as many bytes left.
    Body(u64),
    /// In the line with the length of a chunk.
    ChunkLength,
    /// In a chunk with as many bytes left, its line end included.
    Chunk(u64),
    /// In the lines behind the last chunk.
    Trailers,
    /// In what is not read: a body up to the close, another protocol.
    Opaque,
    /// Bytes are missing: a message is awaited that begins at the begin of a segment.
    Lost,
}

/// What follows in the bytes of a side.
pub(super) enum Next<'a> {
    /// A complete head, and when its first byte came. [`Messages::begin_body`] must follow.
    Head(Vec<u8>, Moment),
    /// Bytes of another protocol.
    Opaque(&'a [u8]),
    /// Bytes of a body that is read.
    Body(&'a [u8]),
    /// Nothing more in these bytes.
    Nothing,
    /// What cannot be read.
    Malformed,
}

impl Messages {
    /// Takes bytes up to what follows next; the rest stays in `bytes`.
    pub(super) fn next<'a>(&mut self, bytes: &mut &'a [u8], at: Moment) -> Next<'a> {
        loop {
            if bytes.is_empty() {
                return Next::Nothing;
            }
            match self.at {
                Position::Head => {
                    // Some send an empty line behind a body (RFC 9112 section 2.2).
                    while self.bytes.is_empty()
                        && let Some((b'\r' | b'\n', rest)) = bytes.split_first()
                    {
                        *bytes = rest;
                    }
                    if bytes.is_empty() {
                        return Next::Nothing;
                    }
                    if self.bytes.is_empty() {
                        self.since = at;
                    }
                    let before = self.bytes.len();
                    if self.take_until(bytes, b"\n\r\n", b"\n\n", MAX_HEAD) {
                        return Next::Head(std::mem::take(&mut self.bytes), self.since);
                    }
                    // The begin is read again only while it is short.
                    let is_other = before <= MAX_REREAD && begin(&self.bytes) == Begin::Other;
                    if is_other || self.bytes.len() >= MAX_HEAD {
                        self.lose();
                        return Next::Malformed;
                    }
                }
                Position::Body(before) => {
                    let part = *bytes;
                    let left = self.pass(bytes, before);
                    self.at = if left > 0 { Position::Body(left) } else { Position::Head };
                    if self.is_body_read {
                        return Next::Body(part.get(..(before - left) as usize).unwrap_or(part));
                    }
                }
                Position::Chunk(before) => {
                    let part = *bytes;
                    let left = self.pass(bytes, before);
                    self.at = if left > 0 { Position::Chunk(left) } else { Position::ChunkLength };
                    // The line end behind the chunk is none of it.
                    let length = before.saturating_sub(LINE_END).min(before - left);
                    if self.is_body_read && length > 0 {
                        return Next::Body(part.get(..length as usize).unwrap_or(part));
                    }
                }
                Position::ChunkLength => {
                    if !self.take_until(bytes, b"\n", b"\n", MAX_LINE) {
                        if self.bytes.len() >= MAX_LINE {
                            self.lose();
                            return Next::Malformed;
                        }
                        continue;
                    }
                    let length = httparse::parse_chunk_size(&self.bytes);
                    self.bytes.clear();
                    self.at = match length {
                        Ok(httparse::Status::Complete((_, 0))) => Position::Trailers,
                        // The line end behind the chunk.
                        Ok(httparse::Status::Complete((_, length))) => {
                            Position::Chunk(length.saturating_add(LINE_END))
                        }
                        _ => {
                            self.lose();
                            return Next::Malformed;
                        }
                    };
                }
                Position::Trailers => {
                    if self.take_until(bytes, b"\n", b"\n", MAX_LINE) {
                        let is_last = matches!(*self.bytes, [b'\n'] | [b'\r', b'\n']);
                        self.bytes.clear();
                        self.at = if is_last { Position::Head } else { Position::Trailers };
                    } else if self.bytes.len() >= MAX_LINE {
                        self.lose();
                        return Next::Malformed;
                    }
                }
                Position::Opaque => return Next::Opaque(std::mem::take(bytes)),
                Position::Lost => {
                    if !begin(bytes).is_message() {
                        *bytes = &[];
                        return Next::Nothing;
                    }
                    self.at = Position::Head;
                }
            }
        }
    }

    /// Appends bytes up to and including one of these ends; whether it is there.
    fn take_until(&mut self, bytes: &mut &[u8], end: &[u8], other: &[u8], max: usize) -> bool {
        let before = self.bytes.len();
        let room = max.saturating_sub(before).min(bytes.len());
        self.bytes.extend_from_slice(bytes.get(..room).unwrap_or_default());
        // The end may begin in the bytes before.
        let from = before.saturating_sub(end.len() - 1);
        let searched = self.bytes.get(from..).unwrap_or_default();
        let find = |end: &[u8]| {
            let at = searched.windows(end.len()).position(|bytes| bytes == end);
            at.map(|at| from + at + end.len())
        };
        let found = [find(end), find(other)].into_iter().flatten().min();
        let taken = found.map_or(room, |found| found - before);
        self.bytes.truncate(found.unwrap_or(before + room));
        *bytes = bytes.get(taken..).unwrap_or_default();
        found.is_some()
    }

    /// Passes over up to `left` bytes; returns how many are left then.
    fn pass(&mut self, bytes: &mut &[u8], left: u64) -> u64 {
        let passed = left.min(bytes.len() as u64);
        *bytes = bytes.get(passed as usize..).unwrap_or_default();
        left - passed
    }

    /// A body follows the head; `None` is one up to the close.
    pub(super) fn begin_body(&mut self, body: Option<Body>) {
        self.at = match body {
            Some(Body::Length(0) | Body::Unstated) => Position::Head,
            Some(Body::Length(length)) => Position::Body(length),
            Some(Body::Chunked) => Position::ChunkLength,
            None => Position::Opaque,
        };
    }

    /// Bodies are handed over from now on, or are not any more.
    pub(super) fn read_bodies(&mut self, is_body_read: bool) {
        self.is_body_read = is_body_read;
    }

    /// Bytes were passed over because they were not wanted.
    pub(super) fn skipped(&mut self, bytes: u64) {
        match self.at {
            Position::Body(left) if left > bytes => self.at = Position::Body(left - bytes),
            Position::Body(left) if left == bytes => self.at = Position::Head,
            Position::Chunk(left) if left > bytes => self.at = Position::Chunk(left - bytes),
            Position::Chunk(left) if left == bytes => self.at = Position::ChunkLength,
            Position::Opaque => {}
            _ => self.lose(),
        }
    }

    /// Bytes are missing. Within a body of known length that does not matter.
    pub(super) fn gap(&mut self, bytes: u64) {
        self.skipped(bytes);
    }

    /// Whether it is not known where the next message begins.
    pub(super) fn is_lost(&self) -> bool {
        self.at == Position::Lost
    }

    fn lose(&mut self) {
        self.at = Position::Lost;
        self.bytes = Vec::new();
    }

    pub(super) fn want(&self) -> Want {
        match self.at {
            Position::Body(left) | Position::Chunk(left) if !self.is_body_read => Want::Skip(left),
            Position::Opaque => Want::NoMore,
            _ => Want::Whole,
        }
    }

    pub(super) fn memory(&self) -> usize {
        self.bytes.capacity()
    }
}
