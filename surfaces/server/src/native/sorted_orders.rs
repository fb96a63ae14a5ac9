//! Orders of sorted lists, kept from the first page to the last.
//!
//! The values that a list is sorted by change with each update, so pages cut from the latest order would
//! have some connections twice and others never. The order of the first page is kept (one number for
//! each connection), and later pages show the latest state of those connections.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// Most orders kept; the one used longest ago is dropped.
const MAX_ORDERS: usize = 32;

/// Most connections in all orders kept, 8 bytes each. The latest order is kept whatever its length.
const MAX_PLACES: usize = 1_000_000;

/// Serial numbers of connections in an order.
pub(super) type Order = Arc<[u64]>;

/// The orders that are kept.
#[derive(Debug, Default)]
pub(super) struct SortedOrders(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    /// The number given last.
    number: u64,
    /// The one used last at the end.
    orders: VecDeque<(u64, Order)>,
}

impl SortedOrders {
    /// Keeps an order, and returns its number.
    pub(super) fn keep(&self, order: Order) -> u64 {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.number += 1;
        let number = kept.number;
        kept.orders.push_back((number, order));
        while kept.orders.len() > 1
            && (kept.orders.len() > MAX_ORDERS || kept.places() > MAX_PLACES)
        {
            kept.orders.pop_front();
        }
        number
    }

    /// The order of this number, unless it was dropped.
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
