//! Lifecycle events in the tracker, with moments made by the tests: what it publishes, and what later
//! samples show of them.

use std::sync::Arc;

use conns_core::model::{
    Class, CloseReason, Closed, Closer, Connection, Direction, Event, EventKind, Known,
    LifecycleEvent, Moment, Observation, Opened, Process, Snapshot, SocketId, SocketSample, Source,
    State, Subject, Unknown,
};
use conns_core::track::Tracker;
use conns_fixtures::{Tcp, established, ms, owner_table, process, tracker, with_cookie};

fn reported<T>(value: T) -> Known<T> {
    Known::Value(value, Source::Ebpf)
}

/// A socket with this cookie (and inode), and payload bytes sent.
fn socket(cookie: u64, state: State, sent: u64) -> SocketSample {
    let (bytes_sent, bytes_received) = (sent, 1);
    let tcp = Tcp { rtt_us: 1000, data_segs_out: 10, bytes_sent, bytes_received, ..Tcp::ZERO };
    let mut socket = with_cookie(cookie, established("10.0.0.1:40000", "10.0.0.2:443"));
    (socket.state, socket.tcp) = (state, Tcp { is_app_limited: true, ..tcp }.known());
    if state == State::TimeWait {
        socket.inode = Known::NotApplicable;
        socket.tcp = Known::NotApplicable;
    }
    socket.into()
}

fn id(cookie: u64) -> SocketId {
    socket(cookie, State::Established, 0).id
}

fn curl() -> Arc<Process> {
    let uid = Known::Unknown(Unknown::SourceDoesNotReport);
    Arc::new(Process { uid, ..process(77, "curl") })
}

fn opened_details(at: Moment, by: Known<Arc<Process>>) -> Known<Arc<Opened>> {
    let (handshake_us, first_use_us) = (reported(900), Known::Unknown(Unknown::NothingMeasured));
    reported(Arc::new(Opened { at, handshake_us, first_use_us, by }))
}

fn opened(cookie: u64, at: Moment) -> LifecycleEvent {
    LifecycleEvent {
        at,
        kind: EventKind::Opened,
        socket: socket(cookie, State::Established, 0),
        direction: reported(Direction::Inbound),
        opened: opened_details(at, reported(curl())),
        closed: Known::NotApplicable,
    }
}

/// The closed event of a connection; `from` is when it was opened, if an event reported that.
fn closed(cookie: u64, from: Option<Moment>, at: Moment, sent: u64) -> LifecycleEvent {
    let unknown = Known::Unknown(Unknown::SourceDoesNotReport);
    let duration = from.map(|from| reported(at.monotonic_us - from.monotonic_us));
    LifecycleEvent {
        at,
        kind: EventKind::Closed,
        socket: socket(cookie, State::Close, sent),
        direction: from.map_or(unknown, |_| reported(Direction::Inbound)),
        opened: from.map_or(Known::Unknown(Unknown::SourceDoesNotReport), |from| {
            opened_details(from, reported(curl()))
        }),
        closed: ended(at, duration, CloseReason::Fin),
    }
}

fn ended(at: Moment, duration: Option<Known<u64>>, how: CloseReason) -> Known<Closed> {
    let duration_us = duration.unwrap_or(Known::Unknown(Unknown::SourceDoesNotReport));
    let first_closer = reported(Closer::Local);
    reported(Closed { at, duration_us, how, first_closer, fin_received: true })
}

fn apply_events(tracker: &mut Tracker, lifecycle_events: Vec<LifecycleEvent>) -> Vec<Arc<Event>> {
    tracker.apply_events(lifecycle_events);
    tracker.take_events()
}

fn sample_of(tracker: &mut Tracker, sockets: Vec<SocketSample>, at: Moment) -> Snapshot {
    let rows =
        Observation::new(Source::SockDiag, at).with_sockets(sockets).with_owners(Arc::default());
    tracker.apply(vec![rows])
}

fn only(snapshot: &Snapshot) -> &Connection {
    assert_eq!(snapshot.connections.len(), 1);
    &snapshot.connections[0]
}

