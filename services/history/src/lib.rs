//! What an agent sees, and what it saw, as tables of SQL: those of the latest snapshot ([`live_tables`]), those that are kept in a
//! file of bounded size ([`History`] writes it, [`HistoryReader`] reads it), and bounded queries over all of them ([`query`]).
//!
//! Invariant: a query comes from a client, so it cannot write, and time, memory, rows and text that it takes are bounded.

mod cell;
mod file;
mod kept;
mod layers;
mod live;
mod memory_table;
mod moments;
pub mod past;
mod query;
mod reader;
pub mod sums;
mod table;
mod timeline;
mod virtual_table;
mod writer;

pub use cell::Cell;
pub use file::{HistoryError, ReadAccess, SetAside};
pub use kept::read_block;
pub use live::{ListText, live_tables};
pub use moments::{
    BoundedTables, KeptTables, PastError, ReadRow, condition, date, events_before, events_in,
    periods, update_at, verdicts_in,
};
pub use query::{QueryAnswer, QueryBounds, QueryError, query, tables_read};
pub use reader::{HistoryReader, HistoryStatus, KeptIn, Session, TableStatus, kept_tables};
pub use table::{Column, ColumnKind, Scan, Table, Times, has_part};
pub use timeline::{Bucket, Timeline, timeline};
pub use writer::{History, Opened};
