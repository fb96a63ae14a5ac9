//! Recorded rows from `corpus/sockdiag`: complete, cut, lengthened and damaged.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "clippy knows only the functions marked #[test] as tests"
)]

#[path = "corpus/recorded.rs"]
mod recorded;

use std::collections::HashSet;
use std::time::Duration;

use conns_core::model::{
    AcceptQueue, CongestionDetail, Connection, Direction, Family, Known, Moment, Observation,
    Protocol, Queues, Socket, SocketSample, Source, State, TCP_INFO_FIELDS, TcpInfo, TimerKind,
    Unknown,
};
use conns_core::query::{Value, catalogue};
use conns_core::track::{Retention, Tracker};
use conns_sockdiag::wire::{Malformed, NLMSG_DONE, NLMSG_ERROR, attributes, messages};
use proptest::prelude::*;
use recorded::{all, in_file, one, payloads, read, with_attribute};

/// Bytes of `struct inet_diag_msg`.
const ROW_BYTES: usize = 72;
const INET_DIAG_INFO: u16 = 2;
/// `SOCK_DIAG_BY_FAMILY` and `TCPDIAG_GETSOCK`.
const ROW_KINDS: [u16; 2] = [20, 18];

#[test]
fn every_recorded_message_is_read() {
    let mut rows = 0;
    for recorded in all() {
        let mut is_empty = true;
        for message in messages(&recorded.datagram) {
            let message = message.unwrap_or_else(|bad| panic!("{}: {bad}", recorded.name));
            is_empty = false;
            match message.kind {
                NLMSG_DONE | NLMSG_ERROR => {
                    let refused = recorded.name.starts_with("error-");
                    assert_eq!(message.error_number() != 0, refused, "{}", recorded.name);
                }
                kind => {
                    assert!(ROW_KINDS.contains(&kind), "{}: type {kind}", recorded.name);
                    let row = read(recorded.protocol, message.payload);
                    row.unwrap_or_else(|bad| panic!("{}: {bad}", recorded.name));
                    rows += 1;
                }
            }
        }
        assert!(!is_empty, "{} is empty", recorded.name);
    }
    assert!(rows > 100, "{rows} rows");
}

#[test]
fn a_file_named_after_a_state_contains_only_that_state() {
    let mut seen = HashSet::new();
    for state in State::ALL {
        let name = match state {
            State::Established => "established",
            State::SynReceived => "syn-recv",
            // The kernel reports bound sockets as closed.
            State::BoundInactive | State::Close => continue,
            other => &other.name().to_ascii_lowercase(),
        };
        for recorded in all().iter().filter(|file| file.name.starts_with(&format!("tcp-{name}-"))) {
            for payload in payloads(&recorded.datagram) {
                let socket = read(recorded.protocol, payload).unwrap();
                assert_eq!(socket.state, state, "{}", recorded.name);
                seen.insert(state);
            }
        }
    }
    assert_eq!(seen.len(), State::ALL.len() - 2, "{seen:?}");
}

#[test]
fn listeners_have_the_backlog_they_were_given() {
    let queue = |port| one("tcp-listen", |s| s.local.port == port).accept_queue.get();
    assert_eq!(queue(8000), Some(AcceptQueue { length: 2, limit: 5 }));
    assert_eq!(queue(8001), Some(AcceptQueue { length: 0, limit: 17 }));
    assert_eq!(queue(8002), Some(AcceptQueue { length: 1, limit: 0 }));
    let listener = one("tcp-listen", |s| s.local.port == 8001);
    assert_eq!((listener.family, listener.local.to_string().as_str()), (Family::Ipv6, "[::]:8001"));
    assert_eq!(listener.remote, None);
    assert_eq!(listener.uid.get(), Some(1000));
    assert_eq!((listener.queues, listener.tcp), (Known::NotApplicable, Known::NotApplicable));
    assert!(listener.memory.get().is_some_and(|memory| memory.drops.is_some()));
}