/// Pid and descriptor of every owner.
fn owners_of(connection: &Connection) -> Option<Vec<(u32, Option<u32>)>> {
    let owners = connection.owners.value()?;
    Some(owners.iter().map(|h| (h.process.pid, h.descriptor)).collect())
}

#[test]
fn a_connection_between_two_samples_has_all_its_details_in_its_events() {
    let mut tracker = tracker();
    sample_of(&mut tracker, vec![], ms(1000));
    let events = apply_events(
        &mut tracker,
        vec![opened(1, ms(1500)), closed(1, Some(ms(1500)), ms(1502), 5000)],
    );
    let kinds: Vec<_> = events.iter().map(|e| (e.serial, e.at, e.kind)).collect();
    assert_eq!(kinds, [(1, ms(1500), EventKind::Opened), (2, ms(1502), EventKind::Closed)]);
    for event in &events {
        let c = &event.connection;
        assert_eq!(owners_of(c), Some(vec![(77, None)]));
        assert_eq!(c.direction, reported(Direction::Inbound));
        assert_eq!(c.opened.value().unwrap().at, ms(1500));
        assert_eq!((c.stats.serial, c.stats.first_seen), (1, ms(1500)));
    }
    let [first, last] = &events[..] else { panic!("{events:?}") };
    assert_eq!(first.connection.closed, Known::NotApplicable);
    assert_eq!(first.connection.verdict.class, Class::Unknown);
    assert_eq!(last.connection.closed.get().unwrap().how, CloseReason::Fin);
    assert_eq!(last.connection.stats.age_us, reported(2000));
    assert_eq!(last.connection.bytes_out().get(), Some(5000));
    // The peer's FIN counts as a byte, and is none.
    assert_eq!(last.connection.bytes_in().get(), Some(0));
    assert_eq!(last.connection.verdict.class, Class::Healthy);
    let after = sample_of(&mut tracker, vec![], ms(2000));
    assert!(after.connections.is_empty() && tracker.removed().is_empty());
}

#[test]
fn a_sampled_connection_keeps_its_serial_and_is_removed_with_its_final_event() {
    let mut tracker = tracker();
    sample_of(&mut tracker, vec![socket(9, State::Established, 0)], ms(0));
    let first = apply_events(&mut tracker, vec![opened(1, ms(500))]);
    let seen = sample_of(&mut tracker, vec![socket(1, State::Established, 100)], ms(1000));
    let seen = only(&seen).clone();
    assert_eq!(seen.stats.serial, first[0].connection.stats.serial);
    assert_eq!((seen.stats.first_seen, seen.stats.first_sequence), (ms(500), 2));
    assert_eq!(seen.stats.age_us, reported(500_000));
    assert_eq!(seen.opened.value().unwrap().at, ms(500));
    assert_eq!(seen.closed, Known::NotApplicable);
    assert_eq!(owners_of(&seen), Some(vec![(77, None)]));
    // 100 bytes since the sample before, which did not have it.
    assert_eq!(seen.stats.rates.get().unwrap().out_bytes_per_s, 100.0);

    let last = apply_events(&mut tracker, vec![closed(1, Some(ms(500)), ms(1700), 999)]);
    let c = &last[0].connection;
    assert_eq!((c.stats.serial, c.stats.first_seen), (seen.stats.serial, ms(500)));
    assert_eq!((c.stats.age_us, c.bytes_out().get()), (reported(1_200_000), Some(999)));

    let ended = sample_of(&mut tracker, vec![socket(1, State::TimeWait, 0)], ms(2000));
    let ended = only(&ended).clone();
    assert!(tracker.removed().is_empty());
    assert_eq!(ended.stats.serial, seen.stats.serial);
    assert_eq!(ended.closed.get().unwrap().at, ms(1700));
    assert_eq!(ended.direction, reported(Direction::Inbound));
    assert_eq!((ended.stats.changed_sequence, ended.owners), (3, Known::NotApplicable));

    sample_of(&mut tracker, vec![], ms(62_000));
    let [removed] = tracker.removed() else { panic!("{:?}", tracker.removed()) };
    assert_eq!((removed.id, removed.closed.get().unwrap().at), (id(1), ms(1700)));
    let last = removed.final_event.as_ref().unwrap();
    assert_eq!(last.connection.bytes_out().get(), Some(999));
    sample_of(&mut tracker, vec![], ms(63_000));
    assert!(tracker.removed().is_empty());
}

