//! The tables `hours`, `days` and `months`.

use std::sync::Arc;

use conns_core::model::LossCause;

use super::{KeptIn, Session};
use crate::cell::Cell;
use crate::file::sums::{Hours, load, pending_hours, space, starts};
use crate::sums::{Period, PeriodSums, columns};
use crate::table::{Column, Scan, Table, Times};

/// A table of sums.
pub(super) struct SumsTable {
    period: Period,
    kept: KeptIn,
    /// The columns of the start and the end.
    times: Vec<usize>,
}

impl SumsTable {
    /// The sums of periods of this length.
    pub(super) fn new(period: Period, kept: KeptIn) -> Self {
        let is_time = |column: &Column| matches!(column.name.as_str(), "start_us" | "end_us");
        let times = columns().iter().enumerate().filter(|(_, column)| is_time(column));
        Self { period, kept, times: times.map(|(at, _)| at).collect() }
    }
}

/// The name of the table of such periods.
pub(super) fn name_of(period: Period) -> &'static str {
    match period {
        Period::Hour => "hours",
        Period::Day => "days",
        Period::Month => "months",
    }
}

impl Table for SumsTable {
    fn name(&self) -> &'static str {
        name_of(self.period)
    }

    fn meaning(&self) -> &'static str {
        match self.period {
            Period::Hour => {
                "Sums of connections that ended and attempts that failed, by hours of UTC"
            }
            Period::Day => "The same by days",
            Period::Month => "The same by months",
        }
    }

    fn columns(&self) -> &[Column] {
        columns()
    }

    fn estimated_rows(&self) -> u64 {
        10_000
    }

    fn time_columns(&self) -> &[usize] {
        &self.times
    }

    fn scan(&self, times: Times) -> Result<Box<dyn Scan + '_>, String> {
        let session = self.kept.as_ref().map_err(Clone::clone)?;
        let read = |connection: &rusqlite::Connection| {
            let starts = starts(connection, self.period, times, false)?;
            let days = match self.period {
                Period::Month => starts_of_pending_days(connection)?,
                Period::Hour | Period::Day => Vec::new(),
            };
            Ok((starts, days, pending_hours(connection)?))
        };
        let (mut starts, days, hours) = session.read(read).map_err(|error| error.to_string())?;
        let is_wanted =
            |start: &i64| *start <= times.to_us && self.period.end(*start) >= times.from_us;
        let others = days.iter().chain(hours.keys()).map(|us| self.period.start(*us));
        starts.extend(others.filter(is_wanted));
        starts.sort_unstable();
        starts.dedup();
        Ok(Box::new(SumsScan {
            period: self.period,
            session,
            starts,
            next: 0,
            days,
            hours,
            sums: PeriodSums::default(),
            group: 0,
        }))
    }
}

fn starts_of_pending_days(connection: &rusqlite::Connection) -> rusqlite::Result<Vec<i64>> {
    starts(connection, Period::Day, Times::ALL, true)
}

/// A place in a table of sums.
struct SumsScan<'a> {
    period: Period,
    session: &'a Arc<Session>,
    starts: Vec<i64>,
    /// The next period.
    next: usize,
    /// Days that are part of no month.
    days: Vec<i64>,
    /// Hours that are part of no day.
    hours: Hours,
    /// Those of the period before `next`.
    sums: PeriodSums,
    group: usize,
}

impl SumsScan<'_> {
    /// The sums of the period that starts then.
    fn read(&self, start_us: i64) -> Result<PeriodSums, String> {
        let read = |connection: &rusqlite::Connection| {
            let stored = load(connection, self.period, start_us)?;
            let mut sums = stored.folded;
            let is_within = |us: i64| self.period.start(us) == start_us;
            if self.period != Period::Hour {
                // Those of an hour are among `hours`.
                sums.merge(&stored.pending);
            }
            for day in self.days.iter().filter(|day| is_within(**day)) {
                sums.merge(&load(connection, Period::Day, *day)?.pending);
            }
            for (_, hour) in self.hours.iter().filter(|(hour, _)| is_within(**hour)) {
                sums.merge(hour);
            }
            Ok(sums)
        };
        let sums = self.session.read(read).map_err(|error| error.to_string())?;
        if sums.is_incomplete() {
            let cause = LossCause::HistoryDamaged {
                table: name_of(self.period).into(),
                from_us: start_us,
                to_us: self.period.end(start_us),
                error: None,
            };
            self.session.note_damaged((space(self.period).number(), start_us), cause, 1);
        }
        Ok(sums)
    }
}

impl Scan for SumsScan<'_> {
    fn next(&mut self) -> Result<bool, String> {
        self.group += 1;
        while self.next == 0 || self.group >= self.sums.groups() {
            let Some(start_us) = self.starts.get(self.next) else { return Ok(false) };
            self.sums = self.read(*start_us)?;
            self.next += 1;
            self.group = 0;
        }
        Ok(true)
    }

    fn cell(&self, column: usize) -> Result<Cell<'_>, String> {
        let start_us = self.next.checked_sub(1).and_then(|at| self.starts.get(at));
        Ok(start_us.map_or(Cell::Null, |start| {
            self.sums.cell((*start, self.period.end(*start)), self.group, column)
        }))
    }
}
