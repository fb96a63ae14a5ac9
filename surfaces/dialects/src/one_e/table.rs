//! A table of 1E: columns with a name and a type, and rows.

use std::borrow::Cow;

use serde::ser::{Serialize, SerializeMap, Serializer};

use super::row::Row;

/// The type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ColumnType {
    /// Text.
    String,
    /// A whole number.
    Int,
}

impl ColumnType {
    /// `string` or `int`, as 1E's pages write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Int => "int",
        }
    }
}

/// One column of a table.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// Its name, case-sensitive.
    pub name: &'static str,
    /// Its type.
    pub ty: ColumnType,
    /// Whether it may be null.
    pub nullable: bool,
    /// Its meaning here.
    pub meaning: &'static str,
    pub(super) read: fn(&Row) -> Cell<'_>,
}

impl Column {
    /// The cell of this column in `row`.
    #[must_use]
    pub fn cell<'a>(&self, row: &'a Row) -> Cell<'a> {
        (self.read)(row)
    }
}

/// One value of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell<'a> {
    /// A value of a [`ColumnType::String`].
    Text(Cow<'a, str>),
    /// A value of a [`ColumnType::Int`].
    Int(i64),
    /// Not known, or there is no value.
    Null,
}

impl Serialize for Cell<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Int(number) => serializer.serialize_i64(*number),
            Self::Null => serializer.serialize_none(),
        }
    }
}

/// The result of a method. Serializes as an array of objects.
#[derive(Debug, Clone)]
pub struct Table {
    /// Its columns, in order.
    pub columns: &'static [Column],
    /// Its rows.
    pub rows: Vec<Row>,
}

impl Table {
    /// Its rows, each read through the columns.
    pub fn records(&self) -> impl ExactSizeIterator<Item = Record<'_>> {
        self.rows.iter().map(|row| Record { columns: self.columns, row })
    }
}

impl Serialize for Table {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.records())
    }
}

/// One row, read through the columns. Serializes as an object with every column as a key.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    columns: &'static [Column],
    row: &'a Row,
}

impl<'a> Record<'a> {
    /// Its cells, in the order of the columns.
    pub fn cells(self) -> impl ExactSizeIterator<Item = Cell<'a>> {
        self.columns.iter().map(move |column| column.cell(self.row))
    }
}

impl Serialize for Record<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.columns.len()))?;
        for column in self.columns {
            map.serialize_entry(column.name, &column.cell(self.row))?;
        }
        map.end()
    }
}
