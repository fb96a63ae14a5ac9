//! What crosses between an agent and its clients: nothing is lost on the way, changes lead to the
//! same state as everything does, and no bytes do harm.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "wire/events.rs"]
mod events;
#[path = "wire/replica.rs"]
mod replica;
#[path = "wire/sample.rs"]
mod sample;
#[path = "wire/versions.rs"]
mod versions;

use std::sync::Arc;

use conns_api::{
    AgentError, Answer, Ask, Decoder, RecordWriter, ResumeId, UpdateDelta, UpdateQuery, View,
    WireError, encode_update,
};
use conns_core::model::{
    Class, Connection, Known, Snapshot, Source, TcpInfo, TcpInfoBuilder, Unknown, Update,
};
use conns_core::query::{Field, Value, catalogue, find_field};
use proptest::prelude::*;
use sample::{Agent, everything, listener, machine, socket, udp};

pub(crate) fn query(view: View) -> UpdateQuery {
    UpdateQuery { ask: Ask { view, ..Ask::default() }, ..UpdateQuery::default() }
}

fn behind(update: &Update) -> Option<ResumeId> {
    Some(ResumeId::new(update, 0))
}

fn encode(update: &Update, query: &UpdateQuery) -> Result<Vec<u8>, AgentError> {
    encode_update(update, 0, query)
}

fn decode(bytes: &[u8]) -> Result<UpdateDelta, WireError> {
    Decoder::default().decode_update(bytes)
}

fn received(update: &Update, query: &UpdateQuery) -> Update {
    decode(&encode(update, query).unwrap()).unwrap().apply(None).unwrap()
}

fn received_snapshot(update: &Update, query: &UpdateQuery) -> Arc<Snapshot> {
    received(update, query).snapshot
}

/// Everything that is shown of connections, ordered by their cookie.
fn shown<'a>(connections: impl IntoIterator<Item = &'a Connection>) -> String {
    let mut connections: Vec<&Connection> = connections.into_iter().collect();
    connections.sort_by_key(|connection| connection.socket.id.cookie);
    write(&connections)
}

fn write(connections: &[&Connection]) -> String {
    let fields: Vec<&Field> = catalogue().iter().collect();
    let mut out = Vec::new();
    Answer::Connections.write_lines(&mut out, RecordWriter::new(&fields), connections).unwrap();
    Answer::Verdicts.write(&mut out, RecordWriter::new(&fields), connections, &[], None).unwrap();
    String::from_utf8(out).unwrap()
}

fn ports(snapshot: &Snapshot) -> Vec<u64> {
    snapshot.connections.iter().map(|connection| connection.socket.id.cookie).collect()
}

#[test]
fn everything_arrives() {
    let update = everything();
    let all = received(&update, &query(View::All));
    let there = &all.snapshot;
    assert_eq!(format!("{there:?}"), format!("{:?}", update.snapshot));
    assert_eq!(all.transfers, update.transfers);
    assert_eq!(all.files, update.files);
    assert_eq!(format!("{:?}", all.health), format!("{:?}", update.health));
    assert_eq!(shown(&there.connections), shown(&update.snapshot.connections));
}

/// A connection of which the round trip time alone is known, as on Windows.
#[test]
fn what_is_unknown_of_a_tcp_info_stays_so() {
    let mut tcp = TcpInfoBuilder::default();
    tcp.rtt(20_000);
    let mut row = socket(1, "10.0.0.5:443", "192.0.2.7:51000", 1000);
    row.tcp = Known::Value(tcp.build(), Source::Portable);
    for age_ms in [0, 250] {
        let mut row = row.clone();
        row.advance(age_ms);
        let update = Agent::new().update(vec![row], &[]);
        let there = received_snapshot(&update, &query(View::All));
        let connection = &there.connections[0];
        assert_eq!(connection.rtt_us(), Known::Value(20_000, Source::Portable));
        let unknown = Known::Unknown(Unknown::SourceDoesNotReport);
        assert_eq!((connection.bytes_out(), connection.bytes_in()), (unknown, unknown));
        assert_eq!(connection.verdict.class, Class::Unknown);
        assert_eq!(shown(&there.connections), shown(&update.snapshot.connections));
    }
}