#[test]
fn time_wait_of_a_connection_never_sampled_open_has_its_events() {
    let mut tracker = tracker();
    sample_of(&mut tracker, vec![], ms(0));
    let events =
        apply_events(&mut tracker, vec![opened(1, ms(500)), closed(1, Some(ms(500)), ms(501), 7)]);
    let row = sample_of(&mut tracker, vec![socket(1, State::TimeWait, 0)], ms(1000));
    let row = only(&row);
    assert_eq!(row.stats.serial, events[0].connection.stats.serial);
    assert_eq!(row.opened.value().unwrap().at, ms(500));
    assert_eq!(row.closed.get().unwrap().at, ms(501));
    sample_of(&mut tracker, vec![], ms(61_000));
    let last = tracker.removed()[0].final_event.as_ref().unwrap();
    assert_eq!(last.connection.bytes_out().get(), Some(7));
}

#[test]
fn a_connection_without_time_wait_is_not_kept_after_it_closed() {
    let mut tracker = tracker();
    let by_peer = |mut end: LifecycleEvent| {
        let first_closer = reported(Closer::Remote);
        end.closed = end.closed.map(|closed| Closed { first_closer, ..closed });
        end
    };
    let ended = by_peer(closed(1, Some(ms(1)), ms(2), 0));
    apply_events(
        &mut tracker,
        vec![opened(1, ms(1)), ended, failed(2, ms(1), ms(2), CloseReason::Refused)],
    );
    for cookie in [1, 2] {
        let row = sample_of(&mut tracker, vec![socket(cookie, State::SynSent, 0)], ms(3));
        assert!(only(&row).opened.value().is_none() && only(&row).stats.serial > 2);
    }
}

#[test]
fn time_wait_without_events_closed_for_an_unknown_reason() {
    let row = sample_of(&mut tracker(), vec![socket(1, State::TimeWait, 0)], ms(0));
    assert_eq!(only(&row).closed, Known::Unknown(Unknown::SourceDoesNotReport));
    assert_eq!(only(&row).opened, Known::Unknown(Unknown::SourceDoesNotReport));
    let mut listener = socket(2, State::Listen, 0);
    listener.remote = None;
    let row = sample_of(&mut tracker(), vec![listener], ms(0));
    assert_eq!(only(&row).opened, Known::NotApplicable);
    assert_eq!(only(&row).closed, Known::NotApplicable);
    // With a source of events, it closed before they were recorded.
    let mut tracker = tracker();
    tracker.apply_events(vec![]);
    let row = sample_of(&mut tracker, vec![socket(1, State::TimeWait, 0)], ms(0));
    assert_eq!(only(&row).closed, Known::Unknown(Unknown::BeganBefore));
    assert_eq!(only(&row).opened, Known::Unknown(Unknown::BeganBefore));
}

#[test]
fn the_closed_event_of_an_older_connection_has_the_sampled_owners() {
    let mut tracker = tracker();
    let server = process(20, "server");
    let of_all = Observation::new(Source::Ebpf, ms(0))
        .with_sockets(vec![socket(1, State::Established, 10)])
        .with_owners(owner_table([(Subject::Socket(id(1)), server, 4)]));
    let before = tracker.apply(vec![of_all]);
    assert_eq!(owners_of(only(&before)), Some(vec![(20, Some(4))]));
    // The process has closed it and the kernel has not: the sample has no owner.
    let mut orphan = socket(1, State::FinWait1, 10);
    orphan.inode = Known::NotApplicable;
    assert_eq!(owners_of(only(&sample_of(&mut tracker, vec![orphan], ms(500)))), None);
    let events = apply_events(&mut tracker, vec![closed(1, None, ms(900), 20)]);
    let c = &events[0].connection;
    assert_eq!(owners_of(c), Some(vec![(20, Some(4))]));
    assert_eq!(c.opened, Known::Unknown(Unknown::SourceDoesNotReport));
    assert_eq!(c.stats.serial, only(&before).stats.serial);
    assert_eq!(c.closed.get().unwrap().duration_us.get(), None);
    // The direction that the samples inferred.
    assert_eq!(c.direction.get(), only(&before).direction.get());

    // No sample and no opened event.
    let events = apply_events(&mut tracker, vec![closed(2, None, ms(950), 20)]);
    let c = &events[0].connection;
    assert_eq!(c.owners, Known::Unknown(Unknown::NoOwnerFound));
    assert_eq!((c.stats.serial, c.stats.first_seen), (2, ms(950)));
    assert_eq!(c.stats.age_us.get(), None);
}

