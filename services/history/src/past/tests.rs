//! A connection is kept, read, made a connection, and kept again: both rows are the same, and no field of it claims what was not so.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use conns_core::model::{
    Certainty, CloseReason, Closed, Closer, Layer, Observation, Opened, TcpInfo, TcpInfoBuilder,
    UdpPeer, UdpTraffic,
};
use conns_core::query::{Filter, Value, catalogue, find_field};
use conns_core::track::{Retention, Tracker};
use conns_fixtures::{Tcp, endpoint, known as now, process as fixture_process, socket as fixture};
use conns_sockdiag::{RowReader, wire};
use proptest::prelude::*;

use super::*;
use crate::kept::{KeptTable, ReadRows, Rows};

const AT_US: i64 = 1_700_000_000_000_000;

/// The row that `table` keeps of a connection, written to a block and read from it.
fn kept(table: KeptTable, connection: &Connection) -> ReadRows {
    let evidence = serde_json::to_string(&connection.verdict).unwrap();
    let mut rows = Rows::new(table);
    let given = [("at_us", Cell::Integer(AT_US)), ("evidence", Cell::Text(evidence.into()))];
    rows.push(Some(connection), &given);
    ReadRows::read(table, rows.encode().unwrap().data).unwrap()
}

fn cells(table: KeptTable, rows: &ReadRows) -> Vec<(&'static str, Cell<'_>)> {
    let columns = table.columns().iter().enumerate();
    columns.map(|(at, column)| (&*column.column.name, rows.cell(0, at).unwrap())).collect()
}

fn made(table: KeptTable, rows: &ReadRows) -> Connection {
    let cell = |name: &str| match table.column(name) {
        Some(at) => rows.cell(0, at).unwrap(),
        None => Cell::Null,
    };
    connection(&cell, None).unwrap()
}

/// The value, of several that of the first owner.
fn first(value: Value<'_>) -> Value<'_> {
    match value {
        Value::Several(values) => values.into_iter().next().unwrap_or(Value::NotApplicable),
        value => value,
    }
}

/// What is asserted of every connection.
fn assert_kept(original: &Connection) {
    let tables = match original.closed {
        Known::Value(..) => &[KeptTable::Closed, KeptTable::Failed][..],
        _ => &[KeptTable::Samples],
    };
    for table in tables.iter().copied() {
        let rows = kept(table, original);
        let past = made(table, &rows);
        let again = kept(table, &past);
        let (first_row, second_row) = (cells(table, &rows), cells(table, &again));
        for (one, other) in first_row.iter().zip(&second_row) {
            // A cookie beyond the numbers of SQL.
            if !matches!(one, ("cookie" | "id", Cell::Null)) {
                assert_eq!(one, other, "of {}", table.name());
            }
        }
        for field in catalogue() {
            assert_claims_nothing(table, field.name, original, &past);
        }
    }
}

fn assert_claims_nothing(table: KeptTable, name: &str, original: &Connection, past: &Connection) {
    let field = find_field(name).unwrap();
    let (was, is) = (first(field.value(original)), first(field.value(past)));
    let is_allowed = match name {
        // A sentence; the first owner without descriptors; never unknown, and in samples only; of a failed attempt not kept.
        "why" | "owners" => true,
        "state" => table != KeptTable::Samples || was == is,
        "verdict" | "confidence" => table == KeptTable::Failed || was == is,
        "cookie" => was == is || original.socket.id.cookie > i64::MAX as u64,
        // What did not end yet has its age.
        "duration" if table == KeptTable::Samples => true,
        _ => match is {
            Value::Unknown(_) => true,
            Value::NotApplicable => !was.is_known(),
            is => was == is,
        },
    };
    let (was, is) = (field.value(original), field.value(past));
    assert!(is_allowed, "{name} of {} was {was:?} and is {is:?}", table.name());
    // The source of `duration` is that of the age.
    if is.is_known() && name != "duration" {
        let source = field.source(past);
        let derived = matches!(source, Some(Source::Derived));
        assert!(
            source == Some(Source::History) || derived || source == Some(Source::Wire),
            "{name}: {source:?}"
        );
    }
}

/// Addresses of each kind.
fn address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        any::<Ipv4Addr>().prop_map(IpAddr::from),
        any::<Ipv6Addr>().prop_map(IpAddr::from),
        any::<Ipv4Addr>().prop_map(|v4| v4.to_ipv6_mapped().into()),
    ]
}

