//! Asking for connections: the filter language, sorting and grouping, all over one catalogue of
//! fields.

mod catalogue;
mod columns;
mod field;
pub mod filter;
mod group;
mod group_column;
mod group_order;
mod nearest;
pub mod services;
mod sort;
mod value;

pub use catalogue::{catalogue, find_field};
pub use columns::{ColumnError, parse_columns};
pub use field::Field;
pub use filter::{Candidate, Completion, Filter, FilterError, complete, parse_date};
pub use group::{Group, GroupKey, Groups, Spread, Sum, group, group_key, total};
pub use group_column::{GroupColumn, parse_group_columns};
pub use group_order::{GroupSortError, GroupSortKey, sort_groups};
pub use nearest::{UnknownField, UnknownGroupColumn, field_named, nearest};
pub use services::{service_name, service_port};
pub use sort::{SortError, SortKey, sort};
pub use value::{List, Records, Value};

pub use crate::model::Kind;
