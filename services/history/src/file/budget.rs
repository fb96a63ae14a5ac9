//! How many bytes each group of tables may take, and what goes when more are needed.

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::{Head, PAGE_BYTES, remove};
use crate::kept::KeptTable;

/// The part of the file that is not for blocks and sums.
pub(super) const RESERVED_PART: i64 = 8;
/// Most bytes that stay free on the file system for others; on a small one they are less.
const MIN_FREE_BYTES: i64 = 256 * 1024 * 1024;
/// The part of a small file system that stays free.
const MIN_FREE_PART: i64 = 20;
/// The part of what blocks and sums take that stays unused where the file cannot grow, for pages of the tree: at first, and the
/// most.
pub(super) const SPARE_PART: i64 = 64;
const MAX_SPARE_PART: i64 = 16;

/// Tables that share a part of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Space {
    /// `closed`, `failed`, `layers`.
    Ended,
    /// `samples`, `verdicts`, `transfers`.
    Samples,
    /// `hours`.
    Hours,
    /// `days`.
    Days,
    /// `months`.
    Months,
}

impl Space {
    const COUNT: usize = 5;

    /// Its number in the file, which those of tables of rows are below.
    pub(crate) fn number(self) -> i64 {
        match self {
            Self::Ended => 20,
            Self::Samples => 21,
            Self::Hours => 22,
            Self::Days => 23,
            Self::Months => 24,
        }
    }

    /// That of a table of rows.
    pub(crate) fn of(table: KeptTable) -> Self {
        match table {
            KeptTable::Closed | KeptTable::Failed | KeptTable::Layers => Self::Ended,
            KeptTable::Samples | KeptTable::Verdicts | KeptTable::Transfers => Self::Samples,
        }
    }

    fn place(self) -> usize {
        match self {
            Self::Ended => 0,
            Self::Samples => 1,
            Self::Hours => 2,
            Self::Days => 3,
            Self::Months => 4,
        }
    }

    /// Its part of the budget in percent.
    fn percent(self) -> i64 {
        match self {
            Self::Ended => 60,
            Self::Samples => 10,
            Self::Hours => 20,
            Self::Days => 8,
            Self::Months => 2,
        }
    }

    /// The tables of rows that it has.
    pub(crate) fn tables(self) -> impl Iterator<Item = KeptTable> {
        KeptTable::ALL.into_iter().filter(move |table| Self::of(*table) == self)
    }
}

/// The bytes that there are, and those that are taken.
#[derive(Debug, Clone)]
pub(crate) struct Budget {
    /// Bytes that blocks and sums may take.
    bytes: i64,
    /// Bytes by which they can grow; below zero, what they take is to become less.
    room: i64,
    /// What each space takes.
    used: [i64; Space::COUNT],
    /// Bytes written since they were last asked for.
    written: i64,
}

impl Budget {
    /// The bytes of blocks and sums in a file of that size: the rest is for pages of the tree, and for the log until it is written
    /// back.
    pub(crate) fn of_size(size: i64) -> i64 {
        size - size / RESERVED_PART
    }

    /// Reads what is taken.
    pub(crate) fn read(connection: &Connection, bytes: i64) -> rusqlite::Result<Self> {
        let mut budget = Self { bytes, room: bytes, used: [0; Space::COUNT], written: 0 };
        for table in KeptTable::ALL {
            let sql =
                "select ifnull(sum(bytes), 0) from blocks indexed by block_heads where kept = ?";
            let used = connection.query_row(sql, [table.number()], |row| row.get(0))?;
            budget.add(table, used);
        }
        for space in [Space::Hours, Space::Days, Space::Months] {
            let sql = "select ifnull(sum(bytes), 0) from sums where period = ?";
            let used = connection.query_row(sql, [space.number()], |row| row.get(0))?;
            budget.add_to(space, used);
        }
        budget.written = 0;
        Ok(budget)
    }

    /// The bytes that a space may take.
    pub(crate) fn share(&self, space: Space) -> i64 {
        self.bytes / 100 * space.percent()
    }

