//! What crosses between an agent and its clients: nothing is lost on the way, changes lead to the
//! same state as everything does, and no bytes whatsoever do harm.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test says by panicking what went wrong"
)]

#[path = "wire/events.rs"]
mod events;
#[path = "wire/sample.rs"]
mod sample;

use std::sync::Arc;
use std::time::Duration;

use conns_api::{AgentError, Answer, Ask, FORMAT, Interned, Mark, Question, View, WireError, tell};
use conns_core::model::{Connection, Known, Snapshot, TcpInfo, Update};
use conns_core::query::{Field, catalogue};
use proptest::prelude::*;
use sample::{Agent, listener, machine, socket, udp};

fn question(view: View) -> Question {
    Question { ask: Ask { view, ..Ask::default() }, ..Question::default() }
}

fn told(update: &Update, question: &Question) -> Snapshot {
    let bytes = tell(update, question).unwrap();
    Interned::default().decode(&bytes).unwrap().onto(None).unwrap()
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
    Answer::Connections.write_lines(&mut out, &fields, connections).unwrap();
    Answer::Verdicts.write(&mut out, &fields, connections, &[]).unwrap();
    String::from_utf8(out).unwrap()
}

fn ports(snapshot: &Snapshot) -> Vec<u64> {
    snapshot.connections.iter().map(|connection| connection.socket.id.cookie).collect()
}

#[test]
fn everything_arrives() {
    let update = machine();
    let there = told(&update, &question(View::All));
    assert_eq!(format!("{there:?}"), format!("{:?}", *update.snapshot));
    assert_eq!(shown(&there.connections), shown(&update.snapshot.connections));
}

#[test]
fn one_process_is_one_again() {
    let there = told(&machine(), &question(View::All));
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
    assert_eq!(ports(&told(&update, &question(View::Connections))), [1, 2, 5, 6]);
    assert_eq!(ports(&told(&update, &question(View::Listening))), [3, 4]);
    let asked = |change: fn(&mut Ask)| {
        let mut question = question(View::All);
        change(&mut question.ask);
        ports(&told(&update, &question))
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
        let mut question = question(View::All);
        question.ask.namespaces.push(name.to_owned());
        assert_eq!(ports(&told(&update, &question)), expected, "{name}");
    }
}

