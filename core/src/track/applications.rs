//! The latest application layers of each connection.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;

use crate::model::{Application, ConnectionId, Known, Source};

use super::precedence::{FieldGroup, outranks};

/// Most connections whose application layers are kept.
pub(super) const MAX_APPLICATIONS: usize = 262_144;
/// The layers of a connection that this many samples do not show are removed.
const MAX_ABSENT_SAMPLES: u64 = 2;

/// The application layers of all connections.
#[derive(Debug, Default)]
pub(super) struct Applications {
    by_id: HashMap<ConnectionId, Entry, RandomState>,
    /// How many the bound refused since that was last reported.
    refused: u64,
}

#[derive(Debug)]
struct Entry {
    application: Arc<Application>,
    source: Source,
    /// The last snapshot before it was reported.
    reported_after: u64,
    /// The last snapshot that had the connection.
    sampled_in: u64,
}

impl Applications {
    /// Stores what `source` reports after the snapshot `sequence`, unless a source that wins has
    /// reported the same connection.
    pub(super) fn apply(
        &mut self,
        id: ConnectionId,
        application: Arc<Application>,
        source: Source,
        sequence: u64,
    ) {
        let new = Entry { application, source, reported_after: sequence, sampled_in: sequence };
        let has_room = self.by_id.len() < MAX_APPLICATIONS;
        match self.by_id.get_mut(&id) {
            Some(entry) if outranks(FieldGroup::Application, entry.source, source) => {}
            Some(entry) => *entry = new,
            None if has_room => {
                self.by_id.insert(id, new);
            }
            None => self.refused += 1,
        }
    }

    /// The layers of a connection in the snapshot `sequence`.
    pub(super) fn sampled(
        &mut self,
        id: ConnectionId,
        sequence: u64,
    ) -> Option<Known<Arc<Application>>> {
        if self.by_id.is_empty() {
            return None;
        }
        let entry = self.by_id.get_mut(&id)?;
        entry.sampled_in = sequence;
        Some(Known::Value(Arc::clone(&entry.application), entry.source))
    }

    /// The layers of a connection.
    pub(super) fn get(&self, id: ConnectionId) -> Option<Known<Arc<Application>>> {
        let entry = self.by_id.get(&id)?;
        Some(Known::Value(Arc::clone(&entry.application), entry.source))
    }

    /// Removes the layers of a connection that was removed before the snapshot after `sequence`. What
    /// was reported since belongs to the next connection of that socket.
    pub(super) fn remove(&mut self, id: ConnectionId, sequence: u64) {
        if self.by_id.get(&id).is_some_and(|entry| entry.reported_after < sequence) {
            self.by_id.remove(&id);
        }
    }

    /// Removes the layers of a connection that closed.
    pub(super) fn forget(&mut self, id: ConnectionId) {
        self.by_id.remove(&id);
    }

    /// Removes the layers of connections that the samples up to this snapshot did not show.
    pub(super) fn remove_absent(&mut self, sequence: u64) {
        self.by_id.retain(|_, entry| entry.sampled_in + MAX_ABSENT_SAMPLES >= sequence);
    }

    /// How many the bound refused since the last call.
    pub(super) fn take_refused(&mut self) -> u64 {
        std::mem::take(&mut self.refused)
    }
}
