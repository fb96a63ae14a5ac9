//! Where each connection of the latest snapshot is, by its serial number: made once for a snapshot, when a request
//! first asks, so that a window of few rows costs no pass over all.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use conns_core::model::{Connection, Snapshot};

/// The places of the connections of one snapshot, by serial number.
#[derive(Debug)]
pub(super) struct SerialIndex {
    /// In order of serial number; places beyond `u32` do not occur.
    places: Box<[(u64, u32)]>,
}

impl SerialIndex {
    fn new(connections: &[Connection]) -> Self {
        let mut places: Vec<(u64, u32)> =
            connections.iter().map(|c| c.stats.serial).zip(0..).collect();
        places.sort_unstable();
        Self { places: places.into() }
    }

    /// The connection with this serial number among `connections`, which are those of its snapshot.
    pub(super) fn find<'a>(
        &self,
        connections: &'a [Connection],
        serial: u64,
    ) -> Option<&'a Connection> {
        let at = self.places.binary_search_by_key(&serial, |(serial, _)| *serial).ok()?;
        let (_, place) = self.places.get(at)?;
        connections.get(usize::try_from(*place).ok()?)
    }
}

/// The index of the snapshot asked for last.
#[derive(Debug, Default)]
pub(super) struct LatestIndex(Mutex<Option<(Weak<Snapshot>, Arc<SerialIndex>)>>);

impl LatestIndex {
    /// The index of `snapshot`. Requests during its making await it.
    pub(super) fn of(&self, snapshot: &Arc<Snapshot>) -> Arc<SerialIndex> {
        let mut latest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, index)) = &*latest
            && std::ptr::eq(known.as_ptr(), Arc::as_ptr(snapshot))
        {
            return Arc::clone(index);
        }
        let index = Arc::new(SerialIndex::new(&snapshot.connections));
        *latest = Some((Arc::downgrade(snapshot), Arc::clone(&index)));
        index
    }
}
