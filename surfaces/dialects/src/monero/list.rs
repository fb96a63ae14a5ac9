//! The `connections` of an answer: one row for each peer.
//!
//! Values are those of the decoded payload and of the reads and writes of the process, and computed by the node's
//! formulas. Where these are not known, the kernel's counters of the socket, or a documented constant, take their place.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use conns_core::decode::{LEVIN, LayerValues};
use conns_core::model::{
    Connection, Direction, Moment, Protocol, Rates, Snapshot, State, unmapped,
};

use super::digest;
use super::number::write_whole;
use super::options::{Era, Options};

/// Approximate length of a row, bytes, to allocate once.
const ROW: usize = 768;

/// The key, its list and the line's end; empty without peers. `lists_silent` is whether those are listed too that
/// came in at a P2P port and sent nothing yet.
pub(super) fn write(
    options: &Options,
    lists_silent: bool,
    instance: u64,
    snapshot: &Snapshot,
) -> Vec<u8> {
    let connections = || snapshot.connections.iter();
    let is_established = |connection: &Connection| {
        connection.socket.protocol == Protocol::Tcp && connection.socket.state == State::Established
    };
    let are_peers: Vec<bool> =
        connections().map(|one| is_established(one) && options.peers.matches(one)).collect();
    let peers = || connections().zip(&are_peers);
    let ports = match lists_silent {
        true => p2p_ports(peers().filter_map(|(one, is_peer)| is_peer.then_some(one))),
        false => HashSet::new(),
    };
    let is_listed = |(connection, is_peer): &(&Connection, &bool)| {
        (**is_peer || is_established(connection) && is_silent_peer(connection, &ports))
            && options.node.as_ref().is_none_or(|node| node.matches(connection))
    };
    let mut out = Vec::new();
    for (connection, _) in peers().filter(is_listed) {
        let Some(row) = Row::new(connection, snapshot.at) else { continue };
        if out.is_empty() {
            out.reserve(ROW * snapshot.connections.len().min(16_384));
            out.extend_from_slice(b"    \"connections\": [{\r\n");
        } else {
            out.extend_from_slice(b"    },{\r\n");
        }
        let id = socket_id(options, instance, connection);
        row.write(&mut Keys { out: &mut out, is_first: true }, &id, options.era);
    }
    if !out.is_empty() {
        out.extend_from_slice(b"    }],\r\n");
    }
    out
}

/// A port of this machine: network namespace, number.
type Port = (u64, u16);

/// The P2P ports of nodes: where these peers came in, and what their nodes announce.
fn p2p_ports<'a>(peers: impl Iterator<Item = &'a Connection>) -> HashSet<Port> {
    let of_peer = |connection: &Connection| {
        let netns = connection.socket.id.netns;
        let is_inbound = connection.direction.get() == Some(Direction::Inbound);
        let levin = LayerValues::of(connection, &LEVIN);
        let accepted = (is_inbound && levin.is_some()).then_some(connection.socket.local.port);
        let announced = levin.and_then(|levin| levin.count("node_port"));
        let announced = announced.and_then(|port| u16::try_from(port).ok());
        let ports = [accepted, announced.filter(|port| *port != 0)];
        ports.into_iter().flatten().map(move |port| (netns, port))
    };
    peers.flat_map(of_peer).collect()
}

/// Whether it came in at a P2P port and sent nothing yet: the node lists it from the accept on.
fn is_silent_peer(connection: &Connection, ports: &HashSet<Port>) -> bool {
    connection.application.value().is_none()
        && connection.direction.get() == Some(Direction::Inbound)
        && ports.contains(&(connection.socket.id.netns, connection.socket.local.port))
}

/// The id of a connection, stable within one agent instance: the shape of a random UUID (RFC 9562
/// section 5.4) without dashes.
fn socket_id(options: &Options, instance: u64, connection: &Connection) -> [u8; 32] {
    let id = connection.socket.id;
    let numbers = [instance, id.netns, id.cookie];
    let mut uuid = digest::keyed(&options.secret, b"connection_id", numbers);
    let [_, _, _, _, _, _, version, _, variant, ..] = &mut uuid;
    *version = *version & 0x0f | 0x40;
    *variant = *variant & 0x3f | 0x80;
    digest::hex(uuid)
}

