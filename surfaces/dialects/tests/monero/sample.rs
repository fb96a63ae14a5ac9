//! Peers, and how to ask for them.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use conns_core::model::{
    Connection, Direction, Endpoint, Family, Health, Known, Moment, Netns, Observation, Owner,
    Process, Protocol, Queues, Rates, Snapshot, Socket, SocketId, SocketSample, Source, State,
    TcpInfo, Unknown, Update,
};
use conns_core::query::Filter;
use conns_core::track::{Retention, Tracker};
use conns_dialects::monero::{DEFAULT_PEERS, Era, Node, Options};
use conns_dialects::{HttpDialect, HttpOutcome, ResponseCache};
use http::{Request, Response};

/// 2026-08-20T12:00:00Z, an hour after the monotonic clock began.
pub(crate) const NOW: Moment =
    Moment { monotonic_us: 3_600_000_000, wall_us: 1_787_227_200_000_000 };

pub(crate) const CALL: &str = r#"{"jsonrpc":"2.0","id":"0","method":"get_connections"}"#;

/// A connection as the kernel reports it, with the rates of several samples.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    pub(crate) protocol: Protocol,
    pub(crate) state: State,
    pub(crate) local: &'static str,
    pub(crate) remote: String,
    pub(crate) direction: Option<Direction>,
    pub(crate) process: &'static str,
    pub(crate) cookie: u64,
    pub(crate) age_us: u64,
    pub(crate) bytes_sent: u64,
    pub(crate) bytes_retrans: u64,
    pub(crate) bytes_acked: u64,
    pub(crate) bytes_received: u64,
    pub(crate) notsent_bytes: u32,
    pub(crate) receive_queue: u32,
    pub(crate) send_queue: u32,
    pub(crate) last_sent_ms: u32,
    pub(crate) last_received_ms: u32,
    /// Out, in.
    pub(crate) slot_rates: (f64, f64),
    /// How much of `tcp_info` the kernel fills.
    pub(crate) tcp_info_bytes: usize,
}

impl Default for Peer {
    fn default() -> Self {
        Self {
            protocol: Protocol::Tcp,
            state: State::Established,
            local: "192.0.2.1:18080",
            remote: "198.51.100.7:40000".to_owned(),
            direction: Some(Direction::Inbound),
            process: "monerod",
            cookie: 1,
            age_us: 0,
            bytes_sent: 0,
            bytes_retrans: 0,
            bytes_acked: 0,
            bytes_received: 0,
            notsent_bytes: 0,
            receive_queue: 0,
            send_queue: 0,
            last_sent_ms: 0,
            last_received_ms: 0,
            slot_rates: (0.0, 0.0),
            tcp_info_bytes: 232,
        }
    }
}

fn known<T>(value: T) -> Known<T> {
    Known::Value(value, Source::SockDiag)
}

fn endpoint(text: &str) -> Endpoint {
    let end: SocketAddr = text.parse().expect("an address with port");
    Endpoint { address: end.ip(), port: end.port() }
}

impl Peer {
    pub(crate) fn connection(&self) -> Connection {
        let local = endpoint(self.local);
        let unreported = Unknown::KernelDoesNotReport;
        let socket = Socket {
            id: SocketId { netns: 4_026_531_840, cookie: self.cookie },
            source: Source::SockDiag,
            netns: Arc::new(Netns::new(4_026_531_840, None, true)),
            protocol: self.protocol,
            family: if local.address.is_ipv4() { Family::Ipv4 } else { Family::Ipv6 },
            state: self.state,
            local,
            remote: (self.state != State::Listen).then(|| endpoint(&self.remote)),
            interface: 0,
            inode: known(7),
            uid: known(0),
            queues: known(Queues {
                receive_bytes: self.receive_queue,
                send_bytes: self.send_queue,
            }),
            accept_queue: Known::NotApplicable,
            timer: Known::NotApplicable,
            memory: Known::Unknown(unreported),
            congestion: Known::Unknown(unreported),
            tos: Known::Unknown(unreported),
            mark: Known::Unknown(Unknown::NotPrivileged),
            cgroup_id: Known::Unknown(unreported),
            shutdown: Known::Unknown(unreported),
            upper_layer: Known::NotApplicable,
            tcp: self.tcp_info(),
            mptcp: Known::NotApplicable,
            udp: Known::NotApplicable,
        };
        let observation =
            Observation::new(Source::SockDiag, NOW).with_sockets(vec![SocketSample::from(socket)]);
        let seen = Tracker::new(Retention::None).apply(vec![observation]);
        let mut made = seen.connections.into_iter().next().expect("one connection");
        made.owners = known([owner(self.process)].into());
        made.direction = self.direction.map_or(Known::Unknown(unreported), |direction| {
            Known::Value(direction, Source::Derived)
        });
        made.stats.first_seen = NOW;
        made.stats.age_us = known(self.age_us);
        let (out_bytes_per_s, in_bytes_per_s) = self.slot_rates;
        made.stats.slot_rates = known(Rates { out_bytes_per_s, in_bytes_per_s });
        made
    }