fn ends() -> impl Strategy<Value = (Endpoint, Endpoint)> {
    let end = || (address(), any::<u16>());
    (end(), end()).prop_map(|(local, remote)| {
        let end = |(address, port)| Endpoint { address, port };
        (end(local), end(remote))
    })
}

/// Below the numbers that SQL cannot hold.
fn bytes() -> impl Strategy<Value = u64> {
    (0..63_u32, any::<u64>()).prop_map(|(shift, number)| number >> 1 >> shift)
}

prop_compose! {
    fn tcp_info()(
        (rtt_us, snd_cwnd, snd_mss_bytes) in any::<(u32, u32, u32)>(),
        (data_segs_out, total_retrans, dsack_dups) in any::<(u32, u32, u32)>(),
        (last_data_sent_ms, last_data_recv_ms) in any::<(u32, u32)>(),
        (sent, bytes_retrans, bytes_received, bytes_acked) in (bytes(), bytes(), bytes(), bytes()),
        length in proptest::sample::select(vec![104_usize, 168, 200, 232]),
        measured in proptest::bool::weighted(0.8),
    ) -> TcpInfo {
        Tcp {
            rtt_us: if measured { rtt_us } else { 0 },
            snd_cwnd,
            snd_mss_bytes,
            data_segs_out: if measured { data_segs_out } else { 0 },
            total_retrans,
            dsack_dups,
            last_data_sent_ms,
            last_data_recv_ms,
            bytes_sent: sent.saturating_add(bytes_retrans),
            bytes_retrans,
            bytes_received,
            bytes_acked,
            length,
            ..Tcp::ZERO
        }
        .info()
    }
}

prop_compose! {
    fn opening()(
        at_us in 0..AT_US,
        handshake in proptest::option::of(0..1_000_000_u64),
        first_use in proptest::option::of(0..1_000_000_u64),
        opener in proptest::option::of("[a-z]{1,8}"),
    ) -> Opened {
        let unknown = |us| Known::from_option(us, Source::Ebpf, Unknown::BeganBefore);
        let by = opener.map(|name| Arc::new(fixture_process(8, &name)));
        Opened {
            at: Moment::of_wall(at_us),
            handshake_us: unknown(handshake),
            first_use_us: unknown(first_use),
            by: Known::from_option(by, Source::Ebpf, Unknown::Vanished),
        }
    }
}

prop_compose! {
    fn closing()(
        duration in proptest::option::of(bytes()),
        how in proptest::sample::select(vec![
            CloseReason::Fin, CloseReason::ResetReceived, CloseReason::TimedOut,
            CloseReason::Refused, CloseReason::Error(0), CloseReason::Error(101),
        ]),
        closer in proptest::option::of(proptest::sample::select(vec![Closer::Both, Closer::Local])),
        fin_received: bool,
    ) -> Closed {
        Closed {
            at: Moment::of_wall(AT_US - 5),
            duration_us: Known::from_option(duration, Source::Ebpf, Unknown::BeganBefore),
            how,
            first_closer: Known::from_option(closer, Source::Ebpf, Unknown::BeganBefore),
            fin_received,
        }
    }
}

prop_compose! {
    fn any_verdict()(
        class in proptest::sample::select(Class::ALL.to_vec()),
        confidence_percent in 0..=100_u8,
        samples in 1..100_u32,
        bytes_out in bytes(),
    ) -> Verdict {
        Verdict { class, confidence_percent, evidence: Evidence { samples, bytes_out, ..Evidence::NONE } }
    }
}

/// What kinds of sockets there are.
#[derive(Debug, Clone, Copy)]
enum Socketed {
    Tcp(State),
    Mptcp,
    Udp,
    Unix,
    Unlisted,
}

