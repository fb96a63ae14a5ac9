//! A kept table: the rows of its blocks, without those that the times of a query exclude.

use std::sync::LazyLock;

use rusqlite::params;

use super::{KeptIn, Session};
use crate::cell::Cell;
use crate::file;
use crate::kept::{KeptTable, ReadRows};
use crate::table::{Column, Scan, Table, Times};

/// A kept table.
pub(super) struct KeptRows {
    table: KeptTable,
    columns: Vec<Column>,
    times: Vec<usize>,
    kept: KeptIn,
    rows: LazyLock<u64, Box<dyn FnOnce() -> u64 + Send>>,
}

impl KeptRows {
    /// The rows of `table`.
    pub(super) fn new(table: KeptTable, kept: KeptIn) -> Self {
        let columns = table.columns();
        let times = columns.iter().enumerate().filter(|(_, column)| column.is_time);
        let counted = kept.clone();
        let count = move || {
            let sql =
                "select ifnull(sum(rows), 0) from blocks indexed by block_heads where kept = ?";
            let rows = counted.ok().and_then(|session| {
                let count = |connection: &rusqlite::Connection| {
                    connection.query_row(sql, [table.number()], |row| row.get::<_, i64>(0))
                };
                session.read(count).ok()
            });
            rows.and_then(|rows| u64::try_from(rows).ok()).unwrap_or(0)
        };
        Self {
            table,
            columns: columns.iter().map(|column| column.column.clone()).collect(),
            times: times.map(|(at, _)| at).collect(),
            kept,
            rows: LazyLock::new(Box::new(count)),
        }
    }
}

impl Table for KeptRows {
    fn name(&self) -> &'static str {
        self.table.name()
    }

    fn meaning(&self) -> &'static str {
        self.table.meaning()
    }

    fn columns(&self) -> &[Column] {
        &self.columns
    }

    fn estimated_rows(&self) -> u64 {
        *self.rows
    }

    fn time_columns(&self) -> &[usize] {
        &self.times
    }

    fn scan(&self, times: Times) -> Result<Box<dyn Scan + '_>, String> {
        let session = self.kept.as_ref().map_err(Clone::clone)?;
        let blocks = |connection: &rusqlite::Connection| {
            let sql = "select id from blocks indexed by block_heads
                       where kept = ? and first_us <= ? and last_us >= ? order by first_serial";
            let mut statement = connection.prepare_cached(sql)?;
            let wanted = params![self.table.number(), times.to_us, times.from_us];
            statement.query_map(wanted, |row| row.get(0))?.collect()
        };
        let blocks = session.read(blocks).map_err(|error| error.to_string())?;
        Ok(Box::new(KeptScan { table: self, session, blocks, next: 0, rows: None, row: 0 }))
    }
}

/// A place in a kept table.
struct KeptScan<'a> {
    table: &'a KeptRows,
    session: &'a Session,
    blocks: Vec<i64>,
    /// The next block.
    next: usize,
    /// The block that is read.
    rows: Option<ReadRows>,
    row: usize,
}

impl KeptScan<'_> {
    fn read(&self, id: i64) -> Result<Option<ReadRows>, String> {
        let data = self.session.read(|connection| file::data(connection, id));
        let Some(data) = data.map_err(|error| error.to_string())? else { return Ok(None) };
        let rows = ReadRows::read(self.table.table, data).map_err(|error| self.damaged(&error))?;
        Ok(Some(rows))
    }

    fn damaged(&self, error: &dyn std::fmt::Display) -> String {
        format!("cannot read rows of `{}`: {error}", self.table.name())
    }
}

impl Scan for KeptScan<'_> {
    fn next(&mut self) -> Result<bool, String> {
        self.row += 1;
        while self.rows.as_ref().is_none_or(|rows| self.row >= rows.rows()) {
            let Some(id) = self.blocks.get(self.next) else { return Ok(false) };
            self.rows = self.read(*id)?;
            self.next += 1;
            self.row = 0;
        }
        Ok(true)
    }

    fn cell(&self, column: usize) -> Result<Cell<'_>, String> {
        let Some(rows) = &self.rows else { return Ok(Cell::Null) };
        rows.cell(self.row, column).map_err(|error| self.damaged(&error))
    }
}
