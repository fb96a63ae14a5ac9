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

/// The times that a query asks for, microseconds since 1970-01-01 UTC; a table may leave out rows whose times are all
/// outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// The first.
    pub from_us: i64,
    /// The last.
    pub to_us: i64,
}

impl Times {
    /// All times.
    pub const ALL: Self = Self { from_us: i64::MIN, to_us: i64::MAX };
}

/// A table that queries read.
pub trait Table: Send + Sync {
    /// Its name in SQL.
    fn name(&self) -> &'static str;

    /// What its rows are.
    fn meaning(&self) -> &'static str;

    /// Its columns.
    fn columns(&self) -> &[Column];

    /// About how many rows it has.
    fn estimated_rows(&self) -> u64;

    /// The columns that [`Times`] is about, by their places, the earliest time of a row first.
    fn time_columns(&self) -> &[usize] {
        &[]
    }

    /// Its rows, those within `times` at least.
    ///
    /// # Errors
    /// Why they cannot be read.
    fn scan(&self, times: Times) -> Result<Box<dyn Scan + '_>, String>;
}

/// Reads the rows of a table one after the other. It begins before the first.
pub trait Scan {
    /// Goes to the next row; false if there is none.
    ///
    /// # Errors
    /// Why it cannot be read.
    fn next(&mut self) -> Result<bool, String>;

    /// The value of a column in this row; `NULL` beyond the last column.
    ///
    /// # Errors
    /// Why it cannot be read.
    fn cell(&self, column: usize) -> Result<Cell<'_>, String>;
}

/// Whether the row of `scan` has a part in `times`, by the first and the last of the time columns of its table.
///
/// # Errors
/// Why it cannot be read.
pub fn has_part(table: &dyn Table, scan: &dyn Scan, times: Times) -> Result<bool, String> {
    let time = |column: Option<&usize>| -> Result<Option<i64>, String> {
        Ok(match column.map(|column| scan.cell(*column)).transpose()? {
            Some(Cell::Integer(us)) => Some(us),
            _ => None,
        })
    };
    let columns = table.time_columns();
    Ok(time(columns.first())?.is_none_or(|first| first <= times.to_us)
        && time(columns.last())?.is_none_or(|last| last >= times.from_us))
}

/// A table whose rows are all in memory.
pub(crate) trait Indexed {
    /// How many rows there are.
    fn rows(&self) -> usize;

    /// The value of `column` in `row`; `NULL` beyond either end.
    fn cell(&self, row: usize, column: usize) -> Cell<'_>;
}

/// Reads an [`Indexed`] table.
pub(crate) struct IndexedScan<'a> {
    table: &'a dyn Indexed,
    /// The row, plus one.
    next: usize,
}

impl<'a> IndexedScan<'a> {
    /// Before the first row.
    pub(crate) fn boxed(table: &'a dyn Indexed) -> Box<dyn Scan + 'a> {
        Box::new(Self { table, next: 0 })
    }
}

impl Scan for IndexedScan<'_> {
    fn next(&mut self) -> Result<bool, String> {
        self.next += 1;
        Ok(self.next <= self.table.rows())
    }

    fn cell(&self, column: usize) -> Result<Cell<'_>, String> {
        Ok(self.next.checked_sub(1).map_or(Cell::Null, |row| self.table.cell(row, column)))
    }
}
