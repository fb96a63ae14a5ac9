//! Sockets of a media server, and updates with them.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use conns_core::model::{
    ClosedConnection, Connection, Endpoint, Family, Health, Known, Moment, Netns, Observation,
    Owner, Process, Protocol, Rates, Snapshot, Socket, SocketId, SocketSample, Source, State,
    TcpInfo, Unknown, Update,
};
use conns_core::query::Filter;
use conns_core::track::{Retention, Tracker};
use conns_dialects::ems::{DEFAULT_STREAMS, Options, Server};
use conns_dialects::{HttpDialect, HttpOutcome, LineDialect, LineOutcome, ResponseCache};
use http::{Request, Response};

/// When the samples were taken, in microseconds: 1795314225419.738 ms.
pub(crate) const NOW: Moment =
    Moment { monotonic_us: 5_000_000_000, wall_us: 1_795_314_225_419_738 };

pub(crate) fn known<T>(value: T) -> Known<T> {
    Known::Value(value, Source::SockDiag)
}

fn endpoint(text: &str) -> Endpoint {
    let end: SocketAddr = text.parse().expect("an address with port");
    Endpoint { address: end.ip(), port: end.port() }
}

/// A socket, seen for the first time just now, of which only protocol, state and ends are known.
pub(crate) fn socket(
    serial: u64,
    protocol: Protocol,
    state: State,
    near: &str,
    far: Option<&str>,
) -> Connection {
    let local = endpoint(near);
    let unreported = Unknown::KernelDoesNotReport;
    let socket = Socket {
        id: SocketId { netns: 1, cookie: serial },
        source: Source::SockDiag,
        netns: Arc::new(Netns::new(4_026_531_840, None, true)),
        protocol,
        family: if local.address.is_ipv4() { Family::Ipv4 } else { Family::Ipv6 },
        state,
        local,
        remote: far.map(endpoint),
        interface: 0,
        inode: known(7),
        uid: known(0),
        queues: Known::Unknown(unreported),
        accept_queue: Known::NotApplicable,
        timer: Known::NotApplicable,
        memory: Known::Unknown(unreported),
        congestion: Known::Unknown(unreported),
        tos: Known::Unknown(unreported),
        mark: Known::Unknown(Unknown::NotPrivileged),
        cgroup_id: Known::Unknown(unreported),
        shutdown: Known::Unknown(unreported),
        upper_layer: Known::NotApplicable,
        tcp: match protocol {
            Protocol::Tcp => Known::Unknown(unreported),
            Protocol::Udp | Protocol::Mptcp => Known::NotApplicable,
        },
        mptcp: Known::NotApplicable,
        udp: Known::NotApplicable,
    };
    let observation = Observation::new(Source::SockDiag, Moment::default())
        .with_sockets(vec![SocketSample::from(socket)]);
    let seen = Tracker::new(Retention::None).apply(vec![observation]);
    let mut made = seen.connections.into_iter().next().expect("one connection");
    made.owners = Known::Unknown(Unknown::NoOwnerFound);
    made.stats.serial = serial;
    made.stats.first_seen = NOW;
    made
}

/// An established TCP connection with these bytes received and sent.
pub(crate) fn stream(serial: u64, near: &str, far: &str, bytes: (u64, u64)) -> Connection {
    let mut made = socket(serial, Protocol::Tcp, State::Established, near, Some(far));
    made.socket.tcp = tcp_info(bytes);
    made
}

/// `tcp_info` with bytes received and sent.
pub(crate) fn tcp_info((received, sent): (u64, u64)) -> Known<TcpInfo> {
    let mut bytes = [0_u8; 232];
    for (at, value) in [(128, received), (200, sent)] {
        bytes[at..at + 8].copy_from_slice(&value.to_ne_bytes());
    }
    known(TcpInfo::new(&bytes))
}

pub(crate) fn with_rates(mut connection: Connection, received: f64, sent: f64) -> Connection {
    connection.stats.rates = known(Rates { out_bytes_per_s: sent, in_bytes_per_s: received });
    connection
}

pub(crate) fn owned_by(mut connection: Connection, process: &str) -> Connection {
    let process = Arc::new(Process {
        pid: 100,
        name: process.into(),
        executable: Known::Unknown(Unknown::NotPrivileged),
        command_line: Known::Unknown(Unknown::NotPrivileged),
        uid: known(0),
        user: known("root".into()),
        started_wall_us: Known::Unknown(Unknown::NotPrivileged),
        parent_pid: known(1),
        cgroup: Known::Unknown(Unknown::NotPrivileged),
        container_id: Known::NotApplicable,
        systemd_unit: Known::NotApplicable,
    });
    connection.owners = known([Owner { process, descriptor: Some(9) }].into());
    connection
}

/// The update of this number with these connections.
pub(crate) fn update(sequence: u64, connections: Vec<Connection>) -> Update {
    Update {
        instance: 1,
        snapshot: Arc::new(Snapshot {
            sequence,
            at: NOW,
            connections,
            losses: Vec::new(),
            ..Snapshot::default()
        }),
        closed: Arc::new([]),
        closed_complete_since: 0,
        health: Health::default(),
        ..Update::default()
    }
}

/// The same with connections that closed, each with the first snapshot without it.
pub(crate) fn with_closed(mut update: Update, closed: Vec<(u64, Connection)>) -> Update {
    let at = update.snapshot.at;
    update.closed = closed
        .into_iter()
        .map(|(sequence, connection)| Arc::new(ClosedConnection { sequence, at, connection }))
        .collect();
    update
}

pub(crate) fn cache(connections: Vec<Connection>) -> ResponseCache {
    ResponseCache::new(Arc::new(update(1, connections)))
}

pub(crate) fn options(streams: &str, length_prefix: bool) -> Options {
    Options {
        streams: Filter::parse(streams).expect("a filter"),
        length_prefix,
        brand: "conns 0.1".to_owned(),
    }
}

pub(crate) fn server() -> Server {
    Server::new(options(DEFAULT_STREAMS, false))
}

/// What a line is answered, as text, and whether the connection is closed.
pub(crate) fn reply(
    dialect: &impl LineDialect,
    line: &str,
    cache: &ResponseCache,
) -> (String, bool) {
    let LineOutcome { chunks, close } = dialect.answer(line.as_bytes(), cache);
    (String::from_utf8(chunks.concat()).expect("text"), close)
}

/// What the JSON interface answers a fresh server's caller.
pub(crate) fn json(line: &str, cache: &ResponseCache) -> String {
    reply(&server().json_cli(), line, cache).0
}

/// What the interface for people answers.
pub(crate) fn text(line: &str, cache: &ResponseCache) -> String {
    reply(&server().ascii_cli(), line, cache).0
}

/// What a request is answered; `None` if the connection is closed without a word.
pub(crate) fn asked(method: &str, uri: &str, cache: &ResponseCache) -> Option<Response<String>> {
    let request = Request::builder().method(method).uri(uri).body(Bytes::new()).expect("a request");
    match server().http().answer(&request, cache) {
        HttpOutcome::Answer(response) => {
            Some(response.map(|chunks| String::from_utf8(chunks.concat()).expect("text")))
        }
        HttpOutcome::Hangup => None,
    }
}