#[test]
fn congestion_control_has_its_state() {
    let bbr = one("tcp-established", |s| s.remote.is_some_and(|end| end.port == 8010));
    let congestion = bbr.congestion.value().unwrap();
    let CongestionDetail::Bbr(state) = congestion.detail else { panic!("{congestion:?}") };
    assert_eq!(&*congestion.algorithm, "bbr");
    assert!(state.bandwidth_bytes_per_s > 0 && state.pacing_gain_256 > 0, "{state:?}");
    for (port, name) in [(8011, "cubic"), (8012, "reno")] {
        let congestion = one("tcp-established", |s| s.local.port == port).congestion;
        let congestion = congestion.value().unwrap();
        assert_eq!((&*congestion.algorithm, congestion.detail), (name, CongestionDetail::None));
    }
}

#[test]
fn bytes_round_trip_and_options_are_those_of_the_transfer() {
    let sender = one("tcp-established", |s| s.remote.is_some_and(|end| end.port == 8010));
    assert_eq!((sender.tos.get(), sender.mark.get()), (Some(0x10), Some(0x1f)));
    let tcp = sender.tcp.value().unwrap();
    assert_eq!(tcp.as_bytes().len(), 280);
    assert_eq!((tcp.payload_sent(), tcp.bytes_received()), (Some(512 * 1024), Some(4096)));
    assert!(tcp.rtt().is_some_and(|us| us > 0 && us < 1_000_000));
    let six = one("tcp-established", |s| s.remote.is_some_and(|end| end.port == 8011));
    assert_eq!((six.family, six.tos.get()), (Family::Ipv6, Some(0x20)));
    assert_eq!(six.timer.get().map(|timer| timer.kind), Some(TimerKind::KeepAlive));
    let mapped = one("tcp-established", |s| s.local.port == 8012);
    assert_eq!(mapped.family, Family::Ipv6);
    assert_eq!(mapped.local.to_string(), "[::ffff:192.0.2.1]:8012");
}

#[test]
fn without_privilege_only_the_mark_is_missing() {
    let rows = in_file("tcp-established-unprivileged");
    for socket in &rows {
        assert_eq!(socket.mark, Known::Unknown(Unknown::NotPrivileged));
        assert!(socket.tcp.value().is_some() && socket.memory.get().is_some());
        assert_eq!(socket.uid.get(), Some(1000));
    }
    assert!(!rows.is_empty());
}

#[test]
fn a_closed_window_shows_on_both_ends() {
    let sender = one("tcp-established", |s| s.remote.is_some_and(|end| end.port == 8014));
    assert_eq!(sender.timer.get().map(|timer| timer.kind), Some(TimerKind::ZeroWindowProbe));
    assert!(sender.queues.get().is_some_and(|queues| queues.send_bytes > 10_000));
    let reader = one("tcp-established", |s| s.local.port == 8014);
    assert!(reader.queues.get().is_some_and(|queues| queues.receive_bytes >= 4096));
}

#[test]
fn a_handshake_without_answer_has_its_retransmissions() {
    let socket = one("tcp-syn-sent", |s| s.remote.is_some_and(|end| end.port == 443));
    let timer = socket.timer.get().unwrap();
    assert_eq!(timer.kind, TimerKind::Retransmit);
    assert!(timer.retransmits >= 1);
    let half_open = one("tcp-syn-recv", |s| s.local.port == 8020);
    assert_eq!(half_open.timer.get().map(|timer| timer.kind), Some(TimerKind::Retransmit));
}