/// The layer of TLS in the sample has a number where the ALPN is text, as another version may.
#[test]
fn a_value_of_another_kind_than_its_field_is_unknown() {
    let update = received(&everything(), &query(View::All));
    let layered = update.snapshot.connections.iter().find(|c| c.application.value().is_some());
    let value = |name| find_field(name).unwrap().value(layered.unwrap());
    assert_eq!(value("tls.alpn"), Value::Unknown(Unknown::SourceDoesNotReport));
    assert_eq!(value("tls.sni"), Value::text("example.org"));
}

#[test]
fn one_process_is_one_again() {
    let there = received_snapshot(&machine(), &query(View::All));
    let process = |at: usize| &there.connections[at].owners.value().unwrap()[0].process;
    assert!(Arc::ptr_eq(process(0), process(1)));
    assert!(Arc::ptr_eq(process(0), process(2)));
    let netns = |at: usize| &there.connections[at].socket.netns;
    assert!(Arc::ptr_eq(netns(0), netns(3)));
    assert!(!Arc::ptr_eq(netns(0), netns(4)));
    let algorithm = |at: usize| &there.connections[at].socket.congestion.value().unwrap().algorithm;
    assert!(Arc::ptr_eq(algorithm(0), algorithm(4)));
}

#[test]
fn only_what_was_asked_for_crosses() {
    let update = machine();
    assert_eq!(ports(&received_snapshot(&update, &query(View::Connections))), [1, 2, 5, 6]);
    assert_eq!(ports(&received_snapshot(&update, &query(View::Listening))), [3, 4]);
    let asked = |change: fn(&mut Ask)| {
        let mut query = query(View::All);
        change(&mut query.ask);
        ports(&received_snapshot(&update, &query))
    };
    assert_eq!(asked(|ask| ask.tcp = false), [4]);
    assert_eq!(asked(|ask| ask.udp = false), [1, 2, 3, 5, 6]);
    assert_eq!(asked(|ask| ask.ipv4 = false), [5]);
    assert_eq!(asked(|ask| ask.ipv6 = false), [1, 2, 3, 4, 6]);
    for (name, expected) in [
        ("blue", &[5][..]),
        ("/run/netns/blue", &[5]),
        ("4026532999", &[5]),
        ("300", &[5]),
        ("/proc/300/ns/net", &[5]),
        ("net:[4026531840]", &[1, 2, 3, 4, 6]),
        ("100", &[1, 2, 3, 4, 6]),
    ] {
        let mut query = query(View::All);
        query.ask.namespaces.push(name.to_owned());
        assert_eq!(ports(&received_snapshot(&update, &query)), expected, "{name}");
    }
}

#[test]
fn a_namespace_that_is_not_there_is_refused_by_name() {
    for (name, reason) in [("red", "of that name"), ("999", "of such a process")] {
        let mut query = query(View::All);
        query.ask.namespaces = vec!["blue".to_owned(), name.to_owned()];
        let Err(AgentError::NotThere(message)) = encode(&machine(), &query) else {
            panic!("{name} was found");
        };
        assert!(message.contains(&format!("`{name}`")) && message.contains(reason), "{message}");
        assert!(message.ends_with("Known to the agent: net:[4026531840], blue"), "{message}");
    }
    // A process with sockets in both.
    let sockets = vec![
        socket(1, "10.0.0.5:443", "192.0.2.7:51000", 1000),
        socket(5, "[2001:db8::1]:22", "[2001:db8::2]:40000", 5),
    ];
    let update = Agent::new().update(sockets, &[(9, 1), (9, 5)]);
    let mut query = query(View::All);
    query.ask.namespaces.push("9".to_owned());
    let refused = encode(&update, &query).unwrap_err().to_string();
    assert!(refused.contains("several namespaces"), "{refused}");
}

