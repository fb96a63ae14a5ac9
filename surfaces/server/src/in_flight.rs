//! The byte budget of responses in flight.
//!
//! A slow reader keeps an old list in memory. The large chunks of responses in flight are counted,
//! each once however many clients receive it; over the budget, the readers of the oldest chunk are
//! closed, but for those of the last [`MIN_CHUNKS`].

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use crate::connection_table::ClientSlot;
use crate::refusals::{Refusals, Refused};

/// Minimum length of a counted chunk, bytes: smaller ones are 48 MB at most, one per client.
const MIN_COUNTED: usize = 16 << 10;

/// The last chunks are sent even if they exceed the budget: a list that is longer than the budget could else never be
/// sent to two clients that ask by turns, as each list would end the one before.
const MIN_CHUNKS: usize = 2;

/// The chunks in flight.
#[derive(Debug, Default)]
pub(crate) struct InFlightBytes {
    chunks: Mutex<Chunks>,
    refusals: Arc<Refusals>,
}

#[derive(Debug, Default)]
struct Chunks {
    next: u64,
    bytes: usize,
    /// By address, which is unique while the chunk is allocated.
    chunks: HashMap<usize, Chunk>,
}

#[derive(Debug)]
struct Chunk {
    since: u64,
    bytes: usize,
    /// Its readers are asked to close, and it is not counted any more.
    is_dropped: bool,
    readers: Vec<Arc<ClientSlot>>,
}

impl InFlightBytes {
    pub(crate) fn new(refusals: Arc<Refusals>) -> Self {
        Self { chunks: Mutex::default(), refusals }
    }

    /// The same bytes, counted for this reader until the last clone is dropped.
    pub(crate) fn track(self: &Arc<Self>, chunk: Bytes, reader: &Arc<ClientSlot>) -> Bytes {
        if chunk.len() < MIN_COUNTED {
            return chunk;
        }
        self.enter(&chunk, reader);
        Bytes::from_owner(TrackedChunk {
            chunk,
            reader: Arc::clone(reader),
            in_flight: Arc::clone(self),
        })
    }

    fn enter(&self, chunk: &Bytes, reader: &Arc<ClientSlot>) {
        let mut state = self.lock();
        let since = state.next;
        state.next += 1;
        let entry = state.chunks.entry(address(chunk)).or_insert_with(|| Chunk {
            since,
            bytes: 0,
            is_dropped: true,
            readers: Vec::new(),
        });
        entry.readers.push(Arc::clone(reader));
        // Parts of one allocation may begin at the same place.
        let counted = if entry.is_dropped { 0 } else { entry.bytes };
        entry.bytes = entry.bytes.max(chunk.len());
        entry.is_dropped = false;
        let more = entry.bytes - counted;
        state.bytes += more;
        while state.bytes > reader.limits().in_flight_bytes && self.drop_oldest(&mut state) {}
    }

    /// Drops the readers of the oldest chunk, unless there are few.
    fn drop_oldest(&self, state: &mut Chunks) -> bool {
        if state.chunks.values().filter(|chunk| !chunk.is_dropped).count() <= MIN_CHUNKS {
            return false;
        }
        let counted = state.chunks.values_mut().filter(|chunk| !chunk.is_dropped);
        let Some(oldest) = counted.min_by_key(|chunk| chunk.since) else { return false };
        oldest.is_dropped = true;
        for reader in &oldest.readers {
            if reader.request_close(Refused::InFlightFull) {
                self.refusals.count(Refused::InFlightFull);
            }
        }
        state.bytes = state.bytes.saturating_sub(oldest.bytes);
        true
    }

    fn leave(&self, chunk: &Bytes, reader: &Arc<ClientSlot>) {
        let mut state = self.lock();
        let Some(entry) = state.chunks.get_mut(&address(chunk)) else { return };
        if let Some(at) = entry.readers.iter().position(|other| Arc::ptr_eq(other, reader)) {
            entry.readers.swap_remove(at);
        }
        if entry.readers.is_empty() {
            let bytes = if entry.is_dropped { 0 } else { entry.bytes };
            state.bytes = state.bytes.saturating_sub(bytes);
            state.chunks.remove(&address(chunk));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Chunks> {
        self.chunks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn address(chunk: &Bytes) -> usize {
    chunk.as_ptr().addr()
}

struct TrackedChunk {
    chunk: Bytes,
    reader: Arc<ClientSlot>,
    in_flight: Arc<InFlightBytes>,
}

impl AsRef<[u8]> for TrackedChunk {
    fn as_ref(&self) -> &[u8] {
        &self.chunk
    }
}

impl Drop for TrackedChunk {
    fn drop(&mut self) {
        self.in_flight.leave(&self.chunk, &self.reader);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection_table::ConnectionTable;
    use crate::limits::Limits;

    fn chunk(kilobytes: usize) -> Bytes {
        vec![b'x'; kilobytes << 10].into()
    }

    #[test]
    fn the_readers_of_the_oldest_chunk_are_closed_and_shared_chunks_count_once() {
        let refusals = Arc::new(Refusals::default());
        let connections = Arc::new(ConnectionTable::new(Arc::clone(&refusals), Arc::default()));
        let in_flight = Arc::new(InFlightBytes::new(Arc::clone(&refusals)));
        let limits = Limits { in_flight_bytes: 100 << 10, ..Limits::default() };
        let readers: Vec<_> = (0..4).map(|_| connections.take(0, None, &limits).unwrap()).collect();
        let reader = |at: usize| &readers[at].slot;
        let dropped =
            || refusals.list().iter().find(|(name, _)| *name == "in-flight-full").unwrap().1;

        let shared = chunk(60);
        let first = in_flight.track(shared.clone(), reader(0));
        let second = in_flight.track(shared.clone(), reader(1));
        assert_eq!(first.as_ptr(), shared.as_ptr());
        assert_eq!((in_flight.lock().bytes, dropped()), (60 << 10, 0));
        let small = in_flight.track(chunk(1), reader(0));
        assert_eq!(in_flight.lock().bytes, 60 << 10);
        // Two may exceed the budget: otherwise long ones could never be sent.
        let third = in_flight.track(chunk(50), reader(2));
        assert_eq!((in_flight.lock().bytes, dropped()), (110 << 10, 0));
        let fourth = in_flight.track(chunk(200), reader(3));
        assert_eq!((in_flight.lock().bytes, dropped()), (250 << 10, 2));
        drop((first, second, third, small));
        drop(fourth.clone());
        assert_eq!(in_flight.lock().bytes, 200 << 10);
        drop(fourth);
        let state = in_flight.lock();
        assert_eq!((state.bytes, state.chunks.len()), (0, 0));
    }
}