    /// The bytes that it takes.
    pub(crate) fn used(&self, space: Space) -> i64 {
        self.used.get(space.place()).copied().unwrap_or(0)
    }

    /// Notes that a table takes `bytes` more.
    pub(crate) fn add(&mut self, table: KeptTable, bytes: i64) {
        self.add_to(Space::of(table), bytes);
    }

    /// Notes that a space takes `bytes` more.
    pub(crate) fn add_to(&mut self, space: Space, bytes: i64) {
        if let Some(used) = self.used.get_mut(space.place()) {
            *used += bytes;
            self.room -= bytes;
            self.written += bytes.max(0);
        }
    }

    /// The bytes written since the last call.
    pub(crate) fn take_written(&mut self) -> i64 {
        std::mem::take(&mut self.written)
    }

    /// Whether a space may take `bytes` more.
    fn fits(&self, space: Space, bytes: i64) -> bool {
        self.used(space) + bytes <= self.share(space) && bytes <= self.room
    }

    /// Removes the oldest blocks of the space of `table` until `bytes` more fit. Where the file cannot grow, that are as many bytes
    /// as are written: the spaces keep what they have.
    pub(crate) fn make_room(
        &mut self,
        transaction: &Transaction<'_>,
        table: KeptTable,
        bytes: i64,
    ) -> rusqlite::Result<()> {
        let space = Space::of(table);
        while !self.fits(space, bytes) {
            let mut oldest: Option<(KeptTable, Head)> = None;
            for table in space.tables() {
                let head = super::oldest(transaction, table)?;
                let is_older = |head: &Head| {
                    oldest.as_ref().is_none_or(|(_, oldest)| head.last_us < oldest.last_us)
                };
                if let Some(head) = head.filter(is_older) {
                    oldest = Some((table, head));
                }
            }
            let Some((table, head)) = oldest else { return Ok(()) };
            remove(transaction, self, table, &head)?;
            note_removed(transaction, table.number(), head.rows, head.last_us)?;
        }
        Ok(())
    }

    /// Removes the oldest sums of a space until `bytes` more fit; not those that are pending, and not those that start at
    /// `start_us`.
    pub(crate) fn make_room_for_sums(
        &mut self,
        transaction: &Transaction<'_>,
        space: Space,
        start_us: i64,
        bytes: i64,
    ) -> rusqlite::Result<()> {
        while !self.fits(space, bytes) {
            let sql = "select id, start_us, bytes from sums where period = ? and pending is null and start_us <> ?
                       order by start_us limit 1";
            let oldest = transaction
                .prepare_cached(sql)?
                .query_row(params![space.number(), start_us], |row| {
                    Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?))
                })
                .optional()?;
            let Some((id, removed_us, removed)) = oldest else { return Ok(()) };
            transaction.prepare_cached("delete from sums where id = ?")?.execute([id])?;
            self.add_to(space, -removed);
            note_removed(transaction, space.number(), 1, removed_us)?;
        }
        Ok(())
    }
}

/// Counts rows that were removed from the table with this number, or periods from the space.
pub(crate) fn note_removed(
    transaction: &Transaction<'_>,
    number: i64,
    rows: i64,
    until_us: i64,
) -> rusqlite::Result<()> {
    let sql = "insert into removed (kept, rows, until_us) values (?, ?, ?)
               on conflict (kept) do update set rows = rows + excluded.rows, until_us = max(until_us, excluded.until_us)";
    transaction.prepare_cached(sql)?.execute(params![number, rows, until_us]).map(drop)
}

impl super::HistoryFile {
    /// Reads by how much blocks and sums can grow: pages of the file that are free, and those that it may still get from the file
    /// system.
    pub(crate) fn read_room(&mut self) -> rusqlite::Result<()> {
        let number = |pragma: &str| -> rusqlite::Result<i64> {
            self.connection.query_row(&format!("pragma {pragma}"), [], |row| row.get(0))
        };
        let new = (number("max_page_count")? - number("page_count")?) * PAGE_BYTES;
        let new = self.room_bytes().map_or(new, |room| room.min(new));
        self.budget.room = number("freelist_count")? * PAGE_BYTES + new
            - self.budget.used.iter().sum::<i64>() / self.spare_part;
        Ok(())
    }