/// The updates of an agent while connections come, change, leave the view, and go.
fn updates() -> Vec<Update> {
    let web = |bytes| socket(1, "10.0.0.5:443", "192.0.2.7:51000", bytes);
    let quiet = || socket(2, "10.0.0.5:443", "192.0.2.7:51001", 7);
    let mut closing = quiet();
    closing.state = conns_core::model::State::TimeWait;
    let mut agent = Agent::new();
    let held = &[(100, 1), (100, 2), (100, 3), (200, 4)];
    vec![
        agent.update(vec![web(1), quiet(), listener(3, "0.0.0.0:443")], held),
        agent.update(vec![web(1), quiet(), listener(3, "0.0.0.0:443")], held),
        agent.update(vec![web(9), quiet(), udp(4, "10.0.0.5:53")], held),
        agent.update(vec![socket(6, "10.0.0.5:1", "192.0.2.9:80", 5), web(9), closing], held),
        agent.update(vec![socket(6, "10.0.0.5:1", "192.0.2.9:80", 5)], &[(100, 6)]),
    ]
}

#[test]
fn changes_lead_where_everything_does() {
    let updates = updates();
    for view in [View::All, View::Connections, View::Listening] {
        for (i, first) in updates.iter().enumerate() {
            for update in &updates[i..] {
                let mut decoder = Decoder::default();
                let all = query(view);
                let before = decoder.decode_update(&encode(first, &all).unwrap()).unwrap();
                let before = Arc::new(before.apply(None).unwrap());
                let after = UpdateQuery { after: behind(first), ..all.clone() };
                let delta = decoder.decode_update(&encode(update, &after).unwrap()).unwrap();
                assert_eq!(delta.since, Some(first.snapshot.sequence));
                assert_eq!(delta.id, ResumeId::new(update, 0));
                let now = delta.apply(Some(before)).unwrap().snapshot;
                let whole = received_snapshot(update, &all);
                let ids = |snapshot: &Snapshot| {
                    let mut ids = ports(snapshot);
                    ids.sort_unstable();
                    ids
                };
                assert_eq!(ids(&now), ids(&whole), "{view:?} {i}");
                assert_eq!((now.sequence, now.at), (whole.sequence, whole.at));
                assert_eq!(format!("{:?}", now.losses), format!("{:?}", whole.losses));
                let states = |snapshot: &Snapshot| {
                    let mut all: Vec<_> = snapshot
                        .connections
                        .iter()
                        .map(|c| (c.socket.id.cookie, c.socket.state, c.bytes_out().get()))
                        .collect();
                    all.sort_unstable_by_key(|(cookie, ..)| *cookie);
                    all
                };
                assert_eq!(states(&now), states(&whole));
            }
        }
    }
}

#[test]
fn changes_are_smaller_and_share_processes_with_what_was_there() {
    let updates = updates();
    let mut decoder = Decoder::default();
    let all = query(View::All);
    let everything = encode(&updates[0], &all).unwrap();
    let before = Arc::new(decoder.decode_update(&everything).unwrap().apply(None).unwrap());
    let after = behind(&updates[1]);
    let nothing = encode(&updates[1], &UpdateQuery { after, ..all.clone() }).unwrap();
    assert!(nothing.len() * 5 < everything.len(), "{} {}", nothing.len(), everything.len());
    let after = UpdateQuery { after: behind(&updates[0]), ..all };
    let update = decoder.decode_update(&encode(&updates[2], &after).unwrap()).unwrap();
    let now = update.apply(Some(Arc::clone(&before))).unwrap().snapshot;
    let process = |c: &Connection| Arc::clone(&c.owners.value().unwrap()[0].process);
    assert!(Arc::ptr_eq(&process(&now.connections[0]), &process(&before.snapshot.connections[0])));
}

