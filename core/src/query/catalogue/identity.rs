//! Fields of the identity of a connection: protocol, state, ends, namespace.

use crate::model::{Connection, Endpoint, Unknown};
use crate::model::{FieldSpec, Kind, Part, Words};
use crate::query::Value;

use super::Row;

pub(super) const ROWS: &[Row] = &[
    (
        FieldSpec::new(
            "proto",
            Kind::Text,
            "Transport protocol: tcp, udp or mptcp; with --family also udplite, raw, unix, packet, netlink, vsock or other.",
            "sock_diag",
        )
        .aliases(&["protocol"])
        .at_opening()
        .always_known()
        .identifies()
        .words(Words::Protocol)
        .drop_rank(10),
        |c| Value::text(c.socket.protocol.name()),
    ),
    (
        FieldSpec::new(
            "family",
            Kind::Text,
            "Address family of the socket: IPv4 or IPv6; with --family also unix, packet, netlink, vsock or other.",
            "idiag_family",
        )
        .aliases(&["class"])
        .at_opening()
        .always_known()
        .identifies()
        .words(Words::Family),
        |c| Value::text(c.socket.family.name()),
    ),
    (
        FieldSpec::new(
            "state",
            Kind::Text,
            "State as ss names it; filters also take the RFC 9293 names. A peer of an unconnected UDP socket is established.",
            "idiag_state",
        )
        .at_opening()
        .always_known()
        .identifies()
        .words(Words::State)
        .drop_rank(12),
        |c| Value::text(c.socket.state.name()),
    ),
    (
        FieldSpec::new(
            "direction",
            Kind::Text,
            "Who opened it: inbound or outbound.",
            "eBPF events; else derived from the byte counters and the listening sockets",
        ).part(Part::Direction)
        .aliases(&["dir"])
        .at_opening()
        .identifies()
        .words(Words::Direction)
        .drop_rank(11),
        |c| Value::known(c.direction, |d| Value::text(d.name())),
    ),
    (
        FieldSpec::new(
            "local",
            Kind::Endpoint,
            "This machine's end: address and port.",
            "inet_diag_sockid",
        )
        .aliases(&["src"])
        .always_known()
        .on_request()
        .cut(7, 21),
        |c| local(c, Value::Endpoint),
    ),
    (
        FieldSpec::new(
            "local_addr",
            Kind::Address,
            "Address of this machine's end.",
            "inet_diag_sockid.idiag_src",
        )
        .aliases(&["saddr"])
        .at_opening()
        .always_known()
        .identifies(),
        |c| local(c, |end| Value::Address(end.address)),
    ),
    (
        FieldSpec::new(
            "local_port",
            Kind::Port,
            "Port of this machine's end.",
            "inet_diag_sockid.idiag_sport",
        )
        .aliases(&["sport"])
        .at_opening()
        .always_known()
        .identifies(),
        |c| local(c, |end| Value::Port(end.port)),
    ),
    (
        FieldSpec::new(
            "remote",
            Kind::Endpoint,
            "The other end: address and port.",
            "inet_diag_sockid",
        )
        .aliases(&["dst", "peer"])
        .always_known()
        .on_request()
        .cut(6, 21),
        |c| remote(c, Value::Endpoint),
    ),
    (
        FieldSpec::new(
            "remote_addr",
            Kind::Address,
            "Address of the other end.",
            "inet_diag_sockid.idiag_dst",
        )
        .aliases(&["daddr", "peer_addr"])
        .at_opening()
        .always_known()
        .identifies(),
        |c| remote(c, |end| Value::Address(end.address)),
    ),
    (
        FieldSpec::new(
            "remote_port",
            Kind::Port,
            "Port of the other end.",
            "inet_diag_sockid.idiag_dport",
        )
        .aliases(&["dport", "peer_port"])
        .at_opening()
        .always_known()
        .identifies(),
        |c| remote(c, |end| Value::Port(end.port)),
    ),
    (
        FieldSpec::new(
            "netns",
            Kind::Text,
            "Network namespace: its name under /run/netns, else net:[inode].",
            "/proc/PID/ns/net, /run/netns",
        )
        .at_opening()
        .always_known()
        .identifies()
        .cut(8, 8),
        netns,
    ),
    (
        FieldSpec::new(
            "netns_inode",
            Kind::Count,
            "Inode of the network namespace.",
            "/proc/PID/ns/net",
        )
        .at_opening()
        .always_known()
        .identifies(),
        |c| {
            if c.socket.netns.inode == 0 {
                Value::NotApplicable
            } else {
                Value::Count(c.socket.netns.inode)
            }
        },
    ),
    (
        FieldSpec::new(
            "cookie",
            Kind::Count,
            "The kernel's identity of the socket, unique until reboot; of an MPTCP connection a number made of it and the two ends, as the kernel gives all connections of a listener the same.",
            "inet_diag_sockid.idiag_cookie",
        )
        .at_opening()
        .always_known()
        .identifies(),
        |c| Value::Count(c.socket.id.cookie),
    ),
    (
        FieldSpec::new(
            "inode",
            Kind::Count,
            "Inode in the socket file system, as in /proc/PID/fd.",
            "idiag_inode",
        )
        .at_opening()
        .identifies(),
        |c| Value::known(c.socket.inode, Value::Count),
    ),
];

/// The local end, of sockets with internet addresses. The kernel does not list that of a socket in no table.
fn local<'a>(c: &Connection, make: impl FnOnce(Endpoint) -> Value<'a>) -> Value<'a> {
    match (&c.socket.other, c.socket.family.is_internet()) {
        (None, _) => make(c.socket.local),
        (Some(_), false) => Value::NotApplicable,
        (Some(other), true) if other.is_in_no_table => Value::Unknown(Unknown::KernelDoesNotReport),
        // The kernel puts the protocol in the place of the port.
        (Some(_), true) => make(c.socket.local),
    }
}

fn remote<'a>(c: &Connection, make: impl FnOnce(Endpoint) -> Value<'a>) -> Value<'a> {
    c.socket.remote.map_or(Value::NotApplicable, make)
}

fn netns(c: &Connection) -> Value<'_> {
    c.socket.netns.label.as_deref().map_or(Value::NotApplicable, Value::text)
}
