//! A table of few rows in memory.

use std::sync::LazyLock;

use crate::cell::Cell;
use crate::table::{Column, ColumnKind, Indexed, IndexedScan, Scan, Table, Times};

/// A table of few rows, which are made when a query first reads them: most queries read other tables.
pub(crate) struct MemoryTable {
    name: &'static str,
    meaning: &'static str,
    columns: Vec<Column>,
    times: &'static [usize],
    rows: LazyLock<MadeRows, Make>,
}

/// The rows, or why there are none.
type MadeRows = Result<Vec<Vec<Cell<'static>>>, String>;
type Make = Box<dyn FnOnce() -> MadeRows + Send>;

impl MemoryTable {
    /// A table; `make` makes its rows, with a cell for each of `columns`.
    pub(crate) fn new(
        name: &'static str,
        meaning: &'static str,
        columns: &[(&str, ColumnKind, &str)],
        make: impl FnOnce() -> MadeRows + Send + 'static,
    ) -> Self {
        let columns = columns.iter().map(|(name, kind, about)| Column::new(name, *kind, about));
        Self {
            name,
            meaning,
            columns: columns.collect(),
            times: &[],
            rows: LazyLock::new(Box::new(make) as Make),
        }
    }

    /// The same with these columns of times.
    pub(crate) fn with_times(self, times: &'static [usize]) -> Self {
        Self { times, ..self }
    }

    fn made(&self) -> &[Vec<Cell<'static>>] {
        self.rows.as_deref().unwrap_or_default()
    }
}

impl Table for MemoryTable {
    fn name(&self) -> &'static str {
        self.name
    }

    fn meaning(&self) -> &'static str {
        self.meaning
    }

    fn columns(&self) -> &[Column] {
        &self.columns
    }

    fn estimated_rows(&self) -> u64 {
        100
    }

    fn time_columns(&self) -> &[usize] {
        self.times
    }

    fn scan(&self, _: Times) -> Result<Box<dyn Scan + '_>, String> {
        match &*self.rows {
            Ok(_) => Ok(IndexedScan::boxed(self)),
            Err(error) => Err(error.clone()),
        }
    }
}

impl Indexed for MemoryTable {
    fn rows(&self) -> usize {
        self.made().len()
    }

    fn cell(&self, row: usize, column: usize) -> Cell<'_> {
        self.made().get(row).and_then(|row| row.get(column)).cloned().unwrap_or(Cell::Null)
    }
}