fn socketed() -> impl Strategy<Value = Socketed> {
    prop_oneof![
        4 => proptest::sample::select(State::ALL.to_vec()).prop_map(Socketed::Tcp),
        4 => Just(Socketed::Tcp(State::Close)),
        1 => Just(Socketed::Mptcp),
        1 => Just(Socketed::Udp),
        1 => Just(Socketed::Unix),
        1 => Just(Socketed::Unlisted),
    ]
}

fn socket_of(kind: Socketed, (local, remote): (Endpoint, Endpoint), tcp: TcpInfo) -> Socket {
    let (id, why) = (SocketId { netns: 5, cookie: 77 }, Unknown::NotPrivileged);
    let netns = Arc::new(Netns::new(5, Some("blue"), false));
    let of = |protocol, state| Socket {
        remote: Some(remote),
        ..Socket::new(id, Source::SockDiag, Arc::clone(&netns), protocol, state, local, why)
    };
    let other = |families, other| {
        let netns = Arc::clone(&netns);
        Socket::new_other(id, Source::SockDiag, netns, families, State::Established, other, why)
    };
    match kind {
        Socketed::Tcp(state) => Socket { tcp: now(tcp), ..of(Protocol::Tcp, state) },
        Socketed::Mptcp => {
            let state = conns_core::model::MptcpState {
                extra_subflows: 2,
                token: Some(9),
                bytes_sent: tcp.bytes_sent(),
                bytes_received: tcp.bytes_received(),
            };
            let tcp = Known::NotApplicable;
            Socket { mptcp: now(state), tcp, ..of(Protocol::Mptcp, State::Established) }
        }
        Socketed::Udp => {
            let (bytes_out, bytes_in) = (3, 4);
            let peer = UdpPeer { remote, bytes_out, bytes_in, datagrams_out: 1, datagrams_in: 1 };
            let traffic =
                UdpTraffic { bytes_out, bytes_in, peers: [peer].into(), peers_omitted: 1 };
            let tcp = Known::NotApplicable;
            Socket { udp: now(traffic), tcp, ..of(Protocol::Udp, State::Established) }
        }
        Socketed::Unix => {
            let name = now("/run/x".into());
            let known = OtherSocket { local_name: name, ..OtherSocket::bare() };
            other((Protocol::Unix, Family::Unix), known)
        }
        Socketed::Unlisted => {
            let known = OtherSocket { is_in_no_table: true, ..OtherSocket::bare() };
            other((Protocol::Tcp, Family::Ipv6), known)
        }
    }
}

