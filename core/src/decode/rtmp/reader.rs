//! Reads one side: chunk by chunk, and where bytes are missing from the next chunk that can be found.

use super::chunks::{Chunks, Event};
use super::search::find;

/// Most bytes in which the begin of a chunk is searched: a key frame lies between smaller messages.
const MAX_SEARCHED: usize = 64 * 1024;
/// Fewer bytes have too few headers.
const MIN_SEARCHED: usize = 2048;
/// Bytes that stay when no chunk was found.
const KEPT_SEARCHED: usize = 8 * 1024;
/// Most searches without result.
const MAX_SEARCHES: u8 = 32;

/// One side.
#[derive(Debug)]
pub(super) struct Reader {
    chunks: Chunks,
    search: Option<Search>,
    /// How often the begin of a chunk was found by guessing.
    pub(super) found: u64,
}

#[derive(Debug, Default)]
struct Search {
    bytes: Vec<u8>,
    /// With how many bytes it is tried next.
    next_try: usize,
    fruitless: u8,
}

impl Reader {
    pub(super) fn new() -> Self {
        Self { chunks: Chunks::new(), search: None, found: 0 }
    }

    /// In the middle of a side.
    pub(super) fn late() -> Self {
        Self { search: Some(Search::default()), ..Self::new() }
    }

    /// Whether nothing can be read any more.
    pub(super) fn is_lost(&self) -> bool {
        self.search.as_ref().is_some_and(|search| search.fruitless >= MAX_SEARCHES)
    }

    /// Bytes of the next ones that are only counted.
    pub(super) fn skippable(&self) -> u64 {
        if self.search.is_some() { 0 } else { self.chunks.skippable() }
    }

    /// Bytes held on the heap.
    pub(super) fn memory(&self) -> usize {
        self.chunks.memory() + self.search.as_ref().map_or(0, |search| search.bytes.capacity())
    }

    /// Bytes are missing.
    pub(super) fn lose(&mut self) {
        self.chunks.lose();
        let fruitless = self.search.as_ref().map_or(0, |search| search.fruitless);
        self.search = Some(Search { fruitless, ..Search::default() });
    }

    /// Passes over payload, at most [`Self::skippable`] bytes.
    pub(super) fn skip(&mut self, bytes: u64, sink: &mut dyn FnMut(Event<'_>)) {
        self.chunks.skip(bytes, sink);
        self.search_if_lost();
    }

    /// Reads the bytes that follow.
    pub(super) fn data(&mut self, bytes: &[u8], sink: &mut dyn FnMut(Event<'_>)) {
        let Some(search) = &mut self.search else {
            self.chunks.data(bytes, sink);
            return self.search_if_lost();
        };
        if search.fruitless >= MAX_SEARCHES {
            return;
        }
        search.bytes.extend_from_slice(bytes);
        if search.bytes.len() < search.next_try.max(MIN_SEARCHED) {
            return;
        }
        if let Some(found) = find(&search.bytes, self.chunks.known_chunk_size()) {
            let bytes = std::mem::take(&mut search.bytes);
            self.search = None;
            self.found += 1;
            self.chunks.resume(found.chunk_size);
            self.chunks.data(bytes.get(found.at..).unwrap_or_default(), sink);
            return self.search_if_lost();
        }
        search.next_try = search.bytes.len() * 2;
        if search.bytes.len() >= MAX_SEARCHED {
            search.fruitless += 1;
            search.bytes.drain(..search.bytes.len() - KEPT_SEARCHED);
            search.next_try = MAX_SEARCHED / 2;
        }
    }

    fn search_if_lost(&mut self) {
        if self.chunks.is_lost() && self.search.is_none() {
            self.search = Some(Search::default());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Event, Reader};
    use crate::decode::rtmp::chunks::{Header, UNKNOWN_STREAM, VIDEO};

    /// Messages of video with the times and lengths of ten pictures; the first has a whole header, on message stream 7.
    fn side(chunk_size: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        for number in 0..10_u8 {
            let length = 2000 + usize::from(number);
            let [_, high, middle, low] = (length as u32).to_be_bytes();
            bytes.extend([if number == 0 { 4 } else { 0x44 }, 0, 0, 40, high, middle, low, VIDEO]);
            if number == 0 {
                bytes.extend([7, 0, 0, 0]);
            }
            let mut picture: Vec<u8> = (0..length).map(|at| (at * 31) as u8).collect();
            picture[..2].copy_from_slice(&[0x27, 1]);
            for (at, chunk) in picture.chunks(chunk_size).enumerate() {
                if at > 0 {
                    bytes.push(0xc4);
                }
                bytes.extend(chunk);
            }
        }
        bytes
    }

    /// The headers that a reader finds in all bytes but those of the gap.
    fn headers(mut reader: Reader, chunk_size: usize, gap: std::ops::Range<usize>) -> Vec<Header> {
        let bytes = side(chunk_size);
        let mut headers = Vec::new();
        let mut sink = |event: Event<'_>| {
            if let Event::Begun(header) = event {
                headers.push(*header);
            }
        };
        reader.data(&bytes[..gap.start], &mut sink);
        reader.lose();
        reader.data(&bytes[gap.end..], &mut sink);
        headers
    }

    #[test]
    fn behind_a_gap_what_was_known_before_it_is_still_known() {
        // A chunk size that no client is known to use.
        for (chunk_size, before) in [(777, true), (128, true), (128, false)] {
            let gap = if before { 5000..9000 } else { 0..5000 };
            let mut reader = if before { Reader::new() } else { Reader::late() };
            reader.chunks.resume(chunk_size as u32);
            let headers = headers(reader, chunk_size, gap);
            let last = headers.last().expect("a header");
            let known = if before { 7 } else { UNKNOWN_STREAM };
            assert_eq!((last.kind, last.length, last.stream), (VIDEO, 2009, known));
            // Of what was missed the times are unknown.
            assert!(!before || last.timestamp >= 200, "{last:?}");
        }
    }
}
