//! What the tracker derives from several samples and sources: widened counters, marks of change,
//! precedence of sources, application layers.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "clippy knows only the functions marked #[test] as tests"
)]

use std::sync::Arc;
use std::time::Duration;

use conns_core::model::{
    Application, Certainty, CloseReason, Closed, Closer, Congestion, CongestionDetail, Connection,
    ConnectionId, Direction, EventKind, Known, Layer, LayerOrigin, LifecycleEvent, LossCause,
    Moment, Observation, Opened, Process, Queues, Snapshot, Socket, SocketMemory, SocketSample,
    Source, State, Subject, Timer, TimerKind, Unknown,
};
use conns_core::track::{FieldGroup, PRECEDENCE, Retention, Tracker, outranks};
use conns_fixtures::{
    Tcp, at, endpoint, established, known, owner_table, process, tracker, with_cookie,
};

/// No measures, of Linux 6.7.
const IDLE: Tcp = Tcp { length: 248, ..Tcp::ZERO };

fn socket(cookie: u64, measures: Tcp) -> SocketSample {
    let socket = with_cookie(cookie, established("10.0.0.1:443", "10.0.0.2:50000"));
    Socket { tcp: measures.known(), ..socket }.into()
}

fn idle() -> SocketSample {
    socket(1, IDLE)
}

/// The process owns the idle socket by this descriptor.
fn owned_by(pid: u32, name: &str, descriptor: u32) -> (Subject, Process, u32) {
    (Subject::Socket(idle().id), process(pid, name), descriptor)
}

fn sample_with(tracker: &mut Tracker, observation: Observation) -> Connection {
    let Snapshot { mut connections, .. } = tracker.apply(vec![observation]);
    assert_eq!(connections.len(), 1);
    connections.remove(0)
}

fn sample(tracker: &mut Tracker, row: SocketSample, now: Moment) -> Connection {
    sample_with(tracker, Observation::new(Source::SockDiag, now).with_sockets(vec![row]))
}

fn event(kind: EventKind, row: SocketSample, now: Moment) -> LifecycleEvent {
    let by = Known::Value(Arc::new(process(77, "curl")), Source::Ebpf);
    let not_known = Known::Unknown(Unknown::NothingMeasured);
    let opened = Opened { at: at(1), handshake_us: not_known, first_use_us: not_known, by };
    let closed = Closed {
        at: now,
        duration_us: Known::Unknown(Unknown::BeganBefore),
        how: CloseReason::Fin,
        first_closer: Known::Value(Closer::Local, Source::Ebpf),
        fin_received: false,
    };
    LifecycleEvent {
        at: now,
        kind,
        socket: row,
        direction: Known::Value(Direction::Inbound, Source::Ebpf),
        opened: Known::Value(Arc::new(opened), Source::Ebpf),
        closed: match kind {
            EventKind::Closed => Known::Value(closed, Source::Ebpf),
            _ => Known::NotApplicable,
        },
    }
}

#[test]
fn a_counter_that_wraps_between_samples_goes_on_in_evidence_and_loss() {
    let mut tracker = tracker();
    let before = Tcp {
        data_segs_out: u32::MAX - 9,
        data_segs_in: u32::MAX,
        total_retrans: u32::MAX - 1,
        dsack_dups: 1,
        bytes_sent: 1,
        ..IDLE
    };
    let first = sample(&mut tracker, socket(1, before), at(1));
    assert_eq!(first.totals, None);
    let after = Tcp { data_segs_out: 90, data_segs_in: 6, total_retrans: 3, ..before };
    let second = sample(&mut tracker, socket(1, after), at(2));
    let evidence = second.verdict.evidence;
    assert_eq!((evidence.segments_out, evidence.segments_in, evidence.segments_lost), (100, 7, 5));
    let totals = second.totals.unwrap();
    let range = 1_u64 << 32;
    assert_eq!((totals.segments_out, totals.segments_lost), (range + 90, range + 2));
    let loss = second.loss_percent().get().unwrap();
    assert!((loss - 100.0 * (range + 2) as f64 / (range + 90) as f64).abs() < 1e-9, "{loss}");

    // The final event continues from there.
    let last = Tcp { data_segs_out: 190, ..after };
    let mut row = socket(1, last);
    row.state = State::Close;
    tracker.apply_events(vec![event(EventKind::Closed, row, at(3))]);
    let closed = &tracker.take_events()[0].connection;
    assert_eq!(closed.verdict.evidence.segments_out, range + 190);
    assert_eq!(closed.totals.unwrap().segments_out, range + 190);
    assert!(closed.loss_percent().get().unwrap() < 100.0);
}

