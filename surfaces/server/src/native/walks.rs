//! Orders of sorted lists, kept from the first page to the last.
//!
//! The one idea: what a list is sorted by changes each second, so pages cut from ever new orders would
//! show some connections twice and others never. The order of the first page is kept (one number a
//! connection), and later pages show what those connections are by then.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// Most orders kept; the one used longest ago is forgotten.
const WALKS_KEPT: usize = 32;

/// Most connections in all orders kept, 8 bytes each. The latest order is kept whatever its length.
const PLACES_KEPT: usize = 1_000_000;

/// Serial numbers of connections in an order.
pub(super) type Order = Arc<[u64]>;

/// The orders that are kept.
#[derive(Debug, Default)]
pub(super) struct Walks(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    /// The number given last.
    number: u64,
    /// The one used last at the end.
    orders: VecDeque<(u64, Order)>,
}

impl Walks {
    /// Keeps an order, and returns its number.
    pub(super) fn keep(&self, order: Order) -> u64 {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.number += 1;
        let number = kept.number;
        kept.orders.push_back((number, order));
        while kept.orders.len() > 1
            && (kept.orders.len() > WALKS_KEPT || kept.places() > PLACES_KEPT)
        {
            kept.orders.pop_front();
        }
        number
    }

    /// The order of this number, unless it was forgotten.
    pub(super) fn find(&self, number: u64) -> Option<Order> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = kept.orders.iter().position(|(known, _)| *known == number)?;
        let used = kept.orders.remove(at)?;
        let order = Arc::clone(&used.1);
        kept.orders.push_back(used);
        Some(order)
    }
}

impl Kept {
    fn places(&self) -> usize {
        self.orders.iter().map(|(_, order)| order.len()).sum()
    }
}
