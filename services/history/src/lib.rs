//! What an agent sees as tables of SQL: those of the latest snapshot ([`live_tables`]), and bounded queries over them
//! ([`query`]).
//!
//! Invariant: a query comes from a client, so it cannot write, and time, memory, rows and text that it takes are bounded.

mod cell;
mod live;
mod query;
mod table;
mod virtual_table;

pub use cell::Cell;
pub use live::{ListText, live_tables};
pub use query::{QueryAnswer, QueryBounds, QueryError, query};
pub use table::{Column, ColumnKind, Table};