#[test]
fn the_process_that_accepted_is_the_owner_from_then_on() {
    let unknown = Known::Unknown(Unknown::NothingMeasured);
    let arrived =
        LifecycleEvent { opened: opened_details(ms(100), unknown.clone()), ..opened(1, ms(100)) };
    let accepted = LifecycleEvent {
        at: ms(300),
        kind: EventKind::Accepted,
        opened: reported(Arc::new(Opened {
            at: ms(100),
            handshake_us: Known::NotApplicable,
            first_use_us: reported(200_000),
            by: reported(curl()),
        })),
        ..arrived.clone()
    };
    let mut waiting = socket(1, State::Established, 0);
    waiting.inode = Known::NotApplicable;

    let mut before = tracker();
    let events = apply_events(&mut before, vec![arrived.clone(), accepted.clone()]);
    assert_eq!(events[0].connection.owners, Known::Unknown(Unknown::NoOwnerFound));
    assert_eq!(owners_of(&events[1].connection), Some(vec![(77, None)]));
    let row = sample_of(&mut before, vec![socket(1, State::Established, 0)], ms(1000));
    assert_eq!(owners_of(only(&row)), Some(vec![(77, None)]));
    assert_eq!(only(&row).stats.age_us, reported(900_000));
    assert_eq!(only(&row).opened.value().unwrap().first_use_us, reported(200_000));

    let mut after = tracker();
    apply_events(&mut after, vec![arrived]);
    let row = sample_of(&mut after, vec![waiting], ms(200));
    assert_eq!(only(&row).owners, Known::NotApplicable);
    assert_eq!(
        owners_of(&apply_events(&mut after, vec![accepted])[0].connection),
        Some(vec![(77, None)])
    );
    let row = sample_of(&mut after, vec![socket(1, State::Established, 0)], ms(1000));
    assert_eq!(owners_of(only(&row)), Some(vec![(77, None)]));
    assert_eq!(only(&row).stats.changed_sequence, 2);

    // A closed event without the process keeps the one of an earlier event.
    let end =
        LifecycleEvent { opened: opened_details(ms(100), unknown), ..closed(1, None, ms(1500), 0) };
    let events = apply_events(&mut after, vec![end]);
    let kept = events[0].connection.opened.value().unwrap();
    assert_eq!((kept.by.value().unwrap().pid, kept.first_use_us), (77, reported(200_000)));
}

fn failed(cookie: u64, from: Moment, at: Moment, how: CloseReason) -> LifecycleEvent {
    LifecycleEvent {
        at,
        kind: EventKind::Failed,
        socket: socket(cookie, State::Close, 0),
        direction: reported(Direction::Outbound),
        opened: opened_details(from, reported(curl())),
        closed: ended(at, Some(reported(at.monotonic_us - from.monotonic_us)), how),
    }
}

#[test]
fn a_failed_attempt_has_a_reason_and_no_age_and_only_a_timeout_has_a_verdict() {
    let mut tracker = tracker();
    let row = sample_of(&mut tracker, vec![socket(1, State::SynSent, 0)], ms(0));
    let serial = only(&row).stats.serial;
    let refused = failed(1, ms(0), ms(5), CloseReason::Refused);
    let silent = failed(2, ms(0), ms(130_000), CloseReason::TimedOut);
    let events = apply_events(&mut tracker, vec![refused, silent]);
    let [refused, silent] = [&events[0].connection, &events[1].connection];
    assert_eq!(
        (refused.stats.serial, refused.direction.get()),
        (serial, Some(Direction::Outbound))
    );
    assert_eq!(refused.stats.age_us, Known::NotApplicable);
    assert_eq!(refused.closed.get().unwrap().how, CloseReason::Refused);
    assert_eq!(refused.verdict.class, Class::Unknown);
    assert_eq!(silent.verdict.class, Class::HandshakeFailing);
    assert!(silent.verdict.why(&silent.socket).contains("no answer until"));
    sample_of(&mut tracker, vec![], ms(130_500));
    assert_eq!(tracker.removed()[0].closed.get().unwrap().how, CloseReason::Refused);
}

