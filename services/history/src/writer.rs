//! Keeps what an agent sees: reads its updates and events, and writes what is new of them once a second.
//!
//! A row is in memory for at most the time between two calls of [`History::commit`]. One that cannot be written stays in memory, up
//! to a bound; what is dropped beyond that is counted in the table `watched`.

mod summing;
mod unended;
mod verdicts;
mod watched;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use conns_core::model::{Connection, Event, EventKind, EventLog, Moment, Transfer, Update};

use crate::cell::Cell;
use crate::file::sums::SUMMED;
use crate::file::{self, FULL_ROWS, HistoryError, HistoryFile, SetAside};
use crate::kept::{Encoded, KeptTable, Rows};
use crate::layers;
use summing::Summing;
use unended::unended;
use verdicts::{Ended, Verdicts, evidence, names_a_problem};
use watched::Watched;

/// Time between two samples of all open connections.
const SAMPLE_INTERVAL_US: u64 = 60_000_000;
/// Rows that are collected become a block from that many bytes on. Those of a second of a busy machine fit, so that they are not
/// merged later.
const BLOCK_BYTES: usize = 8 * 1024 * 1024;
/// Or from that many rows on.
const BLOCK_ROWS: usize = 2 * FULL_ROWS;
/// Most bytes of blocks that wait to be written. At 20 000 ended connections a second that is 15 seconds.
const MAX_WAITING_BYTES: usize = 8 * 1024 * 1024;
/// Most rows of samples that changes of verdicts write in a second.
const MAX_CHANGES: usize = 1000;

/// Writes the history of an agent.
pub struct History {
    file: HistoryFile,
    path: PathBuf,
    tables: Vec<TableWriter>,
    verdicts: Verdicts,
    watched: Watched,
    summing: Summing,
    /// The instance and the serial number of the last event that was read.
    events: Option<(u64, u64)>,
    /// The snapshot that was read last.
    sequence: u64,
    /// When samples are due, by the monotonic clock.
    samples_due_us: u64,
}

/// What is written next to a table.
struct TableWriter {
    table: KeptTable,
    rows: Rows,
    /// Blocks that are encoded, with the serial number of their first row.
    waiting: VecDeque<(i64, Encoded)>,
    /// The serial number of the next row.
    next_serial: i64,
    /// Blocks written since small ones were merged, and their rows.
    unmerged: (usize, usize),
}

/// An opened history.
pub struct Opened {
    /// To write it.
    pub history: History,
    /// The file that was there, if it was not usable.
    pub set_aside: Option<SetAside>,
}

