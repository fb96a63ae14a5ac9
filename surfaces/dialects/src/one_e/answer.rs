//! The table of a method.

use conns_core::model::Snapshot;

use super::method::Method;
use super::row::push_rows;
use super::table::Table;

/// The table of `method` for the machine in `snapshot`.
///
/// Rows are in the snapshot's order; the rows of one socket are adjacent, by pid.
#[must_use]
pub fn answer(method: Method, snapshot: &Snapshot) -> Table {
    let mut rows = Vec::new();
    for connection in snapshot.connections.iter().filter(|c| method.is_about(c)) {
        push_rows(&mut rows, connection);
    }
    Table { columns: method.columns(), rows }
}