prop_compose! {
    fn any_connection()(
        kind in socketed(),
        (ends, tcp) in (ends(), tcp_info()),
        (opening, closing) in (proptest::option::of(opening()), proptest::option::of(closing())),
        direction in proptest::option::of(proptest::sample::select(vec![Direction::Inbound, Direction::Outbound])),
        (verdict, queues) in (any_verdict(), any::<(u32, u32)>()),
        rates in proptest::option::of((0.0..1e12_f64, 0.0..1e12_f64)),
        (age, owners) in (proptest::option::of(bytes()), 0..3_u32),
        (name, app) in (proptest::option::of("[a-z.]{1,9}"), 0..3_usize),
        cookie: u64,
        totals in proptest::option::of((1..u64::MAX / 2, any::<u64>())),
    ) -> Connection {
        let mut socket = socket_of(kind, ends, tcp);
        socket.id.cookie = cookie;
        socket.queues = now(conns_core::model::Queues { receive_bytes: queues.0, send_bytes: queues.1 });
        (socket.interface, socket.interface_name) = (3, now("eth0".into()));
        let is_listener = socket.state == State::Listen;
        let mut made = conns_fixtures::connection(socket);
        let why = Unknown::BeganBefore;
        let applies = |known: bool| !is_listener && known;
        made.opened = match opening {
            Some(mut opened) if applies(true) => {
                match direction {
                    Some(Direction::Inbound) => opened.handshake_us = Known::NotApplicable,
                    Some(Direction::Outbound) => opened.first_use_us = Known::NotApplicable,
                    None => {}
                }
                now(Arc::new(opened))
            }
            _ if is_listener => Known::NotApplicable,
            _ => Known::Unknown(why),
        };
        made.closed = closing.filter(|_| !is_listener).map_or(Known::NotApplicable, now);
        made.direction = match direction {
            Some(direction) if !is_listener => now(direction),
            _ if is_listener => Known::NotApplicable,
            _ => Known::Unknown(why),
        };
        made.verdict = verdict;
        made.stats.age_us = Known::from_option(age, Source::Derived, why);
        let rates = rates.map(|(out_bytes_per_s, in_bytes_per_s)| Rates { out_bytes_per_s, in_bytes_per_s });
        made.stats.rates = Known::from_option(rates, Source::Derived, Unknown::NeedsTwoObservations);
        made.stats.peaks.rtt_us = 5;
        made.stats.serial = 4;
        let owner = |pid| conns_fixtures::owner(10 + pid, "nginx", 3);
        made.owners = now((0..owners).map(owner).collect());
        made.owners_omitted = 1;
        made.resolved_name = name.as_deref().filter(|_| made.remote().is_some()).map(Into::into);
        let layer = |protocol: &str| Layer {
            certainty: Certainty::Certain,
            values: [Known::Value(conns_core::model::Scalar::Bool(false), Source::Wire)].into(),
            gap_bytes: 3,
            since: Moment::of_wall(3),
            ..layers::bare(protocol)
        };
        let layers: Vec<Layer> = ["ssh", "http"].into_iter().take(app).map(layer).collect();
        made.application = match is_listener {
            true => Known::NotApplicable,
            false => now(Arc::new(Application { layers: layers.into() })),
        };
        // A counter of the kernel has wrapped.
        made.totals = totals.map(|(segments_out, lost)| {
            conns_core::model::Totals { segments_out, segments_lost: lost % segments_out, drops: 3 }
        });
        made
    }
}

proptest! {
    #[test]
    fn what_is_made_of_a_row_is_kept_as_the_same_row(original in any_connection()) {
        assert_kept(&original);
    }

    #[test]
    fn any_cells_make_a_connection_or_none(numbers in any::<[i64; 4]>(), text in ".{0,8}", real: f64) {
        for proto in ["tcp", "mptcp", "udp", "unix", "x"] {
            for turn in 0..4 {
                let cell = |name: &str| match (name, (name.len() + turn) % 4) {
                    ("proto", _) => Cell::text(proto),
                    (_, 0) => Cell::Integer(numbers[name.len() % 4]),
                    (_, 1) => Cell::real(real),
                    (_, 2) => Cell::text(&text),
                    _ => Cell::Null,
                };
                let made = connection(&cell, Some(3));
                assert_eq!(made.is_none(), proto == "x");
                for field in made.iter().flat_map(|made| catalogue().iter().map(move |f| f.value(made))) {
                    let _ = field.plain_text();
                }
            }
        }
    }
}

/// Sockets as a kernel has reported them.
#[test]
fn recorded_sockets_are_kept_as_they_were() {
    let mut reader = RowReader::new(Arc::new(Netns::new(1, None, true)));
    let mut sockets = Vec::new();
    for (protocol, datagram) in [
        (
            Protocol::Tcp,
            &include_bytes!("../../../../corpus/sockdiag/linux-6.18/tcp-listen-0.bin")[..],
        ),
        (
            Protocol::Tcp,
            include_bytes!("../../../../corpus/sockdiag/linux-6.18/tcp-established-0.bin"),
        ),
        (Protocol::Udp, include_bytes!("../../../../corpus/sockdiag/linux-6.18/udp4-0.bin")),
    ] {
        for message in wire::messages(datagram).flatten() {
            sockets.extend(reader.read(protocol, message.payload).map(SocketSample::from));
        }
    }
    let observe = |seconds: u64| {
        Observation::new(Source::SockDiag, conns_fixtures::at(seconds))
            .with_sockets(sockets.clone())
            .with_owners(Arc::default())
    };
    let mut tracker = Tracker::new(Retention::Window(std::time::Duration::from_secs(5)));
    tracker.apply(vec![observe(1)]);
    let snapshot = tracker.apply(vec![observe(2)]);
    assert!(snapshot.connections.len() > 3);
    let measured = |c: &&Connection| c.rtt_us().get().is_some() && c.bytes_out().get().is_some();
    assert!(snapshot.connections.iter().filter(measured).count() > 1);
    snapshot.connections.iter().for_each(assert_kept);
}

