//! The tracker told of events, with a clock of our own: what it publishes, and what the rows of
//! later looks know by it.

#[cfg(test)]
#[path = "query/sample.rs"]
mod sample;

use std::sync::Arc;
use std::time::Duration;

use conns_core::model::Class;
use conns_core::model::{
    CloseReason, Closed, Closer, Connection, Direction, Event, EventKind, Known, LifecycleEvent,
    Moment, Observation, Opened, OwnerEntry, OwnerTable, Process, Snapshot, SocketId, SocketSample,
    Source, State, Subject, Unknown,
};
use conns_core::track::{Retention, Tracker};

use sample::{Tcp, connection, known, owner};

fn ms(ms: u64) -> Moment {
    Moment { monotonic_us: ms * 1000, wall_us: 0 }
}

fn told<T>(value: T) -> Known<T> {
    Known::Value(value, Source::Ebpf)
}

fn tracker() -> Tracker {
    Tracker::new(Retention::Window(Duration::from_secs(5)))
}

/// A socket with this cookie (and inode), that has sent so much.
fn socket(cookie: u64, state: State, sent: u64) -> SocketSample {
    let mut socket = connection("10.0.0.1:40000", "10.0.0.2:443").socket;
    socket.id.cookie = cookie;
    socket.state = state;
    socket.inode = known(cookie);
    socket.tcp = Tcp { rtt_us: 1000, segs: 10, retrans: 0, sent, received: 1 }.known();
    if state == State::TimeWait {
        socket.inode = Known::NotApplicable;
        socket.tcp = Known::NotApplicable;
    }
    socket
}

fn id(cookie: u64) -> SocketId {
    socket(cookie, State::Established, 0).id
}

fn curl() -> Arc<Process> {
    let uid = Known::Unknown(Unknown::SourceCannotTell);
    Arc::new(Process { uid, ..Process::clone(&owner(77, "curl", "alice").process) })
}

fn opened_details(at: Moment, by: Known<Arc<Process>>) -> Known<Arc<Opened>> {
    let (handshake_us, accept_wait_us) = (told(900), Known::Unknown(Unknown::NothingMeasured));
    told(Arc::new(Opened { at, handshake_us, accept_wait_us, by }))
}

fn opened(cookie: u64, at: Moment) -> LifecycleEvent {
    LifecycleEvent {
        at,
        kind: EventKind::Opened,
        socket: socket(cookie, State::Established, 0),
        direction: told(Direction::Inbound),
        opened: opened_details(at, told(curl())),
        closed: Known::NotApplicable,
    }
}

/// One that was opened at `from`, if anybody listened then.
fn closed(cookie: u64, from: Option<Moment>, at: Moment, sent: u64) -> LifecycleEvent {
    let unknown = Known::Unknown(Unknown::SourceCannotTell);
    let duration = from.map(|from| told(at.monotonic_us - from.monotonic_us));
    LifecycleEvent {
        at,
        kind: EventKind::Closed,
        socket: socket(cookie, State::Close, sent),
        direction: from.map_or(unknown, |_| told(Direction::Inbound)),
        opened: from.map_or(Known::Unknown(Unknown::SourceCannotTell), |from| {
            opened_details(from, told(curl()))
        }),
        closed: ended(at, duration, CloseReason::Fin),
    }
}

fn ended(at: Moment, duration: Option<Known<u64>>, how: CloseReason) -> Known<Closed> {
    let duration_us = duration.unwrap_or(Known::Unknown(Unknown::SourceCannotTell));
    let first_closer = told(Closer::Local);
    told(Closed { at, duration_us, how, first_closer, fin_received: true })
}

fn hear(tracker: &mut Tracker, lifecycle_events: Vec<LifecycleEvent>) -> Vec<Arc<Event>> {
    tracker.apply_events(lifecycle_events);
    tracker.take_events()
}

fn look(tracker: &mut Tracker, sockets: Vec<SocketSample>, at: Moment) -> Snapshot {
    let rows =
        Observation::new(Source::SockDiag, at).with_sockets(sockets).with_owners(Arc::default());
    tracker.apply(vec![rows])
}

