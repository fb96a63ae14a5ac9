//! The file of the history: blocks of rows in SQLite, within a budget.
//!
//! A transaction that needs more space than the budget has removes the oldest blocks itself, so that no state of the file exceeds it.
//! SQLite's journal is a write-ahead log (<https://sqlite.org/wal.html>): readers delay no writer, and a process that is killed leaves
//! whole transactions. `synchronous = NORMAL`, so that a power cut can lose the last seconds and damages nothing.

mod budget;
mod log;
mod open;
pub(crate) mod sums;

use std::fs::File;

use rusqlite::{Connection, ErrorCode, OptionalExtension, Transaction, params};

pub(crate) use budget::{Budget, Space};
pub use open::{HistoryError, ReadAccess, SetAside};
pub(crate) use open::{open, open_to_read};

use crate::kept::{Damaged, Encoded, KeptTable, ReadRows, Rows};

/// Bytes of a page.
const PAGE_BYTES: i64 = 4096;
/// Blocks of a level that are merged into one of the next.
pub(crate) const MERGED_BLOCKS: usize = 64;
/// Rows of a block that is not merged any more, and from which on blocks are merged.
pub(crate) const FULL_ROWS: usize = 16_384;
/// Bytes of rows in memory from which on a block is not merged any more: what a reader decodes is bounded.
const FULL_BYTES: usize = 32 * 1024 * 1024;
/// The level of blocks that are not merged: of those that are full, and of those that are damaged.
const FULL: i64 = 9;

/// A file that is open for writing.
pub(crate) struct HistoryFile {
    pub(crate) connection: Connection,
    pub(crate) budget: Budget,
    /// The part of what is taken that stays unused where the file cannot grow.
    spare_part: i64,
    /// Pages of the log that are not written back, about.
    log_pages: i64,
    /// Most of them.
    max_log_pages: i64,
    /// Locked while it is open for writing.
    lock: File,
}

/// What a block is, without its rows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head {
    pub(crate) id: i64,
    pub(crate) first_serial: i64,
    pub(crate) rows: i64,
    pub(crate) level: i64,
    pub(crate) last_us: i64,
    pub(crate) bytes: i64,
}

/// The serial number of the next row of a table.
pub(crate) fn next_serial(connection: &Connection, table: KeptTable) -> rusqlite::Result<i64> {
    let sql =
        "select first_serial + rows from blocks where kept = ? order by first_serial desc limit 1";
    let stored = connection.query_row(sql, [table.number()], |row| row.get(0)).optional()?;
    let removed = "select rows + 1 from removed where kept = ?";
    let removed = connection.query_row(removed, [table.number()], |row| row.get(0)).optional()?;
    Ok(stored.or(removed).unwrap_or(1))
}

/// Reads heads, oldest first.
const HEADS: &str =
    "select id, first_serial, rows, level, last_us, bytes from blocks indexed by block_heads
                     where kept = ? order by first_serial";

fn head(row: &rusqlite::Row<'_>) -> rusqlite::Result<Head> {
    Ok(Head {
        id: row.get(0)?,
        first_serial: row.get(1)?,
        rows: row.get(2)?,
        level: row.get(3)?,
        last_us: row.get(4)?,
        bytes: row.get(5)?,
    })
}

/// The heads of all blocks of a table, oldest first.
fn heads(connection: &Connection, table: KeptTable) -> rusqlite::Result<Vec<Head>> {
    connection.prepare_cached(HEADS)?.query_map([table.number()], head)?.collect()
}

/// The blocks of a table that have rows of that time or later, oldest first; not damaged ones.
pub(crate) fn blocks_since(
    connection: &Connection,
    table: KeptTable,
    from_us: i64,
) -> rusqlite::Result<Vec<ReadRows>> {
    let mut blocks = Vec::new();
    for head in heads(connection, table)?.iter().filter(|head| head.last_us >= from_us) {
        blocks.extend(read(connection, table, head.id)?.and_then(Result::ok));
    }
    Ok(blocks)
}

/// The head of its oldest block.
fn oldest(connection: &Connection, table: KeptTable) -> rusqlite::Result<Option<Head>> {
    connection.prepare_cached(HEADS)?.query_row([table.number()], head).optional()
}

/// The serial numbers of the oldest rows of the tables that are summed.
pub(crate) fn first_serials(connection: &Connection) -> rusqlite::Result<sums::Summed> {
    let [closed, failed] = sums::SUMMED.map(|table| oldest(connection, table));
    let serial = |head: Option<Head>| head.map_or(0, |head| head.first_serial);
    Ok([serial(closed?), serial(failed?)])
}