#[test]
fn filters_and_verdicts_read_the_past() {
    let tcp =
        Tcp { rtt_us: 70_000, bytes_sent: 500, data_segs_out: 10, total_retrans: 1, ..Tcp::ZERO };
    let mut socket =
        fixture(Protocol::Tcp, State::Established, "10.0.0.1:50000", Some("192.0.2.1:443"));
    (socket.tcp, socket.id.netns) = (tcp.known(), 5);
    let mut original = conns_fixtures::connection(socket);
    original.owners = now([conns_fixtures::owner(7, "curl", 3)].into());
    original.direction = now(Direction::Outbound);
    let evidence = Evidence { samples: 9, segments_out: 10, segments_lost: 1, ..Evidence::NONE };
    original.verdict = Verdict { class: Class::PathLoss, confidence_percent: 80, evidence };
    let past = made(KeptTable::Samples, &kept(KeptTable::Samples, &original));
    for filter in [
        "curl",
        "path-loss",
        "rtt > 50ms and loss == 10%",
        "outbound and remote_port == 443",
        "exe is unknown",
    ] {
        assert!(Filter::parse(filter).unwrap().matches(&past), "{filter}");
    }
    assert_eq!(past.verdict.why(&past.socket), original.verdict.why(&original.socket));
    assert_eq!(past.local(), endpoint("10.0.0.1:50000"));

    // Without the numbers behind it, a verdict claims none.
    let closed = made(KeptTable::Closed, &kept(KeptTable::Closed, &original));
    let why = closed.verdict.why(&closed.socket);
    assert_eq!(why, "It was path-loss. The history does not keep the numbers behind that.");
    let found = find_field("rcvbuf").unwrap().value(&past);
    assert_eq!(found, Value::Unknown(Unknown::NotKept));
    assert_eq!(Unknown::NotKept.to_string(), "the history does not keep it");
}

#[test]
fn verdicts_of_the_past_do_not_name_numbers_that_are_not_kept() {
    for (class, state, wanted) in [
        (
            Class::CloseWaitLeak,
            State::CloseWait,
            "The peer closed, and the application here has not",
        ),
        (Class::Stalled, State::Established, "No answer from the peer: 4 timeouts since it began."),
        (Class::HandshakeFailing, State::SynSent, "the SYN was sent without an answer"),
        (Class::AcceptOverflow, State::Listen, "6 dropped since it began."),
        (Class::SynQueueFull, State::Listen, "last ACK than it holds, so that"),
        (Class::Healthy, State::Listen, "Accepting: 6 SYNs"),
    ] {
        let socket = fixture(Protocol::Tcp, state, "10.0.0.1:80", Some("192.0.2.1:443"));
        let mut original = conns_fixtures::connection(socket);
        let evidence = Evidence { samples: 9, timeouts: 4, drops: 6, ..Evidence::NONE };
        original.verdict = Verdict { class, confidence_percent: 80, evidence };
        let past = made(KeptTable::Samples, &kept(KeptTable::Samples, &original));
        let why = past.verdict.why(&past.socket);
        assert!(why.contains(wanted), "{why}");
    }
}

#[test]
fn what_is_not_known_of_tcp_is_not_kept() {
    let cell = |name: &str| match name {
        "proto" => Cell::text("tcp"),
        "rtt_us" => Cell::Integer(5),
        _ => Cell::Null,
    };
    let past = connection(&cell, Some(1)).unwrap();
    assert!(!past.socket.netns.is_own);
    let tcp = past.tcp().unwrap();
    assert_eq!(tcp, &TcpInfoBuilder::default().rtt(5).of_history().clone().build());
    for field in catalogue().iter().filter(|field| field.tcp_info().is_some()) {
        let value = field.value(&past);
        let is_absent = matches!(value, Value::Unknown(Unknown::NotKept) | Value::NotApplicable);
        assert!(is_absent, "{} is {value:?}", field.name);
    }
}
