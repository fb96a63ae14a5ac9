//! Verdicts of an agent that was killed: they held when it sampled last, and `verdicts` has no row of them.

use std::collections::{HashMap, HashSet};

use conns_core::model::{Class, Connection};
use rusqlite::OptionalExtension;

use super::SAMPLE_INTERVAL_US;
use super::verdicts::Ended;
use crate::cell::Cell;
use crate::file;
use crate::kept::{Damaged, KeptTable, ReadRows};
use crate::past;

/// A connection by namespace and cookie.
type Key = (i64, i64);

/// The verdicts that no row ended, with what was kept of their connections. They are searched in the samples of the last two
/// minutes in which an agent ran; a damaged block has none.
pub(super) fn unended(
    connection: &rusqlite::Connection,
) -> rusqlite::Result<Vec<(Connection, Ended)>> {
    let sql = "select to_us from watched order by id desc limit 1";
    let Some(last_us) = connection.query_row(sql, [], |row| row.get::<_, i64>(0)).optional()?
    else {
        return Ok(Vec::new());
    };
    let from_us = last_us - 2 * SAMPLE_INTERVAL_US.cast_signed();
    let mut ended: HashSet<(Key, i64)> = HashSet::new();
    for block in file::blocks_since(connection, KeptTable::Verdicts, from_us)? {
        let of = Columns(KeptTable::Verdicts, &block);
        for row in 0..block.rows() {
            ended.extend(of.key(row).zip(of.whole("from_us", row)));
        }
    }
    let samples = file::blocks_since(connection, KeptTable::Samples, from_us)?;
    let mut latest: HashMap<Key, (i64, &ReadRows, usize)> = HashMap::new();
    for block in &samples {
        let of = Columns(KeptTable::Samples, block);
        for row in 0..block.rows() {
            let (Some(key), Some(at_us)) = (of.key(row), of.whole("at_us", row)) else { continue };
            let is_later = latest.get(&key).is_none_or(|(before, ..)| *before <= at_us);
            if at_us >= from_us && is_later {
                latest.insert(key, (at_us, block, row));
            }
        }
    }
    let mut unended = Vec::new();
    for (key, (_, block, row)) in latest {
        let of = Columns(KeptTable::Samples, block);
        let since_us = of.whole("verdict_since_us", row);
        let Some(since_us) = since_us.filter(|since| !ended.contains(&(key, *since))) else {
            continue;
        };
        let made = past::connection(&|name| of.cell(name, row), None);
        unended.extend(made.and_then(|made| {
            let verdict = Ended::of(&made.verdict, since_us, last_us);
            (made.verdict.class != Class::Unknown).then_some((made, verdict))
        }));
    }
    Ok(unended)
}

/// The columns of a block by name.
struct Columns<'b>(KeptTable, &'b ReadRows);

impl<'b> Columns<'b> {
    /// A cell; `NULL` where the block is damaged.
    fn cell(&self, name: &str, row: usize) -> Cell<'b> {
        let read = |at| -> Result<Cell<'b>, Damaged> { self.1.cell(row, at) };
        self.0.column(name).map_or(Cell::Null, |at| read(at).unwrap_or(Cell::Null))
    }

    fn whole(&self, name: &str, row: usize) -> Option<i64> {
        match self.cell(name, row) {
            Cell::Integer(number) => Some(number),
            Cell::Null | Cell::Real(_) | Cell::Text(_) => None,
        }
    }

    fn key(&self, row: usize) -> Option<Key> {
        self.whole("netns_inode", row).zip(self.whole("cookie", row))
    }
}
