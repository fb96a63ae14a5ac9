//! The `connections` of an answer: one row for each peer.
//!
//! Values are computed by the node's formulas from the kernel's counters of the socket. A value that
//! needs decoded payload is a documented constant.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use conns_core::model::{
    Connection, Direction, Moment, Protocol, Rates, Snapshot, State, unmapped,
};

use super::digest;
use super::number::write_whole;
use super::options::{Era, Options};

/// Approximate length of a row, bytes, to allocate once.
const ROW: usize = 768;

/// The key, its list and the line's end; empty without peers.
pub(super) fn write(options: &Options, instance: u64, snapshot: &Snapshot) -> Vec<u8> {
    let is_listed = |connection: &&Connection| {
        connection.socket.protocol == Protocol::Tcp
            && connection.socket.state == State::Established
            && options.peers.matches(connection)
            && options.node.as_ref().is_none_or(|node| node.matches(connection))
    };
    let mut out = Vec::new();
    for connection in snapshot.connections.iter().filter(is_listed) {
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
struct Row {
    remote: SocketAddr,
    incoming: bool,
    live_s: u64,
    received: Flow,
    sent: Flow,
}

/// One direction.
struct Flow {
    bytes: u64,
    idle_s: u64,
    /// KiB a second over nine seconds.
    current: u64,
}

impl Row {
    /// The row of a connection; `None` if it has no remote end.
    fn new(connection: &Connection, now: Moment) -> Option<Self> {
        let remote = connection.socket.remote?;
        let last_sent_us = connection.last_sent_us().get();
        let last_received_us = connection.last_received_us().get();
        // It is at least as old as its last byte, even if it was first sampled later.
        let live_us = connection.stats.least_age_us(now);
        let live_us = live_us.max(last_sent_us.unwrap_or(0)).max(last_received_us.unwrap_or(0));
        let flow = |bytes, last_us: Option<u64>, rate: fn(Rates) -> f64| Flow {
            bytes,
            idle_s: last_us.unwrap_or(live_us) / 1_000_000,
            current: whole_kib(connection.stats.slot_rates.get().map_or(0.0, rate)),
        };
        Some(Self {
            remote: SocketAddr::new(unmapped(remote.address), remote.port),
            incoming: connection.direction.get() == Some(Direction::Inbound),
            live_s: live_us / 1_000_000,
            received: flow(received(connection), last_received_us, |rates| rates.in_bytes_per_s),
            sent: flow(sent(connection), last_sent_us, |rates| rates.out_bytes_per_s),
        })
    }

    fn state(&self, era: Era) -> &'static str {
        let has_talked = self.received.bytes > 0 && self.sent.bytes > 0;
        match (has_talked, era) {
            (true, Era::Current) => "normal",
            (true, Era::V0_11) => "state_normal",
            (false, Era::Current) => "before_handshake",
            (false, Era::V0_11) => "state_before_handshake",
        }
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
        keys.number("height", 0);
        keys.shown("host", ip);
        keys.truth("incoming", self.incoming);
        keys.shown("ip", ip);
        keys.number("live_time", self.live_s);
        keys.truth("local_ip", is_local(ip));
        keys.truth("localhost", ip.is_loopback());
        keys.text("peer_id", b"0000000000000000");
        keys.shown("port", self.remote.port());
        if is_current {
            keys.number("pruning_seed", 0);
        }
        keys.number("recv_count", self.received.bytes);
        keys.number("recv_idle_time", self.received.idle_s);
        if is_current {
            keys.number("rpc_credits_per_hash", 0);
            keys.number("rpc_port", 0);
        }
        keys.number("send_count", self.sent.bytes);
        keys.number("send_idle_time", self.sent.idle_s);
        keys.text("state", self.state(era).as_bytes());
        keys.number("support_flags", 0);
        keys.out.extend_from_slice(b"\r\n");
    }
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
