//! Formats snapshots and events as tables, CSV, JSON, sentences and log lines. Output is written row by row to the
//! given writer.

mod columns;
mod delimited;
mod events;
mod explanation;
mod groups;
mod names;
mod other_columns;
mod palette;
mod streams;
mod table;
mod text;
mod transfers;
mod verdicts;

pub use columns::{
    CHARTED, COPIED, GROUPED_BY, TABLE_ORDER, WATCHED_GROUP_ORDER, closed_columns,
    closed_csv_columns, csv_columns, default_columns,
};
pub use conns_api::printable;
pub use delimited::{csv, csv_table};
pub use events::{EventTime, event_line};
pub use explanation::{explanation, origin_text};
pub use groups::{default_group_columns, groups, groups_csv, groups_json, groups_jsonl};
pub use names::Names;
pub use other_columns::{other_columns, other_csv_columns};
pub use palette::Palette;
pub use streams::{STREAM_RIGHT, STREAM_TITLES, stream_rows};
pub use table::{Column, Columns, GAP, Layout, list, plain_table};
pub use text::{field_text, layer_lines, record_lines};
pub use transfers::{TRANSFER_RIGHT, TRANSFER_TITLES, transfer_row};
pub use verdicts::{verdict_summary, verdicts};
