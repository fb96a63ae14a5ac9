//! Rows that are kept: which tables and columns there are, and how their rows are stored.

mod block;
mod rows;
mod tables;
mod values;

pub(crate) use block::Damaged;
pub(crate) use rows::{Encoded, ReadRows, Rows};
pub(crate) use tables::KeptTable;
