//! Fields that tell who is connected, and where.

use crate::model::{Connection, Endpoint};
use crate::query::{Kind, Value};

use super::Row;

pub(super) const ROWS: &[Row] = &[
    (
        "proto",
        &["protocol"],
        Kind::Text,
        "Transport protocol: tcp, udp or mptcp.",
        "sock_diag",
        |c| Value::text(c.socket.protocol.name()),
    ),
    (
        "family",
        &["class"],
        Kind::Text,
        "Address family of the socket: IPv4 or IPv6.",
        "idiag_family",
        |c| Value::text(c.socket.family.name()),
    ),
    (
        "state",
        &[],
        Kind::Text,
        "State as ss names it; filters also take the RFC 9293 names.",
        "idiag_state",
        |c| Value::text(c.socket.state.name()),
    ),
    (
        "direction",
        &["dir"],
        Kind::Text,
        "Who opened it: inbound or outbound.",
        "eBPF events; else derived from the byte counters and the listening sockets",
        |c| Value::known(c.direction, |d| Value::text(d.name())),
    ),
    (
        "local",
        &["src"],
        Kind::Endpoint,
        "This machine's end: address and port.",
        "inet_diag_sockid",
        |c| Value::Endpoint(c.socket.local),
    ),
    (
        "local_addr",
        &["saddr"],
        Kind::Address,
        "Address of this machine's end.",
        "inet_diag_sockid.idiag_src",
        |c| Value::Address(c.socket.local.address),
    ),
    (
        "local_port",
        &["sport"],
        Kind::Port,
        "Port of this machine's end.",
        "inet_diag_sockid.idiag_sport",
        |c| Value::Port(c.socket.local.port),
    ),
    (
        "remote",
        &["dst", "peer"],
        Kind::Endpoint,
        "The other end: address and port.",
        "inet_diag_sockid",
        |c| remote(c, Value::Endpoint),
    ),
    (
        "remote_addr",
        &["daddr", "peer_addr"],
        Kind::Address,
        "Address of the other end.",
        "inet_diag_sockid.idiag_dst",
        |c| remote(c, |end| Value::Address(end.address)),
    ),
    (
        "remote_port",
        &["dport", "peer_port"],
        Kind::Port,
        "Port of the other end.",
        "inet_diag_sockid.idiag_dport",
        |c| remote(c, |end| Value::Port(end.port)),
    ),
    (
        "netns",
        &[],
        Kind::Text,
        "Network namespace: its name under /run/netns, else net:[inode].",
        "/proc/PID/ns/net, /run/netns",
        netns,
    ),
    ("netns_inode", &[], Kind::Count, "Inode of the network namespace.", "/proc/PID/ns/net", |c| {
        if c.socket.netns.inode == 0 {
            Value::NotApplicable
        } else {
            Value::Count(c.socket.netns.inode)
        }
    }),
    (
        "cookie",
        &[],
        Kind::Count,
        "The kernel's identity of the socket, unique until reboot; of an MPTCP connection a number made of it and the two ends, as the kernel gives all connections of a listener the same.",
        "inet_diag_sockid.idiag_cookie",
        |c| Value::Count(c.socket.id.cookie),
    ),
    (
        "inode",
        &[],
        Kind::Count,
        "Inode in the socket file system, as in /proc/PID/fd.",
        "idiag_inode",
        |c| Value::known(c.socket.inode, Value::Count),
    ),
];

fn remote<'a>(c: &Connection, make: impl FnOnce(Endpoint) -> Value<'a>) -> Value<'a> {
    c.socket.remote.map_or(Value::NotApplicable, make)
}

fn netns(c: &Connection) -> Value<'_> {
    c.socket.netns.label.as_deref().map_or(Value::NotApplicable, Value::text)
}