/// A peer, in the node's units.
struct Row<'a> {
    remote: SocketAddr,
    incoming: bool,
    live_s: u64,
    received: Flow,
    sent: Flow,
    levin: Option<LayerValues<'a>>,
}

/// One direction.
struct Flow {
    bytes: u64,
    idle_s: u64,
    /// KiB a second over nine seconds.
    current: u64,
}

impl<'a> Row<'a> {
    /// The row of a connection; `None` if it has no remote end.
    fn new(connection: &'a Connection, now: Moment) -> Option<Self> {
        let remote = connection.socket.remote?;
        let levin = LayerValues::of(connection, &LEVIN);
        let last_sent_us = connection.last_sent_us().get();
        let last_received_us = connection.last_received_us().get();
        // It is at least as old as its last byte, even if it was first sampled later.
        let live_us = connection.stats.least_age_us(now);
        let live_us = live_us.max(last_sent_us.unwrap_or(0)).max(last_received_us.unwrap_or(0));
        let before = |span_us: u64| now.wall_us.saturating_sub_unsigned(span_us);
        let started = before(live_us);
        let flow = |fields: [&str; 3], bytes, last_us: Option<u64>, rate: fn(Rates) -> f64| {
            let [moved, last, slots] = fields;
            let last = levin.and_then(|levin| levin.time_us(last)).or(last_us.map(before));
            let slots = levin.and_then(|levin| levin.rate(slots));
            Flow {
                bytes: levin.and_then(|levin| levin.count(moved)).unwrap_or(bytes),
                idle_s: seconds_between(last.unwrap_or(started).max(started), now.wall_us),
                current: whole_kib(
                    slots.or(connection.stats.slot_rates.get().map(rate)).unwrap_or(0.0),
                ),
            }
        };
        let read = ["bytes_read", "last_read", "read_rate"];
        let written = ["bytes_written", "last_written", "write_rate"];
        Some(Self {
            remote: SocketAddr::new(unmapped(remote.address), remote.port),
            incoming: connection.direction.get() == Some(Direction::Inbound),
            live_s: seconds_between(started, now.wall_us),
            received: flow(read, received(connection), last_received_us, |r| r.in_bytes_per_s),
            sent: flow(written, sent(connection), last_sent_us, |r| r.out_bytes_per_s),
            levin,
        })
    }

    /// As decoded; else by whether both have sent something.
    fn state(&self) -> &'a str {
        let decoded = self.levin.and_then(|levin| levin.text("state"));
        let has_talked = self.received.bytes > 0 && self.sent.bytes > 0;
        decoded.unwrap_or(if has_talked { "normal" } else { "before_handshake" })
    }

    /// A decoded number; 0 if it is not known.
    fn count(&self, field: &str) -> u64 {
        self.levin.and_then(|levin| levin.count(field)).unwrap_or(0)
    }

    /// Mean over its lifetime: bytes by whole seconds, then by 1024, both rounded down.
    fn average(&self, flow: &Flow) -> u64 {
        flow.bytes.checked_div(self.live_s).unwrap_or(0) / 1024
    }

    fn write(&self, keys: &mut Keys<'_>, id: &[u8; 32], era: Era) {
        let is_current = era == Era::Current;
        let ip = self.remote.ip();
        keys.shown("address", self.remote);
        if is_current {
            keys.number("address_type", if ip.is_ipv4() { 1 } else { 2 });
        }
        keys.number("avg_download", self.average(&self.received));
        keys.number("avg_upload", self.average(&self.sent));
        keys.text("connection_id", id);
        keys.number("current_download", self.received.current);
        keys.number("current_upload", self.sent.current);
        keys.number("height", self.count("height"));
        keys.shown("host", ip);
        keys.truth("incoming", self.incoming);
        keys.shown("ip", ip);
        keys.number("live_time", self.live_s);
        keys.truth("local_ip", is_local(ip));
        keys.truth("localhost", ip.is_loopback());
        let peer_id = self.levin.and_then(|levin| levin.text("peer_id"));
        keys.text("peer_id", peer_id.unwrap_or("0000000000000000").as_bytes());
        keys.shown("port", self.remote.port());
        if is_current {
            keys.number("pruning_seed", self.count("pruning_seed"));
        }
        keys.number("recv_count", self.received.bytes);
        keys.number("recv_idle_time", self.received.idle_s);
        if is_current {
            keys.number("rpc_credits_per_hash", self.count("rpc_credits_per_hash"));
            keys.number("rpc_port", self.count("rpc_port"));
        }
        keys.number("send_count", self.sent.bytes);
        keys.number("send_idle_time", self.sent.idle_s);
        let prefix = if is_current { "" } else { "state_" };
        keys.shown("state", format_args!("{prefix}{}", self.state()));
        keys.number("support_flags", self.count("support_flags"));
        keys.out.extend_from_slice(b"\r\n");
    }
}

