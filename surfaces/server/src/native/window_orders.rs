//! Orders of windows: the places of the rows of a list, kept while a screen shows a part of it.
//!
//! Invariant: a row keeps its place. What closes or matches no more stays where it is, and what begins to match is
//! added at the end; so rows hold still under a reader, and one more sample costs only what it changed.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use conns_core::model::{Connection, Update};

use super::kept_orders::KeptOrders;
use super::selection::Selection;

/// Most rows in all orders kept, 16 bytes each.
const MAX_PLACES: usize = 2_000_000;

/// Most rows added to an order after its beginning. A machine that opens a thousand connections a second gets there in
/// four minutes; then the list is to be sorted anew, since most of its rows have closed.
const MAX_ADDED: usize = 250_000;

/// The rows of a list by serial number, each at its place.
#[derive(Debug)]
pub(super) struct WindowOrder {
    places: Vec<u64>,
    /// The rows it began with, sorted.
    first: Box<[u64]>,
    added: HashSet<u64>,
    /// The snapshot up to which `added` is complete.
    sequence: u64,
}

impl WindowOrder {
    /// An order that begins with these rows of the snapshot `sequence`.
    pub(super) fn new(rows: &[&Connection], sequence: u64) -> Self {
        let places: Vec<u64> = rows.iter().map(|c| c.stats.serial).collect();
        let mut first: Box<[u64]> = places.clone().into();
        first.sort_unstable();
        Self { places, first, added: HashSet::new(), sequence }
    }

    /// The rows, each at its place.
    pub(super) fn places(&self) -> &[u64] {
        &self.places
    }

    /// Adds what matches now and is not there yet, in the order in which it was first seen. False if it has become
    /// too long.
    #[must_use]
    pub(super) fn bring_up_to_date(&mut self, update: &Update, selection: &Selection) -> bool {
        if self.sequence == update.snapshot.sequence {
            return true;
        }
        let is_new = |c: &&Connection| !self.has(c.stats.serial) && selection.matches(c);
        // With a filter, what has not changed may match as time passes.
        let changes = (!selection.has_filter()).then(|| update.changes_since(self.sequence));
        let mut new: Vec<u64> = match changes.flatten() {
            Some(changes) => {
                let changed = changes.opened.into_iter().chain(changes.updated);
                changed.filter(is_new).map(|c| c.stats.serial).collect()
            }
            None => {
                let all = update.snapshot.connections.iter();
                all.filter(is_new).map(|c| c.stats.serial).collect()
            }
        };
        if self.added.len() + new.len() > MAX_ADDED {
            return false;
        }
        new.sort_unstable();
        self.added.extend(&new);
        self.places.append(&mut new);
        self.sequence = update.snapshot.sequence;
        true
    }

    fn has(&self, serial: u64) -> bool {
        self.first.binary_search(&serial).is_ok() || self.added.contains(&serial)
    }
}

/// The orders that are kept, each with a lock of its own.
#[derive(Debug, Default)]
pub(super) struct WindowOrders(KeptOrders<Arc<Mutex<WindowOrder>>, MAX_PLACES>);

impl WindowOrders {
    /// Keeps an order, and returns its number.
    pub(super) fn keep(&self, order: WindowOrder) -> u64 {
        let length = order.places.len();
        self.0.keep(Arc::new(Mutex::new(order)), length)
    }

    /// What `read` returns of the order of this number, unless it was dropped.
    pub(super) fn with<T>(
        &self,
        number: u64,
        read: impl FnOnce(&mut WindowOrder) -> T,
    ) -> Option<T> {
        let found = self.0.find(number)?;
        let mut order = found.lock().unwrap_or_else(PoisonError::into_inner);
        let result = read(&mut order);
        let length = order.places.len();
        drop(order);
        self.0.resize(number, length);
        Some(result)
    }
}
