//! Peers, and how to ask for them.

use std::sync::Arc;

use bytes::Bytes;
use conns_core::model::{
    Connection, Direction, Known, Moment, Protocol, Queues, Rates, Socket, Source, State, TcpInfo,
    Unknown,
};
use conns_core::query::Filter;
use conns_dialects::monero::{DEFAULT_PEERS, Era, Node, Options};
use conns_dialects::{HttpDialect, HttpOutcome, ResponseCache};
use conns_fixtures::{Tcp, known, owner, snapshot, update, with_cookie};
use http::{Request, Response};

/// The last microsecond of 2026-08-20T12:00:00Z, an hour after the monotonic clock began: so that the node, which subtracts
/// whole seconds, counts the whole seconds of a span.
pub(crate) const NOW: Moment =
    Moment { monotonic_us: 3_600_000_000, wall_us: 1_787_227_200_999_999 };

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

impl Peer {
    pub(crate) fn connection(&self) -> Connection {
        let remote = (self.state != State::Listen).then_some(&*self.remote);
        let socket = conns_fixtures::socket(self.protocol, self.state, self.local, remote);
        let (receive_bytes, send_bytes) = (self.receive_queue, self.send_queue);
        let mut made = conns_fixtures::connection(Socket {
            queues: known(Queues { receive_bytes, send_bytes }),
            tcp: self.tcp_info(),
            ..with_cookie(self.cookie, socket)
        });
        made.owners = known([owner(100, self.process, 9)].into());
        made.direction =
            self.direction.map_or(Known::Unknown(Unknown::KernelDoesNotReport), |direction| {
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
        Tcp {
            last_data_sent_ms: self.last_sent_ms,
            last_data_recv_ms: self.last_received_ms,
            bytes_acked: self.bytes_acked,
            bytes_received: self.bytes_received,
            notsent_bytes: self.notsent_bytes,
            bytes_sent: self.bytes_sent,
            bytes_retrans: self.bytes_retrans,
            length: self.tcp_info_bytes,
            ..Tcp::ZERO
        }
        .known()
    }
}

/// These peers, at [`NOW`].
pub(crate) fn cache(peers: &[Peer]) -> ResponseCache {
    cache_at(peers, NOW)
}

pub(crate) fn cache_at(peers: &[Peer], at: Moment) -> ResponseCache {
    let connections = peers.iter().map(Peer::connection).collect();
    ResponseCache::new(Arc::new(update(snapshot(1, at, connections))))
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
