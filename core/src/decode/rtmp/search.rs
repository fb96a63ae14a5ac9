//! Finds the begin of a chunk in the middle of a side, after bytes were missed.
//!
//! A header is guessable: few of its values occur. One is taken for found if the headers that follow from it, up to
//! the end of what is there, are all possible.

use super::chunks::{AGGREGATE, AUDIO, DATA_AMF0, VIDEO};

/// Chunk sizes that servers and clients use; the last one is larger than any message of media.
const CHUNK_SIZES: [u32; 13] =
    [128, 4096, 60_000, 65_536, 1024, 8192, 2048, 5000, 10_000, 16_384, 32_768, 65_000, 0xff_ffff];
/// Headers that must follow from each other.
const MIN_HEADERS: usize = 5;
/// Messages that must begin among them.
const MIN_MESSAGES: usize = 3;
/// Longest message of media, bytes: a key frame of a megabyte.
const MAX_LENGTH: u32 = 1 << 20;
/// Longest time between two messages of a chunk stream, milliseconds.
const MAX_DELTA_MS: u32 = 10_000;
/// Highest message stream id: servers count from 1.
const MAX_STREAM: u32 = 64;
/// Most chunk streams of a side that is guessed.
const MAX_CHUNK_STREAMS: usize = 8;

/// Where a chunk begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) at: usize,
    pub(super) chunk_size: u32,
}

/// The first place in `bytes` from which on all headers are possible. `known` is the chunk size before bytes were
/// missed, which is tried first.
pub(super) fn find(bytes: &[u8], known: Option<u32>) -> Option<Found> {
    (0..bytes.len()).find_map(|at| {
        let rest = bytes.get(at..)?;
        let header = Header::read(rest)?;
        // It has to state its message, since no header is before it.
        let payload = rest.get(header.length..).unwrap_or_default();
        header.message.filter(|message| is_possible(message.kind, payload))?;
        let sizes = known.into_iter().chain(CHUNK_SIZES);
        let chunk_size = sizes.into_iter().find(|size| is_chain(rest, *size))?;
        Some(Found { at, chunk_size })
    })
}

/// The header of a chunk as far as it states something.
struct Header {
    id: u8,
    /// Bytes of the header.
    length: usize,
    /// Of the message; `None` if it continues one or repeats the last.
    message: Option<Message>,
    /// Whether a time stands alone in front of a message of the same length.
    is_delta_only: bool,
}

#[derive(Clone, Copy)]
struct Message {
    kind: u8,
    length: u32,
}

impl Header {
    fn read(bytes: &[u8]) -> Option<Self> {
        let (first, rest) = bytes.split_first()?;
        let id = first & 0x3f;
        if id < 2 {
            return None;
        }
        let number = |at: usize| {
            let bytes = rest.get(at..at + 3)?;
            Some(bytes.iter().fold(0, |number: u32, byte| number << 8 | u32::from(*byte)))
        };
        let message = |is_absolute: bool| {
            let (time, length, kind) = (number(0)?, number(3)?, *rest.get(6)?);
            let is_time = if is_absolute { time < 0xff_ffff } else { time <= MAX_DELTA_MS };
            let is_length = (1..=MAX_LENGTH).contains(&length);
            let is_kind = matches!(kind, AUDIO | VIDEO | DATA_AMF0 | AGGREGATE);
            (is_time && is_length && is_kind).then_some(Message { kind, length })
        };
        Some(match first >> 6 {
            0 => {
                let stream: [u8; 4] = rest.get(7..11)?.try_into().ok()?;
                if u32::from_le_bytes(stream) > MAX_STREAM {
                    return None;
                }
                Self { id, length: 12, message: Some(message(true)?), is_delta_only: false }
            }
            1 => Self { id, length: 8, message: Some(message(false)?), is_delta_only: false },
            2 => {
                if number(0)? > MAX_DELTA_MS {
                    return None;
                }
                Self { id, length: 4, message: None, is_delta_only: true }
            }
            _ => Self { id, length: 1, message: None, is_delta_only: false },
        })
    }
}

/// A chunk stream: the last message, and how many of its bytes are to come.
#[derive(Clone, Copy)]
struct ChunkStream {
    id: u8,
    message: Message,
    left: u32,
}