fn only(snapshot: &Snapshot) -> &Connection {
    assert_eq!(snapshot.connections.len(), 1);
    &snapshot.connections[0]
}

/// Pid and descriptor of every holder.
fn held(connection: &Connection) -> Option<Vec<(u32, Option<u32>)>> {
    let owners = connection.owners.value()?;
    Some(owners.iter().map(|h| (h.process.pid, h.descriptor)).collect())
}

#[test]
fn one_that_opened_and_closed_between_two_looks_is_in_its_events_with_everything() {
    let mut tracker = tracker();
    look(&mut tracker, vec![], ms(1000));
    let events =
        hear(&mut tracker, vec![opened(1, ms(1500)), closed(1, Some(ms(1500)), ms(1502), 5000)]);
    let kinds: Vec<_> = events.iter().map(|e| (e.serial, e.at, e.kind)).collect();
    assert_eq!(kinds, [(1, ms(1500), EventKind::Opened), (2, ms(1502), EventKind::Closed)]);
    for event in &events {
        let c = &event.connection;
        assert_eq!(held(c), Some(vec![(77, None)]));
        assert_eq!(c.direction, told(Direction::Inbound));
        assert_eq!(c.opened.value().unwrap().at, ms(1500));
        assert_eq!((c.stats.serial, c.stats.first_seen), (1, ms(1500)));
    }
    let [first, last] = &events[..] else { panic!("{events:?}") };
    assert_eq!(first.connection.closed, Known::NotApplicable);
    assert_eq!(first.connection.verdict.class, Class::Unknown);
    assert_eq!(last.connection.closed.get().unwrap().how, CloseReason::Fin);
    assert_eq!(last.connection.stats.age_us, told(2000));
    assert_eq!(last.connection.bytes_out().get(), Some(5000));
    // The peer's FIN counts as a byte, and is none.
    assert_eq!(last.connection.bytes_in().get(), Some(0));
    assert_eq!(last.connection.verdict.class, Class::Healthy);
    let after = look(&mut tracker, vec![], ms(2000));
    assert!(after.connections.is_empty() && tracker.removed().is_empty());
}

#[test]
fn one_a_look_saw_keeps_its_number_and_leaves_the_table_with_its_final_measures() {
    let mut tracker = tracker();
    look(&mut tracker, vec![socket(9, State::Established, 0)], ms(0));
    let first = hear(&mut tracker, vec![opened(1, ms(500))]);
    let seen = look(&mut tracker, vec![socket(1, State::Established, 100)], ms(1000));
    let seen = only(&seen).clone();
    assert_eq!(seen.stats.serial, first[0].connection.stats.serial);
    assert_eq!((seen.stats.first_seen, seen.stats.first_sequence), (ms(500), 2));
    assert_eq!(seen.stats.age_us, told(500_000));
    assert_eq!(seen.opened.value().unwrap().at, ms(500));
    assert_eq!(seen.closed, Known::NotApplicable);
    assert_eq!(held(&seen), Some(vec![(77, None)]));
    // 100 bytes since the look before, which did not have it.
    assert_eq!(seen.stats.rates.get().unwrap().out_bytes_per_s, 100.0);

    let last = hear(&mut tracker, vec![closed(1, Some(ms(500)), ms(1700), 999)]);
    let c = &last[0].connection;
    assert_eq!((c.stats.serial, c.stats.first_seen), (seen.stats.serial, ms(500)));
    assert_eq!((c.stats.age_us, c.bytes_out().get()), (told(1_200_000), Some(999)));

    let ended = look(&mut tracker, vec![socket(1, State::TimeWait, 0)], ms(2000));
    let ended = only(&ended).clone();
    assert!(tracker.removed().is_empty());
    assert_eq!(ended.stats.serial, seen.stats.serial);
    assert_eq!(ended.closed.get().unwrap().at, ms(1700));
    assert_eq!(ended.direction, told(Direction::Inbound));
    assert_eq!((ended.stats.changed_sequence, ended.owners), (3, Known::NotApplicable));

    look(&mut tracker, vec![], ms(62_000));
    let [gone] = tracker.removed() else { panic!("{:?}", tracker.removed()) };
    assert_eq!((gone.id, gone.closed.get().unwrap().at), (id(1), ms(1700)));
    let told = gone.final_event.as_ref().unwrap();
    assert_eq!(told.connection.bytes_out().get(), Some(999));
    look(&mut tracker, vec![], ms(63_000));
    assert!(tracker.removed().is_empty());
}

