//! What a table of SQL is here: named columns, and rows that can be read.

use conns_core::query::Kind;

use crate::cell::Cell;

/// The type of a column, as `create table` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    /// `INTEGER`.
    Integer,
    /// `REAL`.
    Real,
    /// `TEXT`.
    Text,
}

impl ColumnKind {
    /// Its word in SQL.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Integer => "INTEGER",
            Self::Real => "REAL",
            Self::Text => "TEXT",
        }
    }

    /// That of a field of this kind.
    #[must_use]
    pub fn of_field(kind: Kind) -> Self {
        match kind {
            Kind::Count | Kind::Port | Kind::Bytes | Kind::Duration | Kind::Bool | Kind::Time => {
                Self::Integer
            }
            Kind::BytesPerSecond | Kind::Percent => Self::Real,
            Kind::Text | Kind::Address | Kind::Endpoint | Kind::List(_) => Self::Text,
        }
    }
}

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name, with the unit.
    pub name: String,
    /// Its type.
    pub kind: ColumnKind,
    /// What it means.
    pub meaning: String,
}

impl Column {
    /// A column.
    pub(crate) fn new(name: &str, kind: ColumnKind, meaning: &str) -> Self {
        Self { name: name.to_owned(), kind, meaning: meaning.to_owned() }
    }
}

/// A table that queries read.
pub trait Table: Send + Sync {
    /// Its name in SQL.
    fn name(&self) -> &'static str;

    /// What its rows are.
    fn meaning(&self) -> &'static str;

    /// Its columns.
    fn columns(&self) -> &[Column];

    /// How many rows it has.
    fn rows(&self) -> usize;

    /// The value of `column` in `row`; `NULL` beyond either end.
    fn cell(&self, row: usize, column: usize) -> Cell<'_>;
}