#[test]
fn a_counter_that_goes_back_a_little_adds_nothing_and_is_no_wrap() {
    let mut tracker = tracker();
    let before = Tcp { data_segs_out: 100, total_retrans: 12, ..IDLE };
    sample(&mut tracker, socket(1, before), at(1));
    // Two duplicates are reported late.
    let late = Tcp { dsack_dups: 2, ..before };
    let second = sample(&mut tracker, socket(1, late), at(2));
    assert_eq!(second.verdict.evidence.segments_lost, 0);
    assert_eq!(second.totals, None);
    assert_eq!(second.loss_percent().get(), Some(10.0));
    // More duplicates than retransmissions: 0, and not nearly 2^32.
    let more = Tcp { dsack_dups: 15, ..before };
    let third = sample(&mut tracker, socket(1, more), at(3));
    assert_eq!((third.verdict.evidence.segments_lost, third.totals), (0, None));
    let again = Tcp { data_segs_out: 200, total_retrans: 20, ..more };
    let fourth = sample(&mut tracker, socket(1, again), at(4));
    assert_eq!(fourth.verdict.evidence.segments_out, 100);
    assert_eq!(fourth.totals, None);
}

/// Whether an idle connection of 20 samples is marked changed by one that `change` made.
fn is_marked(change: impl FnOnce(&mut Tracker, &mut Observation)) -> bool {
    let mut tracker = tracker();
    let owners = owner_table([owned_by(20, "python3", 3)]);
    let observe = |second| {
        Observation::new(Source::SockDiag, at(second))
            .with_sockets(vec![idle()])
            .with_owners(Arc::clone(&owners))
    };
    let mut before = sample_with(&mut tracker, observe(1));
    for second in 2..=20 {
        before = sample_with(&mut tracker, observe(second));
    }
    assert!(before.stats.changed_sequence < 10, "an idle connection changes");
    let mut observation = observe(21);
    change(&mut tracker, &mut observation);
    sample_with(&mut tracker, observation).stats.changed_sequence == 21
}

fn row(observation: &mut Observation) -> &mut SocketSample {
    &mut observation.sockets.as_mut().unwrap()[0]
}

#[test]
fn an_idle_connection_is_not_marked_changed() {
    assert!(!is_marked(|_, _| ()));
    // Nor by the time that passes, nor by an equal table of owners.
    assert!(!is_marked(|_, observation| row(observation).advance(333)));
    assert!(!is_marked(|_, observation| {
        observation.owners = Some(owner_table([owned_by(20, "python3", 3)]));
    }));
}

#[test]
fn exec_and_further_owners_mark_a_connection_changed() {
    assert!(is_marked(|_, observation| {
        observation.owners = Some(owner_table([owned_by(20, "sleep", 3)]));
    }));
    assert!(is_marked(|_, observation| {
        let both = [owned_by(20, "python3", 3), owned_by(21, "nginx", 4)];
        observation.owners = Some(owner_table(both));
    }));
    assert!(is_marked(|_, observation| {
        observation.owners = Some(owner_table([owned_by(20, "python3", 5)]));
    }));
    assert!(is_marked(|_, observation| observation.owners = Some(Arc::default())));
}

#[test]
fn every_value_of_the_socket_marks_a_connection_changed() {
    type Change = fn(&mut SocketSample);
    let changes: [(&str, Change); 10] = [
        ("state", |row| row.state = State::CloseWait),
        ("queues", |row| row.queues = known(Queues { receive_bytes: 1, send_bytes: 0 })),
        ("timer", |row| {
            row.timer = known(Timer { kind: TimerKind::KeepAlive, expires_ms: 9, retransmits: 0 });
        }),
        ("bytes", |row| row.tcp = Tcp { bytes_sent: 1, ..IDLE }.known()),
        ("loss", |row| row.tcp = Tcp { total_retrans: 1, ..IDLE }.known()),
        ("congestion control", |row| {
            let (algorithm, detail) = ("bbr".into(), CongestionDetail::None);
            row.congestion = known(Congestion { algorithm, detail });
        }),
        ("mark", |row| row.mark = known(7)),
        ("upper layer", |row| row.upper_layer = known("tls".into())),
        ("memory", |row| row.memory = known(SocketMemory::default())),
        ("remote end", |row| row.remote = Some(endpoint("10.9.9.9:1"))),
    ];
    for (name, change) in changes {
        assert!(is_marked(|_, observation| change(row(observation))), "{name}");
    }
}

