//! Recently closed connections, within a bound.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use conns_core::model::{ClosedConnection, Connection, Snapshot, SocketId};
use conns_core::track::Removed;
use foldhash::fast::RandomState;

/// Most buffered closed connections, about 1.5 kB each. A reader that is further behind has to read
/// the whole state, and finds that by `complete_since`; for others the bound hides nothing.
pub(crate) const CLOSED_CAPACITY: usize = 4096;

/// How many are still buffered once a peak of connections is over.
const AFTER_PEAK: usize = 1024;

/// The closed connections, oldest first.
#[derive(Default)]
pub(crate) struct ClosedLog {
    closed: VecDeque<Arc<ClosedConnection>>,
    shared: Arc<[Arc<ClosedConnection>]>,
    /// See `Update::closed_complete_since`.
    pub(crate) complete_since: u64,
}

impl ClosedLog {
    /// An empty log that is complete since this snapshot.
    pub(crate) fn since(sequence: u64) -> Self {
        Self { complete_since: sequence, ..Self::default() }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.closed.len()
    }

    /// Removes all but the last [`AFTER_PEAK`], and copies these to other memory, so that what lies around them
    /// can be given back.
    pub(crate) fn shrink_after_peak(&mut self) {
        let beyond = self.closed.len().saturating_sub(AFTER_PEAK);
        if let Some(oldest) = self.closed.drain(..beyond).next_back() {
            self.complete_since = oldest.sequence;
        }
        for closed in &mut self.closed {
            let connection = closed.connection.unshared();
            *closed = Arc::new(ClosedConnection { connection, ..ClosedConnection::clone(closed) });
        }
        self.shared = self.closed.iter().cloned().collect();
    }

    /// Adds the connections of `before` that `now` removed. One with a closed event is stored as it
    /// was then, with its final counters.
    pub(crate) fn add(&mut self, before: &Snapshot, now: &Snapshot, removed: &[Removed]) {
        if removed.is_empty() {
            return;
        }
        let removed: HashMap<SocketId, &Removed, RandomState> =
            removed.iter().map(|removed| (removed.id, removed)).collect();
        let closed = before.connections.iter().filter_map(|connection| {
            removed.get(&connection.socket.id).map(|removed| (connection, *removed))
        });
        // Those that would be dropped at once are not copied.
        let beyond = closed.clone().count().saturating_sub(CLOSED_CAPACITY);
        if beyond > 0 {
            self.closed.clear();
            self.complete_since = now.sequence;
        }
        for (connection, removed) in closed.skip(beyond) {
            if self.closed.len() == CLOSED_CAPACITY
                && let Some(oldest) = self.closed.pop_front()
            {
                self.complete_since = oldest.sequence;
            }
            self.closed.push_back(Arc::new(ClosedConnection {
                sequence: now.sequence,
                at: now.at,
                connection: last_state(connection, removed),
            }));
        }
        self.shared = self.closed.iter().cloned().collect();
    }

    /// All of them, shared with every reader.
    pub(crate) fn shared(&self) -> Arc<[Arc<ClosedConnection>]> {
        Arc::clone(&self.shared)
    }
}

/// The connection as it was when it closed, or else in the last sample.
fn last_state(sampled: &Connection, removed: &Removed) -> Connection {
    let mut connection = match &removed.final_event {
        Some(event) => event.connection.clone(),
        None => sampled.clone(),
    };
    if removed.final_event.is_none() && removed.closed.value().is_some() {
        connection.closed = removed.closed;
    }
    connection
}

#[cfg(test)]
mod tests;
