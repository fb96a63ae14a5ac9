//! How far back each table reaches, what it takes, and when an agent sampled.

use std::borrow::Cow;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension};

use super::sums::name_of;
use super::{KeptIn, Session};
use crate::cell::Cell;
use crate::file::sums::space;
use crate::file::{Budget, Space};
use crate::kept::KeptTable;
use crate::memory_table::MemoryTable;
use crate::sums::Period;
use crate::table::ColumnKind::{Integer, Text};
use crate::table::{ColumnKind, Table};

/// Microseconds of a day.
const DAY_US: i64 = 24 * 3600 * 1_000_000;

/// The columns of `watched`.
const WATCHED: [(&str, ColumnKind, &str); 6] = [
    ("from_us", Integer, "Since when an agent sampled, microseconds since 1970-01-01 UTC"),
    ("to_us", Integer, "Until when"),
    ("instance", Text, "The run of the agent"),
    (
        "events",
        Text,
        "What ended connections are known by: ebpf, or samples, which miss those that are shorter than the interval",
    ),
    ("lost_events", Integer, "Ended connections and changes of verdicts that were not kept"),
    ("losses", Text, "Kinds of losses of the snapshots, as JSON"),
];

/// The columns of `tables`.
const TABLES: [(&str, ColumnKind, &str); 8] = [
    ("name", Text, "The table"),
    ("rows", Integer, "Its rows; of hours, days and months the periods"),
    ("from_us", Integer, "The earliest time of its rows, microseconds since 1970-01-01 UTC"),
    ("to_us", Integer, "The latest"),
    ("bytes", Integer, "What it takes of the file"),
    ("lasts_us", Integer, "How long rows stay at the rate of the last day, microseconds"),
    ("removed_rows", Integer, "Rows that were removed, because newer ones needed the space"),
    ("removed_until_us", Integer, "The latest time of these"),
];

/// The state of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableStatus {
    /// Its name.
    pub name: Cow<'static, str>,
    /// Its rows; of a table of sums, its periods.
    pub rows: u64,
    /// The times of its first and its last row, microseconds since 1970-01-01 UTC; `None` without rows.
    pub times_us: Option<(i64, i64)>,
    /// What it takes of the file.
    pub bytes: u64,
    /// How long rows stay at the rate of the last day, microseconds; `None` if nothing was written in it.
    pub lasts_us: Option<u64>,
    /// Rows or periods that were removed, because newer ones needed the space.
    pub removed_rows: u64,
    /// The latest time of these.
    pub removed_until_us: Option<i64>,
}

/// The state of a history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryStatus {
    /// Its tables.
    pub tables: Vec<TableStatus>,
    /// Bytes of the file; `None` of an agent elsewhere.
    pub file_bytes: Option<u64>,
    /// Most bytes of it; `None` of an agent elsewhere.
    pub size_bytes: Option<u64>,
    /// When an agent sampled: from when to when, oldest first.
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
            let pages = "select page_count * page_size from pragma_page_count, pragma_page_size";
            let mut watched =
                connection.prepare_cached("select from_us, to_us from watched order by id")?;
            let watched = watched.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            let watched = watched.collect::<rusqlite::Result<Vec<(i64, i64)>>>()?;
            let day_us = now_us - DAY_US;
            let sampled = watched.iter().map(|(from, to)| (to - day_us.max(*from)).max(0)).sum();
            let budget = Budget::read(connection, Budget::of_size(size))?;
            let day = Day { from_us: day_us, sampled_us: sampled };
            let rows = KeptTable::ALL.map(|table| of_rows(connection, table, &budget, day));
            let sums = Period::ALL.map(|period| of_sums(connection, period, &budget, day));
            Ok(HistoryStatus {
                tables: rows.into_iter().chain(sums).collect::<rusqlite::Result<_>>()?,
                size_bytes: Some(count(size)),
                file_bytes: Some(count(connection.query_row(pages, [], |row| row.get(0))?)),
                watched_us: watched,
            })
        })
    }
}

/// The last day.
#[derive(Clone, Copy)]
struct Day {
    /// When it began.
    from_us: i64,
    /// How long of it an agent sampled.
    sampled_us: i64,
}

impl Day {
    /// How long `share` lasts if this many bytes were written.
    fn lasts_us(self, share: i64, bytes: i64) -> Option<u64> {
        let us = i128::from(share) * i128::from(self.sampled_us) / i128::from(bytes.max(1));
        (bytes > 0).then(|| u64::try_from(us).unwrap_or(u64::MAX))
    }
}