#[test]
fn a_timer_that_counts_down_is_no_change_and_one_that_repeats_is() {
    let timer = |expires_ms, retransmits| {
        let mut row = idle();
        row.timer = known(Timer { kind: TimerKind::KeepAlive, expires_ms, retransmits });
        row
    };
    let mut tracker = tracker();
    for second in 1..=20 {
        sample(&mut tracker, timer(30_000 - 1000 * second, 0), at(second.into()));
    }
    let later = sample(&mut tracker, timer(1, 0), at(21));
    assert!(later.stats.changed_sequence < 10);
    assert_eq!(sample(&mut tracker, timer(9, 1), at(22)).stats.changed_sequence, 22);
}

#[test]
fn direction_opening_closing_and_application_mark_a_connection_changed() {
    // Inferred outbound before, and reported inbound with the opened event.
    assert!(is_marked(|tracker, _| {
        tracker.apply_events(vec![event(EventKind::Opened, idle(), at(20))]);
    }));
    assert!(is_marked(|tracker, observation| {
        row(observation).state = State::TimeWait;
        tracker.apply_events(vec![event(EventKind::Closed, idle(), at(20))]);
    }));
    assert!(is_marked(|_, observation| {
        observation.applications = vec![(ConnectionId::of_socket(idle().id), layers("tls"))];
    }));
}

#[test]
fn class_and_a_confidence_that_differs_clearly_mark_a_connection_changed() {
    let timed_out = |retransmits| {
        let mut row = idle();
        row.timer = known(Timer { kind: TimerKind::Retransmit, expires_ms: 1, retransmits });
        row
    };
    let mut tracker = tracker();
    // From the lifetime of one sample (at most 60 %) to the window of two.
    let first = sample(&mut tracker, timed_out(3), at(1));
    let second = sample(&mut tracker, timed_out(3), at(2));
    let confidence = |c: &Connection| (c.verdict.class, c.verdict.confidence_percent);
    assert_eq!(first.verdict.class, second.verdict.class);
    assert!(confidence(&second).1 >= confidence(&first).1 + 10);
    assert_eq!(second.stats.changed_sequence, 2);
}

fn layers(protocol: &str) -> Arc<Application> {
    let layer = Layer {
        protocol: protocol.into(),
        certainty: Certainty::Certain,
        origin: LayerOrigin::Seen,
        since: at(1),
        gap_bytes: 0,
        values: Box::default(),
    };
    Arc::new(Application { layers: [layer].into() })
}

fn protocol(connection: &Connection) -> Option<&str> {
    connection.application.value()?.innermost().map(|layer| &*layer.protocol)
}

#[test]
fn application_layers_stay_until_the_connection_is_removed() {
    let mut tracker = tracker();
    let id = ConnectionId::of_socket(idle().id);
    let decoded = |source, name: &str| {
        let applications = vec![(id, layers(name))];
        Observation { applications, ..Observation::new(source, at(1)) }
    };
    // Before the first sample, and without one.
    tracker.apply(vec![decoded(Source::Wire, "tls")]);
    let first = sample(&mut tracker, idle(), at(2));
    assert_eq!(protocol(&first), Some("tls"));
    assert!(matches!(first.application, Known::Value(_, Source::Wire)));
    // A source that loses changes nothing, the same source does.
    tracker.apply(vec![decoded(Source::Procfs, "guess"), rows(idle(), at(3))]);
    let snapshot = tracker.apply(vec![decoded(Source::Wire, "http"), rows(idle(), at(4))]);
    assert_eq!(protocol(&snapshot.connections[0]), Some("http"));
    tracker.apply_events(vec![event(EventKind::Closed, idle(), at(5))]);
    assert_eq!(protocol(&tracker.take_events()[0].connection), Some("http"));
    for second in 6..10 {
        tracker.apply(vec![Observation::new(Source::SockDiag, at(second)).with_sockets(vec![])]);
    }
    let again = sample(&mut tracker, idle(), at(10));
    assert_eq!(again.application, Known::Unknown(Unknown::SourceDoesNotReport));
}