/// Whether all headers from the begin of `bytes` on are possible, and enough.
fn is_chain(bytes: &[u8], chunk_size: u32) -> bool {
    let mut streams: [Option<ChunkStream>; MAX_CHUNK_STREAMS] = [None; MAX_CHUNK_STREAMS];
    let (mut at, mut headers, mut messages) = (0, 0, 0);
    loop {
        let Some(rest) = bytes.get(at..).filter(|rest| rest.len() >= 13) else {
            return headers >= MIN_HEADERS && messages >= MIN_MESSAGES;
        };
        let Some(header) = Header::read(rest) else { return false };
        // Its chunk stream, or the first free place.
        let is_of = |slot: &&mut Option<ChunkStream>| {
            slot.as_ref().is_none_or(|stream| stream.id == header.id)
        };
        let Some(slot) = streams.iter_mut().find(is_of) else { return false };
        let new = header.message.map(|message| ChunkStream { id: header.id, message, left: 0 });
        *slot = slot.or(new);
        let Some(stream) = slot else { return false };
        // A message does not begin inside of another one.
        if (header.message.is_some() || header.is_delta_only) && stream.left > 0 {
            return false;
        }
        stream.message = header.message.unwrap_or(stream.message);
        headers += 1;
        if stream.left == 0 {
            messages += 1;
            stream.left = stream.message.length;
            let payload = rest.get(header.length..).unwrap_or_default();
            if !is_possible(stream.message.kind, payload) {
                return false;
            }
        }
        let chunk = stream.left.min(chunk_size);
        stream.left -= chunk;
        at += header.length + chunk as usize;
    }
}

/// Whether a message of this type may begin so.
fn is_possible(kind: u8, payload: &[u8]) -> bool {
    match (kind, payload) {
        // AAC: a header or a frame; MP3 and others.
        (AUDIO, [first, second, ..]) if first >> 4 == 10 => *second <= 1,
        (AUDIO, [first, ..]) => matches!(first >> 4, 0..=8 | 11 | 14),
        // An extended tag, or a picture of H.264 with its packet type.
        (VIDEO, [first, ..]) if first & 0x80 != 0 => matches!(first >> 4 & 7, 1..=5),
        (VIDEO, [first, second, ..]) if first & 0x0f == 7 => {
            matches!(first >> 4, 1..=5) && *second <= 2
        }
        (VIDEO, [first, ..]) => matches!(first >> 4, 1..=5) && matches!(first & 0x0f, 2..=6 | 12),
        // Metadata begins with a text, an aggregate with a tag.
        (DATA_AMF0, [first, ..]) => *first == 0x02,
        (AGGREGATE, [first, ..]) => matches!(*first, AUDIO | VIDEO | DATA_AMF0),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::{Found, find};

    /// Messages as a client sends them behind its first ones: each with type, length and time since the last one.
    fn side(chunk_size: usize, messages: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        for number in 0..messages {
            let (id, kind, tag, length) = match number % 3 {
                0 => (6, 9, &[0x27, 1, 0, 0, 0][..], 3000 + number),
                _ => (4, 8, &[0xaf, 1][..], 200 + number),
            };
            let mut message = tag.to_vec();
            message.extend((0..length - tag.len()).map(|at| (at * 31 + number) as u8));
            let [_, high, middle, low] = (length as u32).to_be_bytes();
            bytes.extend([0x40 | id, 0, 0, 23, high, middle, low, kind]);
            for (at, chunk) in message.chunks(chunk_size).enumerate() {
                if at > 0 {
                    bytes.push(0xc0 | id);
                }
                bytes.extend(chunk);
            }
        }
        bytes
    }

    #[test]
    fn a_header_is_found_wherever_the_bytes_begin() {
        for chunk_size in [128, 4096, 60_000] {
            let bytes = side(chunk_size, 12);
            for cut in [1, 100, 1500, 3001] {
                let Found { at, chunk_size: found } = find(&bytes[cut..], None).expect("a header");
                // Each message is shorter than the larger chunk sizes, which cannot be distinguished.
                assert!(found as usize == chunk_size || chunk_size >= 4096 && found >= 4096);
                assert_eq!(bytes[cut + at] & 0xc0, 0x40, "{chunk_size} {cut}");
            }
        }
    }

    #[test]
    fn other_bytes_have_none() {
        let noise: Vec<u8> =
            (0..60_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        assert_eq!(find(&noise, None), None);
        assert_eq!(find(&[0; 60_000], None), None);
        assert_eq!(find(b"", None), None);
    }
}
