//! Cuts one side into chunks and messages (RTMP 1.0, section 5.3).

use std::collections::HashMap;

use foldhash::fast::RandomState;

/// Chunk size before it is set.
const DEFAULT_CHUNK_SIZE: u32 = 128;
/// Largest chunk size: a message has no more bytes.
const MAX_CHUNK_SIZE: u32 = 0xff_ffff;
/// Most chunk streams of a side. Real ones use fewer than ten.
const MAX_CHUNK_STREAMS: usize = 512;
/// Most bytes of a message that are kept for reading: metadata of a few kilobytes are usual, and pictures
/// in it happen.
const MAX_KEPT: usize = 128 * 1024;
/// Most bytes kept for all messages of a side together.
const MAX_KEPT_SIDE: usize = 2 * MAX_KEPT;
/// Fewer bytes of a chunk are not worth passing over.
const MIN_SKIP: u32 = 4096;

/// Message types (section 5.4, 7.1).
pub(super) const SET_CHUNK_SIZE: u8 = 1;
const ABORT: u8 = 2;
pub(super) const AUDIO: u8 = 8;
pub(super) const VIDEO: u8 = 9;
pub(super) const COMMAND_AMF3: u8 = 17;
pub(super) const DATA_AMF0: u8 = 18;
pub(super) const COMMAND_AMF0: u8 = 20;
pub(super) const AGGREGATE: u8 = 22;

/// The message stream of a message whose header does not name it, and those before it are missing.
pub(super) const UNKNOWN_STREAM: u32 = u32::MAX;

/// The header of a message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) kind: u8,
    pub(super) length: u32,
    /// Milliseconds.
    pub(super) timestamp: u32,
    /// The message stream.
    pub(super) stream: u32,
}

impl Header {
    /// Whether it is audio, video, or both in an aggregate.
    pub(super) fn is_media(&self) -> bool {
        matches!(self.kind, AUDIO | VIDEO | AGGREGATE)
    }

    /// How many of its first bytes are kept: all of what is read, the tag and configuration of media.
    fn kept(&self) -> usize {
        match self.kind {
            AUDIO | VIDEO => MAX_CONFIGURATION,
            SET_CHUNK_SIZE | ABORT | COMMAND_AMF3 | DATA_AMF0 | COMMAND_AMF0 | AGGREGATE => {
                MAX_KEPT
            }
            _ => 0,
        }
    }
}

/// Longest decoder configuration that is read, bytes.
const MAX_CONFIGURATION: usize = 2048;

/// What a side carries, in its order.
#[derive(Debug)]
pub(super) enum Event<'a> {
    /// A message began.
    Begun(&'a Header),
    /// A chunk of this number of bytes is complete; `kept` is what is kept of the message until now.
    Chunk { header: &'a Header, is_first: bool, bytes: u32, kept: &'a [u8] },
    /// A message is complete. Of one that is not kept as a whole, `kept` has fewer bytes than its length.
    Message { header: &'a Header, kept: &'a [u8] },
}

/// The chunks of one side.
#[derive(Debug)]
pub(super) struct Chunks {
    state: State,
    chunk_size: u32,
    streams: HashMap<u32, ChunkStream, RandomState>,
    kept: usize,
    began_late: bool,
}

#[derive(Debug)]
enum State {
    /// Before or inside the header of a chunk.
    Header { bytes: [u8; MAX_HEADER], length: u8 },
    /// Inside the payload of a chunk: on which chunk stream, of how many bytes, and how many are left.
    Payload { id: u32, bytes: u32, left: u32 },
    /// It is not known where a chunk begins.
    Lost,
}

/// Basic header, message header, extended timestamp.
const MAX_HEADER: usize = 3 + 11 + 4;

#[derive(Debug, Default)]
struct ChunkStream {
    header: Header,
    /// What is added to the timestamp by the next message whose header has none.
    delta: u32,
    /// What the extended timestamp of the latest header was.
    extended: Option<u32>,
    /// Bytes of the current message so far.
    received: u32,
    kept: Vec<u8>,
}

/// A complete header of a chunk.
struct ChunkHeader {
    id: u32,
    length: usize,
}

impl Chunks {
    pub(super) fn new() -> Self {
        Self {
            state: State::Header { bytes: [0; MAX_HEADER], length: 0 },
            chunk_size: DEFAULT_CHUNK_SIZE,
            streams: HashMap::default(),
            kept: 0,
            began_late: false,
        }
    }

    /// Reads from a chunk in the middle on, with a chunk size that was guessed. Headers before it may be missing that
    /// name the message streams; what is known of chunk streams is likely still true.
    pub(super) fn resume(&mut self, chunk_size: u32) {
        self.state = State::Header { bytes: [0; MAX_HEADER], length: 0 };
        self.chunk_size = chunk_size;
        self.began_late = true;
    }

    /// The chunk size, if it is known.
    pub(super) fn known_chunk_size(&self) -> Option<u32> {
        (!self.streams.is_empty()).then_some(self.chunk_size)
    }