/// The kernel writes zero for what a minisock does not have; that is neither root nor an empty queue.
#[test]
fn fields_that_a_minisock_lacks_do_not_apply() {
    let is_minisock = |s: &Socket| s.timer.get().is_some_and(|t| t.kind == TimerKind::TimeWait);
    let half_closed = in_file("tcp-fin-wait-2");
    assert_eq!(half_closed.iter().filter(|s| is_minisock(s)).count(), 1);
    let whole = half_closed.iter().find(|s| !is_minisock(s)).unwrap();
    assert_eq!(whole.uid.get(), Some(1000));
    assert!(whole.tcp.value().is_some());
    let mut minisocks: Vec<Socket> = half_closed.into_iter().filter(is_minisock).collect();
    minisocks.extend(in_file("tcp-time-wait"));
    minisocks.extend(in_file("tcp-syn-recv"));
    for minisock in &minisocks {
        assert_eq!(minisock.uid, Known::NotApplicable, "{minisock:?}");
        assert_eq!((minisock.inode, minisock.mark), (Known::NotApplicable, Known::NotApplicable));
        assert_eq!(
            (minisock.queues, minisock.memory),
            (Known::NotApplicable, Known::NotApplicable)
        );
        assert_eq!(minisock.tcp, Known::NotApplicable);
        assert!(minisock.id.cookie != 0 && minisock.remote.is_some());
    }
    assert!(minisocks.len() >= 4);
}

#[test]
fn the_fin_of_the_peer_is_no_unread_byte() {
    for socket in in_file("tcp-close-wait") {
        let queues = Some(Queues { receive_bytes: 0, send_bytes: 0 });
        assert_eq!(socket.queues.get(), queues);
        assert_eq!(socket.tcp.value().and_then(TcpInfo::bytes_received), Some(1));
    }
}

#[test]
fn datagram_sockets_have_queues_and_drops() {
    let unread = one("udp4", |s| s.local.port == 5300);
    assert!(unread.queues.get().is_some_and(|queues| queues.receive_bytes > 1000));
    assert_eq!(unread.memory.get().and_then(|memory| memory.drops), Some(0));
    let full = one("udp4", |s| s.local.port == 5301);
    assert!(full.memory.get().and_then(|memory| memory.drops).is_some_and(|drops| drops > 10));
    let client = one("udp4", |s| s.state == State::Established);
    assert_eq!((client.tos.get(), client.mark.get()), (Some(0xb8), Some(7)));
    assert_eq!((client.tcp, client.congestion), (Known::NotApplicable, Known::NotApplicable));
}

#[test]
fn multipath_connections_count_their_payload() {
    for (file, port) in [("mptcp4", 8050), ("mptcp6", 8051)] {
        let client = one(file, |s| s.remote.is_some_and(|end| end.port == port));
        let state = client.mptcp.get().unwrap();
        assert_eq!((state.bytes_sent, state.bytes_received), (Some(64 * 1024), Some(2048)));
        assert!(state.token.is_some_and(|token| token != 0));
        let listener = one(file, |s| s.state == State::Listen);
        assert_eq!(listener.mptcp, Known::NotApplicable);
        // The subflow is a TCP connection of its own, with the upper layer mptcp.
        let subflow = one("tcp-established", |s| {
            s.remote.is_some_and(|end| end.port == port) && s.upper_layer.value().is_some()
        });
        assert_eq!(subflow.upper_layer.value().map(|name| &**name), Some("mptcp"));
    }
}

#[test]
fn a_cut_row_has_fewer_fields_but_no_other_values() {
    for recorded in all() {
        for payload in payloads(&recorded.datagram) {
            let whole = read(recorded.protocol, payload).unwrap();
            for length in 0..payload.len() {
                match read(recorded.protocol, &payload[..length]) {
                    Ok(cut) => assert_is_less(&cut, &whole),
                    Err(why) => assert_eq!(why, Malformed::RowLength { available: length }),
                }
                assert_eq!(
                    read(recorded.protocol, &payload[..length]).is_ok(),
                    length >= ROW_BYTES
                );
            }
        }
    }
}

