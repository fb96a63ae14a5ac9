//! The sums of hours, days and months in the file.
//!
//! Sums of the running hour are *pending* in its row; when it is over they become part of it, and pending in the row of its day, and those
//! of a day that is over become part of its month. So each connection counts once in each period, also if the clock is set back into one
//! that was over. Rows after [`Summed`] are in no sums of the file: a reader adds them.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::{Budget, Space, stored_bytes};
use crate::kept::{Damaged, KeptTable, ReadRows};
use crate::sums::{EndedRows, Period, PeriodSums};
use crate::table::Times;

/// The tables whose rows are summed.
pub(crate) const SUMMED: [KeptTable; 2] = [KeptTable::Closed, KeptTable::Failed];

/// The last rows of `closed` and `failed` that are part of the sums of the file, by their serial numbers.
pub(crate) type Summed = [i64; SUMMED.len()];

/// Sums by the start of their hour.
pub(crate) type Hours = BTreeMap<i64, PeriodSums>;

/// The sums of a period in the file.
#[derive(Default)]
pub(crate) struct Stored {
    /// Those that are part of the next longer period.
    pub(crate) folded: PeriodSums,
    /// Those that are not.
    pub(crate) pending: PeriodSums,
}

/// Reads until which rows are summed.
pub(crate) fn summed(connection: &Connection) -> rusqlite::Result<Summed> {
    let read = |table: KeptTable| {
        let sql = "select value from state where name = 'summed_' || ?";
        connection.query_row(sql, [table.name()], |row| row.get(0)).optional()
    };
    let [closed, failed] = SUMMED.map(read);
    Ok([closed?.unwrap_or(0), failed?.unwrap_or(0)])
}

/// Notes until which rows are summed.
pub(crate) fn set_summed(transaction: &Transaction<'_>, summed: Summed) -> rusqlite::Result<()> {
    for (table, serial) in SUMMED.iter().zip(summed) {
        let sql = "insert into state (name, value) values ('summed_' || ?1, ?2) on conflict do update set value = ?2";
        transaction.prepare_cached(sql)?.execute(params![table.name(), serial])?;
    }
    Ok(())
}

/// The sums of the period that starts at `start_us`, as far as they are in its row. Damaged ones lack a part.
pub(crate) fn load(
    connection: &Connection,
    period: Period,
    start_us: i64,
) -> rusqlite::Result<Stored> {
    let sql = "select folded, pending from sums where period = ? and start_us = ?";
    let blobs = |row: &rusqlite::Row<'_>| {
        Ok((row.get::<_, Option<Vec<u8>>>(0)?, row.get::<_, Option<Vec<u8>>>(1)?))
    };
    let mut statement = connection.prepare_cached(sql)?;
    let found = statement.query_row(params![number(period), start_us], blobs).optional()?;
    let (folded, pending) = found.unwrap_or_default();
    let decoded = |blob: Option<Vec<u8>>| match blob {
        Some(blob) => PeriodSums::decode(&blob).unwrap_or_else(|_| PeriodSums::missing_part()),
        None => PeriodSums::default(),
    };
    Ok(Stored { folded: decoded(folded), pending: decoded(pending) })
}

fn number(period: Period) -> i64 {
    space(period).number()
}

/// The space of the sums of such periods.
pub(crate) fn space(period: Period) -> Space {
    match period {
        Period::Hour => Space::Hours,
        Period::Day => Space::Days,
        Period::Month => Space::Months,
    }
}

fn unreadable(error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, Type::Blob, Box::new(error))
}

