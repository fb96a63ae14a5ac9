//! The state of one client's stream of changes.
//!
//! A batch is everything between two sequence numbers, sent in chunks: first what closed, then what
//! exists in order of serial numbers, then an event `update` that ends it. Each chunk may be written
//! from a later update than the one before. Some of it is then newer than the batch, and is sent again
//! in the next.
//!
//! Events are independent of batches: they are sent as soon as they are published.

use std::collections::HashSet;

use bytes::Bytes;
use conns_api::{Answer, EventRecords, RecordWriter, ResumeId};
use conns_core::model::{Changes, Connection, EventLog, Update};
use conns_core::query::Field;
use conns_dialects::ResponseCache;
use serde_json::json;

use super::super::events::{EventLists, gap};
use super::super::selection::Selection;
use super::super::shapes::SnapshotShape;
use super::super::streams::{
    CHUNK_BYTES, Channels, Latest, Resume, StreamEncoder, event, event_with_id,
};
use super::record_lists::RecordLists;

/// Events take at most half of a chunk, so that they do not keep changes waiting.
const MAX_EVENT_BYTES: usize = CHUNK_BYTES / 2;

/// In a response cache, the text of changes that are longer than a chunk and not shared.
const TOO_LONG: &[u8] = b"\0";

/// What is sent beside the connections that open and close.
pub(super) struct Parts {
    /// Connections that existed and changed.
    pub(super) updates: bool,
    /// Events.
    pub(super) events: bool,
    /// The fields of their records; `None` is the default for each kind.
    pub(super) event_fields: Option<Vec<&'static Field>>,
}

/// One client's stream.
pub(super) struct DeltaStream {
    selection: Selection,
    fields: Vec<&'static Field>,
    /// The name of the shared text of changes: readers with the same fields and parts share it.
    shape: String,
    parts: Parts,
    from: Resume,
    /// Everything up to this event is sent; `None` before the first chunk.
    serial: Option<u64>,
    /// Serial numbers of the connections that the client has, if the selection has not all of them;
    /// about 16 bytes for each.
    client_has: Option<HashSet<u64>>,
    /// Whether `client_has` is to be assumed, because the client resumes an earlier stream.
    is_resumed: bool,
    batch: Option<Batch>,
}

/// The batch that is being sent.
#[derive(Debug, Clone, Copy)]
struct Batch {
    /// The client has everything up to this snapshot; `None` if it has nothing.
    since: Option<u64>,
    /// It will have everything up to this one.
    target: u64,
    at_us: i64,
    /// Of the connections that closed since, this many are sent.
    closed: usize,
    /// Connections up to this serial number are sent.
    serial: u64,
    /// The newest connection when the first of them were sent; later ones are of the next batch.
    newest: Option<u64>,
    /// Whether connections that did not change may have to be sent: all are new to the client, or a
    /// filter matches others as time passes.
    includes_unchanged: bool,
}

impl DeltaStream {
    pub(super) fn new(
        selection: Selection,
        fields: Vec<&'static Field>,
        parts: Parts,
        from: Resume,
    ) -> Self {
        let client_has = (!selection.is_everything()).then(HashSet::new);
        let is_resumed = matches!(from, Resume::After(_));
        let names: Vec<&str> = fields.iter().map(|field| field.name).collect();
        let shape = format!("{} {}", parts.updates, names.join(","));
        let (serial, batch) = (None, None);
        Self { selection, fields, shape, parts, from, serial, client_has, is_resumed, batch }
    }

    fn reset(&mut self, why: &str, out: &mut Vec<u8>) {
        event(out, "reset", &json!({ "reason": why }));
        self.from = Resume::New;
    }

    /// The next batch; `None` if there is nothing new.
    fn begin(&mut self, update: &Update, out: &mut Vec<u8>) -> Option<Batch> {
        let now = update.snapshot.sequence;
        match self.from {
            Resume::New => {}
            Resume::Invalid => self.reset("the last event id is no id of an agent", out),
            Resume::After(id) if id.is_of_other_instance(update) => {
                self.reset("the agent was restarted", out);
            }
            Resume::After(ResumeId { sequence, .. }) if sequence == now => return None,
            Resume::After(ResumeId { sequence, .. }) if sequence > now => {
                self.reset(&format!("the snapshot {sequence} does not exist yet"), out);
            }
            Resume::After(ResumeId { sequence, .. }) if sequence < update.closed_complete_since => {
                self.reset(&format!("the snapshot {sequence} is too old"), out);
            }
            Resume::After(_) => {}
        }
        let since = match self.from {
            Resume::After(id) => Some(id.sequence),
            Resume::New | Resume::Invalid => None,
        };
        match (since, &mut self.client_has) {
            (None, client_has) => {
                if let Some(client_has) = client_has {
                    client_has.clear();
                }
                event(out, "snapshot", &SnapshotShape::from(update));
            }
            // It may have any that existed then. Those that do not match are sent as removed.
            (Some(since), Some(client_has)) if self.is_resumed => {
                let open = update.snapshot.connections.iter();
                let closed = update.closed.iter().filter(|closed| closed.sequence > since);
                let all = open.chain(closed.map(|closed| &closed.connection));
                client_has.extend(
                    all.map(|c| c.stats).filter(|l| l.first_sequence <= since).map(|l| l.serial),
                );
            }
            _ => {}
        }
        let includes_unchanged = since.is_none()
            || self.client_has.is_some() && (self.is_resumed || self.selection.has_filter());
        self.is_resumed = false;
        Some(Batch {
            since,
            target: now,
            at_us: update.snapshot.at.wall_us,
            closed: 0,
            serial: 0,
            newest: None,
            includes_unchanged,
        })
    }