    fn tcp_info(&self) -> Known<TcpInfo> {
        if self.protocol != Protocol::Tcp {
            return Known::NotApplicable;
        }
        let mut bytes = [0_u8; 232];
        let narrow =
            [(44, self.last_sent_ms), (52, self.last_received_ms), (144, self.notsent_bytes)];
        for (at, value) in narrow {
            bytes[at..at + 4].copy_from_slice(&value.to_ne_bytes());
        }
        let wide = [
            (120, self.bytes_acked),
            (128, self.bytes_received),
            (200, self.bytes_sent),
            (208, self.bytes_retrans),
        ];
        for (at, value) in wide {
            bytes[at..at + 8].copy_from_slice(&value.to_ne_bytes());
        }
        known(TcpInfo::new(&bytes[..self.tcp_info_bytes]))
    }
}

fn owner(name: &str) -> Owner {
    Owner {
        process: Arc::new(Process {
            pid: 100,
            name: name.into(),
            executable: Known::Unknown(Unknown::NotPrivileged),
            command_line: Known::Unknown(Unknown::NotPrivileged),
            uid: known(0),
            user: known("root".into()),
            started_wall_us: Known::Unknown(Unknown::NotPrivileged),
            parent_pid: known(1),
            cgroup: Known::Unknown(Unknown::NotPrivileged),
            container_id: Known::NotApplicable,
            systemd_unit: Known::NotApplicable,
        }),
        descriptor: Some(9),
    }
}

/// These peers, at [`NOW`].
pub(crate) fn cache(peers: &[Peer]) -> ResponseCache {
    cache_at(peers, NOW)
}

pub(crate) fn cache_at(peers: &[Peer], at: Moment) -> ResponseCache {
    let connections = peers.iter().map(Peer::connection).collect();
    let snapshot =
        Snapshot { sequence: 1, at, connections, losses: Vec::new(), ..Snapshot::default() };
    ResponseCache::new(Arc::new(Update {
        instance: 5,
        snapshot: Arc::new(snapshot),
        closed: Arc::new([]),
        closed_complete_since: 1,
        health: Health::default(),
        ..Update::default()
    }))
}

/// Every connection is a peer, nothing is asked for.
pub(crate) fn options() -> Options {
    Options {
        peers: filter(""),
        node: None,
        era: Era::Current,
        restricted: false,
        login: None,
        secret: *b"sixteen secrets!",
    }
}

/// Only those that are listed by default.
pub(crate) fn default_options() -> Options {
    Options { peers: filter(DEFAULT_PEERS), ..options() }
}

pub(crate) fn filter(text: &str) -> Filter {
    Filter::parse(text).unwrap_or_else(|error| panic!("{error}"))
}

pub(crate) fn post(body: impl Into<Bytes>) -> Request<Bytes> {
    let body = body.into();
    let request = Request::post("/json_rpc").header("content-length", body.len());
    request.body(body).expect("a request")
}

/// The answer; `None` if the connection is closed without one.
pub(crate) fn ask(
    node: &Node,
    request: &Request<Bytes>,
    cache: &ResponseCache,
) -> Option<Response<Bytes>> {
    match node.answer(request, cache) {
        HttpOutcome::Answer(response) => Some(response.map(|chunks| chunks.concat().into())),
        HttpOutcome::Hangup => None,
    }
}

/// The body of the answer to [`CALL`].
pub(crate) fn body(options: Options, cache: &ResponseCache) -> String {
    let response = ask(&Node::new(options), &post(CALL), cache).expect("an answer");
    assert_eq!(response.status(), 200);
    String::from_utf8(response.into_body().into()).expect("an answer to an ASCII id is UTF-8")
}