/// As the node counts: it subtracts whole seconds of the wall clock, both in microseconds since 1970.
fn seconds_between(from_us: i64, until_us: i64) -> u64 {
    let second = |wall_us: i64| wall_us.div_euclid(1_000_000);
    u64::try_from(second(until_us) - second(from_us)).unwrap_or(0)
}

/// Payload the process has read: received, less the receive queue.
fn received(connection: &Connection) -> u64 {
    let waiting = connection.socket.queues.value().map_or(0, |queues| queues.receive_bytes);
    connection.bytes_in().get().unwrap_or(0).saturating_sub(waiting.into())
}

/// Payload the process has written: first transmissions and bytes not sent yet. A kernel that does
/// not count transmissions (before Linux 4.19) counts acknowledged bytes, including the SYN of the
/// side that sent one, and the send queue.
fn sent(connection: &Connection) -> u64 {
    let Some(tcp) = connection.tcp() else { return 0 };
    if tcp.bytes_sent().is_some() {
        let waiting = tcp.notsent_bytes().unwrap_or(0);
        return connection.bytes_out().get().unwrap_or(0).saturating_add(waiting.into());
    }
    let syn = u64::from(connection.direction.get() == Some(Direction::Outbound));
    let waiting = connection.socket.queues.value().map_or(0, |queues| queues.send_bytes);
    tcp.bytes_acked().unwrap_or(0).saturating_sub(syn).saturating_add(waiting.into())
}

/// As in the node: private IPv4 addresses (RFC 1918) and link-local IPv6 ones, no others.
fn is_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_private(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast saturates")]
fn whole_kib(bytes_per_s: f64) -> u64 {
    (bytes_per_s / 1024.0) as u64
}

/// Writes keys and values of one object at depth three.
struct Keys<'a> {
    out: &'a mut Vec<u8>,
    is_first: bool,
}

impl Keys<'_> {
    fn key(&mut self, name: &str) {
        if !self.is_first {
            self.out.extend_from_slice(b",\r\n");
        }
        self.is_first = false;
        self.out.extend_from_slice(b"      \"");
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\": ");
    }

    fn number(&mut self, name: &str, value: u64) {
        self.key(name);
        write_whole(self.out, value);
    }

    fn truth(&mut self, name: &str, value: bool) {
        self.key(name);
        self.out.extend_from_slice(if value { b"true" } else { b"false" });
    }

    /// A text that needs no escapes.
    fn text(&mut self, name: &str, value: &[u8]) {
        self.key(name);
        self.out.push(b'"');
        self.out.extend_from_slice(value);
        self.out.push(b'"');
    }

    /// A text that needs no escapes, from its `Display`.
    fn shown(&mut self, name: &str, value: impl std::fmt::Display) {
        let mut text = String::new();
        // A write to a `String` does not fail.
        let _ = write!(text, "{value}");
        self.text(name, text.as_bytes());
    }
}