fn rows(row: SocketSample, now: Moment) -> Observation {
    Observation::new(Source::SockDiag, now).with_sockets(vec![row])
}

#[test]
fn application_layers_beyond_the_bound_are_counted() {
    let mut tracker = tracker();
    let bound = 262_144;
    let application = layers("tls");
    let id = |cookie| ConnectionId::of_socket(socket(cookie, IDLE).id);
    let first = id(0);
    let many = (0..bound + 3).map(|cookie| {
        let mut id = first;
        id.socket.cookie = cookie;
        (id, Arc::clone(&application))
    });
    let applications = many.collect();
    let observation = Observation { applications, ..Observation::new(Source::Wire, at(1)) };
    let losses = tracker.apply(vec![observation]).losses;
    let [loss] = &losses[..] else { panic!("{losses:?}") };
    assert_eq!((loss.count, &loss.cause), (3, &LossCause::ApplicationsFull { bound }));
}

#[test]
fn every_group_of_fields_has_one_order_of_sources() {
    for (place, (group, sources)) in PRECEDENCE.iter().enumerate() {
        assert!(PRECEDENCE.iter().skip(place + 1).all(|(other, _)| other != group), "{group:?}");
        for (rank, source) in sources.iter().enumerate() {
            for later in &sources[rank + 1..] {
                assert!(outranks(*group, *source, *later) && !outranks(*group, *later, *source));
            }
            assert!(!outranks(*group, *source, *source));
        }
    }
    // A source that is not listed loses.
    assert!(outranks(FieldGroup::Owners, Source::Portable, Source::Wire));
    assert!(!outranks(FieldGroup::Owners, Source::Wire, Source::Derived));
}

#[test]
fn two_rows_of_one_socket_complete_each_other_by_precedence() {
    let kernel = {
        let mut row = idle();
        row.mark = known(5);
        row.queues = known(Queues { receive_bytes: 1, send_bytes: 1 });
        row
    };
    let ebpf = {
        let mut row = idle();
        row.source = Source::Ebpf;
        row.queues = Known::Value(Queues { receive_bytes: 2, send_bytes: 2 }, Source::Ebpf);
        row.tcp = Known::Unknown(Unknown::KernelDoesNotReport);
        row
    };
    let other = socket(2, IDLE);
    let table = |source, rows| Observation::new(source, at(1)).with_sockets(rows);
    for retention in [Retention::None, Retention::Window(Duration::from_secs(5))] {
        for swapped in [false, true] {
            let mut tables = vec![
                table(Source::SockDiag, vec![other.clone(), kernel.clone()]),
                table(Source::Ebpf, vec![ebpf.clone()]),
            ];
            if swapped {
                tables.reverse();
            }
            let connections = Tracker::new(retention).apply(tables).connections;
            assert_eq!(connections.len(), 2);
            let both = connections.iter().find(|c| c.socket.id.cookie == 1).unwrap();
            assert_eq!(both.socket.source, Source::Ebpf);
            assert_eq!(both.socket.queues, ebpf.queues);
            // What the winner does not know comes from the other one, with its source.
            assert_eq!(both.socket.mark, Known::Value(5, Source::SockDiag));
            assert!(matches!(both.socket.tcp, Known::Value(_, Source::SockDiag)));
        }
    }
    // A row in another state is of another moment: the winner's row stays as it is.
    let mut moved = kernel;
    moved.state = State::CloseWait;
    let tables = vec![table(Source::SockDiag, vec![moved]), table(Source::Ebpf, vec![ebpf])];
    let connections = Tracker::new(Retention::None).apply(tables).connections;
    assert_eq!((connections.len(), connections[0].socket.state), (1, State::Established));
    assert_eq!(connections[0].socket.tcp, Known::Unknown(Unknown::KernelDoesNotReport));
}

#[test]
fn owners_of_the_winning_source_are_joined_in_any_order() {
    let owners = |source, pid, name| {
        Observation::new(source, at(1)).with_owners(owner_table([owned_by(pid, name, 3)]))
    };
    for swapped in [false, true] {
        let mut all = vec![owners(Source::Ebpf, 1, "ebpf"), owners(Source::Procfs, 2, "procfs")];
        if swapped {
            all.reverse();
        }
        all.push(rows(idle(), at(1)));
        let connections = Tracker::new(Retention::None).apply(all).connections;
        assert_eq!(connections[0].first_owner().value().unwrap().process.pid, 1);
    }
}
