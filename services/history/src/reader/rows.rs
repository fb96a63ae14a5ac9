//! A kept table: the rows of its blocks, without those that the times of a query exclude. A damaged block is a loss of the session,
//! and is known before its first row: an answer has all rows of a block or none.

use std::sync::LazyLock;

use conns_core::model::LossCause;
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
            let sql = "select id, rows, first_us, last_us from blocks indexed by block_heads
                       where kept = ? and first_us <= ? and last_us >= ? order by first_serial";
            let mut statement = connection.prepare_cached(sql)?;
            let wanted = params![self.table.number(), times.to_us, times.from_us];
            let block = |row: &rusqlite::Row<'_>| {
                let [id, rows] = [row.get(0)?, row.get(1)?];
                Ok(StoredBlock { id, rows, from_us: row.get(2)?, to_us: row.get(3)? })
            };
            statement.query_map(wanted, block)?.collect()
        };
        let blocks = session.read(blocks).map_err(|error| error.to_string())?;
        Ok(Box::new(KeptScan { table: self, session, blocks, next: 0, rows: None, row: 0 }))
    }
}

/// A block that is not read yet.
struct StoredBlock {
    id: i64,
    rows: i64,
    from_us: i64,
    to_us: i64,
}

/// A place in a kept table.
struct KeptScan<'a> {
    table: &'a KeptRows,
    session: &'a Session,
    blocks: Vec<StoredBlock>,
    /// The next block.
    next: usize,
    /// The block that is read.
    rows: Option<ReadRows>,
    row: usize,
}

impl KeptScan<'_> {
    /// The rows of a block; `None` if it is damaged, which the session notes.
    fn read(&self, block: &StoredBlock) -> Result<Option<ReadRows>, String> {
        let table = self.table.table;
        let read = self.session.read(|connection| file::read(connection, table, block.id));
        let read = read.map_err(|error| error.to_string())?;
        let Some(Err(error)) = read else { return Ok(read.and_then(Result::ok)) };
        let cause = LossCause::HistoryDamaged {
            table: table.name().into(),
            from_us: block.from_us,
            to_us: block.to_us,
            error: Some(error.to_string().into()),
        };
        let rows = u64::try_from(block.rows).unwrap_or(0);
        self.session.note_damaged((table.number(), block.id), cause, rows);
        Ok(None)
    }
}

impl Scan for KeptScan<'_> {
    fn next(&mut self) -> Result<bool, String> {
        self.row += 1;
        while self.rows.as_ref().is_none_or(|rows| self.row >= rows.rows()) {
            let Some(block) = self.blocks.get(self.next) else { return Ok(false) };
            self.rows = self.read(block)?;
            self.next += 1;
            self.row = 0;
        }
        Ok(true)
    }

    fn cell(&self, column: usize) -> Result<Cell<'_>, String> {
        let Some(rows) = &self.rows else { return Ok(Cell::Null) };
        // The bytes are those that were written, and rows of the block may be shown already.
        rows.cell(self.row, column).map_err(|error| {
            format!(
                "cannot read a column of `{}` that was written wrongly: {error}",
                self.table.name()
            )
        })
    }
}