impl TableWriter {
    fn push(
        &mut self,
        connection: Option<&Connection>,
        given: &[(&str, Cell<'_>)],
        summing: &mut Summing,
    ) {
        self.rows.push(connection, given);
        if self.rows.len() >= BLOCK_ROWS
            || self.rows.len().is_multiple_of(256) && self.rows.bytes() >= BLOCK_BYTES
        {
            self.encode(summing);
        }
    }

    /// Sums the rows that are collected, and makes a block of them.
    fn encode(&mut self, summing: &mut Summing) {
        summing.add(self.table, &self.rows);
        let Some(block) = self.rows.encode() else { return };
        let first_serial = self.next_serial;
        self.next_serial += i64::try_from(block.rows).unwrap_or(0);
        self.waiting.push_back((first_serial, block));
    }

    /// Drops blocks beyond the bound, the oldest first, and returns how many rows they had.
    fn drop_beyond(&mut self) -> u64 {
        let mut bytes: usize = self.waiting.iter().map(|(_, block)| block.data.len()).sum();
        let mut dropped = 0;
        while bytes > MAX_WAITING_BYTES
            && let Some((_, block)) = self.waiting.pop_front()
        {
            bytes -= block.data.len();
            dropped += block.rows as u64;
        }
        dropped
    }
}

impl History {
    /// Opens the file, which is created if there is none. It takes at most `size_bytes`, its log included. `now` is the time of the
    /// first observation.
    ///
    /// # Errors
    /// [`HistoryError`].
    pub fn open(path: &Path, size_bytes: u64, now: Moment) -> Result<Opened, HistoryError> {
        let (mut file, set_aside) = file::open(path, size_bytes, now.wall_us)?;
        let sqlite = || HistoryError::sqlite(path);
        let mut tables = Vec::new();
        for table in KeptTable::ALL {
            let next_serial = file::next_serial(&file.connection, table).map_err(sqlite())?;
            let unmerged = (usize::MAX / 2, 0);
            let rows = Rows::new(table);
            tables.push(TableWriter {
                table,
                rows,
                waiting: VecDeque::new(),
                next_serial,
                unmerged,
            });
        }
        let unended = unended(&file.connection).map_err(sqlite())?;
        let summing = Summing::begin(&file.connection, now).map_err(sqlite())?;
        let watched = Watched::begin(&mut file.connection, now).map_err(sqlite())?;
        let mut history = Self {
            file,
            path: path.to_owned(),
            tables,
            verdicts: Verdicts::default(),
            watched,
            summing,
            events: None,
            sequence: 0,
            samples_due_us: now.monotonic_us,
        };
        for (connection, ended) in &unended {
            history.write_verdict(connection, ended);
        }
        Ok(Opened { history, set_aside })
    }

    /// Reads what is new in an update and in the events, which are of the same agent.
    pub fn record(&mut self, update: &Update, log: &EventLog) {
        self.record_events(log);
        if update.snapshot.sequence > self.sequence {
            self.record_update(update);
        }
        self.watched.record(update, log);
    }

    fn record_events(&mut self, log: &EventLog) {
        let last = match self.events {
            Some((instance, serial)) if instance == log.instance => serial,
            // Events before the first reading are of the time before it, as far as they are buffered.
            _ => log.complete_since(),
        };
        self.watched.lost_events += log.complete_since().saturating_sub(last);
        for event in log.buffered_after(last) {
            self.record_event(event);
        }
        self.events = Some((log.instance, log.last_serial().max(last)));
    }

    fn record_event(&mut self, event: &Arc<Event>) {
        let at_us = event.at.wall_us;
        let connection = &event.connection;
        match event.kind {
            EventKind::Closed => {
                self.write(KeptTable::Closed, connection, &[("at_us", Cell::Integer(at_us))]);
                self.write_layers(connection, at_us);
                if let Some(ended) = self.verdicts.end(connection, at_us) {
                    self.write_verdict(connection, &ended);
                }
            }
            EventKind::Failed => {
                self.write(KeptTable::Failed, connection, &[("at_us", Cell::Integer(at_us))]);
            }
            EventKind::Opened | EventKind::Accepted => {}
        }
    }

    fn record_update(&mut self, update: &Update) {
        let snapshot = &update.snapshot;
        let at_us = snapshot.at.wall_us;
        let before = std::mem::replace(&mut self.sequence, snapshot.sequence);
        let is_due = snapshot.at.monotonic_us >= self.samples_due_us;
        if is_due {
            self.samples_due_us = snapshot.at.monotonic_us + SAMPLE_INTERVAL_US;
        }
        let mut changes = 0;
        for connection in &snapshot.connections {
            let is_changed = connection.stats.changed_sequence > before;
            if !(is_due || is_changed) || !(connection.is_open() || connection.is_listening()) {
                continue;
            }
            let ended = self.verdicts.see(connection, at_us, snapshot.sequence);
            if let Some(ended) = &ended {
                self.write_verdict(connection, ended);
                changes += 1;
            }
            if is_due || ended.is_some() && changes <= MAX_CHANGES {
                self.write_sample(connection, at_us);
            }
        }
        self.watched.omitted_changes += changes.saturating_sub(MAX_CHANGES) as u64;
        if is_due {
            self.verdicts.forget_unseen(snapshot);
            update.transfers.iter().for_each(|transfer| self.write_transfer(transfer, at_us));
        }
    }

    fn write_sample(&mut self, connection: &Connection, at_us: i64) {
        let verdict = &connection.verdict;
        let evidence = names_a_problem(verdict.class)
            .then(|| evidence(verdict))
            .map_or(Cell::Null, |json| Cell::Text(json.into()));
        let since = self.verdicts.since_us(connection).map_or(Cell::Null, Cell::Integer);
        let carried = connection.application.value().filter(|carried| !carried.layers.is_empty());
        let layers = Cell::of(carried, |carried| Cell::Text(layers::text(carried).into()));
        let given = [
            ("at_us", Cell::Integer(at_us)),
            ("evidence", evidence),
            ("verdict_since_us", since),
            ("layers", layers),
        ];
        self.write(KeptTable::Samples, connection, &given);
    }

    /// Writes what an ended connection carried: a row for each layer.
    fn write_layers(&mut self, connection: &Connection, at_us: i64) {
        let carried = connection.application.value();
        for layer in carried.iter().flat_map(|carried| &carried.layers) {
            let given = [
                ("at_us", Cell::Integer(at_us)),
                ("protocol", Cell::text(&layer.protocol)),
                ("certainty", Cell::text(layer.certainty.name())),
                ("fields", Cell::Text(layers::fields_text(layer).into())),
            ];
            self.write(KeptTable::Layers, connection, &given);
        }
    }

    fn write_transfer(&mut self, transfer: &Transfer, at_us: i64) {
        // Its fields are numbers, words and texts.
        let json = serde_json::to_string(transfer).unwrap_or_default();
        let given = [
            ("at_us", Cell::Integer(at_us)),
            ("connection_id", Cell::text(&transfer.connection_id)),
            ("destination_ip", Cell::Text(transfer.destination_ip.to_string().into())),
            ("destination_port", Cell::Integer(transfer.destination_port.into())),
            ("transfer", Cell::Text(json.into())),
        ];
        self.write(KeptTable::Transfers, None, &given);
    }

    fn write_verdict(&mut self, connection: &Connection, ended: &Ended) {
        self.write(KeptTable::Verdicts, connection, &ended.cells());
    }

    fn write<'c>(
        &mut self,
        table: KeptTable,
        connection: impl Into<Option<&'c Connection>>,
        given: &[(&str, Cell<'_>)],
    ) {
        let connection = connection.into();
        if let Some(writer) = self.tables.get_mut(table.place()) {
            writer.push(connection, given, &mut self.summing);
        }
    }

    /// Writes what was recorded since the last call.
    ///
    /// # Errors
    /// [`HistoryError`] if it cannot be written. What was recorded is written by a later call, as far as the bound allows.
    pub fn commit(&mut self, now: Moment) -> Result<(), HistoryError> {
        for writer in &mut self.tables {
            writer.encode(&mut self.summing);
        }
        let written = self.write_all(now);
        for writer in &mut self.tables {
            self.watched.lost_rows += writer.drop_beyond();
        }
        written.map_err(|error| {
            if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull) {
                self.file.did_not_fit();
            }
            HistoryError::sqlite(&self.path)(error)
        })
    }

    fn write_all(&mut self, now: Moment) -> rusqlite::Result<()> {
        let has_rows = self.tables.iter().any(|writer| !writer.waiting.is_empty());
        if !has_rows && !self.watched.is_due(now) {
            return Ok(());
        }
        self.file.read_room()?;
        if !self.file.has_log()? {
            return Ok(());
        }
        let HistoryFile { connection, budget, .. } = &mut self.file;
        let used = budget.clone();
        let last = SUMMED
            .map(|table| self.tables.get(table.place()).map_or(0, |writer| writer.next_serial - 1));
        let mut has_sums = false;
        let transaction = connection.transaction()?;
        let written = (|| {
            for writer in &mut self.tables {
                for (first_serial, block) in &writer.waiting {
                    file::insert(&transaction, budget, writer.table, *first_serial, 0, block)?;
                    writer.unmerged.0 += 1;
                    writer.unmerged.1 += block.rows;
                }
                if writer.unmerged.0 >= file::MERGED_BLOCKS || writer.unmerged.1 >= FULL_ROWS {
                    writer.unmerged = (0, 0);
                    file::merge(&transaction, budget, writer.table)?;
                }
            }
            let first = file::first_serials(&transaction)?;
            has_sums = self.summing.is_due(now, first, last) || self.watched.is_last();
            if has_sums {
                self.summing.write(&transaction, budget, last)?;
            }
            self.watched.write(&transaction, now)
        })();
        let written = written.and_then(|()| transaction.commit());
        if written.is_err() {
            *budget = used;
            return written;
        }
        self.tables.iter_mut().for_each(|writer| writer.waiting.clear());
        if has_sums {
            self.summing.written(now, last);
        }
        self.file.committed()
    }

    /// Writes what is left, verdicts that still hold included.
    ///
    /// # Errors
    /// As [`History::commit`].
    pub fn close(mut self, update: &Update, now: Moment) -> Result<(), HistoryError> {
        for connection in &update.snapshot.connections {
            if let Some(ended) = self.verdicts.end(connection, now.wall_us) {
                self.write_verdict(connection, &ended);
            }
        }
        self.watched.ends();
        self.commit(now)
    }
}