    /// The changes since `since` as text, shared by all readers of them; `None` if it is longer than
    /// a chunk.
    fn shared(&self, cache: &ResponseCache, since: u64) -> Option<Bytes> {
        let name = format!("changes {since} {}", self.shape);
        let text = cache.list(&name, |_| {
            self.write_all(cache.update(), since).unwrap_or_else(|| TOO_LONG.to_vec())
        });
        (&*text != TOO_LONG).then_some(text)
    }

    fn write_all(&self, update: &Update, since: u64) -> Option<Vec<u8>> {
        let changes = update.changes_since(since)?;
        let sequence = update.snapshot.sequence;
        let lists = |name| RecordLists::new(name, "connections", sequence);
        let (mut closed, mut opened, mut updated) =
            (lists("closed"), lists("opened"), lists("updated"));
        let mut records = RecordWriter::new(&self.fields);
        let mut written = 0;
        let mut add = |lists: &mut RecordLists, connection: &Connection| {
            let before = lists.len();
            lists.add(|out| Answer::Connections.append(out, &mut records, connection));
            written += lists.len() - before;
            written < CHUNK_BYTES
        };
        let does_fit = changes.closed.iter().all(|one| add(&mut closed, &one.connection))
            && changes.opened.iter().all(|one| add(&mut opened, one))
            && (!self.parts.updates || changes.updated.iter().all(|one| add(&mut updated, one)));
        does_fit.then(|| {
            let mut out = Vec::new();
            closed.finish(&mut out);
            opened.finish(&mut out);
            updated.finish(&mut out);
            out
        })
    }

    /// Appends what closed, as far as it fits; false if that is not known any more.
    fn write_closed(
        &mut self,
        update: &Update,
        since: u64,
        batch: &mut Batch,
        out: &mut Vec<u8>,
    ) -> bool {
        if since < update.closed_complete_since {
            return false;
        }
        let first = update.closed.partition_point(|closed| closed.sequence <= since);
        let mut lists = RecordLists::new("closed", "connections", batch.target);
        let mut records = RecordWriter::new(&self.fields);
        let rest = update.closed.iter().skip(first + batch.closed);
        for closed in rest.take_while(|closed| closed.sequence <= batch.target) {
            if out.len() + lists.len() >= CHUNK_BYTES {
                break;
            }
            batch.closed += 1;
            let connection = &closed.connection;
            let is_known = match &mut self.client_has {
                Some(client_has) => client_has.remove(&connection.stats.serial),
                None => true,
            };
            // Also one that opened and closed between two batches.
            if is_known || self.selection.matches(connection) {
                lists.add(|out| Answer::Connections.append(out, &mut records, connection));
            }
        }
        lists.finish(out);
        true
    }

