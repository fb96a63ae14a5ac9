//! 1E's `Network` module: its calls, and the tables they answer. Described in `docs/dialects/1e.md`.
//!
//! The one idea: a table is a list of columns that each know how to read themselves from a row, so
//! that JSON, CSV and a terminal's table cannot differ in names, types or order.

mod call;
mod columns;
mod error;
mod http;
mod method;
mod row;
mod table;

pub use call::MAX_BYTES;
pub use error::{CallError, CallFault};
pub use http::OneE;
pub use method::Method;
pub use row::Row;
pub use table::{Cell, Column, ColumnType, Record, Table};

use conns_core::model::Snapshot;

/// What 1E's `method` answers of a machine that looks like `snapshot`.
///
/// Rows stand in the snapshot's order; the rows of one socket stand together, by pid.
#[must_use]
pub fn answer(method: Method, snapshot: &Snapshot) -> Table {
    let meant = snapshot.connections.iter().filter(|c| method.is_about(c));
    let mut rows = Vec::new();
    for connection in meant {
        row::push_rows(&mut rows, connection);
    }
    Table { columns: method.columns(), rows }
}
