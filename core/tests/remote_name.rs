//! Names of remote ends: what DNS answered before a connection was opened, and what the connection itself
//! names.

#![allow(clippy::expect_used, clippy::panic, reason = "tests panic")]

use std::sync::Arc;

use conns_core::decode::registry;
use conns_core::model::{
    Application, Certainty, Connection, ConnectionId, Direction, EventKind, Known, Layer,
    LayerOrigin, LifecycleEvent, LossCause, Moment, Observation, Opened, ResolvedName, Scalar,
    SocketSample, Source, Unknown,
};
use conns_core::query::{Filter, find_field, group};
use conns_core::track::Tracker;
use conns_fixtures::{at, established, tracker, with_cookie};

const REMOTE: &str = "192.0.2.1:443";

fn row(cookie: u64) -> SocketSample {
    with_cookie(cookie, established("10.0.0.1:40000", REMOTE)).into()
}

fn answer(address: &str, name: &str, at: Moment, ttl_s: u32) -> Observation {
    let address = address.parse().expect("an address");
    let name = ResolvedName { address, name: name.into(), at, ttl_s };
    let names = vec![(ConnectionId::of_socket(row(99).id), name)];
    Observation { names, ..Observation::new(Source::Wire, at) }
}

fn rows(cookies: &[u64], now: Moment) -> Observation {
    let rows = cookies.iter().map(|cookie| row(*cookie)).collect();
    Observation::new(Source::SockDiag, now).with_sockets(rows)
}

/// Name and origin.
fn name(connection: &Connection) -> [String; 2] {
    let text = |field| find_field(field).expect("a field").value(connection).plain_text();
    [text("remote_name"), text("remote_name_origin")]
}

fn names(tracker: &mut Tracker, observations: Vec<Observation>) -> Vec<[String; 2]> {
    tracker.apply(observations).connections.iter().map(name).collect()
}

fn dns(name: &str) -> [String; 2] {
    [name.into(), "dns".into()]
}

fn outbound(row: SocketSample, now: Moment) -> LifecycleEvent {
    let opened = Opened {
        at: now,
        handshake_us: Known::Unknown(Unknown::NothingMeasured),
        first_use_us: Known::Unknown(Unknown::NothingMeasured),
        by: Known::Unknown(Unknown::NothingMeasured),
    };
    LifecycleEvent {
        at: now,
        kind: EventKind::Opened,
        socket: row,
        direction: Known::Value(Direction::Outbound, Source::Ebpf),
        opened: Known::Value(Arc::new(opened), Source::Ebpf),
        closed: Known::Unknown(Unknown::NothingMeasured),
    }
}

/// A layer with only this value.
fn layer(protocol: &str, field: &str, value: &str) -> Layer {
    let spec = registry().find(|spec| spec.name == protocol).expect("registered");
    let values = spec.fields.iter().map(|spec| match spec.name == field {
        true => Known::Value(Scalar::Text(value.into()), Source::Wire),
        false => Known::Unknown(Unknown::NothingMeasured),
    });
    Layer {
        protocol: protocol.into(),
        certainty: Certainty::Certain,
        origin: LayerOrigin::Seen,
        since: at(1),
        gap_bytes: 0,
        values: values.collect(),
    }
}

fn carrying(cookie: u64, layers: Vec<Layer>) -> Observation {
    let application = Arc::new(Application { layers: layers.into() });
    let applications = vec![(ConnectionId::of_socket(row(cookie).id), application)];
    Observation { applications, ..Observation::new(Source::Wire, at(3)) }
}

#[test]
fn a_connection_has_the_name_that_was_asked_for_before_it_was_opened() {
    let mut tracker = tracker();
    assert_eq!(name(&tracker.apply(vec![rows(&[1], at(1))]).connections[0]), ["", ""]);
    let first = vec![answer("192.0.2.1", "www.example", at(2), 300), rows(&[1, 2], at(3))];
    assert_eq!(names(&mut tracker, first), [["".into(), "".into()], dns("www.example")]);
    // A later answer names later connections only.
    let second =
        vec![answer("::ffff:192.0.2.1", "other.example", at(4), 1), rows(&[1, 2, 3], at(5))];
    let expected = [["".into(), "".into()], dns("www.example"), dns("other.example")];
    assert_eq!(names(&mut tracker, second), expected);
    // A minute after the TTL it is no longer used, by connections that have it already it is.
    let late = vec![rows(&[3, 4], at(90))];
    assert_eq!(names(&mut tracker, late), [dns("other.example"), ["".into(), "".into()]]);
}

#[test]
fn an_answer_that_is_read_after_the_connection_names_it() {
    let mut tracker = tracker();
    tracker.apply_events(vec![outbound(row(1), at(2))]);
    assert_eq!(name(&tracker.take_events()[0].connection), ["", ""]);
    tracker.apply(vec![rows(&[1], at(3))]);
    let answered = vec![answer("192.0.2.1", "www.example", at(1), 0), rows(&[1], at(4))];
    assert_eq!(names(&mut tracker, answered), [dns("www.example")]);
    tracker.apply_events(vec![outbound(row(2), at(5))]);
    assert_eq!(name(&tracker.take_events()[0].connection), dns("www.example"));
}