#[test]
fn a_reused_socket_is_another_connection() {
    // With events: the second attempt on the same socket, which is in all samples.
    let mut tracker = tracker();
    let first = sample_of(&mut tracker, vec![socket(1, State::SynSent, 0)], ms(0));
    apply_events(
        &mut tracker,
        vec![failed(1, ms(0), ms(500), CloseReason::Refused), opened(1, ms(700))],
    );
    let second = sample_of(&mut tracker, vec![socket(1, State::Established, 0)], ms(1000));
    let (first, second) = (only(&first), only(&second));
    assert_ne!(first.stats.serial, second.stats.serial);
    assert_eq!(second.closed, Known::NotApplicable);
    assert_eq!((second.stats.first_sequence, second.stats.first_seen), (2, ms(700)));
    let [removed] = tracker.removed() else { panic!("{:?}", tracker.removed()) };
    assert_eq!(removed.closed.get().unwrap().how, CloseReason::Refused);
    assert_eq!(removed.final_event.as_ref().unwrap().connection.stats.serial, first.stats.serial);

    // Without one: the sample itself shows an open connection long after the closed event.
    apply_events(&mut tracker, vec![closed(1, Some(ms(700)), ms(1500), 1)]);
    let third = sample_of(&mut tracker, vec![socket(1, State::SynSent, 0)], ms(3000));
    assert_ne!(only(&third).stats.serial, second.stats.serial);
    assert_eq!(only(&third).closed, Known::NotApplicable);
    assert_eq!(tracker.removed().len(), 1);
}

#[test]
fn a_row_read_just_before_the_closed_event_is_open() {
    let mut tracker = tracker();
    let first = sample_of(&mut tracker, vec![socket(1, State::Established, 0)], ms(0));
    apply_events(&mut tracker, vec![closed(1, None, ms(1001), 0)]);
    let row = sample_of(&mut tracker, vec![socket(1, State::Established, 0)], ms(1000));
    assert_eq!(only(&row).stats.serial, only(&first).stats.serial);
    assert_eq!(only(&row).closed, Known::NotApplicable);
    let row = sample_of(&mut tracker, vec![socket(1, State::TimeWait, 0)], ms(2000));
    assert_eq!(only(&row).closed.get().unwrap().at, ms(1001));
}

#[test]
fn a_direction_by_event_is_not_changed_by_counters() {
    let mut tracker = tracker();
    // By the counters of a socket that never sent, this is outbound.
    let row = sample_of(&mut tracker, vec![socket(1, State::Established, 0)], ms(0));
    assert_eq!(only(&row).direction, Known::Value(Direction::Outbound, Source::Derived));
    apply_events(&mut tracker, vec![opened(1, ms(1))]);
    for (second, state) in [State::Established, State::FinWait1, State::TimeWait].iter().enumerate()
    {
        let at = ms(1000 * (second as u64 + 1));
        let row = sample_of(&mut tracker, vec![socket(1, *state, 0)], at);
        assert_eq!(only(&row).direction, reported(Direction::Inbound), "{state:?}");
    }
}

#[test]
fn an_inferred_direction_stays_when_the_listener_closes() {
    let mut tracker = tracker();
    let mut listener = socket(2, State::Listen, 0);
    listener.remote = None;
    let both = vec![socket(1, State::FinWait1, 0), listener];
    let seen = sample_of(&mut tracker, both, ms(0)).connections[0].direction;
    assert_eq!(seen.get(), Some(Direction::Inbound));
    for (at, state) in [(ms(1000), State::FinWait2), (ms(2000), State::TimeWait)] {
        let row = sample_of(&mut tracker, vec![socket(1, state, 0)], at);
        assert_eq!(only(&row).direction, seen, "{state:?}");
    }
}

