//! Any bytes as an answer of an agent: they are refused, or become connections and events that surfaces can read, and
//! that are the same after they were encoded and decoded again.

#![no_main]

#[path = "shared/read.rs"]
mod read;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, LazyLock};

use conns_api::{
    Answer, Ask, Decoder, EventRecords, EventsAnswer, EventsFrom, EventsQuery, RecordWriter,
    ResumeId, Stamp, UpdateDelta, UpdateQuery, View, encode_events, encode_update,
};
use conns_core::model::{Connection, Event, EventLog, Snapshot, Update};
use conns_core::query::catalogue;
use libfuzzer_sys::fuzz_target;
use read::{arrange, read_all};

fuzz_target!(|bytes: &[u8]| {
    let mut decoder = Decoder::default();
    if let Ok(delta) = decoder.decode_update(bytes) {
        let before = before(&delta);
        let update = apply(delta, before.clone());
        write(&update);
        encode_update_again(&update);
        if let Some(before) = before {
            encode_changes_again(&update, before);
        }
    }
    if let Ok(answer) = decoder.decode_events(bytes) {
        let mut out = Vec::new();
        let mut records = EventRecords::new(None);
        for event in &answer.events {
            read_all(std::slice::from_ref(&event.connection));
            records.append(&mut out, event);
        }
        encode_events_again(&answer);
    }
});

/// The update that `delta` has the changes since; `None` if it has everything. Of its connections some close, some
/// change, and some do not.
fn before(delta: &UpdateDelta) -> Option<Arc<Update>> {
    delta.since.map(|sequence| {
        let closed = delta.closed.iter().map(|closed| &closed.connection);
        let connections = BEFORE.connections.iter().chain(&delta.connections).chain(closed);
        let snapshot =
            Snapshot { sequence, connections: connections.cloned().collect(), ..BEFORE.clone() };
        let instance = delta.id.instance;
        Arc::new(Update { instance, snapshot: Arc::new(snapshot), ..Update::default() })
    })
}

/// The update that a client has after `delta`.
fn apply(delta: UpdateDelta, before: Option<Arc<Update>>) -> Update {
    let kept: HashSet<_> = delta.connections.iter().map(Connection::id).collect();
    let closed = delta.closed.iter().map(|closed| closed.connection.id());
    let removed: HashSet<_> = delta.removed.iter().copied().chain(closed).collect();
    let has_changes = before.is_some();
    let update = delta.apply(before).unwrap_or_else(|error| panic!("{error}"));
    let ids: HashSet<_> = update.snapshot.connections.iter().map(Connection::id).collect();
    assert!(kept.is_subset(&ids));
    assert!(!has_changes || ids.iter().all(|id| kept.contains(id) || !removed.contains(id)));
    update
}

/// Writes everything of `update` that surfaces write.
fn write(update: &Update) {
    let snapshot = &update.snapshot;
    read_all(&snapshot.connections);
    arrange(&snapshot.connections);
    let connections: Vec<&Connection> = snapshot.connections.iter().collect();
    let fields = Answer::Connections.usual_fields();
    let mut out = Vec::new();
    let written = Answer::Connections.write(
        &mut out,
        RecordWriter::new(&fields),
        &connections,
        &snapshot.losses,
        Some(Stamp::from(&**snapshot)),
    );
    assert!(written.is_ok());
}

fn encode_update_again(update: &Update) {
    if !has_one_netns_each(update.snapshot.connections.iter()) {
        return;
    }
    let mut update = update.clone();
    // An agent whose sources fail adds a loss to each answer.
    update.health.failing = None;
    let query = UpdateQuery { ask: all(), ..UpdateQuery::default() };
    let encoded = encode_update(&update, 7, &query).unwrap_or_else(|error| panic!("{error}"));
    let delta = Decoder::default().decode_update(&encoded).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!((delta.id.serial, delta.since), (7, None));
    let again = delta.apply(None).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(again.instance, update.instance);
    assert_eq!(shown(&again), shown(&update));
}

/// The changes since `before` may be others than those that were received, whose numbers may be wrong; they are
/// changes again, which can be applied.
fn encode_changes_again(update: &Update, before: Arc<Update>) {
    let query = UpdateQuery {
        after: Some(ResumeId::new(&before, 0)),
        ask: all(),
        ..UpdateQuery::default()
    };
    let encoded = encode_update(update, 7, &query).unwrap_or_else(|error| panic!("{error}"));
    let delta = Decoder::default().decode_update(&encoded).unwrap_or_else(|e| panic!("{e}"));
    let has_changes = before.snapshot.sequence <= update.snapshot.sequence;
    assert_eq!(delta.since, has_changes.then_some(before.snapshot.sequence));
    apply(delta, has_changes.then_some(before));
}

/// Everything that surfaces show of an update. Times that have passed since a sample may be in the sample or beside it.
fn shown(update: &Update) -> String {
    let Snapshot { sequence, machine, at, connections, losses } = &*update.snapshot;
    let mut shown = format!("{sequence} {machine:?} {at:?} {losses:?}");
    shown += &format!("{:?} {:?} {:?}", update.transfers, update.files, update.health);
    for connection in connections {
        shown += &format!("\n{:?} {:?}", connection.id(), connection.verdict);
        for field in catalogue() {
            shown += &format!(" {}={:?}", field.name, field.value(connection));
        }
    }
    shown
}

fn encode_events_again(answer: &EventsAnswer) {
    if !has_one_netns_each(answer.events.iter().map(|event| &event.connection)) {
        return;
    }
    let mut log = EventLog::after(answer.id.instance, 0);
    // A log has no gaps.
    let numbered = (1..).zip(&answer.events);
    log.append(numbered.map(|(serial, event)| Arc::new(Event { serial, ..Event::clone(event) })));
    let query = EventsQuery { ask: all(), from: EventsFrom::Oldest, ..EventsQuery::default() };
    let encoded = encode_events(&log, &Update::default(), &query, log.last_serial());
    let encoded = encoded.unwrap_or_else(|error| panic!("{error}"));
    let again = Decoder::default().decode_events(&encoded).unwrap_or_else(|e| panic!("{e}"));
    assert!(!again.has_more && again.losses.is_empty());
    assert_eq!(format!("{:?}", again.events), format!("{:?}", log.iter().collect::<Vec<_>>()));
}

/// Whether no two network namespaces have the same inode: an answer has one of each.
fn has_one_netns_each<'a>(mut connections: impl Iterator<Item = &'a Connection>) -> bool {
    let mut known = HashMap::new();
    connections.all(|connection| {
        let netns = &connection.socket.netns;
        *known.entry(netns.inode).or_insert(netns) == netns
    })
}

fn all() -> Ask {
    Ask { view: View::All, ..Ask::default() }
}

static BEFORE: LazyLock<Snapshot> = LazyLock::new(|| {
    let bytes = include_bytes!("../../corpus/wire/v1/update.bin");
    let update = Decoder::default().decode_update(bytes).and_then(|delta| delta.apply(None));
    let snapshot = Arc::unwrap_or_clone(update.expect("the corpus is an update").snapshot);
    assert!(snapshot.connections.len() >= 3, "the corpus has connections");
    snapshot
});