    /// Appends what exists, as far as it fits; whether there is more.
    fn write_open(&mut self, update: &Update, batch: &mut Batch, out: &mut Vec<u8>) -> bool {
        let changes = batch.since.filter(|_| !batch.includes_unchanged);
        let changes = changes.and_then(|since| update.changes_since(since));
        let mut open: Vec<&Connection> = match &changes {
            Some(changes) => changed(changes).collect(),
            None => update.snapshot.connections.iter().collect(),
        };
        let newest = open.iter().map(|c| c.stats.serial).max().unwrap_or(0);
        let newest = *batch.newest.get_or_insert(newest);
        open.retain(|c| batch.serial < c.stats.serial && c.stats.serial <= newest);
        open.sort_unstable_by_key(|connection| connection.stats.serial);
        let lists = |name| RecordLists::new(name, "connections", batch.target);
        let (mut opened, mut updated) = (lists("opened"), lists("updated"));
        let mut removed = RecordLists::new("removed", "ids", batch.target);
        let mut records = RecordWriter::new(&self.fields);
        let mut has_more = false;
        for connection in open {
            if out.len() + opened.len() + updated.len() + removed.len() >= CHUNK_BYTES {
                has_more = true;
                break;
            }
            let stats = connection.stats;
            batch.serial = stats.serial;
            let is_changed = batch.since.is_none_or(|since| stats.changed_sequence > since);
            let (is_selected, is_known) = match &mut self.client_has {
                None => (true, batch.since.is_some_and(|since| stats.first_sequence <= since)),
                Some(client_has) if self.selection.matches(connection) => {
                    (true, !client_has.insert(stats.serial))
                }
                Some(client_has) => (false, client_has.remove(&stats.serial)),
            };
            let record = |out: &mut Vec<u8>| {
                Answer::Connections.append(out, &mut records, connection);
            };
            match (is_selected, is_known) {
                (true, false) => opened.add(record),
                (true, true) if is_changed && self.parts.updates => updated.add(record),
                (false, true) => removed.add_id(connection.socket.id),
                _ => {}
            }
        }
        removed.finish(out);
        opened.finish(out);
        updated.finish(out);
        has_more
    }

    /// Listening endpoints have no events.
    fn has_events(&self) -> bool {
        self.parts.events && !self.selection.is_of_listeners()
    }

    /// The event behind which the stream begins: where the client resumes, or else the latest. What
    /// happened before a client came is in `/api/v1/events`.
    fn first_serial(&self, log: &EventLog) -> u64 {
        match self.from {
            Resume::After(id) if id.instance == log.instance && id.serial <= log.last_serial() => {
                id.serial
            }
            _ => log.last_serial(),
        }
    }

    /// Appends events, as far as they fit; whether there are more.
    fn write_events(&mut self, log: &EventLog, out: &mut Vec<u8>) -> bool {
        let mut serial = self.serial.unwrap_or_else(|| self.first_serial(log));
        if !self.has_events() {
            self.serial = Some(log.last_serial());
            return false;
        }
        if let Some(missed) = gap(log, serial) {
            event(out, "missed", &json!({ "serial": log.complete_since(), "events": missed }));
            serial = log.complete_since();
        }
        let id = |serial| match self.from {
            Resume::After(id) => Some(ResumeId { serial, ..id }),
            // The state is not complete yet, so a client cannot resume here.
            Resume::New | Resume::Invalid => None,
        };
        let mut records = EventRecords::new(self.parts.event_fields.as_deref());
        let mut lists = EventLists::new(out, &id);
        for event in log.buffered_after(serial) {
            if lists.bytes() >= MAX_EVENT_BYTES {
                break;
            }
            serial = event.serial;
            if self.selection.matches_in_any_state(&event.connection) {
                lists.add(&mut records, event);
            }
        }
        lists.finish();
        self.serial = Some(serial);
        serial < log.last_serial()
    }

    /// Appends the next part of the batch; whether there is more.
    fn write_changes(&mut self, latest: &Latest<'_>, out: &mut Vec<u8>) -> bool {
        let update = latest.update();
        let (mut batch, is_new) = match self.batch.take() {
            Some(batch) => (batch, false),
            None => match self.begin(update, out) {
                Some(batch) => (batch, true),
                None => return false,
            },
        };
        let shared = match batch.since {
            Some(since) if is_new && self.client_has.is_none() => self.shared(latest.cache, since),
            _ => None,
        };
        if let Some(text) = shared {
            out.extend_from_slice(&text);
        } else {
            if let Some(since) = batch.since
                && !self.write_closed(update, since, &mut batch, out)
            {
                self.reset("what closed since is not kept any more", out);
                return true;
            }
            if out.len() >= CHUNK_BYTES || self.write_open(update, &mut batch, out) {
                self.batch = Some(batch);
                return true;
            }
        }
        let serial = self.serial.unwrap_or_default();
        let id = ResumeId { instance: update.instance, sequence: batch.target, serial };
        let data = json!({ "sequence": batch.target, "at_us": batch.at_us });
        event_with_id(out, "update", id, &data);
        self.from = Resume::After(id);
        update.snapshot.sequence > batch.target
    }
}

/// Connections that opened or changed.
fn changed<'a>(changes: &Changes<'a>) -> impl Iterator<Item = &'a Connection> {
    changes.opened.iter().chain(&changes.updated).copied()
}

impl StreamEncoder for DeltaStream {
    fn channels(&self) -> Channels {
        Channels { updates: true, events: self.has_events() }
    }

    fn write(&mut self, latest: &Latest<'_>, out: &mut Vec<u8>) -> bool {
        let has_more_events = self.write_events(latest.log, out);
        self.write_changes(latest, out) || has_more_events
    }
}
