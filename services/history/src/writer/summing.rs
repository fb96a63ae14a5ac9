//! Sums of what ends: in memory for the running hour, and in the file from time to time.

use conns_core::model::Moment;
use rusqlite::{Connection, Transaction};

use crate::file::Budget;
use crate::file::sums::{self, Hours, SUMMED, Summed};
use crate::kept::{KeptTable, Rows};
use crate::sums::{EndedRows, PeriodSums};

/// The sums are written at least that often, and with the first transaction of another hour.
const INTERVAL_US: u64 = 60_000_000;
/// Rows after which they are written: a reader adds those that are not.
const ROWS: i64 = 400_000;

/// What is summed and not written.
pub(super) struct Summing {
    /// The sums of the running hour since its row was folded.
    running: PeriodSums,
    /// When that hour began.
    start_us: Option<i64>,
    /// Sums of hours that are over.
    over: Hours,
    /// The rows that are in the sums of the file.
    summed: Summed,
    written_us: u64,
}

impl Summing {
    /// Continues the sums of a file.
    pub(super) fn begin(connection: &Connection, now: Moment) -> rusqlite::Result<Self> {
        Ok(Self {
            running: PeriodSums::default(),
            start_us: None,
            over: sums::pending_hours(connection)?,
            summed: sums::summed(connection)?,
            written_us: now.monotonic_us,
        })
    }

    /// Adds rows of `closed` or of `failed`; those of other tables are in no sums.
    pub(super) fn add(&mut self, table: KeptTable, rows: &Rows) {
        if !SUMMED.contains(&table) {
            return;
        }
        let ended = EndedRows::new(table == KeptTable::Failed, |name| rows.values(name));
        for (start_us, range) in ended.hours(0) {
            if self.start_us != Some(start_us) {
                self.end_hour();
                self.start_us = Some(start_us);
            }
            self.running.add_rows(&ended, range);
        }
    }

    fn end_hour(&mut self) {
        if let Some(start_us) = self.start_us.take() {
            let sums = std::mem::take(&mut self.running);
            self.over.entry(start_us).or_default().merge(&sums);
        }
    }

    /// Whether the sums are to be written with rows up to `last`, the first of which that are there have the serial numbers `first`.
    pub(super) fn is_due(&self, now: Moment, first: Summed, last: Summed) -> bool {
        let is_new = last != self.summed;
        let since = now.monotonic_us.saturating_sub(self.written_us);
        let rows: i64 = last.iter().zip(self.summed).map(|(last, summed)| last - summed).sum();
        // Sums exist before their rows go.
        let goes = first.iter().zip(self.summed).any(|(first, summed)| *first > summed + 1);
        is_new && (since >= INTERVAL_US || rows >= ROWS || goes || !self.over.is_empty())
    }

    /// Writes all sums, of rows up to `last`.
    pub(super) fn write(
        &mut self,
        transaction: &Transaction<'_>,
        budget: &mut Budget,
        last: Summed,
    ) -> rusqlite::Result<()> {
        let running = self.start_us.map(|start_us| (start_us, &self.running));
        sums::write(transaction, budget, &self.over, running)?;
        sums::set_summed(transaction, last)
    }

    /// Notes that the sums are written.
    pub(super) fn written(&mut self, now: Moment, last: Summed) {
        self.over.clear();
        (self.summed, self.written_us) = (last, now.monotonic_us);
    }
}
