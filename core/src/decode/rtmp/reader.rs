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
        if let Some(found) = find(&search.bytes) {
            let bytes = std::mem::take(&mut search.bytes);
            self.search = None;
            self.found += 1;
            self.chunks = Chunks::late(found.chunk_size);
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