/// The starts of the periods in the file that have a part in `times`, oldest first. With `only_pending`, only those that have
/// something that is pending.
pub(crate) fn starts(
    connection: &Connection,
    period: Period,
    times: Times,
    only_pending: bool,
) -> rusqlite::Result<Vec<i64>> {
    let sql = "select start_us from sums where period = ?1 and start_us <= ?2 and (?3 = 0 or pending is not null)
               order by start_us";
    let mut statement = connection.prepare_cached(sql)?;
    let wanted = params![number(period), times.to_us, only_pending];
    let starts: Vec<i64> =
        statement.query_map(wanted, |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(starts.into_iter().filter(|start| period.end(*start) >= times.from_us).collect())
}

/// Writes the sums of a period.
fn store(
    transaction: &Transaction<'_>,
    budget: &mut Budget,
    period: (Period, i64),
    sums: &Stored,
) -> rusqlite::Result<()> {
    let (folded, pending) = (encoded(&sums.folded)?, encoded(&sums.pending)?);
    store_encoded(transaction, budget, period, (folded, pending))
}

/// Writes the sums of the running hour that are pending.
fn store_pending(
    transaction: &Transaction<'_>,
    budget: &mut Budget,
    start_us: i64,
    pending: &PeriodSums,
) -> rusqlite::Result<()> {
    let period = (Period::Hour, start_us);
    let sql = "select folded from sums where period = ? and start_us = ?";
    let folded: Option<Option<Vec<u8>>> = transaction
        .query_row(sql, params![number(period.0), start_us], |row| row.get(0))
        .optional()?;
    let pending = encoded(pending)?;
    store_encoded(transaction, budget, period, (folded.flatten(), pending))
}

fn encoded(sums: &PeriodSums) -> rusqlite::Result<Option<Vec<u8>>> {
    match sums.is_empty() {
        true => Ok(None),
        false => sums.encode().map(Some).map_err(unreadable),
    }
}

fn store_encoded(
    transaction: &Transaction<'_>,
    budget: &mut Budget,
    (period, start_us): (Period, i64),
    (folded, pending): (Option<Vec<u8>>, Option<Vec<u8>>),
) -> rusqlite::Result<()> {
    let length = |blob: &Option<Vec<u8>>| blob.as_ref().map_or(0, Vec::len);
    let bytes = stored_bytes(length(&folded) + length(&pending));
    let before = "select bytes from sums where period = ? and start_us = ?";
    let before: Option<i64> = transaction
        .query_row(before, params![number(period), start_us], |row| row.get(0))
        .optional()?;
    let space = space(period);
    budget.add_to(space, -before.unwrap_or(0));
    budget.make_room_for_sums(transaction, space, start_us, bytes)?;
    let sql =
        "insert into sums (period, start_us, bytes, folded, pending) values (?1, ?2, ?3, ?4, ?5)
               on conflict (period, start_us) do update set bytes = ?3, folded = ?4, pending = ?5";
    let values = params![number(period), start_us, bytes, folded, pending];
    transaction.prepare_cached(sql)?.execute(values)?;
    budget.add_to(space, bytes);
    Ok(())
}

/// Writes the sums of hours that are over, and those of the running one, of which `running` is the start.
pub(crate) fn write(
    transaction: &Transaction<'_>,
    budget: &mut Budget,
    over: &Hours,
    running: Option<(i64, &PeriodSums)>,
) -> rusqlite::Result<()> {
    for (start_us, sums) in over {
        let mut hour = load(transaction, Period::Hour, *start_us)?;
        // What was pending is a part of `sums`.
        hour.pending = PeriodSums::default();
        hour.folded.merge(sums);
        store(transaction, budget, (Period::Hour, *start_us), &hour)?;
        let day_us = Period::Day.start(*start_us);
        let mut day = load(transaction, Period::Day, day_us)?;
        day.pending.merge(sums);
        store(transaction, budget, (Period::Day, day_us), &day)?;
    }
    let Some((start_us, sums)) = running else { return Ok(()) };
    store_pending(transaction, budget, start_us, sums)?;
    let today = Period::Day.start(start_us);
    for day_us in starts(transaction, Period::Day, Times::ALL, true)? {
        if day_us == today {
            continue;
        }
        let Stored { mut folded, pending } = load(transaction, Period::Day, day_us)?;
        let month_us = Period::Month.start(day_us);
        let mut month = load(transaction, Period::Month, month_us)?;
        month.folded.merge(&pending);
        store(transaction, budget, (Period::Month, month_us), &month)?;
        folded.merge(&pending);
        let day = Stored { folded, pending: PeriodSums::default() };
        store(transaction, budget, (Period::Day, day_us), &day)?;
    }
    Ok(())
}

/// The sums by hours that are part of no day: those that are pending in the file, and those of the rows after that.
pub(crate) fn pending_hours(connection: &Connection) -> rusqlite::Result<Hours> {
    let mut hours = Hours::new();
    for start_us in starts(connection, Period::Hour, Times::ALL, true)? {
        hours.insert(start_us, load(connection, Period::Hour, start_us)?.pending);
    }
    add_tail(connection, &mut hours)?;
    Ok(hours)
}

/// Adds the rows that are in no sums of the file. The hours of a damaged block lack a part.
pub(crate) fn add_tail(connection: &Connection, hours: &mut Hours) -> rusqlite::Result<()> {
    for (table, summed) in SUMMED.into_iter().zip(summed(connection)?) {
        let sql = "select id, first_serial, first_us, last_us from blocks indexed by block_heads
                   where kept = ? and first_serial + rows > ? order by first_serial";
        let mut statement = connection.prepare_cached(sql)?;
        let head =
            |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, (row.get(2)?, row.get(3)?)));
        let blocks = statement
            .query_map(params![table.number(), summed + 1], head)?
            .collect::<Result<Vec<(i64, i64, (i64, i64))>, _>>()?;
        for (id, first_serial, (first_us, last_us)) in blocks {
            let Some(block) = super::read(connection, table, id)? else { continue };
            let from = usize::try_from(summed + 1 - first_serial).unwrap_or(0);
            if block.and_then(|rows| add_rows(table, &rows, from, hours)).is_err() {
                // Its rows that are in no sums are the last ones, of at most some minutes.
                let first_us = if from == 0 { first_us } else { last_us };
                let starts = [first_us, last_us].map(|us| Period::Hour.start(us));
                for start_us in BTreeSet::from(starts) {
                    hours.entry(start_us).or_default().merge(&PeriodSums::missing_part());
                }
            }
        }
    }
    Ok(())
}

fn add_rows(
    table: KeptTable,
    rows: &ReadRows,
    from: usize,
    hours: &mut Hours,
) -> Result<(), Damaged> {
    // All columns are decoded first, so that no row is added of a block that is damaged.
    for at in 0..table.columns().len() {
        rows.values(at)?;
    }
    let column = |name: &str| rows.values(table.column(name)?).ok();
    let ended = EndedRows::new(table == KeptTable::Failed, column);
    for (start_us, range) in ended.hours(from) {
        hours.entry(start_us).or_default().add_rows(&ended, range);
    }
    Ok(())
}