    /// Whether it is not known where the next chunk begins.
    pub(super) fn is_lost(&self) -> bool {
        matches!(self.state, State::Lost)
    }

    /// Bytes of the next ones that are only counted.
    pub(super) fn skippable(&self) -> u64 {
        let State::Payload { id, left, .. } = &self.state else { return 0 };
        let Some(stream) = self.streams.get(id) else { return 0 };
        let is_kept = stream.kept.len() >= stream.header.kept();
        if is_kept && *left >= MIN_SKIP { (*left).into() } else { 0 }
    }

    /// Bytes held on the heap.
    pub(super) fn memory(&self) -> usize {
        // A buffer that grows has at most twice what it needs.
        2 * self.kept + self.streams.capacity() * (size_of::<(u32, ChunkStream)>() + 1)
    }

    /// Bytes are missing: the next chunk cannot be found from here.
    pub(super) fn lose(&mut self) {
        self.state = State::Lost;
        for stream in self.streams.values_mut() {
            (stream.received, stream.kept) = (0, Vec::new());
        }
        self.kept = 0;
    }

    /// Passes over payload, at most [`Self::skippable`] bytes.
    pub(super) fn skip(&mut self, bytes: u64, sink: &mut dyn FnMut(Event<'_>)) {
        if let State::Payload { id, left, .. } = &mut self.state
            && let Ok(bytes) = u32::try_from(bytes)
            && bytes <= *left
        {
            *left -= bytes;
            let id = *id;
            if let Some(stream) = self.streams.get_mut(&id) {
                stream.received += bytes;
            }
            self.finish_chunk(sink);
        } else {
            self.lose();
        }
    }

    /// Reads the bytes that follow.
    pub(super) fn data(&mut self, mut rest: &[u8], sink: &mut dyn FnMut(Event<'_>)) {
        while !rest.is_empty() {
            rest = match &mut self.state {
                State::Header { .. } => self.header(rest, sink),
                State::Payload { .. } => self.payload(rest, sink),
                State::Lost => return,
            };
        }
    }

    /// Reads one byte of a header at a time, since its length depends on what it has.
    fn header<'a>(&mut self, rest: &'a [u8], sink: &mut dyn FnMut(Event<'_>)) -> &'a [u8] {
        let State::Header { bytes, length } = &mut self.state else { return rest };
        let mut taken = 0;
        let mut complete = None;
        for byte in rest {
            let Some(next) = bytes.get_mut(usize::from(*length)) else { break };
            *next = *byte;
            *length += 1;
            taken += 1;
            let header = bytes.get(..usize::from(*length)).unwrap_or_default();
            if let Some(id) = complete_header(header, &self.streams) {
                complete = Some((id, *bytes));
                break;
            }
        }
        let rest = rest.get(taken..).unwrap_or_default();
        let Some((header, bytes)) = complete else { return rest };
        let ChunkHeader { id, length } = header;
        let unread = self.begin_chunk(id, bytes.get(..length).unwrap_or_default(), sink);
        // What looked like an extended timestamp is payload.
        if !unread.is_empty() {
            let unread = unread.to_vec();
            self.data(&unread, sink);
        }
        rest
    }

    /// Applies a header; returns bytes of it that are payload.
    fn begin_chunk<'h>(
        &mut self,
        id: u32,
        header: &'h [u8],
        sink: &mut dyn FnMut(Event<'_>),
    ) -> &'h [u8] {
        let format = header.first().map_or(0, |byte| byte >> 6);
        let fields = header.get(basic_length(header)..).unwrap_or_default();
        if !self.streams.contains_key(&id) {
            // A chunk stream begins with a whole header; in the middle one with a length suffices.
            let last_format = u8::from(self.began_late);
            if format > last_format || self.streams.len() >= MAX_CHUNK_STREAMS {
                self.lose();
                return &[];
            }
            let header = Header { stream: UNKNOWN_STREAM, ..Header::default() };
            self.streams.insert(id, ChunkStream { header, ..ChunkStream::default() });
        }
        let Some(stream) = self.streams.get_mut(&id) else { return &[] };
        let mut unread: &[u8] = &[];
        let is_new = stream.received == 0;
        let number = |at: usize, length: usize| {
            let bytes = fields.get(at..at + length).unwrap_or_default();
            bytes.iter().fold(0, |number: u32, byte| number << 8 | u32::from(*byte))
        };
        if format < 3 {
            if !is_new {
                // A new message begins inside of another one.
                self.kept -= stream.kept.len();
                stream.kept.clear();
                stream.received = 0;
            }
            let fixed = message_header_length(format);
            stream.extended = (number(0, 3) == 0xff_ffff).then(|| number(fixed, 4));
            let time = stream.extended.unwrap_or(number(0, 3));
            if format < 2 {
                stream.header.length = number(3, 3);
                stream.header.kind = number(6, 1) as u8;
            }
            if format == 0 {
                let id: Option<[u8; 4]> = fields.get(7..11).and_then(|bytes| bytes.try_into().ok());
                stream.header.stream = id.map_or(0, u32::from_le_bytes);
                stream.header.timestamp = time;
            } else {
                stream.header.timestamp = stream.header.timestamp.wrapping_add(time);
            }
            stream.delta = time;
        } else {
            if let Some(extended) = stream.extended
                && number(0, 4) != extended
                && !is_new
            {
                // This sender does not repeat the extended timestamp.
                stream.extended = None;
                unread = fields;
            }
            if is_new {
                let delta = match stream.extended {
                    Some(_) => number(0, 4),
                    None => stream.delta,
                };
                stream.header.timestamp = stream.header.timestamp.wrapping_add(delta);
            }
        }
        let header = stream.header;
        let left = header.length.saturating_sub(stream.received);
        let bytes = left.min(self.chunk_size);
        if stream.received == 0 {
            sink(Event::Begun(&header));
        }
        self.state = State::Payload { id, bytes, left: bytes };
        if bytes == 0 {
            self.finish_chunk(sink);
        }
        unread
    }

    fn payload<'a>(&mut self, rest: &'a [u8], sink: &mut dyn FnMut(Event<'_>)) -> &'a [u8] {
        let State::Payload { id, left, .. } = &mut self.state else { return rest };
        let taken = rest.len().min(*left as usize);
        let (bytes, rest) = rest.split_at_checked(taken).unwrap_or((rest, &[]));
        *left -= taken as u32;
        let Some(stream) = self.streams.get_mut(id) else { return rest };
        stream.received += taken as u32;
        let room =
            stream.header.kept().min(MAX_KEPT_SIDE.saturating_sub(self.kept) + stream.kept.len());
        let wanted = room.saturating_sub(stream.kept.len());
        let kept = bytes.get(..wanted).unwrap_or(bytes);
        stream.kept.extend_from_slice(kept);
        self.kept += kept.len();
        self.finish_chunk(sink);
        rest
    }

    /// Once a chunk is complete: hands it over, and its message if that is complete.
    fn finish_chunk(&mut self, sink: &mut dyn FnMut(Event<'_>)) {
        let State::Payload { id, bytes, left: 0 } = self.state else { return };
        self.state = State::Header { bytes: [0; MAX_HEADER], length: 0 };
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let header = stream.header;
        let is_first = stream.received == bytes;
        sink(Event::Chunk { header: &header, is_first, bytes, kept: &stream.kept });
        if stream.received < header.length {
            return;
        }
        let kept = std::mem::take(&mut stream.kept);
        stream.received = 0;
        self.kept -= kept.len();
        let number = kept.first_chunk().map(|bytes| u32::from_be_bytes(*bytes));
        match (header.kind, number) {
            (SET_CHUNK_SIZE, Some(size)) if size & 0x7fff_ffff > 0 => {
                self.chunk_size = (size & 0x7fff_ffff).min(MAX_CHUNK_SIZE);
            }
            (ABORT, Some(id)) => {
                if let Some(stream) = self.streams.get_mut(&id) {
                    self.kept -= stream.kept.len();
                    stream.kept = Vec::new();
                    stream.received = 0;
                }
            }
            _ => {}
        }
        sink(Event::Message { header: &header, kept: &kept });
        // The buffer of a media message serves the next one.
        if header.is_media()
            && kept.capacity() <= MAX_CONFIGURATION
            && let Some(stream) = self.streams.get_mut(&id)
        {
            stream.kept = kept;
            stream.kept.clear();
        }
    }
}

/// Length of the basic header, bytes.
fn basic_length(header: &[u8]) -> usize {
    match header.first().map(|byte| byte & 0x3f) {
        Some(0) => 2,
        Some(1) => 3,
        _ => 1,
    }
}

/// Length of the message header of a format, bytes.
fn message_header_length(format: u8) -> usize {
    match format {
        0 => 11,
        1 => 7,
        2 => 3,
        _ => 0,
    }
}

/// The chunk stream and the length of a header, once it is complete.
fn complete_header(
    header: &[u8],
    streams: &HashMap<u32, ChunkStream, RandomState>,
) -> Option<ChunkHeader> {
    let first = *header.first()?;
    let basic = basic_length(header);
    let rest = header.get(1..basic)?;
    let id = match *rest {
        [low] => 64 + u32::from(low),
        [low, high] => 64 + u32::from(low) + (u32::from(high) << 8),
        _ => u32::from(first & 0x3f),
    };
    let fixed = basic + message_header_length(first >> 6);
    let fields = header.get(basic..fixed)?;
    let is_extended = match first >> 6 {
        3 => streams.get(&id).is_some_and(|stream| stream.extended.is_some()),
        _ => fields.starts_with(&[0xff; 3]),
    };
    let length = if is_extended { fixed + 4 } else { fixed };
    (header.len() >= length).then_some(ChunkHeader { id, length })
}

#[cfg(test)]
mod tests;