#[test]
fn time_wait_of_one_no_look_saw_alive_knows_how_it_came_and_ended() {
    let mut tracker = tracker();
    look(&mut tracker, vec![], ms(0));
    let events = hear(&mut tracker, vec![opened(1, ms(500)), closed(1, Some(ms(500)), ms(501), 7)]);
    let row = look(&mut tracker, vec![socket(1, State::TimeWait, 0)], ms(1000));
    let row = only(&row);
    assert_eq!(row.stats.serial, events[0].connection.stats.serial);
    assert_eq!(row.opened.value().unwrap().at, ms(500));
    assert_eq!(row.closed.get().unwrap().at, ms(501));
    look(&mut tracker, vec![], ms(61_000));
    let told = tracker.removed()[0].final_event.as_ref().unwrap();
    assert_eq!(told.connection.bytes_out().get(), Some(7));
}

#[test]
fn of_one_that_leaves_no_stub_nothing_is_kept() {
    let mut tracker = tracker();
    let by_peer = |mut end: LifecycleEvent| {
        let first_closer = told(Closer::Remote);
        end.closed = end.closed.map(|closed| Closed { first_closer, ..closed });
        end
    };
    let ended = by_peer(closed(1, Some(ms(1)), ms(2), 0));
    hear(
        &mut tracker,
        vec![opened(1, ms(1)), ended, failed(2, ms(1), ms(2), CloseReason::Refused)],
    );
    for cookie in [1, 2] {
        let row = look(&mut tracker, vec![socket(cookie, State::SynSent, 0)], ms(3));
        assert!(only(&row).opened.value().is_none() && only(&row).stats.serial > 2);
    }
}

#[test]
fn time_wait_of_which_nobody_told_has_ended_in_a_way_that_is_not_known() {
    let row = look(&mut tracker(), vec![socket(1, State::TimeWait, 0)], ms(0));
    assert_eq!(only(&row).closed, Known::Unknown(Unknown::SourceCannotTell));
    assert_eq!(only(&row).opened, Known::Unknown(Unknown::SourceCannotTell));
    let mut listener = socket(2, State::Listen, 0);
    listener.remote = None;
    let row = look(&mut tracker(), vec![listener], ms(0));
    assert_eq!(only(&row).opened, Known::NotApplicable);
    assert_eq!(only(&row).closed, Known::NotApplicable);
    // Where somebody tells, it is because it was over before.
    let mut tracker = tracker();
    tracker.apply_events(vec![]);
    let row = look(&mut tracker, vec![socket(1, State::TimeWait, 0)], ms(0));
    assert_eq!(only(&row).closed, Known::Unknown(Unknown::BeganBefore));
    assert_eq!(only(&row).opened, Known::Unknown(Unknown::BeganBefore));
}

