//! The JSON list of all connections, written once per update. A page is a slice of it.

use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;

use super::connection::Connection;

/// The list `[row,row]` and the places of its rows.
#[derive(Debug)]
pub(super) struct List {
    json: Bytes,
    /// The end of each row, as an index into `json`.
    ends: Vec<usize>,
}

impl List {
    pub(super) fn new(connections: &[Connection]) -> Self {
        let mut json = vec![b'['];
        let mut ends = Vec::with_capacity(connections.len());
        for connection in connections {
            if !ends.is_empty() {
                json.push(b',');
            }
            let start = json.len();
            // Serialization of these fields does not fail; `null` keeps the list valid if it does.
            if serde_json::to_writer(&mut json, connection).is_err() {
                json.truncate(start);
                json.extend_from_slice(b"null");
            }
            ends.push(json.len());
        }
        json.push(b']');
        Self { json: json.into(), ends }
    }

    /// The number of rows.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// These rows with their commas, without brackets; `None` if there are no such rows.
    pub(super) fn rows(&self, rows: Range<usize>) -> Option<Bytes> {
        let end = *self.ends.get(rows.end.checked_sub(1)?)?;
        // Before the first row stands the bracket, before any other one the comma.
        let start = match rows.start.checked_sub(1) {
            None => 1,
            Some(previous) => *self.ends.get(previous)? + 1,
        };
        (start < end).then(|| self.json.slice(start..end))
    }
}

/// The list of the latest connections asked for.
#[derive(Debug, Default)]
pub(super) struct LatestList(Mutex<Arc<Slot>>);

#[derive(Debug, Default)]
struct Slot {
    connections: Arc<[Connection]>,
    list: OnceLock<List>,
}

impl LatestList {
    /// What `read` returns of the list of these connections. Written by the first caller; the others
    /// wait for it without the lock.
    pub(super) fn read<T>(
        &self,
        connections: &Arc<[Connection]>,
        read: impl FnOnce(&List) -> T,
    ) -> T {
        let slot = self.slot(connections);
        read(slot.list.get_or_init(|| List::new(&slot.connections)))
    }

    fn slot(&self, connections: &Arc<[Connection]>) -> Arc<Slot> {
        let mut latest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !Arc::ptr_eq(&latest.connections, connections) {
            let connections = Arc::clone(connections);
            *latest = Arc::new(Slot { connections, list: OnceLock::new() });
        }
        Arc::clone(&latest)
    }
}
