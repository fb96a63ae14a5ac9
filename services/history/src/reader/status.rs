//! How far back each table reaches, what it takes, and when an agent looked.

use std::sync::Arc;

use rusqlite::Connection;

use super::{KeptIn, Session};
use crate::cell::Cell;
use crate::file::{Budget, Space};
use crate::kept::KeptTable;
use crate::memory_table::MemoryTable;
use crate::table::ColumnKind::{Integer, Text};
use crate::table::{ColumnKind, Table};

/// Microseconds of a day.
const DAY_US: i64 = 24 * 3600 * 1_000_000;

/// The columns of `watched`.
const WATCHED: [(&str, ColumnKind, &str); 6] = [
    ("from_us", Integer, "Since when an agent looked, microseconds since 1970-01-01 UTC"),
    ("to_us", Integer, "Until when"),
    ("instance", Text, "The run of the agent"),
    ("events", Text, "What ended connections are known by: ebpf, or samples, which miss those that are shorter than the interval"),
    ("lost_events", Integer, "Ended connections and changes of verdicts that were not kept"),
    ("losses", Text, "Kinds of losses of the snapshots, as JSON"),
];

/// The columns of `tables`.
const TABLES: [(&str, ColumnKind, &str); 7] = [
    ("name", Text, "The table"),
    ("rows", Integer, "Its rows"),
    ("from_us", Integer, "The earliest time of its rows, microseconds since 1970-01-01 UTC"),
    ("to_us", Integer, "The latest"),
    ("bytes", Integer, "What it takes of the file"),
    ("removed_rows", Integer, "Rows that were removed, because newer ones needed the space"),
    ("removed_until_us", Integer, "The latest time of these"),
];

/// The state of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableStatus {
    /// Its name.
    pub name: &'static str,
    /// Its rows.
    pub rows: u64,
    /// The times of its first and its last row, microseconds since 1970-01-01 UTC; `None` without rows.
    pub times_us: Option<(i64, i64)>,
    /// What it takes of the file.
    pub bytes: u64,
    /// What the rows of the last day take.
    pub bytes_of_last_day: u64,
    /// What it and the tables with the same part of the file may take.
    pub share_bytes: u64,
    /// The tables of that part.
    pub shares_with: Vec<&'static str>,
    /// Rows that were removed, because newer ones needed the space.
    pub removed_rows: u64,
    /// The latest time of these.
    pub removed_until_us: Option<i64>,
}

/// The state of a history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryStatus {
    /// Its tables.
    pub tables: Vec<TableStatus>,
    /// Bytes of the file.
    pub file_bytes: u64,
    /// Most bytes of it.
    pub size_bytes: u64,
    /// When an agent looked: from when to when, oldest first.
    pub watched_us: Vec<(i64, i64)>,
}

impl Session {
    /// The state of the history; the last day is the one before `now_us`.
    ///
    /// # Errors
    /// [`HistoryError`](crate::HistoryError).
    pub fn status(&self, now_us: i64) -> Result<HistoryStatus, crate::HistoryError> {
        self.read(|connection| {
            let size = "select value from state where name = 'size_bytes'";
            let size = connection.query_row(size, [], |row| row.get(0))?;
            let day = now_us - DAY_US;
            let budget = Budget::read(connection, Budget::of_size(size))?;
            let tables = KeptTable::ALL.map(|table| table_status(connection, table, &budget, day));
            let pages = "select page_count * page_size from pragma_page_count, pragma_page_size";
            let mut watched = connection.prepare_cached("select from_us, to_us from watched order by id")?;
            let watched = watched.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(HistoryStatus {
                tables: tables.into_iter().collect::<rusqlite::Result<_>>()?,
                size_bytes: count(size),
                file_bytes: count(connection.query_row(pages, [], |row| row.get(0))?),
                watched_us: watched.collect::<rusqlite::Result<_>>()?,
            })
        })
    }
}

fn count(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

fn table_status(
    connection: &Connection,
    table: KeptTable,
    budget: &Budget,
    day_us: i64,
) -> rusqlite::Result<TableStatus> {
    let sql = "select ifnull(sum(rows), 0), min(first_us), max(last_us), ifnull(sum(bytes), 0),
                      ifnull(sum(bytes) filter (where last_us > ?2), 0)
               from blocks indexed by block_heads where kept = ?1";
    let space = Space::of(table);
    let mut status = connection.query_row(sql, [table.number(), day_us], |row| {
        Ok(TableStatus {
            name: table.name(),
            rows: count(row.get(0)?),
            times_us: row.get::<_, Option<i64>>(1)?.zip(row.get(2)?),
            bytes: count(row.get(3)?),
            bytes_of_last_day: count(row.get(4)?),
            share_bytes: count(budget.share(space)),
            shares_with: space.tables().map(KeptTable::name).collect(),
            removed_rows: 0,
            removed_until_us: None,
        })
    })?;
    let sql = "select rows, until_us from removed where kept = ?";
    let mut removed = connection.prepare_cached(sql)?;
    let mut removed = removed.query([table.number()])?;
    if let Some(row) = removed.next()? {
        status.removed_rows = count(row.get(0)?);
        status.removed_until_us = Some(row.get(1)?);
    }
    Ok(status)
}

/// The tables `watched` and `tables`.
pub(super) fn tables(kept: &KeptIn) -> [Arc<dyn Table>; 2] {
    let (of_watched, of_tables) = (kept.clone(), kept.clone());
    let watched = move || {
        let rows = of_watched?.read(|connection| {
            let sql = "select from_us, to_us, instance, events, lost_events, losses from watched order by id";
            let mut statement = connection.prepare_cached(sql)?;
            let row = |row: &rusqlite::Row<'_>| {
                (0..WATCHED.len()).map(|at| Ok(Cell::of_sqlite(row.get_ref(at)?))).collect()
            };
            statement.query_map([], row)?.collect()
        });
        rows.map_err(|error| error.to_string())
    };
    let tables = move || {
        // It has no column of the last day.
        let status = of_tables?.status(0).map_err(|error| error.to_string())?;
        Ok(status.tables.iter().map(row).collect())
    };
    let watched = MemoryTable::new(
        "watched",
        "When an agent looked, and what it lost: in a time without a row nobody looked",
        &WATCHED,
        watched,
    );
    let tables = MemoryTable::new("tables", "The kept tables: how far back they reach", &TABLES, tables);
    [Arc::new(watched), Arc::new(tables)]
}

fn row(status: &TableStatus) -> Vec<Cell<'static>> {
    vec![
        Cell::text(status.name),
        Cell::unsigned(status.rows),
        Cell::of(status.times_us, |(from, _)| Cell::Integer(from)),
        Cell::of(status.times_us, |(_, to)| Cell::Integer(to)),
        Cell::unsigned(status.bytes),
        Cell::unsigned(status.removed_rows),
        Cell::of(status.removed_until_us, Cell::Integer),
    ]
}