#[test]
fn a_namespace_that_is_not_there_is_refused_by_name() {
    for (name, reason) in [("red", "of that name"), ("999", "of such a process")] {
        let mut question = question(View::All);
        question.ask.namespaces = vec!["blue".to_owned(), name.to_owned()];
        let Err(AgentError::NotThere(message)) = tell(&machine(), &question) else {
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
    let update = Agent::new().look(sockets, &[(9, 1), (9, 5)]);
    let mut question = question(View::All);
    question.ask.namespaces.push("9".to_owned());
    let refused = tell(&update, &question).unwrap_err().to_string();
    assert!(refused.contains("several namespaces"), "{refused}");
}

/// The looks of an agent while connections come, change, leave the view, and go.
fn looks() -> Vec<Update> {
    let web = |bytes| socket(1, "10.0.0.5:443", "192.0.2.7:51000", bytes);
    let quiet = || socket(2, "10.0.0.5:443", "192.0.2.7:51001", 7);
    let mut closing = quiet();
    closing.state = conns_core::model::State::FinWait2;
    let mut agent = Agent::new();
    let held = &[(100, 1), (100, 2), (100, 3), (200, 4)];
    vec![
        agent.look(vec![web(1), quiet(), listener(3, "0.0.0.0:443")], held),
        agent.look(vec![web(1), quiet(), listener(3, "0.0.0.0:443")], held),
        agent.look(vec![web(9), quiet(), udp(4, "10.0.0.5:53")], held),
        agent.look(vec![socket(6, "10.0.0.5:1", "192.0.2.9:80", 5), web(9), closing], held),
        agent.look(vec![socket(6, "10.0.0.5:1", "192.0.2.9:80", 5)], &[(100, 6)]),
    ]
}

#[test]
fn changes_lead_where_everything_does() {
    let looks = looks();
    for view in [View::All, View::Connections, View::Listening] {
        for (i, first) in looks.iter().enumerate() {
            for update in &looks[i..] {
                let mut interned = Interned::default();
                let all = question(view);
                let before = interned.decode(&tell(first, &all).unwrap()).unwrap();
                let before = Arc::new(before.onto(None).unwrap());
                let after = Question { after: Some(Mark::of(first)), ..all.clone() };
                let delta = interned.decode(&tell(update, &after).unwrap()).unwrap();
                assert_eq!(delta.since, Some(first.snapshot.sequence));
                assert_eq!(delta.mark, Mark::of(update));
                let now = delta.onto(Some(before)).unwrap();
                let whole = told(update, &all);
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
    let looks = looks();
    let mut interned = Interned::default();
    let all = question(View::All);
    let everything = tell(&looks[0], &all).unwrap();
    let before = Arc::new(interned.decode(&everything).unwrap().onto(None).unwrap());
    let mark = Some(Mark::of(&looks[1]));
    let nothing = tell(&looks[1], &Question { after: mark, ..all.clone() }).unwrap();
    assert!(nothing.len() * 5 < everything.len(), "{} {}", nothing.len(), everything.len());
    let after = Question { after: Some(Mark::of(&looks[0])), ..all };
    let update = interned.decode(&tell(&looks[2], &after).unwrap()).unwrap();
    let now = update.onto(Some(Arc::clone(&before))).unwrap();
    let process = |c: &Connection| Arc::clone(&c.owners.value().unwrap()[0].process);
    assert!(Arc::ptr_eq(&process(&now.connections[0]), &process(&before.connections[0])));
}

#[test]
fn time_passes_for_what_did_not_change() {
    let looks = looks();
    let before = Arc::new(told(&looks[1], &question(View::All)));
    let after = Question { after: Some(Mark::of(&looks[1])), ..question(View::All) };
    let update = Interned::default().decode(&tell(&looks[2], &after).unwrap()).unwrap();
    assert_eq!(update.connections.iter().map(|c| c.socket.id.cookie).collect::<Vec<_>>(), [1, 4]);
    let now = update.onto(Some(Arc::clone(&before))).unwrap();
    let quiet = |snapshot: &Snapshot| {
        snapshot.connections.iter().find(|c| c.socket.id.cookie == 2).unwrap().clone()
    };
    let (then, now) = (quiet(&before), quiet(&now));
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
fn whoever_is_too_late_or_elsewhere_gets_everything() {
    let mut update = looks().remove(4);
    update.closed_complete_since = 3;
    let since = |instance, sequence| {
        let after = Some(Mark { instance, sequence });
        let bytes = tell(&update, &Question { after, ..question(View::All) }).unwrap();
        Interned::default().decode(&bytes).unwrap().since
    };
    assert_eq!(since(77, 4), Some(4));
    assert_eq!(since(77, 3), Some(3));
    assert_eq!(since(77, 2), None);
    assert_eq!(since(77, 6), None);
    assert_eq!(since(78, 4), None);
}

#[test]
fn changes_of_another_snapshot_are_refused() {
    let looks = looks();
    let after = Question { after: Some(Mark::of(&looks[1])), ..question(View::All) };
    let update = Interned::default().decode(&tell(&looks[2], &after).unwrap()).unwrap();
    let other = Arc::new(told(&looks[0], &question(View::All)));
    assert_eq!(update.clone().onto(Some(other)).unwrap_err(), WireError::OtherSnapshot);
    assert_eq!(update.onto(None).unwrap_err(), WireError::OtherSnapshot);
}

#[test]
fn a_question_is_due_when_it_is() {
    let looks = looks();
    let mut question = question(View::All);
    assert!(question.is_due(&looks[0]));
    question.after = Some(Mark::of(&looks[0]));
    assert!(!question.is_due(&looks[0]));
    assert!(question.is_due(&looks[1]));
    question = Question { span: Duration::from_secs(2), after: None, ..question };
    assert_eq!(
        looks.iter().map(|b| question.is_due(b)).collect::<Vec<_>>(),
        [false, false, true, true, true]
    );
    question.span = Duration::from_nanos(1);
    assert!(!question.is_due(&looks[0]), "one look shows no stretch of time");
}

#[test]
fn an_agent_that_cannot_look_says_so() {
    let mut update = machine();
    update.health.failing = Some("netlink: out of memory".into());
    let losses = told(&update, &question(View::All)).losses;
    assert_eq!(losses.len(), 2);
    assert!(losses[1].to_string().contains("netlink: out of memory"), "{}", losses[1]);
}

#[test]
fn another_format_is_named() {
    let mut bytes = tell(&machine(), &question(View::All)).unwrap();
    bytes[0] = 9;
    let error = Interned::default().decode(&bytes).unwrap_err();
    assert_eq!(error, WireError::Format { theirs: 9 });
    assert_eq!(
        error.to_string(),
        format!("the agent speaks format 9, this conns {FORMAT}; use the same release")
    );
    bytes[0] = FORMAT as u8;
    bytes[1] = u8::from(cfg!(target_endian = "big"));
    assert_eq!(Interned::default().decode(&bytes).unwrap_err(), WireError::ByteOrder);
}

/// Whoever changes what is sent changes these bytes, and must count `FORMAT` up. Then
/// `CONNS_UPDATE_GOLDEN=1 cargo nextest run -p conns-api` writes them anew.
#[test]
#[cfg(target_endian = "little")]
fn the_format_is_what_its_number_says() {
    let snapshot = tell(&machine(), &question(View::All)).unwrap();
    for (name, bytes) in [("snapshot", snapshot), ("events", events::told_whole())] {
        let path = format!("{}/tests/golden/{name}.format-{FORMAT}", env!("CARGO_MANIFEST_DIR"));
        if std::env::var_os("CONNS_UPDATE_GOLDEN").is_some() {
            std::fs::write(&path, &bytes).unwrap();
        }
        let kept = std::fs::read(&path).unwrap();
        assert!(kept == bytes, "the format of {name} changed: count FORMAT up");
    }
}

/// Bytes that say there are a million of something, and then end.
#[test]
fn what_is_announced_and_does_not_come_costs_nothing() {
    let whole = tell(&machine(), &question(View::All)).unwrap();
    for length in 0..whole.len() {
        assert!(Interned::default().decode(&whole[..length]).is_err(), "{length}");
        // The largest number a varint of ten bytes can hold, as the length of whatever is next.
        let mut bytes = whole[..length].to_vec();
        bytes.extend([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]);
        assert!(Interned::default().decode(&bytes).is_err(), "{length}");
    }
    let mut longer = whole;
    longer.push(0);
    let error = Interned::default().decode(&longer).unwrap_err();
    assert!(error.to_string().contains("1 bytes follow it"), "{error}");
}

#[test]
fn a_rate_that_is_no_number_is_refused() {
    for rate in [f64::NAN, f64::INFINITY, -1.0] {
        let mut update = machine();
        let mut snapshot = Snapshot::clone(&update.snapshot);
        snapshot.connections[1].stats.peaks.in_bytes_per_s = rate;
        update.snapshot = Arc::new(snapshot);
        let bytes = tell(&update, &question(View::All)).unwrap();
        let error = Interned::default().decode(&bytes).unwrap_err();
        assert!(matches!(error, WireError::Malformed { place: 2, .. }), "{error}");
    }
}

/// Whatever arrives is refused, or can be shown and worked with.
fn survives(bytes: &[u8]) {
    let Ok(update) = Interned::default().decode(bytes) else { return };
    let before = update.since.map(|_| Arc::new(told(&looks()[0], &question(View::All))));
    let Ok(snapshot) = update.onto(before) else { return };
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
        let looks = looks();
        let after = is_delta.then(|| Mark::of(&looks[0]));
        let mut bytes = tell(&looks[2], &Question { after, ..question(View::All) }).unwrap();
        // Behind the format and byte order, which would refuse everything else.
        for (place, byte) in changes {
            let place = 2 + place.index(bytes.len() - 2);
            bytes[place] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        survives(&bytes);
    }

    #[test]
    fn noise_does_no_harm(noise in prop::collection::vec(any::<u8>(), 0..400)) {
        let mut bytes = vec![FORMAT as u8, u8::from(cfg!(target_endian = "little"))];
        bytes.extend(noise);
        survives(&bytes);
        events::survives(&bytes);
    }
}

#[test]
fn unknown_stays_unknown() {
    let mut socket = socket(1, "10.0.0.5:443", "192.0.2.7:51000", 0);
    socket.tcp = Known::Unknown(conns_core::model::Unknown::KernelDoesNotTell);
    let update = Agent::new().look(vec![socket], &[]);
    let there = told(&update, &question(View::All));
    assert_eq!(there.connections[0].owners, update.snapshot.connections[0].owners);
    assert!(matches!(there.connections[0].owners, Known::Unknown(_)));
    assert_eq!(there.connections[0].rtt_us(), update.snapshot.connections[0].rtt_us());
}