#[test]
fn one_that_was_there_before_is_told_with_its_holders_and_what_its_end_alone_tells() {
    let mut tracker = tracker();
    let owner_table = OwnerTable {
        processes: vec![owner(20, "server", "www").process],
        entries: vec![OwnerEntry {
            subject: Subject::Socket(id(1)),
            process: 0,
            descriptor: Some(4),
        }],
        unreadable_processes: 0,
    };
    let of_all = Observation::new(Source::Ebpf, ms(0))
        .with_sockets(vec![socket(1, State::Established, 10)])
        .with_owners(owner_table.into());
    let before = tracker.apply(vec![of_all]);
    assert_eq!(held(only(&before)), Some(vec![(20, Some(4))]));
    // The process has closed it, the kernel has not done with it: a look then finds no holder.
    let mut orphan = socket(1, State::FinWait1, 10);
    orphan.inode = Known::NotApplicable;
    assert_eq!(held(only(&look(&mut tracker, vec![orphan], ms(500)))), None);
    let events = hear(&mut tracker, vec![closed(1, None, ms(900), 20)]);
    let c = &events[0].connection;
    assert_eq!(held(c), Some(vec![(20, Some(4))]));
    assert_eq!(c.opened, Known::Unknown(Unknown::SourceCannotTell));
    assert_eq!(c.stats.serial, only(&before).stats.serial);
    assert_eq!(c.closed.get().unwrap().duration_us.get(), None);
    // What the looks believed of its direction.
    assert_eq!(c.direction.get(), only(&before).direction.get());

    // Nobody saw it, and nobody told of its opening.
    let events = hear(&mut tracker, vec![closed(2, None, ms(950), 20)]);
    let c = &events[0].connection;
    assert_eq!(c.owners, Known::Unknown(Unknown::NoOwnerFound));
    assert_eq!((c.stats.serial, c.stats.first_seen), (2, ms(950)));
    assert_eq!(c.stats.age_us.get(), None);
}

#[test]
fn who_accepted_is_known_from_then_on_before_a_look_and_after_it() {
    let nobody = Known::Unknown(Unknown::NothingMeasured);
    let arrived =
        LifecycleEvent { opened: opened_details(ms(100), nobody.clone()), ..opened(1, ms(100)) };
    let accepted = LifecycleEvent {
        at: ms(300),
        kind: EventKind::Accepted,
        opened: told(Arc::new(Opened {
            at: ms(100),
            handshake_us: Known::NotApplicable,
            accept_wait_us: told(200_000),
            by: told(curl()),
        })),
        ..arrived.clone()
    };
    let mut waiting = socket(1, State::Established, 0);
    waiting.inode = Known::NotApplicable;

    let mut before = tracker();
    let events = hear(&mut before, vec![arrived.clone(), accepted.clone()]);
    assert_eq!(events[0].connection.owners, Known::Unknown(Unknown::NoOwnerFound));
    assert_eq!(held(&events[1].connection), Some(vec![(77, None)]));
    let row = look(&mut before, vec![socket(1, State::Established, 0)], ms(1000));
    assert_eq!(held(only(&row)), Some(vec![(77, None)]));
    assert_eq!(only(&row).stats.age_us, told(900_000));
    assert_eq!(only(&row).opened.value().unwrap().accept_wait_us, told(200_000));

    let mut after = tracker();
    hear(&mut after, vec![arrived]);
    let row = look(&mut after, vec![waiting], ms(200));
    assert_eq!(only(&row).owners, Known::NotApplicable);
    assert_eq!(held(&hear(&mut after, vec![accepted])[0].connection), Some(vec![(77, None)]));
    let row = look(&mut after, vec![socket(1, State::Established, 0)], ms(1000));
    assert_eq!(held(only(&row)), Some(vec![(77, None)]));
    assert_eq!(only(&row).stats.changed_sequence, 2);

    // An end that no longer knows who it was does not make it forgotten.
    let end =
        LifecycleEvent { opened: opened_details(ms(100), nobody), ..closed(1, None, ms(1500), 0) };
    let events = hear(&mut after, vec![end]);
    let kept = events[0].connection.opened.value().unwrap();
    assert_eq!((kept.by.value().unwrap().pid, kept.accept_wait_us), (77, told(200_000)));
}

fn failed(cookie: u64, from: Moment, at: Moment, how: CloseReason) -> LifecycleEvent {
    LifecycleEvent {
        at,
        kind: EventKind::Failed,
        socket: socket(cookie, State::Close, 0),
        direction: told(Direction::Outbound),
        opened: opened_details(from, told(curl())),
        closed: ended(at, Some(told(at.monotonic_us - from.monotonic_us)), how),
    }
}

