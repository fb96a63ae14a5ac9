//! When the agent sampled, and what it lost: the table `watched`. A time without a row there is one in which no agent sampled.

use std::collections::BTreeSet;

use conns_core::model::{Ability, AbilityKind, EventLog, Moment, Update};
use rusqlite::{Connection, Result, Transaction, params};

/// The end of a row is written at least that often.
const INTERVAL_US: u64 = 5_000_000;
/// A pause longer than that, such as a suspended machine, begins a new row.
const MAX_PAUSE_US: i64 = 30_000_000;
/// So does a clock that was set by more than that.
const MAX_STEP_US: i64 = 1_000_000;
/// Most rows; the oldest go.
const MAX_ROWS: i64 = 20_000;

/// The row of the present.
pub(super) struct Watched {
    id: i64,
    instance: u64,
    /// When the last row was written or prolonged.
    written: Moment,
    /// Where connections that end come from: `ebpf`, or `samples`, which miss short ones.
    events: &'static str,
    losses: BTreeSet<&'static str>,
    is_changed: bool,
    is_last: bool,
    /// Events that the agent had dropped before they were read.
    pub(super) lost_events: u64,
    /// Rows that could not be written.
    pub(super) lost_rows: u64,
    /// Changes of verdicts without a sample.
    pub(super) omitted_changes: u64,
}

impl Watched {
    /// Begins a row.
    pub(super) fn begin(connection: &mut Connection, now: Moment) -> Result<Self> {
        let transaction = connection.transaction()?;
        let mut watched = Self {
            id: 0,
            instance: 0,
            written: now,
            events: "samples",
            losses: BTreeSet::new(),
            is_changed: false,
            is_last: false,
            lost_events: 0,
            lost_rows: 0,
            omitted_changes: 0,
        };
        watched.insert(&transaction, now)?;
        transaction.commit()?;
        Ok(watched)
    }

    /// Notes the state of the agent.
    pub(super) fn record(&mut self, update: &Update, log: &EventLog) {
        let has_events =
            |ability: &Ability| ability.kind == AbilityKind::EbpfEvents && ability.is_available();
        self.events =
            if update.health.abilities.iter().any(has_events) { "ebpf" } else { "samples" };
        self.instance = update.instance;
        let losses = update.snapshot.losses.iter().chain(&update.health.losses).chain(&*log.losses);
        for loss in losses {
            self.is_changed |= self.losses.insert(loss.kind().name());
        }
    }

    /// The next write is the last.
    pub(super) fn ends(&mut self) {
        (self.is_changed, self.is_last) = (true, true);
    }

    /// Whether the next write is the last.
    pub(super) fn is_last(&self) -> bool {
        self.is_last
    }

    /// Whether the row is to be written, though there is nothing else to write.
    pub(super) fn is_due(&self, now: Moment) -> bool {
        self.is_changed
            || now.monotonic_us.saturating_sub(self.written.monotonic_us) >= INTERVAL_US
            || self.is_apart(now)
    }

    /// Whether `now` does not continue the row.
    fn is_apart(&self, now: Moment) -> bool {
        let by_wall = now.wall_us - self.written.wall_us;
        let since = now.monotonic_us.saturating_sub(self.written.monotonic_us);
        let by_monotonic = i64::try_from(since).unwrap_or(i64::MAX);
        by_monotonic > MAX_PAUSE_US || (by_wall - by_monotonic).abs() > MAX_STEP_US
    }

    /// Prolongs the row to `now`, or begins another.
    pub(super) fn write(&mut self, transaction: &Transaction<'_>, now: Moment) -> Result<()> {
        if self.is_apart(now) {
            self.insert(transaction, now)?;
        }
        let losses: Vec<String> = self.losses.iter().map(|name| format!("\"{name}\"")).collect();
        let lost = self.lost_events + self.lost_rows + self.omitted_changes;
        let sql = "update watched set to_us = ?, instance = ?, events = ?, lost_events = ?, losses = ? where id = ?";
        transaction.prepare_cached(sql)?.execute(params![
            now.wall_us,
            format!("{:016x}", self.instance),
            self.events,
            i64::try_from(lost).unwrap_or(i64::MAX),
            format!("[{}]", losses.join(",")),
            self.id,
        ])?;
        (self.written, self.is_changed) = (now, false);
        Ok(())
    }

    fn insert(&mut self, transaction: &Transaction<'_>, now: Moment) -> Result<()> {
        let sql = "insert into watched (from_us, to_us, instance, events, lost_events, losses) values (?1, ?1, '', 'samples', 0, '[]')";
        transaction.prepare_cached(sql)?.execute([now.wall_us])?;
        self.id = transaction.last_insert_rowid();
        (self.lost_events, self.lost_rows, self.omitted_changes) = (0, 0, 0);
        self.losses.clear();
        let oldest = self.id - MAX_ROWS;
        transaction.prepare_cached("delete from watched where id <= ?")?.execute([oldest])?;
        Ok(())
    }
}