#[test]
fn time_passes_for_what_did_not_change() {
    let updates = updates();
    let before = Arc::new(received(&updates[1], &query(View::All)));
    let after = UpdateQuery { after: behind(&updates[1]), ..query(View::All) };
    let update = decode(&encode(&updates[2], &after).unwrap()).unwrap();
    assert_eq!(update.connections.iter().map(|c| c.socket.id.cookie).collect::<Vec<_>>(), [1, 4]);
    let now = update.apply(Some(Arc::clone(&before))).unwrap().snapshot;
    let quiet = |snapshot: &Snapshot| {
        snapshot.connections.iter().find(|c| c.socket.id.cookie == 2).unwrap().clone()
    };
    let (then, now) = (quiet(&before.snapshot), quiet(&now));
    let ms = |connection: &Connection| {
        let (sent, received) = (TcpInfo::last_data_sent, TcpInfo::last_data_recv);
        [sent, received, TcpInfo::last_ack_recv].map(|read| connection.socket.since(read).unwrap())
    };
    assert_eq!((ms(&then), ms(&now)), ([1500, 2500, 900], [2500, 3500, 1900]));
    // Its age is known, as nothing was received since it was established.
    let age = |connection: &Connection| connection.stats.age_us.get().unwrap();
    assert_eq!(age(&now), age(&then) + 1_000_000);
    assert_eq!(then.tcp().unwrap().rtt(), now.tcp().unwrap().rtt());
}

#[test]
fn a_client_that_is_late_or_of_another_instance_gets_everything() {
    let mut update = updates().remove(4);
    update.closed_complete_since = 3;
    let since = |instance, sequence| {
        let after = Some(ResumeId { instance, sequence, serial: 9 });
        let bytes = encode(&update, &UpdateQuery { after, ..query(View::All) }).unwrap();
        decode(&bytes).unwrap().since
    };
    assert_eq!(since(77, 4), Some(4));
    assert_eq!(since(77, 3), Some(3));
    assert_eq!(since(77, 2), None);
    assert_eq!(since(77, 6), None);
    assert_eq!(since(78, 4), None);
}

#[test]
fn changes_of_another_snapshot_are_refused() {
    let updates = updates();
    let after = UpdateQuery { after: behind(&updates[1]), ..query(View::All) };
    let update = decode(&encode(&updates[2], &after).unwrap()).unwrap();
    let other = Arc::new(received(&updates[0], &query(View::All)));
    assert_eq!(update.clone().apply(Some(other)).unwrap_err(), WireError::OtherSnapshot);
    assert_eq!(update.apply(None).unwrap_err(), WireError::OtherSnapshot);
}

#[test]
fn a_query_is_due_when_there_is_a_newer_snapshot() {
    let updates = updates();
    let mut query = query(View::All);
    assert!(query.is_due(&updates[0]));
    query.after = behind(&updates[0]);
    assert!(!query.is_due(&updates[0]));
    assert!(query.is_due(&updates[1]));
    assert!(query.is_due(&Update { instance: 78, ..updates[0].clone() }));
}

