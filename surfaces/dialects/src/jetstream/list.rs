//! The JSON list of all connections, written once per update. A page is a slice of it.

use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;
use conns_core::model::Transfer;

use super::connection::Connection;

/// The list `[row,row]` and the places of its rows.
#[derive(Debug)]
pub(super) struct List {
    json: Bytes,
    /// The end of each row, as an index into `json`.
    ends: Vec<usize>,
}

impl List {
    pub(super) fn new(transfers: &[Transfer]) -> Self {
        let mut json = vec![b'['];
        let mut ends = Vec::with_capacity(transfers.len());
        for transfer in transfers {
            if !ends.is_empty() {
                json.push(b',');
            }
            let start = json.len();
            // Serialization of these fields does not fail; `null` keeps the list valid if it does.
            if serde_json::to_writer(&mut json, &Connection::new(transfer)).is_err() {
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

/// The list of the latest transfers asked for.
#[derive(Debug, Default)]
pub(super) struct LatestList(Mutex<Arc<Slot>>);

#[derive(Debug, Default)]
struct Slot {
    transfers: Arc<[Transfer]>,
    list: OnceLock<List>,
}

impl LatestList {
    /// What `read` returns of the list of these transfers. Written by the first caller; the others
    /// wait for it without the lock.
    pub(super) fn read<T>(&self, transfers: &Arc<[Transfer]>, read: impl FnOnce(&List) -> T) -> T {
        let slot = self.slot(transfers);
        read(slot.list.get_or_init(|| List::new(&slot.transfers)))
    }

    fn slot(&self, transfers: &Arc<[Transfer]>) -> Arc<Slot> {
        let mut latest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !Arc::ptr_eq(&latest.transfers, transfers) {
            let transfers = Arc::clone(transfers);
            *latest = Arc::new(Slot { transfers, list: OnceLock::new() });
        }
        Arc::clone(&latest)
    }
}
