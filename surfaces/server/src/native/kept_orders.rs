//! Orders of lists that are kept for later requests, each under a number; the one used longest ago is dropped.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Most orders of a kind that are kept.
const MAX_ORDERS: usize = 32;

/// The orders of one kind. At most `PLACES` connections are in all of them, but the latest is kept whatever its length.
#[derive(Debug)]
pub(super) struct KeptOrders<T, const PLACES: usize>(Mutex<Kept<T>>);

#[derive(Debug)]
struct Kept<T> {
    /// The number given last.
    number: u64,
    /// The one used last at the end.
    orders: VecDeque<KeptOrder<T>>,
}

#[derive(Debug)]
struct KeptOrder<T> {
    number: u64,
    /// Connections in it.
    length: usize,
    order: T,
}

impl<T, const PLACES: usize> Default for KeptOrders<T, PLACES> {
    fn default() -> Self {
        Self(Mutex::new(Kept { number: 0, orders: VecDeque::new() }))
    }
}

impl<T: Clone, const PLACES: usize> KeptOrders<T, PLACES> {
    /// Keeps an order of `length` connections, and returns its number.
    pub(super) fn keep(&self, order: T, length: usize) -> u64 {
        let mut kept = self.lock();
        kept.number += 1;
        let number = kept.number;
        kept.orders.push_back(KeptOrder { number, length, order });
        kept.drop_oldest(PLACES);
        number
    }

    /// The order of this number, unless it was dropped.
    pub(super) fn find(&self, number: u64) -> Option<T> {
        let mut kept = self.lock();
        let at = kept.orders.iter().position(|known| known.number == number)?;
        let used = kept.orders.remove(at)?;
        let order = used.order.clone();
        kept.orders.push_back(used);
        Some(order)
    }

    /// The order of this number has `length` connections now.
    pub(super) fn resize(&self, number: u64, length: usize) {
        let mut kept = self.lock();
        if let Some(known) = kept.orders.iter_mut().find(|known| known.number == number) {
            known.length = length;
            kept.drop_oldest(PLACES);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Kept<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Kept<T> {
    fn drop_oldest(&mut self, most_places: usize) {
        while self.orders.len() > 1
            && (self.orders.len() > MAX_ORDERS || self.places() > most_places)
        {
            self.orders.pop_front();
        }
    }

    fn places(&self) -> usize {
        self.orders.iter().map(|kept| kept.length).sum()
    }
}
