//! What one client was told, and what to tell it next. Pure: beats in, text out.
//!
//! The one idea: a round tells everything between two sequence numbers in pieces, first what closed, then
//! what is there in order of serial numbers. Each piece may be written from a later beat than the one
//! before: then some of it is news the round need not have told, and is told again in the next.

use std::collections::HashSet;

use conns_api::{Answer, EventRecords, RecordWriter};
use conns_core::model::{Connection, Update};
use conns_core::query::Field;
use serde_json::json;

use super::super::list::snapshot;
use super::super::selection::Selection;
use super::super::streams::{
    Left, PIECE_BYTES, Telling, event, event_with_id, parse_instance, parse_number,
};
use super::lists::Lists;

/// A place in the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    instance: u64,
    /// Behind this snapshot,
    sequence: u64,
    /// and behind what happened up to here; `None` if the client does not say it.
    serial: Option<u64>,
}

/// The place an id names; `None` if it is none of ours. Without the serial number an id is as it was
/// before there were events.
pub(super) fn parse_id(text: &str) -> Option<Place> {
    let (instance, numbers) = text.split_once('-')?;
    let (sequence, serial) = match numbers.split_once('-') {
        Some((sequence, serial)) => (sequence, Some(parse_number(serial)?)),
        None => (numbers, None),
    };
    Some(Place { instance: parse_instance(instance)?, sequence: parse_number(sequence)?, serial })
}

/// What is told beside what comes and goes.
pub(super) struct Wanted {
    /// What was there and changed.
    pub(super) updates: bool,
    /// What happened.
    pub(super) events: bool,
    /// With these fields; `None` is what is usual for each kind.
    pub(super) event_fields: Option<Vec<&'static Field>>,
}

/// One client's stream.
pub(super) struct ChangesTelling {
    selection: Selection,
    fields: Vec<&'static Field>,
    wanted: Wanted,
    from: Left<Place>,
    /// What happened up to here is told; `None` before the first round.
    heard: Option<u64>,
    /// Serial numbers of the connections the client has, where not everything is told; 16 bytes or
    /// so for each.
    told: Option<HashSet<u64>>,
    /// Whether `told` still is to be guessed, because the client had it from an earlier stream.
    is_resumed: bool,
    round: Option<Round>,
}

/// What is being told.
#[derive(Debug, Clone, Copy)]
struct Round {
    /// The client has everything up to here; `None` if it has nothing.
    since: Option<u64>,
    /// It will have everything up to here.
    target: u64,
    at_us: i64,
    /// How many of those that closed since are told.
    closed: usize,
    /// Connections up to this serial number are told.
    serial: u64,
    /// The newest connection when the round began; later ones wait for the next round.
    newest: u64,
    /// What happened later waits as well.
    last_event: u64,
}

impl ChangesTelling {
    pub(super) fn new(
        selection: Selection,
        fields: Vec<&'static Field>,
        wanted: Wanted,
        from: Left<Place>,
    ) -> Self {
        let told = (!selection.is_everything()).then(HashSet::new);
        let is_resumed = matches!(from, Left::At(_));
        Self { selection, fields, wanted, from, heard: None, told, is_resumed, round: None }
    }

    fn reset(&mut self, why: &str, out: &mut Vec<u8>) {
        event(out, "reset", &json!({ "reason": why }));
        self.from = Left::Nothing;
    }

    /// The next round; `None` if there is nothing new.
    fn begin(&mut self, update: &Update, out: &mut Vec<u8>) -> Option<Round> {
        let now = update.snapshot.sequence;
        let last_event = update.last_event();
        // What happened before a client came is told by `/api/v1/events`.
        let heard = match self.from {
            Left::At(place) if place.instance == update.instance => self.heard.or(place.serial),
            Left::At(_) => None,
            Left::Nothing | Left::Elsewhere => self.heard,
        };
        self.heard = heard.filter(|serial| *serial <= last_event).or(Some(last_event));
        match self.from {
            Left::Nothing => {}
            Left::Elsewhere => self.reset("the last event id is none of this agent's", out),
            Left::At(place) if place.instance != update.instance => {
                self.reset("the agent was started anew", out);
            }
            Left::At(Place { sequence, .. }) if sequence == now => return None,
            Left::At(Place { sequence, .. }) if update.changes_since(sequence).is_none() => {
                let why = if sequence > now { "has not been yet" } else { "is too long ago" };
                self.reset(&format!("the snapshot {sequence} {why}"), out);
            }
            Left::At(_) => {}
        }
        let since = match self.from {
            Left::At(place) => Some(place.sequence),
            Left::Nothing | Left::Elsewhere => None,
        };
        match (since, &mut self.told) {
            (None, told) => {
                if let Some(told) = told {
                    told.clear();
                }
                event(out, "snapshot", &snapshot(update));
            }
            // It may have any of those that were there: what it should not have will be told to
            // have left.
            (Some(since), Some(told)) if self.is_resumed => {
                let there = update.snapshot.connections.iter();
                let closed = update.closed.iter().filter(|closed| closed.sequence > since);
                let all = there.chain(closed.map(|closed| &closed.connection));
                told.extend(
                    all.map(|c| c.stats).filter(|l| l.first_sequence <= since).map(|l| l.serial),
                );
            }
            _ => {}
        }
        self.is_resumed = false;
        let newest = update.snapshot.connections.iter().map(|c| c.stats.serial).max();
        Some(Round {
            since,
            target: now,
            at_us: update.snapshot.at.wall_us,
            closed: 0,
            serial: 0,
            newest: newest.unwrap_or(0),
            last_event,
        })
    }