/// Reads a block of `table`; `None` if it is not there any more.
pub(crate) fn read(
    connection: &Connection,
    table: KeptTable,
    id: i64,
) -> rusqlite::Result<Option<Result<ReadRows, Damaged>>> {
    let mut statement = connection.prepare_cached("select data from blocks where id = ?")?;
    match statement.query_row([id], |row| row.get(0)).optional() {
        Ok(data) => Ok(data.map(|data| ReadRows::read(table, data))),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseCorrupt) => {
            Ok(Some(Err(Damaged::Bytes("SQLite cannot read its pages"))))
        }
        Err(error) => Err(error),
    }
}

/// Writes a block whose first row has this serial number.
pub(crate) fn insert(
    transaction: &Transaction<'_>,
    budget: &mut Budget,
    table: KeptTable,
    first_serial: i64,
    level: i64,
    block: &Encoded,
) -> rusqlite::Result<()> {
    let bytes = stored_bytes(block.data.len());
    budget.make_room(transaction, table, bytes)?;
    let level = if block.rows >= FULL_ROWS { FULL } else { level };
    let sql = "insert into blocks (kept, first_serial, rows, first_us, last_us, level, bytes, data)
               values (?, ?, ?, ?, ?, ?, ?, ?)";
    transaction.prepare_cached(sql)?.execute(params![
        table.number(),
        first_serial,
        i64::try_from(block.rows).unwrap_or(i64::MAX),
        block.first_us,
        block.last_us,
        level,
        bytes,
        block.data,
    ])?;
    budget.add(table, bytes);
    Ok(())
}

/// The bytes of the file that a block takes: beyond what fits into a page of SQLite it has pages of its own.
fn stored_bytes(data: usize) -> i64 {
    const PAGE: usize = PAGE_BYTES.unsigned_abs() as usize;
    /// Head of a row, its entry of the index, and its part of the page above.
    const HEAD: usize = 120;
    let data = if data + HEAD <= PAGE { data } else { data.div_ceil(PAGE - 4) * PAGE };
    i64::try_from(data + HEAD).unwrap_or(i64::MAX)
}

/// Merges small blocks of a table, where there are many of one level. A damaged block stays as it is until it is the oldest, so that
/// who asks for its time learns that rows are missing.
pub(crate) fn merge(
    transaction: &Transaction<'_>,
    budget: &mut Budget,
    table: KeptTable,
) -> rusqlite::Result<()> {
    'runs: loop {
        let heads = heads(transaction, table)?;
        let Some(run) = run_to_merge(&heads) else { return Ok(()) };
        let Some(Head { level, first_serial, .. }) = run.first() else { return Ok(()) };
        let mut rows = Rows::new(table);
        let mut merged = run;
        for (at, head) in run.iter().enumerate() {
            let block = read(transaction, table, head.id)?;
            let appended = block.map(|block| block.and_then(|block| rows.append(&block)));
            if let Some(Err(Damaged::Format(_) | Damaged::Bytes(_))) = appended {
                let sql = "update blocks set level = ? where id = ?";
                transaction.prepare_cached(sql)?.execute([FULL, head.id])?;
                continue 'runs;
            }
            if rows.bytes() >= FULL_BYTES {
                merged = run.get(..=at).unwrap_or(run);
                break;
            }
        }
        let is_full = rows.bytes() >= FULL_BYTES;
        for head in merged {
            remove(transaction, budget, table, head)?;
        }
        if let Some(block) = rows.encode() {
            let level = if is_full { FULL } else { level + 1 };
            insert(transaction, budget, table, *first_serial, level, &block)?;
        }
    }
}

/// Removes a block.
pub(crate) fn remove(
    transaction: &Transaction<'_>,
    budget: &mut Budget,
    table: KeptTable,
    head: &Head,
) -> rusqlite::Result<()> {
    transaction.prepare_cached("delete from blocks where id = ?")?.execute([head.id])?;
    budget.add(table, -head.bytes);
    Ok(())
}

/// The oldest blocks that lie together and are to become one: of one level, [`MERGED_BLOCKS`] of them, or with [`FULL_ROWS`] rows.
fn run_to_merge(heads: &[Head]) -> Option<&[Head]> {
    let mut from = 0;
    while let Some(first) = heads.get(from) {
        let rest = heads.get(from..).unwrap_or_default();
        let same = rest.iter().take_while(|head| head.level == first.level).count();
        if first.level < FULL {
            let run = rest.get(..same).unwrap_or_default();
            let mut rows = 0;
            for (at, head) in run.iter().enumerate() {
                rows += head.rows;
                let is_full = usize::try_from(rows).is_ok_and(|rows| rows >= FULL_ROWS);
                if at > 0 && (is_full || at + 1 == MERGED_BLOCKS) {
                    return run.get(..=at);
                }
            }
        }
        from += same;
    }
    None
}
