//! The end that has the readers.

use std::io::Read;
use std::sync::Arc;

use conns_core::model::{ClosedConnection, EventLog, Moment, Update};

use super::frame::Frame;
use super::{EventsFrame, ReplicaError, UpdateFrame, kind};
use crate::wire::{Decoder, EventsAnswer};

/// Most closed connections that are kept, about 1.5 kB each. A reader that is further behind has to read the whole
/// state, and finds that by `closed_complete_since`.
const MAX_CLOSED: usize = 4096;

/// The latest update and events of the other end.
#[derive(Debug, Default)]
pub struct Replica {
    frame: Frame,
    decoder: Decoder,
    events_decoder: Decoder,
    update: Option<Arc<Update>>,
    log: Arc<EventLog>,
}

/// What a frame brought.
#[derive(Debug)]
pub enum ReplicaChange {
    /// A newer update.
    Update {
        /// The update.
        update: Arc<Update>,
        /// When it was written, by the clock of its snapshots.
        at: Moment,
    },
    /// A newer event log.
    Events(Arc<EventLog>),
    /// A text of the program.
    Text(String),
}

impl Replica {
    /// Reads the next change; `None` at the end of the stream.
    ///
    /// # Errors
    /// [`ReplicaError`] if the stream fails or has anything else than a
    /// [`ReplicaWriter`](super::ReplicaWriter) writes. Nothing more can be read then.
    pub fn next(&mut self, from: &mut impl Read) -> Result<Option<ReplicaChange>, ReplicaError> {
        if !self.frame.read(from)? {
            return Ok(None);
        }
        let frame = std::mem::take(&mut self.frame);
        let change = match frame.kind() {
            kind::UPDATE => self.apply_update(&frame)?,
            kind::EVENTS => self.apply_events(&frame)?,
            kind::TEXT => {
                let ((), body) = frame.open()?;
                let text = String::from_utf8(body.to_vec());
                ReplicaChange::Text(text.map_err(|_| ReplicaError::Malformed("it is no text"))?)
            }
            _ => return Err(ReplicaError::Malformed("its kind is unknown")),
        };
        Ok(Some(change))
    }

    /// Copies what is kept of events and closed connections to other memory, so that what lies around it
    /// can be given back after a peak.
    pub fn copy_kept(&mut self) {
        let mut log = EventLog::clone(&self.log);
        log.copy_events();
        self.log = Arc::new(log);
        if let Some(update) = &mut self.update {
            let closed = update.closed.iter().map(|closed| {
                let connection = closed.connection.unshared();
                Arc::new(ClosedConnection { connection, ..ClosedConnection::clone(closed) })
            });
            let closed = closed.collect();
            *update = Arc::new(Update { closed, ..Update::clone(update) });
        }
    }

    /// How many connections, closed ones and events are kept.
    #[must_use]
    pub fn records(&self) -> usize {
        let update = self.update.as_deref();
        let of_update = |update: &Update| update.snapshot.connections.len() + update.closed.len();
        update.map_or(0, of_update) + self.log.len()
    }

    fn apply_update(&mut self, frame: &Frame) -> Result<ReplicaChange, ReplicaError> {
        let (head, body): (UpdateFrame, _) = frame.open()?;
        let delta = self.decoder.decode_update(body)?;
        let before = self.update.take();
        let id = delta.id;
        let before = before.filter(|_| delta.since.is_some());
        let (closed, complete_since) = match &before {
            Some(before) => kept_closed(before, &delta.closed),
            None => (Vec::new(), id.sequence),
        };
        let mut update = delta.apply(before)?;
        let mut snapshot = Arc::unwrap_or_clone(update.snapshot);
        snapshot.losses = head.losses;
        update.snapshot = Arc::new(snapshot);
        update.health = head.health;
        update.closed = closed.into();
        update.closed_complete_since = complete_since;
        let update = Arc::new(update);
        self.update = Some(Arc::clone(&update));
        Ok(ReplicaChange::Update { update, at: head.at })
    }

    fn apply_events(&mut self, frame: &Frame) -> Result<ReplicaChange, ReplicaError> {
        let (head, body): (EventsFrame, _) = frame.open()?;
        let EventsAnswer { id, events, .. } = self.events_decoder.decode_events(body)?;
        let mut log = EventLog::clone(&self.log);
        let first = events.first().map_or(id.serial, |event| event.serial.saturating_sub(1));
        if log.instance != id.instance || log.last_serial() != first {
            // Events were dropped before they could be written: the numbers show how many.
            log = EventLog::after(id.instance, first);
        }
        log.append(events);
        while log.oldest().last().is_some_and(|last| last.serial <= head.complete_since) {
            log.remove_oldest();
        }
        if *log.losses != *head.losses {
            log.losses = head.losses.into();
        }
        self.log = Arc::new(log);
        Ok(ReplicaChange::Events(Arc::clone(&self.log)))
    }
}

/// The closed connections of `before` and the new ones, and since which snapshot none is missing.
fn kept_closed(
    before: &Update,
    new: &[Arc<ClosedConnection>],
) -> (Vec<Arc<ClosedConnection>>, u64) {
    let all = before.closed.iter().chain(new);
    let beyond = (before.closed.len() + new.len()).saturating_sub(MAX_CLOSED);
    let dropped = beyond.checked_sub(1).and_then(|last| all.clone().nth(last));
    let complete_since = dropped.map_or(before.closed_complete_since, |dropped| dropped.sequence);
    (all.skip(beyond).cloned().collect(), complete_since)
}