    /// Tells what closed, as far as it fits; false if that is not known any more.
    fn write_closed(
        &mut self,
        update: &Update,
        since: u64,
        round: &mut Round,
        out: &mut Vec<u8>,
    ) -> bool {
        let Some(changes) = update.changes_since(since) else { return false };
        let mut lists = Lists::new("closed", "connections", round.target);
        let mut records = RecordWriter::new(&self.fields);
        let rest = changes.closed.iter().skip(round.closed);
        for closed in rest.take_while(|closed| closed.sequence <= round.target) {
            if out.len() + lists.len() >= PIECE_BYTES {
                break;
            }
            round.closed += 1;
            let connection = &closed.connection;
            let is_known = match &mut self.told {
                Some(told) => told.remove(&connection.stats.serial),
                None => true,
            };
            // One that came and went between two rounds is told too.
            if is_known || self.selection.matches(connection) {
                lists.add(|out| Answer::Connections.append(out, &mut records, connection));
            }
        }
        lists.finish(out);
        true
    }

    /// Tells what is there, as far as it fits; whether there is more.
    fn write_there(&mut self, update: &Update, round: &mut Round, out: &mut Vec<u8>) -> bool {
        let mut there: Vec<(u64, &Connection)> = update
            .snapshot
            .connections
            .iter()
            .map(|connection| (connection.stats.serial, connection))
            .filter(|(serial, _)| round.serial < *serial && *serial <= round.newest)
            .collect();
        there.sort_unstable_by_key(|(serial, _)| *serial);
        let lists = |name| Lists::new(name, "connections", round.target);
        let (mut opened, mut updated) = (lists("opened"), lists("updated"));
        let mut left = Lists::new("left", "ids", round.target);
        let mut records = RecordWriter::new(&self.fields);
        let mut has_more = false;
        for (serial, connection) in there {
            if out.len() + opened.len() + updated.len() + left.len() >= PIECE_BYTES {
                has_more = true;
                break;
            }
            round.serial = serial;
            let stats = connection.stats;
            let is_changed = round.since.is_none_or(|since| stats.changed_sequence > since);
            let (is_meant, is_known) = match &mut self.told {
                None => (true, round.since.is_some_and(|since| stats.first_sequence <= since)),
                Some(told) if self.selection.matches(connection) => (true, !told.insert(serial)),
                Some(told) => (false, told.remove(&serial)),
            };
            let record = |out: &mut Vec<u8>| {
                Answer::Connections.append(out, &mut records, connection);
            };
            match (is_meant, is_known) {
                (true, false) => opened.add(record),
                (true, true) if is_changed && self.wanted.updates => updated.add(record),
                (false, true) => left.add_id(connection.socket.id),
                _ => {}
            }
        }
        left.finish(out);
        opened.finish(out);
        updated.finish(out);
        has_more
    }

    /// Listening endpoints open and close nothing.
    fn tells_events(&self) -> bool {
        self.wanted.events && !self.selection.is_of_listeners()
    }

    /// Tells what happened, as far as it fits; whether there is more.
    fn write_events(&mut self, update: &Update, round: &Round, out: &mut Vec<u8>) -> bool {
        let heard = self.heard.unwrap_or(round.last_event);
        let missed = update.events_complete_since.saturating_sub(heard);
        if missed > 0 {
            event(out, "missed", &json!({ "sequence": round.target, "events": missed }));
        }
        let heard = heard + missed;
        self.heard = Some(heard);
        let events = update.events_since(heard).unwrap_or_default();
        let mut lists = Lists::new("events", "events", round.target);
        let mut records = EventRecords::new(self.wanted.event_fields.as_deref());
        let mut has_more = false;
        for happened in events.iter().take_while(|event| event.serial <= round.last_event) {
            if out.len() + lists.len() >= PIECE_BYTES {
                has_more = true;
                break;
            }
            self.heard = Some(happened.serial);
            if self.selection.matches_in_any_state(&happened.connection) {
                lists.add(|out| records.append_with_id(out, happened));
            }
        }
        lists.finish(out);
        if !has_more {
            self.heard = Some(round.last_event.max(heard));
        }
        has_more
    }
}

impl Telling for ChangesTelling {
    fn write(&mut self, update: &Update, out: &mut Vec<u8>) -> bool {
        let mut round = match self.round.take() {
            Some(round) => round,
            None => match self.begin(update, out) {
                Some(round) => round,
                None => return false,
            },
        };
        if let Some(since) = round.since
            && !self.write_closed(update, since, &mut round, out)
        {
            self.reset("what closed meanwhile is not kept any more", out);
            return true;
        }
        let has_more = out.len() >= PIECE_BYTES
            || self.write_there(update, &mut round, out)
            || self.tells_events() && self.write_events(update, &round, out);
        if has_more {
            self.round = Some(round);
            return true;
        }
        let (instance, sequence) = (update.instance, round.target);
        let serial = self.heard.unwrap_or(round.last_event);
        let data = json!({ "sequence": sequence, "at_us": round.at_us });
        event_with_id(out, "beat", instance, &[sequence, serial], &data);
        self.from = Left::At(Place { instance, sequence, serial: Some(serial) });
        update.snapshot.sequence > round.target
    }
}