#[test]
fn an_update_has_how_long_the_machine_was_observed() {
    let seconds =
        |update: &Update| conns_api::observed(&received(update, &query(View::All))).as_secs();
    assert_eq!(updates().iter().map(seconds).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
}

#[test]
fn what_closed_is_sent_with_its_last_state_and_what_left_the_view_by_its_id() {
    let updates = updates();
    let delta = |view| {
        let after = UpdateQuery { after: behind(&updates[2]), ..query(view) };
        decode(&encode(&updates[3], &after).unwrap()).unwrap()
    };
    let closed = |delta: &UpdateDelta| -> Vec<u64> {
        delta.closed.iter().map(|closed| closed.connection.socket.id.cookie).collect()
    };
    let removed = |delta: &UpdateDelta| -> Vec<u64> {
        delta.removed.iter().map(|id| id.socket.cookie).collect()
    };
    let all = delta(View::All);
    assert_eq!((closed(&all), removed(&all)), (vec![4], vec![]));
    let connections = delta(View::Connections);
    assert_eq!((closed(&connections), removed(&connections)), (vec![], vec![2, 4]));
    let update = all.apply(Some(Arc::new(received(&updates[2], &query(View::All))))).unwrap();
    let sequence = updates[2].snapshot.sequence;
    let changes = update.changes_since(sequence).unwrap();
    assert_eq!((changes.opened.len(), changes.closed.len()), (1, 1));
}

#[test]
fn a_failing_agent_is_a_loss() {
    let mut update = machine();
    update.health.failing = Some("netlink: out of memory".into());
    let losses = received_snapshot(&update, &query(View::All)).losses.clone();
    assert_eq!(losses.len(), 2);
    assert!(losses[1].to_string().contains("netlink: out of memory"), "{}", losses[1]);
}

/// Bytes that announce more than follows.
#[test]
fn what_is_announced_and_does_not_follow_is_refused() {
    let whole = encode(&everything(), &query(View::All)).unwrap();
    for length in 0..whole.len() {
        assert!(decode(&whole[..length]).is_err(), "{length}");
        // The largest number a varint of ten bytes can hold, as the length of whatever is next.
        let mut bytes = whole[..length].to_vec();
        bytes.extend([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]);
        assert!(decode(&bytes).is_err(), "{length}");
    }
    let mut longer = whole;
    longer.push(0);
    let error = decode(&longer).unwrap_err();
    assert!(error.to_string().contains("1 bytes follow it"), "{error}");
}

#[test]
fn a_rate_that_is_no_number_is_refused() {
    for rate in [f64::NAN, f64::INFINITY, -1.0] {
        let mut update = machine();
        let mut snapshot = Snapshot::clone(&update.snapshot);
        snapshot.connections[1].stats.peaks.in_bytes_per_s = rate;
        update.snapshot = Arc::new(snapshot);
        let bytes = encode(&update, &query(View::All)).unwrap();
        let error = decode(&bytes).unwrap_err();
        assert!(matches!(error, WireError::Malformed { place: 2, .. }), "{error}");
    }
}

#[test]
fn a_confidence_above_100_percent_is_refused() {
    let with_confidence = |percent| {
        let mut update = machine();
        let mut snapshot = Snapshot::clone(&update.snapshot);
        snapshot.connections[1].verdict.confidence_percent = percent;
        update.snapshot = Arc::new(snapshot);
        decode(&encode(&update, &query(View::All)).unwrap())
    };
    assert!(with_confidence(100).is_ok());
    let error = with_confidence(101).unwrap_err();
    assert!(matches!(error, WireError::Malformed { place: 2, .. }), "{error}");
}

/// Bytes are refused, or become something that can be shown and worked with.
fn survives(bytes: &[u8]) {
    let Ok(update) = decode(bytes) else { return };
    let before = update.since.map(|_| Arc::new(received(&updates()[0], &query(View::All))));
    let Ok(Update { snapshot, .. }) = update.apply(before) else { return };
    let connections: Vec<&Connection> = snapshot.connections.iter().collect();
    assert!(!write(&connections).is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn mutated_answers_do_no_harm(
        is_delta in any::<bool>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let updates = updates();
        let after = is_delta.then(|| ResumeId::new(&updates[0], 0));
        let mut bytes = encode(&updates[2], &UpdateQuery { after, ..query(View::All) }).unwrap();
        // Behind the versions and the byte order, which would refuse everything else.
        for (place, byte) in changes {
            let place = 3 + place.index(bytes.len() - 3);
            bytes[place] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        survives(&bytes);
    }

    #[test]
    fn noise_does_no_harm(noise in prop::collection::vec(any::<u8>(), 0..400)) {
        let mut bytes = vec![1, 0, u8::from(cfg!(target_endian = "little"))];
        bytes.extend(noise);
        survives(&bytes);
        events::survives(&bytes);
    }
}

#[test]
fn unknown_stays_unknown() {
    let mut socket = socket(1, "10.0.0.5:443", "192.0.2.7:51000", 0);
    socket.tcp = Known::Unknown(conns_core::model::Unknown::KernelDoesNotReport);
    let update = Agent::new().update(vec![socket], &[]);
    let there = received_snapshot(&update, &query(View::All));
    assert_eq!(there.connections[0].owners, update.snapshot.connections[0].owners);
    assert!(matches!(there.connections[0].owners, Known::Unknown(_)));
    assert_eq!(there.connections[0].rtt_us(), update.snapshot.connections[0].rtt_us());
}