/// The fixed part is equal, and so is what is known of the rest.
fn assert_is_less(cut: &Socket, whole: &Socket) {
    fn same<T: PartialEq + std::fmt::Debug>(cut: &Known<T>, whole: &Known<T>) {
        match cut {
            Known::Unknown(_) => {}
            // A missing upper layer means none.
            Known::NotApplicable => {}
            Known::Value(..) => assert_eq!(cut, whole),
        }
    }
    assert_eq!((cut.id, cut.state, cut.local), (whole.id, whole.state, whole.local));
    assert_eq!((cut.remote, cut.inode, cut.uid), (whole.remote, whole.inode, whole.uid));
    assert_eq!((cut.queues, cut.accept_queue), (whole.queues, whole.accept_queue));
    assert_eq!(cut.timer, whole.timer);
    same(&cut.memory, &whole.memory);
    same(&cut.tos, &whole.tos);
    same(&cut.mark, &whole.mark);
    same(&cut.cgroup_id, &whole.cgroup_id);
    same(&cut.shutdown, &whole.shutdown);
    same(&cut.upper_layer, &whole.upper_layer);
    same(&cut.tcp, &whole.tcp);
    same(&cut.mptcp, &whole.mptcp);
    // The algorithm's own state comes after its name, and may be cut off.
    if let (Some(cut), Some(whole)) = (cut.congestion.value(), whole.congestion.value()) {
        assert_eq!(cut.algorithm, whole.algorithm);
        assert!(cut.detail == CongestionDetail::None || cut.detail == whole.detail);
    }
}

#[test]
fn a_shorter_tcp_info_has_the_fields_within_it() {
    let (payload, info) = tcp_row();
    let whole = TcpInfo::new(&info);
    for length in 0..=info.len() {
        let row = with_attribute(&payload[..ROW_BYTES], INET_DIAG_INFO, &info[..length]);
        let socket = read(Protocol::Tcp, &row).unwrap();
        let tcp = socket.tcp.value().unwrap();
        let mut known = 0;
        for field in TCP_INFO_FIELDS {
            let value = (field.read)(tcp);
            assert!(value.is_none() || value == (field.read)(&whole), "{} at {length}", field.name);
            known += usize::from(value.is_some());
        }
        // A single byte has no field; then every field in turn.
        assert!(known <= length && (known > 0 || length < 2), "{known} fields in {length} bytes");
        assert_eq!(
            known == TCP_INFO_FIELDS.len(),
            length >= 280,
            "{known} fields in {length} bytes"
        );
    }
}

#[test]
fn a_longer_tcp_info_has_the_same_fields() {
    for recorded in all() {
        for payload in payloads(&recorded.datagram) {
            let plain = format!("{:?}", read(recorded.protocol, payload).unwrap());
            let unknown = with_attribute(payload, 0x3fff, &[0xff; 40]);
            let mut longer = payload[..ROW_BYTES].to_vec();
            for (kind, value) in attributes(&payload[ROW_BYTES..]) {
                let grows = kind == INET_DIAG_INFO;
                let value = [value, if grows { &[0xff; 40] } else { &[] }].concat();
                longer = with_attribute(&longer, kind, &value);
            }
            for row in [unknown, longer] {
                let socket = read(recorded.protocol, &row).unwrap();
                assert_eq!(format!("{socket:?}"), plain, "{}", recorded.name);
            }
        }
    }
}

/// An established TCP row with the longest `tcp_info`, and that `tcp_info`.
fn tcp_row() -> (Vec<u8>, Vec<u8>) {
    let rows = all().into_iter().filter(|file| file.name.starts_with("tcp-established-"));
    let infos = rows.flat_map(|file| {
        payloads(&file.datagram)
            .filter_map(|payload| {
                let mut found = attributes(&payload[ROW_BYTES..]);
                let info = found.find(|(kind, _)| *kind == INET_DIAG_INFO)?.1;
                Some((payload.to_vec(), info.to_vec()))
            })
            .collect::<Vec<_>>()
    });
    infos.max_by_key(|(_, info)| info.len()).expect("an established row in the corpus")
}

#[test]
fn connections_of_recorded_rows_have_values_and_sentences() {
    let mut connections = Vec::new();
    for recorded in all() {
        let sockets = sockets(recorded.protocol, &recorded.datagram);
        connections.extend(read_all(sockets));
    }
    assert!(connections.len() > 100);
    let opened = |port: u16, direction| {
        let one = connections.iter().find(|c| match direction {
            Direction::Inbound => c.is_established() && c.socket.local.port == port,
            Direction::Outbound => c.socket.remote.is_some_and(|end| end.port == port),
        });
        one.unwrap_or_else(|| panic!("{direction:?} at {port}")).direction.get()
    };
    for port in [8010, 8011, 8012, 8013] {
        assert_eq!(opened(port, Direction::Inbound), Some(Direction::Inbound), "{port}");
        assert_eq!(opened(port, Direction::Outbound), Some(Direction::Outbound), "{port}");
    }
}

