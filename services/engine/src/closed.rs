//! What has closed lately, kept in bounded space.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use conns_core::model::{
    ClosedConnection, Connection, Loss, LossCause, Snapshot, SocketId, Source,
};
use conns_core::track::Removed;
use foldhash::fast::RandomState;

/// Most closed connections kept, about 1.5 kB each. Whoever asks for changes since a time when more
/// than so many have closed is told to read the whole state.
pub(crate) const CLOSED_KEPT: usize = 4096;

/// The closed connections, oldest first.
#[derive(Default)]
pub(crate) struct ClosedLog {
    kept: VecDeque<Arc<ClosedConnection>>,
    shared: Arc<[Arc<ClosedConnection>]>,
    /// See `Update::closed_complete_since`.
    pub(crate) complete_since: u64,
    forgotten: u64,
}

impl ClosedLog {
    /// An empty log that misses nothing since this snapshot.
    pub(crate) fn since(sequence: u64) -> Self {
        Self { complete_since: sequence, ..Self::default() }
    }

    /// Notes that those of `gone` that `before` has are not in `now` any more. One whose end was
    /// told is kept as it was then, with its final measures.
    pub(crate) fn add(&mut self, before: &Snapshot, now: &Snapshot, gone: &[Removed]) {
        if gone.is_empty() {
            return;
        }
        let gone: HashMap<SocketId, &Removed, RandomState> =
            gone.iter().map(|gone| (gone.id, gone)).collect();
        let of_gone = before.connections.iter().filter_map(|connection| {
            gone.get(&connection.socket.id).map(|gone| (connection, *gone))
        });
        // Those that would be forgotten at once are not copied.
        let beyond = of_gone.clone().count().saturating_sub(CLOSED_KEPT);
        if beyond > 0 {
            self.forgotten += (self.kept.len() + beyond) as u64;
            self.kept.clear();
            self.complete_since = now.sequence;
        }
        for (connection, gone) in of_gone.skip(beyond) {
            if self.kept.len() == CLOSED_KEPT
                && let Some(oldest) = self.kept.pop_front()
            {
                self.complete_since = oldest.sequence;
                self.forgotten += 1;
            }
            self.kept.push_back(Arc::new(ClosedConnection {
                sequence: now.sequence,
                at: now.at,
                connection: at_its_end(connection, gone),
            }));
        }
        self.shared = self.kept.iter().cloned().collect();
    }

    /// All that are kept, shared with every reader.
    pub(crate) fn shared(&self) -> Arc<[Arc<ClosedConnection>]> {
        Arc::clone(&self.shared)
    }

    /// What the bound made the agent forget.
    pub(crate) fn loss(&self) -> Option<Loss> {
        let cause = LossCause::ClosedForgotten { capacity: CLOSED_KEPT as u64 };
        Loss::counted(Source::Derived, cause, self.forgotten)
    }
}

/// The connection as it was when it ended, or else when it was last seen.
fn at_its_end(seen: &Connection, gone: &Removed) -> Connection {
    let mut connection = match &gone.final_event {
        Some(told) => told.connection.clone(),
        None => seen.clone(),
    };
    if gone.final_event.is_none() && gone.closed.value().is_some() {
        connection.closed = gone.closed;
    }
    connection
}

#[cfg(test)]
mod tests;