#[test]
fn owners_by_descriptor_win_against_the_process_that_opened_it() {
    let mut tracker = tracker();
    apply_events(&mut tracker, vec![opened(1, ms(1)), opened(2, ms(2))]);
    let owner_table = owner_table([(Subject::Socket(id(1)), process(20, "worker"), 9)]);
    // Twice: the second time the index of owners is reused.
    for second in 1..3 {
        let rows = vec![
            socket(1, State::Established, 0),
            socket(2, State::Established, 0),
            socket(3, State::Established, 0),
        ];
        let all = Observation::new(Source::Ebpf, ms(second * 1000))
            .with_sockets(rows)
            .with_owners(Arc::clone(&owner_table));
        let seen = tracker.apply(vec![all]).connections;
        assert_eq!(owners_of(&seen[0]), Some(vec![(20, Some(9))]));
        assert_eq!(owners_of(&seen[1]), Some(vec![(77, None)]));
        assert_eq!(seen[2].owners, Known::Unknown(Unknown::NoOwnerFound));
    }
}

#[test]
fn events_of_an_observation_are_applied_before_its_rows() {
    let mut tracker = tracker();
    let rows = Observation::new(Source::SockDiag, ms(1000)).with_sockets(vec![socket(
        1,
        State::Established,
        0,
    )]);
    let events = Observation::new(Source::Ebpf, ms(1000)).with_lifecycle(vec![opened(1, ms(900))]);
    let snapshot = tracker.apply(vec![rows, events]);
    assert_eq!(only(&snapshot).stats.age_us, reported(100_000));
    assert_eq!(tracker.take_events().len(), 1);
    assert!(tracker.take_events().is_empty());
}

#[test]
fn a_storm_between_samples_leaves_nothing_behind() {
    let mut tracker = tracker();
    sample_of(&mut tracker, vec![], ms(0));
    let mut serials = std::collections::HashSet::new();
    for second in 0..3 {
        for cookie in 1..=2000 {
            let from = ms(second * 1000 + 1);
            let of_one =
                vec![opened(cookie, from), closed(cookie, Some(from), ms(second * 1000 + 2), 1)];
            for event in apply_events(&mut tracker, of_one) {
                serials.insert(event.connection.stats.serial);
            }
        }
        if second == 1 {
            tracker.forget_closed();
        }
        assert_eq!(sample_of(&mut tracker, vec![], ms(second * 1000 + 999)).losses, []);
    }
    // The same sockets three times: never the same connection.
    assert_eq!(serials.len(), 6000);
    // TIME-WAIT of a removed connection is one without events.
    let row = sample_of(&mut tracker, vec![socket(7, State::TimeWait, 0)], ms(4000));
    assert_eq!(only(&row).opened, Known::Unknown(Unknown::BeganBefore));
    assert_eq!(only(&row).stats.serial, 6001);
}

#[test]
fn a_connection_without_closed_event_is_removed_when_samples_do_not_show_it() {
    let mut tracker = tracker();
    apply_events(&mut tracker, vec![opened(1, ms(1))]);
    for second in 1..6 {
        sample_of(&mut tracker, vec![], ms(second * 1000));
    }
    let events = apply_events(&mut tracker, vec![closed(1, None, ms(7000), 0)]);
    assert_eq!(events[0].connection.opened.value(), None);
}

#[test]
fn beyond_the_bound_every_event_is_published_and_counted_as_a_loss() {
    let mut tracker = tracker();
    let many = 262_144 + 10;
    for cookie in 0..many {
        tracker.apply_events(vec![opened(cookie, ms(1))]);
        assert_eq!(tracker.take_events().len(), 1);
    }
    let [loss] = &tracker.take_refusals()[..] else { panic!("one loss") };
    assert_eq!((loss.count, loss.source), (10, Source::Derived));
    assert_eq!(tracker.take_refusals(), []);
    let last = apply_events(&mut tracker, vec![closed(many - 1, Some(ms(1)), ms(2), 5)]);
    assert_eq!(last[0].connection.opened.value().unwrap().at, ms(1));
    assert_eq!(last[0].connection.stats.age_us, reported(1000));
}