#[test]
fn what_a_connection_names_itself_wins() {
    let mut tracker = tracker();
    tracker.apply(vec![answer("192.0.2.1", "dns.example", at(1), 300)]);
    tracker.apply_events((1..5).map(|cookie| outbound(row(cookie), at(2))).collect());
    let tls = || layer("tls", "tls.sni", "sni.example");
    let http = || layer("http", "http.host", "host.example");
    let observations = vec![
        carrying(1, vec![tls()]),
        carrying(2, vec![http(), tls()]),
        carrying(4, vec![layer("smtp", "smtp.banner", "mail.example"), tls()]),
        carrying(3, vec![layer("http", "http.proxied_host", "far.example"), tls()]),
        rows(&[1, 2, 3, 4, 5], at(4)),
    ];
    let snapshot = tracker.apply(observations);
    let shown: Vec<_> = snapshot.connections.iter().map(name).collect();
    let expected = [
        ["sni.example".into(), "sni".into()],
        ["host.example".into(), "host".into()],
        // A proxy is not what is behind it.
        dns("dns.example"),
        // What begins in clear is the same end.
        ["sni.example".into(), "sni".into()],
        dns("dns.example"),
    ];
    assert_eq!(shown, expected);
    let filter = Filter::parse("app == tls and remote_name ~ sni").expect("a filter");
    let matched = snapshot.connections.iter().filter(|c| filter.matches(c)).count();
    assert_eq!(matched, 2);
    let all: Vec<&Connection> = snapshot.connections.iter().collect();
    let groups = group(&all, find_field("remote_name").expect("a field"));
    let groups: Vec<_> = groups.iter().map(|group| (group.key.to_string(), group.count)).collect();
    let expected =
        [("dns.example".into(), 2), ("sni.example".into(), 2), ("host.example".into(), 1)];
    assert_eq!(groups, expected);
}

#[test]
fn the_client_of_a_connection_is_not_named_by_what_it_asks_for() {
    let mut tracker = tracker();
    let inbound = LifecycleEvent {
        direction: Known::Value(Direction::Inbound, Source::Ebpf),
        kind: EventKind::Accepted,
        ..outbound(row(1), at(2))
    };
    tracker.apply_events(vec![inbound]);
    let tls = carrying(1, vec![layer("tls", "tls.sni", "sni.example")]);
    assert_eq!(names(&mut tracker, vec![tls, rows(&[1], at(3))]), [["", ""]]);
}

#[test]
fn names_beyond_the_bound_are_counted_and_make_room_once_they_run_out() {
    let mut tracker = tracker();
    let bound = 65_536;
    let many = |from: u32, now: Moment| {
        let names = (from..from + bound as u32 + 2).map(|number| {
            let [a, b, c, d] = number.to_be_bytes();
            let name: Arc<str> = "many.example".into();
            let resolved = ResolvedName { address: [a, b, c, d].into(), name, at: now, ttl_s: 1 };
            (ConnectionId::of_socket(row(99).id), resolved)
        });
        Observation { names: names.collect(), ..Observation::new(Source::Wire, now) }
    };
    let losses = tracker.apply(vec![many(0, at(10))]).losses;
    let [loss] = &losses[..] else { panic!("{losses:?}") };
    assert_eq!((loss.count, &loss.cause), (2, &LossCause::NamesFull { bound }));
    let later = tracker.apply(vec![many(1 << 24, at(80))]).losses;
    assert_eq!(later.len(), 1);
    let fresh = vec![answer("192.0.2.1", "www.example", at(150), 9), rows(&[1], at(151))];
    assert_eq!(names(&mut tracker, fresh), [dns("www.example")]);
}

#[test]
fn the_client_of_quic_is_known_where_the_direction_is_not() {
    let quic = |is_client: bool| {
        let mut quic = layer("quic", "quic.sni", "quic.example");
        let spec = registry().find(|spec| spec.name == "quic").expect("registered");
        let index = spec.fields.iter().position(|field| field.name == "quic.is_client");
        quic.values[index.expect("a field")] = Known::Value(Scalar::Bool(is_client), Source::Wire);
        quic
    };
    let mut tracker = tracker();
    let observations =
        vec![carrying(1, vec![quic(true)]), carrying(2, vec![quic(false)]), rows(&[1, 2], at(4))];
    let mut snapshot = tracker.apply(observations);
    for connection in &mut snapshot.connections {
        connection.direction = Known::Unknown(Unknown::BeganBefore);
    }
    let shown: Vec<_> = snapshot.connections.iter().map(name).collect();
    assert_eq!(shown, [["quic.example".to_owned(), "sni".to_owned()], ["".into(), "".into()]]);
}
