//! What the tracker derives of listeners: overflows of their accept queues, and full SYN queues.

#![allow(clippy::unwrap_used, reason = "clippy knows only the functions marked #[test] as tests")]

use conns_core::model::{
    AcceptQueue, Class, Connection, ListenCounters, Observation, Protocol, SocketMemory,
    SocketSample, Source, State, Unknown,
};
use conns_core::track::Tracker;
use conns_fixtures::{at, known, socket, tracker, with_cookie};

const LIMIT: u32 = 8;

fn listener(cookie: u64, local: &str, length: u32, drops: u32) -> SocketSample {
    let mut row = with_cookie(cookie, socket(Protocol::Tcp, State::Listen, local, None));
    row.accept_queue = known(AcceptQueue { length, limit: LIMIT });
    row.memory = known(SocketMemory { drops: Some(drops), ..SocketMemory::default() });
    row.into()
}

/// Connections to `local` whose handshakes are not complete.
fn handshakes(count: u64, local: &str) -> impl Iterator<Item = SocketSample> {
    (0..count).map(move |number| {
        let remote = format!("10.0.0.9:{}", 2000 + number);
        let row = socket(Protocol::Tcp, State::SynReceived, local, Some(&remote));
        with_cookie(1000 + number, row).into()
    })
}

fn overflowed(overflows: u64) -> Option<ListenCounters> {
    Some(ListenCounters { overflows, ..ListenCounters::default() })
}

/// The listener among `rows` with the lowest cookie, sampled with the counters of its namespace.
fn sample(
    tracker: &mut Tracker,
    second: u64,
    rows: Vec<SocketSample>,
    counters: Option<ListenCounters>,
) -> Connection {
    let netns = rows[0].id.netns;
    let counters = counters.map(|counters| (netns, counters)).into_iter().collect();
    let observation = Observation::new(Source::SockDiag, at(second)).with_sockets(rows);
    let snapshot = tracker.apply(vec![observation.with_listen_counters(counters)]);
    snapshot.connections.into_iter().min_by_key(|connection| connection.socket.id.cookie).unwrap()
}

/// The second of two samples of a listener, which dropped 5 connections in between, while the namespace
/// counted `before` and `after`.
fn second(before: Option<ListenCounters>, after: Option<ListenCounters>) -> Connection {
    let mut tracker = tracker();
    sample(&mut tracker, 1, vec![listener(1, "0.0.0.0:80", 0, 3)], before);
    sample(&mut tracker, 2, vec![listener(1, "0.0.0.0:80", 0, 8)], after)
}

#[test]
fn drops_are_overflows_only_if_the_namespace_counts_overflows() {
    let of_queue = second(overflowed(10), overflowed(15));
    assert_eq!(
        (of_queue.verdict.class, of_queue.overflows.get()),
        (Class::AcceptOverflow, Some(8))
    );

    // A filter or IP_MINTTL drops; earlier overflows change nothing.
    let filtered = second(overflowed(0), overflowed(0));
    assert_eq!((filtered.verdict.class, filtered.overflows.get()), (Class::Healthy, Some(0)));
    assert_eq!(second(overflowed(10), overflowed(10)).verdict.class, Class::Healthy);
    let sentence = filtered.verdict.why(&filtered.socket);
    assert!(sentence.contains("for another reason than a full queue"), "{sentence}");

    // Some of the drops were overflows, and the kernel does not count which.
    let both = second(overflowed(0), overflowed(2));
    assert_eq!(both.overflows.value(), None);

    let unread = second(None, None);
    assert_eq!(unread.verdict.class, Class::Unknown);
    let why = unread.overflows;
    assert_eq!(why, conns_core::model::Known::Unknown(Unknown::SourceDoesNotReport));
    let sentence = unread.verdict.why(&unread.socket);
    assert!(sentence.contains("ListenOverflows"), "{sentence}");
}

#[test]
fn a_full_accept_queue_that_drops_overflows_in_a_single_sample() {
    let of = |length, drops, counters| {
        let connection =
            sample(&mut tracker(), 1, vec![listener(1, "[::]:80", length, drops)], counters);
        connection.verdict.class
    };
    assert_eq!(of(LIMIT + 1, 3, overflowed(3)), Class::AcceptOverflow);
    assert_eq!(of(LIMIT + 1, 3, None), Class::AcceptOverflow);
    // It is full, and what was dropped was dropped for another reason.
    assert_eq!(of(LIMIT + 1, 3, overflowed(0)), Class::Healthy);
    assert_eq!(of(LIMIT + 1, 0, overflowed(3)), Class::Healthy);
    assert_eq!(of(0, 3, overflowed(3)), Class::Healthy);
}

#[test]
fn a_full_syn_queue_is_named_for_the_listener_it_belongs_to() {
    let mut tracker = tracker();
    let mut at_second = |second, waiting, cookies| {
        let mut rows = vec![listener(1, "0.0.0.0:80", 0, 0), listener(2, "10.0.0.1:81", 0, 0)];
        rows.extend(handshakes(waiting, "10.0.0.1:80"));
        let counters = ListenCounters { syn_cookies: cookies, ..ListenCounters::default() };
        sample(&mut tracker, second, rows, Some(counters))
    };
    assert_eq!(at_second(1, 2, 5).verdict.class, Class::Healthy);
    // Full, and no SYN arrived that needed a cookie.
    assert_eq!(at_second(2, u64::from(LIMIT), 5).verdict.class, Class::Healthy);
    let flooded = at_second(3, u64::from(LIMIT), 9);
    assert_eq!(flooded.verdict.class, Class::SynQueueFull);
    let sentence = flooded.verdict.why(&flooded.socket);
    assert!(sentence.starts_with("The SYN queue is full"), "{sentence}");
    assert!(flooded.verdict.advice(&flooded.socket).contains("tcp_syncookies"));

    // The same, of another address and another port.
    let mut elsewhere = conns_fixtures::tracker();
    let mut rows = vec![listener(1, "10.0.0.2:80", 0, 0)];
    rows.extend(handshakes(20, "10.0.0.1:80").chain(handshakes(20, "10.0.0.2:82")));
    let counters = ListenCounters { syn_cookies: 9, ..ListenCounters::default() };
    assert_eq!(sample(&mut elsewhere, 1, rows, Some(counters)).verdict.class, Class::Healthy);
}

#[test]
fn overflows_of_a_listener_are_widened() {
    let mut tracker = tracker();
    let many = overflowed(1 << 40);
    sample(&mut tracker, 1, vec![listener(1, "0.0.0.0:80", 0, u32::MAX)], many);
    let second = sample(&mut tracker, 2, vec![listener(1, "0.0.0.0:80", 0, 4)], many);
    assert_eq!(second.verdict.evidence.drops, 5);
    assert_eq!(second.overflows.get(), Some((1 << 32) + 4));
}