#[test]
fn a_failed_attempt_has_an_end_and_no_age_and_only_silence_is_judged() {
    let mut tracker = tracker();
    let row = look(&mut tracker, vec![socket(1, State::SynSent, 0)], ms(0));
    let serial = only(&row).stats.serial;
    let refused = failed(1, ms(0), ms(5), CloseReason::Refused);
    let silent = failed(2, ms(0), ms(130_000), CloseReason::TimedOut);
    let events = hear(&mut tracker, vec![refused, silent]);
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
    look(&mut tracker, vec![], ms(130_500));
    assert_eq!(tracker.removed()[0].closed.get().unwrap().how, CloseReason::Refused);
}

#[test]
fn a_socket_that_connects_anew_is_another_connection_and_inherits_nothing() {
    // Told: the second attempt on the same socket, which the looks saw all the time.
    let mut tracker = tracker();
    let first = look(&mut tracker, vec![socket(1, State::SynSent, 0)], ms(0));
    hear(&mut tracker, vec![failed(1, ms(0), ms(500), CloseReason::Refused), opened(1, ms(700))]);
    let second = look(&mut tracker, vec![socket(1, State::Established, 0)], ms(1000));
    let (first, second) = (only(&first), only(&second));
    assert_ne!(first.stats.serial, second.stats.serial);
    assert_eq!(second.closed, Known::NotApplicable);
    assert_eq!((second.stats.first_sequence, second.stats.first_seen), (2, ms(700)));
    let [gone] = tracker.removed() else { panic!("{:?}", tracker.removed()) };
    assert_eq!(gone.closed.get().unwrap().how, CloseReason::Refused);
    assert_eq!(gone.final_event.as_ref().unwrap().connection.stats.serial, first.stats.serial);

    // Not told yet: the row itself shows life long after the end.
    hear(&mut tracker, vec![closed(1, Some(ms(700)), ms(1500), 1)]);
    let third = look(&mut tracker, vec![socket(1, State::SynSent, 0)], ms(3000));
    assert_ne!(only(&third).stats.serial, second.stats.serial);
    assert_eq!(only(&third).closed, Known::NotApplicable);
    assert_eq!(tracker.removed().len(), 1);
}

#[test]
fn a_row_read_just_before_the_end_shows_life_and_no_end() {
    let mut tracker = tracker();
    let first = look(&mut tracker, vec![socket(1, State::Established, 0)], ms(0));
    hear(&mut tracker, vec![closed(1, None, ms(1001), 0)]);
    let row = look(&mut tracker, vec![socket(1, State::Established, 0)], ms(1000));
    assert_eq!(only(&row).stats.serial, only(&first).stats.serial);
    assert_eq!(only(&row).closed, Known::NotApplicable);
    let row = look(&mut tracker, vec![socket(1, State::TimeWait, 0)], ms(2000));
    assert_eq!(only(&row).closed.get().unwrap().at, ms(1001));
}

#[test]
fn what_an_event_told_of_the_direction_no_counter_changes() {
    let mut tracker = tracker();
    // By the counters of a socket that never sent, this is outbound.
    let row = look(&mut tracker, vec![socket(1, State::Established, 0)], ms(0));
    assert_eq!(only(&row).direction, Known::Value(Direction::Outbound, Source::Derived));
    hear(&mut tracker, vec![opened(1, ms(1))]);
    for (second, state) in [State::Established, State::FinWait1, State::TimeWait].iter().enumerate()
    {
        let at = ms(1000 * (second as u64 + 1));
        let row = look(&mut tracker, vec![socket(1, *state, 0)], at);
        assert_eq!(only(&row).direction, told(Direction::Inbound), "{state:?}");
    }
}

#[test]
fn a_direction_that_was_guessed_does_not_flip_when_the_listener_goes() {
    let mut tracker = tracker();
    let mut listener = socket(2, State::Listen, 0);
    listener.remote = None;
    let both = vec![socket(1, State::FinWait1, 0), listener];
    let seen = look(&mut tracker, both, ms(0)).connections[0].direction;
    assert_eq!(seen.get(), Some(Direction::Inbound));
    for (at, state) in [(ms(1000), State::FinWait2), (ms(2000), State::TimeWait)] {
        let row = look(&mut tracker, vec![socket(1, state, 0)], at);
        assert_eq!(only(&row).direction, seen, "{state:?}");
    }
}

