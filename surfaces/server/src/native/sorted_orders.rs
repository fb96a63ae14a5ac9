//! Orders of sorted lists, kept from the first page to the last.
//!
//! The values that a list is sorted by change with each update, so pages cut from the latest order would
//! have some connections twice and others never. The order of the first page is kept (one number for
//! each connection), and later pages show the latest state of those connections.

use std::sync::Arc;

use super::kept_orders::KeptOrders;

/// Most connections in all orders kept, 8 bytes each.
const MAX_PLACES: usize = 1_000_000;

/// The orders that are kept: serial numbers of connections.
pub(super) type SortedOrders = KeptOrders<Arc<[u64]>, MAX_PLACES>;
