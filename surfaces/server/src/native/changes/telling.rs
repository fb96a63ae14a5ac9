//! What one client was told, and what to tell it next. Pure: beats in, text out.
//!
//! The one idea: a round tells everything between two sequence numbers in pieces, first what closed, then
//! what is there in order of serial numbers. Each piece may be written from a later beat than the one
//! before: then some of it is news the round need not have told, and is told again in the next.

use std::collections::HashSet;

use conns_core::model::{Beat, Connection};
use conns_core::query::Field;
use serde_json::json;

use super::super::selection::Selection;
use super::PIECE_BYTES;
use super::events::{self, Lists};

/// Where a client says it left off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum From {
    /// It has nothing.
    Nothing,
    /// Behind this snapshot.
    Place {
        /// The agent's.
        instance: u64,
        /// The snapshot's.
        sequence: u64,
    },
    /// Behind something that is not ours.
    Elsewhere,
}

/// One client's stream.
pub(super) struct Telling {
    selection: Selection,
    fields: Vec<&'static Field>,
    updates: bool,
    from: From,
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
}

impl Telling {
    pub(super) fn new(
        selection: Selection,
        fields: Vec<&'static Field>,
        updates: bool,
        from: From,
    ) -> Self {
        let told = (!selection.is_everything()).then(HashSet::new);
        let is_resumed = matches!(from, From::Place { .. });
        Self { selection, fields, updates, from, told, is_resumed, round: None }
    }

    /// Appends the next piece, if there is anything to tell; whether there is more after it.
    pub(super) fn write(&mut self, beat: &Beat, out: &mut Vec<u8>) -> bool {
        let mut round = match self.round.take() {
            Some(round) => round,
            None => match self.begin(beat, out) {
                Some(round) => round,
                None => return false,
            },
        };
        if let Some(since) = round.since
            && !self.write_closed(beat, since, &mut round, out)
        {
            self.reset("what closed meanwhile is not kept any more", out);
            return true;
        }
        if out.len() >= PIECE_BYTES || self.write_there(beat, &mut round, out) {
            self.round = Some(round);
            return true;
        }
        events::end(out, beat.instance, round.target, round.at_us);
        self.from = From::Place { instance: beat.instance, sequence: round.target };
        beat.snapshot.sequence > round.target
    }

    fn reset(&mut self, why: &str, out: &mut Vec<u8>) {
        events::event(out, "reset", &json!({ "reason": why }));
        self.from = From::Nothing;
    }

    /// The next round; `None` if there is nothing new.
    fn begin(&mut self, beat: &Beat, out: &mut Vec<u8>) -> Option<Round> {
        let now = beat.snapshot.sequence;
        match self.from {
            From::Nothing => {}
            From::Elsewhere => self.reset("the last event id is none of this agent's", out),
            From::Place { instance, .. } if instance != beat.instance => {
                self.reset("the agent was started anew", out);
            }
            From::Place { sequence, .. } if sequence == now => return None,
            From::Place { sequence, .. } if beat.changes_since(sequence).is_none() => {
                let why = if sequence > now { "has not been yet" } else { "is too long ago" };
                self.reset(&format!("the snapshot {sequence} {why}"), out);
            }
            From::Place { .. } => {}
        }
        let since = match self.from {
            From::Place { sequence, .. } => Some(sequence),
            From::Nothing | From::Elsewhere => None,
        };
        match (since, &mut self.told) {
            (None, told) => {
                if let Some(told) = told {
                    told.clear();
                }
                events::begin(out, beat);
            }
            // It may have any of those that were there: what it should not have will be told to
            // have left.
            (Some(since), Some(told)) if self.is_resumed => {
                let there = beat.snapshot.connections.iter();
                let closed = beat.closed.iter().filter(|closed| closed.sequence > since);
                let all = there.chain(closed.map(|closed| &closed.connection));
                told.extend(
                    all.map(|c| c.life).filter(|l| l.first_sequence <= since).map(|l| l.serial),
                );
            }
            _ => {}
        }
        self.is_resumed = false;
        let newest = beat.snapshot.connections.iter().map(|c| c.life.serial).max();
        Some(Round {
            since,
            target: now,
            at_us: beat.snapshot.at.wall_us,
            closed: 0,
            serial: 0,
            newest: newest.unwrap_or(0),
        })
    }

    /// Tells what closed, as far as it fits; false if that is not known any more.
    fn write_closed(
        &mut self,
        beat: &Beat,
        since: u64,
        round: &mut Round,
        out: &mut Vec<u8>,
    ) -> bool {
        let Some(changes) = beat.changes_since(since) else { return false };
        let mut events = Lists::new("closed", "connections", round.target, &self.fields);
        let rest = changes.closed.iter().skip(round.closed);
        for closed in rest.take_while(|closed| closed.sequence <= round.target) {
            if out.len() + events.len() >= PIECE_BYTES {
                break;
            }
            round.closed += 1;
            let connection = &closed.connection;
            let is_known = match &mut self.told {
                Some(told) => told.remove(&connection.life.serial),
                None => true,
            };
            // One that came and went between two rounds is told too.
            if is_known || self.selection.matches(connection) {
                events.add(connection);
            }
        }
        events.finish(out);
        true
    }

    /// Tells what is there, as far as it fits; whether there is more.
    fn write_there(&mut self, beat: &Beat, round: &mut Round, out: &mut Vec<u8>) -> bool {
        let mut there: Vec<(u64, &Connection)> = beat
            .snapshot
            .connections
            .iter()
            .map(|connection| (connection.life.serial, connection))
            .filter(|(serial, _)| round.serial < *serial && *serial <= round.newest)
            .collect();
        there.sort_unstable_by_key(|(serial, _)| *serial);
        let lists = |name| Lists::new(name, "connections", round.target, &self.fields);
        let (mut opened, mut updated) = (lists("opened"), lists("updated"));
        let mut left = Lists::new("left", "ids", round.target, &[]);
        let mut has_more = false;
        for (serial, connection) in there {
            if out.len() + opened.len() + updated.len() + left.len() >= PIECE_BYTES {
                has_more = true;
                break;
            }
            round.serial = serial;
            let life = connection.life;
            let is_changed = round.since.is_none_or(|since| life.changed_sequence > since);
            let (is_meant, is_known) = match &mut self.told {
                None => (true, round.since.is_some_and(|since| life.first_sequence <= since)),
                Some(told) if self.selection.matches(connection) => (true, !told.insert(serial)),
                Some(told) => (false, told.remove(&serial)),
            };
            match (is_meant, is_known) {
                (true, false) => opened.add(connection),
                (true, true) if is_changed && self.updates => updated.add(connection),
                (false, true) => left.add_id(connection.socket.id),
                _ => {}
            }
        }
        left.finish(out);
        opened.finish(out);
        updated.finish(out);
        has_more
    }
}
