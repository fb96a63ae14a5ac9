//! The end that has the updates.

use std::io::Write;

use conns_core::model::{Connection, Cost, EventLog, Health, Moment, Update};

use super::{EventsFrame, ReplicaError, UpdateFrame, added, all, frame, kind};
use crate::resume::ResumeId;
use crate::wire::{EventsFrom, EventsQuery, UpdateQuery, encode_events, encode_update_with};

/// Each connection is written once in this number of seconds, also if it has not changed. Changes are about what a reader
/// sees change; other values (a timer, the evidence of a verdict that stays the same) are at most this old.
const REFRESH_SECONDS: u64 = 30;

/// Writes updates and events to a stream, each as what changed since the one before.
#[derive(Debug)]
pub struct ReplicaWriter<W> {
    to: W,
    /// The update written last.
    update: Option<ResumeId>,
    /// The second, by the clock of the snapshots, whose share of connections was written last.
    refreshed_second: u64,
    /// The last event that was written.
    serial: u64,
}

impl<W: Write> ReplicaWriter<W> {
    /// A writer to a stream that has nothing yet.
    pub fn new(to: W) -> Self {
        Self { to, update: None, refreshed_second: 0, serial: 0 }
    }

    /// Writes `update`. `now` is the present by the clock of its snapshots; `readers` the resources that the
    /// process at the other end uses, which its readers see as part of the agent's.
    ///
    /// # Errors
    /// [`ReplicaError::Stream`] if the other end has closed, [`ReplicaError::Unwritable`] if something in
    /// the update cannot be encoded.
    pub fn update(
        &mut self,
        update: &Update,
        now: Moment,
        readers: Cost,
    ) -> Result<(), ReplicaError> {
        let health = Health { cost: added(update.health.cost, readers), ..update.health.clone() };
        let head = UpdateFrame { at: now, health, losses: update.snapshot.losses.clone() };
        let after = self.update.replace(ResumeId::new(update, self.serial));
        let second = now.monotonic_us / 1_000_000;
        let before = std::mem::replace(&mut self.refreshed_second, second);
        // Whether a second since then is that of the connection.
        let passed = second.saturating_sub(before);
        let is_refreshed = |connection: &Connection| {
            (second + REFRESH_SECONDS - connection.stats.serial % REFRESH_SECONDS) % REFRESH_SECONDS
                < passed
        };
        let query = UpdateQuery { ask: all(), after, ..UpdateQuery::default() };
        let body = encode_update_with(update, self.serial, &query, is_refreshed)
            .map_err(|error| ReplicaError::Unwritable(error.to_string()))?;
        frame::write(&mut self.to, kind::UPDATE, &head, &body)
    }

    /// Writes the events of `log` behind the last that was written. `update` is the latest.
    ///
    /// # Errors
    /// As [`ReplicaWriter::update`].
    pub fn events(&mut self, log: &EventLog, update: &Update) -> Result<(), ReplicaError> {
        loop {
            let id = ResumeId { instance: log.instance, ..ResumeId::new(update, self.serial) };
            let from = EventsFrom::After(id);
            let query = EventsQuery { ask: all(), from, ..EventsQuery::default() };
            let body = encode_events(log, update, &query, self.serial)
                .map_err(|error| ReplicaError::Unwritable(error.to_string()))?;
            let (complete_since, losses) = (log.complete_since(), log.losses.to_vec());
            let head = EventsFrame { complete_since, losses };
            frame::write(&mut self.to, kind::EVENTS, &head, &body)?;
            let most = crate::wire::MAX_EVENTS_PER_ANSWER as u64;
            let first = self.serial.max(complete_since);
            self.serial = log.last_serial().min(first + most);
            if self.serial == log.last_serial() {
                return Ok(());
            }
        }
    }

    /// Writes a text that means something to the program.
    ///
    /// # Errors
    /// As [`ReplicaWriter::update`].
    pub fn text(&mut self, text: &str) -> Result<(), ReplicaError> {
        frame::write(&mut self.to, kind::TEXT, &(), text.as_bytes())
    }
}