    /// Notes that a transaction did not fit: the next ones leave more unused.
    pub(crate) fn did_not_fit(&mut self) {
        self.spare_part = (self.spare_part / 2).max(MAX_SPARE_PART);
    }

    /// By how many bytes the file may grow; `None` where the system does not report it.
    #[cfg(unix)]
    fn room_bytes(&self) -> Option<i64> {
        let system = rustix::fs::fstatvfs(&self.lock).ok()?;
        let bytes = |blocks: u64| i64::try_from(blocks.saturating_mul(system.f_frsize)).ok();
        let stays_free = MIN_FREE_BYTES.min(bytes(system.f_blocks)? / MIN_FREE_PART);
        Some((bytes(system.f_bavail)? - stays_free).max(0))
    }

    #[cfg(not(unix))]
    #[allow(clippy::unused_self, reason = "as on other systems")]
    fn room_bytes(&self) -> Option<i64> {
        None
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        reason = "clippy knows only the functions marked #[test] as tests"
    )]

    use super::*;
    use crate::file::{self, HistoryFile};
    use crate::kept::Encoded;

    const SIZE_BYTES: u64 = 64 * 1024 * 1024;

    fn write(file: &mut HistoryFile, table: KeptTable, number: i64) -> rusqlite::Result<()> {
        let data = vec![u8::try_from(number % 251).unwrap(); 20_000];
        let block = Encoded { data, rows: 100, first_us: number, last_us: number };
        file.read_room()?;
        let transaction = file.connection.transaction()?;
        let first_serial = number * 100;
        file::insert(&transaction, &mut file.budget, table, first_serial, 0, &block)?;
        transaction.commit()
    }

    fn blocks(file: &HistoryFile, table: KeptTable) -> i64 {
        let sql = "select count(*) from blocks where kept = ?";
        file.connection.query_row(sql, [table.number()], |row| row.get(0)).unwrap()
    }

    #[test]
    fn where_the_file_cannot_grow_a_table_gives_up_as_much_as_it_gets_and_others_nothing() {
        let folder = std::env::temp_dir().join(format!("conns-budget-{}", std::process::id()));
        let (mut file, _) = file::open(&folder.join("history.db"), SIZE_BYTES, 0).unwrap();
        for number in 0..400 {
            write(&mut file, KeptTable::Closed, number).unwrap();
            if number % 2 == 0 {
                write(&mut file, KeptTable::Samples, number).unwrap();
            }
        }
        let number = |file: &HistoryFile, pragma: &str| -> i64 {
            file.connection.query_row(&format!("pragma {pragma}"), [], |row| row.get(0)).unwrap()
        };
        let (most, now) = (number(&file, "max_page_count"), number(&file, "page_count"));
        file.connection.pragma_update(None, "max_page_count", now).unwrap();
        for number in 400..700 {
            // What does not fit is tried again, as the writer does.
            if write(&mut file, KeptTable::Closed, number).is_err() {
                file.did_not_fit();
                file.budget = Budget::read(&file.connection, file.budget.bytes).unwrap();
                write(&mut file, KeptTable::Closed, number).unwrap();
            }
        }
        assert_eq!(number(&file, "page_count"), now);
        assert_eq!(blocks(&file, KeptTable::Samples), 200);
        let kept = blocks(&file, KeptTable::Closed);
        assert!((340..=400).contains(&kept), "{kept} of 400 blocks");
        let newest = file::heads(&file.connection, KeptTable::Closed).unwrap().pop().unwrap();
        assert_eq!(newest.last_us, 699);
        file.connection.pragma_update(None, "max_page_count", most).unwrap();
        for number in 700..800 {
            write(&mut file, KeptTable::Closed, number).unwrap();
        }
        assert!(blocks(&file, KeptTable::Closed) >= kept + 99);
        drop(file);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
