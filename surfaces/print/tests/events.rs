//! Lines of the event log, and the columns of closed connections.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[allow(dead_code, reason = "a machine for the tests of the wire; some of it is enough here")]
#[path = "../../api/tests/wire/sample.rs"]
mod sample;

use std::sync::Arc;

use conns_core::model::{
    CloseReason, Closer, Connection, Direction, Event, EventKind, Known, Netns, Opened, Unknown,
};
use conns_fixtures::known;
use conns_print::{EventTime, Layout, Names, Palette, closed_columns, event_line, list};
use sample::eventful;

fn line(event: &Event) -> String {
    let mut out = Vec::new();
    event_line(&mut out, Palette::new(false), &EventTime::Utc, event, &Names::default()).unwrap();
    String::from_utf8(out).unwrap()
}

/// The event of this kind of the connection with cookie 1 or 5.
fn event(kind: EventKind) -> Event {
    let update = eventful(1..=4);
    let event = update.events().into_iter().find(|event| event.kind == kind).unwrap();
    Event::clone(&event)
}

fn change_opened(connection: &mut Connection, change: impl FnOnce(&mut Opened)) {
    let Known::Value(opened, _) = &mut connection.opened else { panic!("it was opened") };
    change(Arc::make_mut(opened));
}

#[test]
fn a_terminal_shows_local_time() {
    let zone = jiff::tz::TimeZone::fixed(jiff::tz::offset(2));
    let mut out = Vec::new();
    let opened = event(EventKind::Opened);
    let time = EventTime::Local(zone);
    event_line(&mut out, Palette::new(false), &time, &opened, &Names::default()).unwrap();
    let line = String::from_utf8(out).unwrap();
    assert!(line.starts_with("2023-11-15 00:13:20.004000 opened "), "{line}");
}

#[test]
fn each_kind_has_its_own_details() {
    let mut opened = event(EventKind::Opened);
    opened.connection.direction = known(Direction::Outbound);
    assert_eq!(
        line(&opened),
        "2023-11-14T22:13:20.004000Z opened   p100(100) 10.0.0.5:443 -> 192.0.2.7:51000 \
         handshake 1.2ms\n"
    );
    let mut accepted = event(EventKind::Accepted);
    accepted.connection.direction = known(Direction::Inbound);
    accepted.connection.socket.netns = Arc::new(Netns::new(7, Some("blue"), false));
    change_opened(&mut accepted.connection, |opened| opened.first_use_us = known(3000));
    assert_eq!(
        line(&accepted),
        "2023-11-14T22:13:20.001000Z accepted p300(300) [2001:db8::1]:22 <- [2001:db8::2]:40000 in \
         blue \
         first used 3ms after the handshake\n"
    );
    let mut closed = event(EventKind::Closed);
    closed.connection.direction = Known::Unknown(Unknown::Ambiguous);
    if let Known::Value(closed, _) = &mut closed.connection.closed {
        (closed.how, closed.first_closer) = (CloseReason::Fin, known(Closer::Remote));
    }
    assert_eq!(
        line(&closed),
        "2023-11-14T22:13:20.002000Z closed   p100(100) 10.0.0.5:443 -- 192.0.2.7:51000 \
         by remote, fin, 1kB out, 0B in, 4s\n"
    );
    let failed = event(EventKind::Failed);
    assert!(line(&failed).ends_with(" error 113 after 4s\n"), "{}", line(&failed));
}

#[test]
fn unknown_details_are_marked_or_omitted() {
    let mut opened = event(EventKind::Opened);
    change_opened(&mut opened.connection, |opened| {
        opened.handshake_us = Known::Unknown(Unknown::SourceDoesNotReport);
    });
    opened.connection.owners = Known::Unknown(Unknown::NoOwnerFound);
    assert!(line(&opened).ends_with(" 192.0.2.7:51000\n"), "{}", line(&opened));
    assert!(line(&opened).contains(" opened   ? 10.0.0.5:443 "), "{}", line(&opened));
    let mut closed = event(EventKind::Closed);
    closed.connection.closed = Known::Unknown(Unknown::SourceDoesNotReport);
    assert!(line(&closed).contains(" close reason unknown, 1kB out, "), "{}", line(&closed));
    closed.connection.socket.tcp = Known::Unknown(Unknown::SourceDoesNotReport);
    assert!(line(&closed).ends_with(" ? out, ? in\n"), "{}", line(&closed));
}

#[test]
fn a_name_with_control_characters_cannot_forge_a_line() {
    let mut opened = event(EventKind::Opened);
    let Known::Value(owners, _) = &opened.connection.owners else { panic!("it has owners") };
    let mut owner = owners[0].clone();
    Arc::make_mut(&mut owner.process).name = "a\n\u{1b}[31mb".into();
    opened.connection.owners = known(vec![owner].into());
    let line = line(&opened);
    assert_eq!(line.matches(|c: char| c.is_control()).count(), 1, "{line:?}");
}

#[test]
fn closed_connections_have_their_own_columns() {
    let update = eventful(1..=4);
    let events = update.events();
    let closed: Vec<&Connection> = events
        .iter()
        .filter(|event| event.kind == EventKind::Closed)
        .map(|event| &event.connection)
        .collect();
    let mut out = Vec::new();
    let layout = Layout { width: None, header: true, palette: Palette::new(false) };
    let columns = closed_columns(false, &closed);
    list(&mut out, layout, &columns, &closed, &Names::default()).unwrap();
    let text = String::from_utf8(out).unwrap();
    let mut rows = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let titles = "PROCESS PID LOCAL REMOTE DIRECTION DURATION BYTES-OUT BYTES-IN TOTAL-RETRANS \
                  CLOSED-BY ENDED";
    assert_eq!(rows.next().unwrap().join(" "), titles);
    let row = rows.next().unwrap();
    assert_eq!(row[..4], ["p100", "100", "10.0.0.5:443", "192.0.2.7:51000"]);
    assert_eq!(row[5..], ["4s", "1kB", "0B", "0", "?", "error"]);
    assert_eq!(rows.next(), None);
}