fn count(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// Rows, first and last time, bytes, and bytes since some time.
type Extent = (i64, Option<i64>, Option<i64>, i64, i64);

fn extent(row: &rusqlite::Row<'_>) -> rusqlite::Result<Extent> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
}

fn of_rows(
    connection: &Connection,
    table: KeptTable,
    budget: &Budget,
    day: Day,
) -> rusqlite::Result<TableStatus> {
    let sql = "select ifnull(sum(rows), 0), min(first_us), max(last_us), ifnull(sum(bytes), 0),
                      ifnull(sum(bytes) filter (where last_us > ?2), 0)
               from blocks indexed by block_heads where kept = ?1";
    let of = |table: KeptTable| {
        connection.prepare_cached(sql)?.query_row([table.number(), day.from_us], extent)
    };
    let space = Space::of(table);
    let mut of_day = 0;
    for other in space.tables() {
        of_day += of(other)?.4;
    }
    let lasts_us = day.lasts_us(budget.share(space), of_day);
    status_of(connection, (table.name(), table.number()), of(table)?, lasts_us)
}

fn of_sums(
    connection: &Connection,
    period: Period,
    budget: &Budget,
    day: Day,
) -> rusqlite::Result<TableStatus> {
    let space = space(period);
    let sql = "select count(*), min(start_us), max(start_us), ifnull(sum(bytes), 0), 0 from sums where period = ?";
    let (rows, first, last, bytes, _) = connection.query_row(sql, [space.number()], extent)?;
    let end = last.map(|start| period.end(start));
    // Each period takes what the others took.
    let a_period = bytes / rows.max(1);
    let length = last.map_or(0, |start| period.end(start) - start);
    let whole = Day { sampled_us: length, ..day };
    let lasts_us = whole.lasts_us(budget.share(space), a_period);
    let extent = (rows, first, end, bytes, 0);
    status_of(connection, (name_of(period), space.number()), extent, lasts_us)
}

fn status_of(
    connection: &Connection,
    (name, number): (&'static str, i64),
    (rows, first, last, bytes, _): Extent,
    lasts_us: Option<u64>,
) -> rusqlite::Result<TableStatus> {
    let sql = "select rows, until_us from removed where kept = ?";
    let mut removed = connection.prepare_cached(sql)?;
    let removed = removed
        .query_row([number], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))
        .optional()?;
    Ok(TableStatus {
        name: Cow::Borrowed(name),
        rows: count(rows),
        times_us: first.zip(last),
        bytes: count(bytes),
        lasts_us,
        removed_rows: removed.map_or(0, |(rows, _)| count(rows)),
        removed_until_us: removed.map(|(_, until)| until),
    })
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
        let session = of_tables?;
        let last = session.read(|connection| {
            connection.query_row("select ifnull(max(to_us), 0) from watched", [], |row| row.get(0))
        });
        let status =
            last.and_then(|last| session.status(last)).map_err(|error| error.to_string())?;
        Ok(status.tables.iter().map(row).collect())
    };
    let watched = MemoryTable::new(
        "watched",
        "When an agent sampled, and what it lost: in a time without a row no agent sampled",
        &WATCHED,
        watched,
    )
    .with_times(&[0, 1]);
    let tables =
        MemoryTable::new("tables", "The kept tables: how far back they reach", &TABLES, tables);
    [Arc::new(watched), Arc::new(tables)]
}

impl TableStatus {
    /// That of a row of `tables`, in the order of its columns; `None` if it is none.
    #[must_use]
    pub fn of_row(row: &[Cell<'static>]) -> Option<Self> {
        let [Cell::Text(name), rows, from, to, bytes, lasts, removed, until] = row else {
            return None;
        };
        let whole = |cell: &Cell<'_>| match cell {
            Cell::Integer(number) => Some(*number),
            Cell::Null | Cell::Real(_) | Cell::Text(_) => None,
        };
        Some(Self {
            name: name.clone(),
            rows: count(whole(rows)?),
            times_us: whole(from).zip(whole(to)),
            bytes: count(whole(bytes)?),
            lasts_us: whole(lasts).map(count),
            removed_rows: count(whole(removed)?),
            removed_until_us: whole(until),
        })
    }
}

fn row(status: &TableStatus) -> Vec<Cell<'static>> {
    vec![
        Cell::Text(status.name.clone()),
        Cell::unsigned(status.rows),
        Cell::of(status.times_us, |(from, _)| Cell::Integer(from)),
        Cell::of(status.times_us, |(_, to)| Cell::Integer(to)),
        Cell::unsigned(status.bytes),
        Cell::of(status.lasts_us, Cell::unsigned),
        Cell::unsigned(status.removed_rows),
        Cell::of(status.removed_until_us, Cell::Integer),
    ]
}