/// Found by the fuzz target: counters whose sum overflows.
#[test]
fn inputs_that_once_crashed_are_read() {
    let found = recorded::found();
    assert!(!found.is_empty());
    for datagram in found {
        for protocol in [Protocol::Tcp, Protocol::Udp, Protocol::Mptcp] {
            read_all(sockets(protocol, &datagram));
        }
    }
}

fn sockets(protocol: Protocol, datagram: &[u8]) -> Vec<SocketSample> {
    payloads(datagram).filter_map(|row| read(protocol, row).ok()).map(SocketSample::from).collect()
}

/// Folds them twice into a tracker, and reads everything that a surface may read.
fn read_all(sockets: Vec<SocketSample>) -> Vec<Connection> {
    let observation = |sockets, monotonic_us| {
        let at = Moment { monotonic_us, wall_us: 0 };
        Observation::new(Source::SockDiag, at).with_sockets(sockets)
    };
    let backward = sockets.iter().rev().cloned().collect();
    let mut tracker = Tracker::new(Retention::Window(Duration::from_secs(5)));
    let mut connections = tracker.apply(vec![observation(backward, 0)]).connections;
    connections.extend(tracker.apply(vec![observation(sockets, 1_000_000)]).connections);
    for connection in &connections {
        let why = connection.verdict.why(&connection.socket);
        assert!(why.ends_with('.'), "{why}");
        let _ = connection.verdict.advice(&connection.socket);
        for field in catalogue() {
            if let Value::BytesPerSecond(real) | Value::Percent(real) = field.value(connection) {
                assert!(real.is_finite(), "{} is {real}", field.name);
            }
        }
    }
    connections
}

/// A change of a datagram.
#[derive(Debug, Clone)]
enum Damage {
    Set(usize, u8),
    Cut(usize),
    Insert(usize, Vec<u8>),
    Repeat(usize, usize),
}

fn damage() -> impl Strategy<Value = Damage> {
    let place = 0_usize..4096;
    prop_oneof![
        4 => (place.clone(), any::<u8>()).prop_map(|(at, byte)| Damage::Set(at, byte)),
        1 => place.clone().prop_map(Damage::Cut),
        1 => (place.clone(), prop::collection::vec(any::<u8>(), 1..9)).prop_map(|(at, new)| Damage::Insert(at, new)),
        1 => (place.clone(), place).prop_map(|(a, b)| Damage::Repeat(a, b)),
    ]
}

impl Damage {
    fn apply(&self, bytes: &mut Vec<u8>) {
        let within = |at: usize| at % bytes.len().max(1);
        match self {
            Self::Set(at, byte) => {
                let at = within(*at);
                if let Some(place) = bytes.get_mut(at) {
                    *place = *byte;
                }
            }
            Self::Cut(at) => bytes.truncate(within(*at)),
            Self::Insert(at, new) => {
                let at = within(*at);
                bytes.splice(at..at, new.iter().copied());
            }
            Self::Repeat(a, b) => {
                let (a, b) = (within(*a), within(*b));
                let part = bytes.get(a.min(b)..a.max(b)).unwrap_or_default().to_vec();
                bytes.extend(part);
            }
        }
    }
}

proptest! {
    #[test]
    fn a_damaged_datagram_is_read_or_refused(
        which in any::<prop::sample::Index>(),
        damages in prop::collection::vec(damage(), 1..12),
    ) {
        let files = all();
        let mut datagram = files[which.index(files.len())].datagram.clone();
        for damage in damages {
            damage.apply(&mut datagram);
        }
        for protocol in [Protocol::Tcp, Protocol::Udp, Protocol::Mptcp] {
            read_all(sockets(protocol, &datagram));
        }
    }
}
