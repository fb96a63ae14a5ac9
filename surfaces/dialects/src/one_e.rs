//! The 1E dialect (compatibility API): the calls of 1E's `Network` module and the tables they return.
//! Described in `docs/dialects/1e.md`.
//!
//! Invariant: a table is read through its columns only, so that JSON, CSV and a terminal's table have
//! the same names, types and order.

mod answer;
mod call;
mod columns;
mod error;
mod http;
mod method;
mod row;
mod table;

pub use answer::answer;
pub use call::MAX_BYTES;
pub use error::{CallError, CallFault};
pub use http::OneE;
pub use method::Method;
pub use row::Row;
pub use table::{Cell, Column, ColumnType, Record, Table};
