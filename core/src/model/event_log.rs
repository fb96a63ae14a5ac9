//! Recent lifecycle events, published on a channel of their own.

use std::sync::Arc;

use super::{Event, Loss};

/// Most events in one chunk. Appending copies at most this many pointers.
const CHUNK_CAPACITY: usize = 1024;

/// Recent events in ascending order of their serial numbers, without gaps. A clone shares the
/// events in chunks, so publishing costs what is new, not what is buffered.
#[derive(Debug, Clone, Default)]
pub struct EventLog {
    /// Drawn anew at each start of the agent: serial numbers of another instance mean nothing.
    pub instance: u64,
    /// What the event source lost, and what was dropped before it was published: one entry for
    /// each cause, counted since the start.
    pub losses: Arc<[Loss]>,
    /// Oldest first; none is empty.
    chunks: Vec<Arc<[Arc<Event>]>>,
    len: usize,
    complete_since: u64,
    last_serial: u64,
}

impl EventLog {
    /// An empty log that misses nothing after the event `serial`; 0 is before the first.
    #[must_use]
    pub fn after(instance: u64, serial: u64) -> Self {
        Self { instance, complete_since: serial, last_serial: serial, ..Self::default() }
    }

    /// Appends events whose serial numbers follow [`EventLog::last_serial`] without gaps.
    pub fn append(&mut self, events: impl IntoIterator<Item = Arc<Event>>) {
        let mut events = events.into_iter().peekable();
        while events.peek().is_some() {
            let begun = self.chunks.pop_if(|last| last.len() < CHUNK_CAPACITY);
            let begun = begun.as_deref().unwrap_or_default();
            self.len -= begun.len();
            let room = CHUNK_CAPACITY - begun.len();
            let chunk: Arc<[_]> = begun.iter().cloned().chain(events.by_ref().take(room)).collect();
            self.len += chunk.len();
            self.last_serial = chunk.last().map_or(self.last_serial, |event| event.serial);
            self.chunks.push(chunk);
        }
    }

    /// Copies its events, which makes them lie together in memory.
    pub fn copy_events(&mut self) {
        let copy = |event: &Arc<Event>| {
            let event = Event { connection: event.connection.unshared(), ..Event::clone(event) };
            Arc::new(event)
        };
        for chunk in &mut self.chunks {
            *chunk = chunk.iter().map(copy).collect();
        }
    }

    /// The oldest events, which [`EventLog::remove_oldest`] removes; empty if there are none.
    #[must_use]
    pub fn oldest(&self) -> &[Arc<Event>] {
        self.chunks.first().map_or(&[], |chunk| chunk)
    }

    /// Removes the oldest chunk, and returns it.
    pub fn remove_oldest(&mut self) -> Option<Arc<[Arc<Event>]>> {
        let is_any = !self.chunks.is_empty();
        let chunk = is_any.then(|| self.chunks.remove(0))?;
        self.len -= chunk.len();
        self.complete_since = chunk.last().map_or(self.complete_since, |event| event.serial);
        Some(chunk)
    }

    /// The events after `serial`, oldest first; `None` if some of them are not buffered any more,
    /// or if `serial` is not reached yet.
    #[must_use]
    pub fn since(&self, serial: u64) -> Option<impl Iterator<Item = &Arc<Event>> + Clone> {
        let is_complete = (self.complete_since..=self.last_serial).contains(&serial);
        is_complete.then(|| self.buffered_after(serial))
    }

    /// The buffered events after `serial`, oldest first, also where some are missing.
    pub fn buffered_after(&self, serial: u64) -> impl Iterator<Item = &Arc<Event>> + Clone {
        let is_before = |event: &Arc<Event>| event.serial <= serial;
        let first = self.chunks.partition_point(|chunk| chunk.last().is_some_and(is_before));
        let chunks = self.chunks.get(first..).unwrap_or_default();
        let skipped = chunks.first().map_or(0, |chunk| chunk.partition_point(is_before));
        chunks.iter().flat_map(|chunk| chunk.iter()).skip(skipped)
    }

    /// All buffered events, oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Arc<Event>> + Clone {
        self.chunks.iter().flat_map(|chunk| chunk.iter())
    }

    /// Every event with a higher serial number is buffered.
    #[must_use]
    pub fn complete_since(&self) -> u64 {
        self.complete_since
    }

    /// The serial number of the latest event; 0 before the first.
    #[must_use]
    pub fn last_serial(&self) -> u64 {
        self.last_serial
    }

    /// How many events are buffered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no event is buffered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}