#[test]
fn descriptors_come_before_whoever_opened_it() {
    let mut tracker = tracker();
    hear(&mut tracker, vec![opened(1, ms(1)), opened(2, ms(2))]);
    let owner_table: Arc<OwnerTable> = OwnerTable {
        processes: vec![owner(20, "worker", "www").process],
        entries: vec![OwnerEntry {
            subject: Subject::Socket(id(1)),
            process: 0,
            descriptor: Some(9),
        }],
        unreadable_processes: 0,
    }
    .into();
    // Twice: the second time nothing need be joined anew.
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
        assert_eq!(held(&seen[0]), Some(vec![(20, Some(9))]));
        assert_eq!(held(&seen[1]), Some(vec![(77, None)]));
        assert_eq!(seen[2].owners, Known::Unknown(Unknown::NoOwnerFound));
    }
}

#[test]
fn events_come_with_a_look_as_well_and_are_heard_before_its_rows() {
    let mut tracker = tracker();
    let rows = Observation::new(Source::SockDiag, ms(1000)).with_sockets(vec![socket(
        1,
        State::Established,
        0,
    )]);
    let events = Observation::new(Source::Ebpf, ms(1000)).with_lifecycle(vec![opened(1, ms(900))]);
    let snapshot = tracker.apply(vec![rows, events]);
    assert_eq!(only(&snapshot).stats.age_us, told(100_000));
    assert_eq!(tracker.take_events().len(), 1);
    assert!(tracker.take_events().is_empty());
}

#[test]
fn a_storm_of_which_no_look_shows_anything_leaves_nothing_behind() {
    let mut tracker = tracker();
    look(&mut tracker, vec![], ms(0));
    let mut serials = std::collections::HashSet::new();
    for second in 0..3 {
        for cookie in 1..=2000 {
            let from = ms(second * 1000 + 1);
            let of_one =
                vec![opened(cookie, from), closed(cookie, Some(from), ms(second * 1000 + 2), 1)];
            for event in hear(&mut tracker, of_one) {
                serials.insert(event.connection.stats.serial);
            }
        }
        if second == 1 {
            tracker.forget_closed();
        }
        assert_eq!(look(&mut tracker, vec![], ms(second * 1000 + 999)).losses, []);
    }
    // The same sockets three times: never the same connection.
    assert_eq!(serials.len(), 6000);
    // TIME-WAIT of one that was forgotten is met as something nobody told of.
    let row = look(&mut tracker, vec![socket(7, State::TimeWait, 0)], ms(4000));
    assert_eq!(only(&row).opened, Known::Unknown(Unknown::BeganBefore));
    assert_eq!(only(&row).stats.serial, 6001);
}

#[test]
fn whose_end_was_lost_is_forgotten_when_the_looks_do_not_show_it() {
    let mut tracker = tracker();
    hear(&mut tracker, vec![opened(1, ms(1))]);
    for second in 1..6 {
        look(&mut tracker, vec![], ms(second * 1000));
    }
    let events = hear(&mut tracker, vec![closed(1, None, ms(7000), 0)]);
    assert_eq!(events[0].connection.opened.value(), None);
}

#[test]
fn beyond_the_bound_every_event_is_told_and_that_is_said() {
    let mut tracker = tracker();
    let many = 262_144 + 10;
    for cookie in 0..many {
        tracker.apply_events(vec![opened(cookie, ms(1))]);
        assert_eq!(tracker.take_events().len(), 1);
    }
    let [loss] = &tracker.take_refusals()[..] else { panic!("one loss") };
    assert_eq!((loss.count, loss.source), (10, Source::Derived));
    assert_eq!(tracker.take_refusals(), []);
    let last = hear(&mut tracker, vec![closed(many - 1, Some(ms(1)), ms(2), 5)]);
    assert_eq!(last[0].connection.opened.value().unwrap().at, ms(1));
    assert_eq!(last[0].connection.stats.age_us, told(1000));
}
