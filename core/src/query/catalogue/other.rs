//! Fields of sockets that are neither TCP nor UDP, and of sockets in no table.

use crate::model::{Connection, Known, OtherSocket, Owner, PeerSocket, Unknown};
use crate::model::{FieldSpec, Kind, Part};
use crate::query::Value;

use super::Row;

pub(super) const ROWS: &[Row] = &[
    (
        FieldSpec::new(
            "socket_type",
            Kind::Text,
            "Type of a socket that is neither TCP nor UDP: stream, dgram, seqpacket, raw, rdm.",
            "udiag_type, pdiag_type, ndiag_type, vdiag_type",
        )
        .aliases(&["type"])
        .drop_rank(9),
        |c| other(c, |o| Value::known(o.socket_type, |kind| Value::text(kind.name()))),
    ),
    (
        FieldSpec::new(
            "socket_protocol",
            Kind::Text,
            "Its protocol: of a raw socket that of IP, of a packet socket the Ethernet type, of a netlink socket the subsystem, of one in no table what the kernel calls it.",
            "idiag_sport of SOCK_RAW, pdiag_num, ndiag_protocol, xattr system.sockprotoname",
        ),
        |c| other(c, |o| text(&o.protocol)),
    ),
    (
        FieldSpec::new(
            "local_name",
            Kind::Text,
            "This end of a socket without internet address: path or @name (unix), interface (packet, * is any), port (netlink), cid:port (vsock).",
            "UNIX_DIAG_NAME, pdiag_index, ndiag_portid, vdiag_src_cid",
        )
        .aliases(&["path"])
        .cut(5, 16),
        |c| other(c, |o| text(&o.local_name)),
    ),
    (
        FieldSpec::new(
            "peer_name",
            Kind::Text,
            "The other end in the same form; of a unix socket the name of its peer.",
            "UNIX_DIAG_PEER, ndiag_dst_portid, vdiag_dst_cid",
        )
        .aliases(&["peer_path"])
        .cut(5, 16),
        |c| other(c, |o| text(&o.peer_name)),
    ),
    (
        FieldSpec::new(
            "peer_inode",
            Kind::Count,
            "Inode of the socket at the other end of a unix socket.",
            "UNIX_DIAG_PEER",
        ),
        |c| other(c, |o| Value::known(o.peer.as_ref(), |peer| Value::Count(peer.inode))),
    ),
    (
        FieldSpec::new(
            "peer_process",
            Kind::Text,
            "Name of the process at the other end of a unix socket; of several, filters match any.",
            "/proc/PID/fd of the peer's inode",
        )
        .part(Part::PeerOwners)
        .cut(5, 8),
        |c| peer_owners(c, |owner| Value::text(&owner.process.name)),
    ),
    (
        FieldSpec::new(
            "peer_pid",
            Kind::Count,
            "Process id at the other end of a unix socket; of several, filters match any.",
            "/proc/PID/fd of the peer's inode",
        )
        .part(Part::PeerOwners),
        |c| peer_owners(c, |owner| Value::Count(owner.process.pid.into())),
    ),
    (
        FieldSpec::new(
            "netlink_groups",
            Kind::Count,
            "Multicast groups of a netlink socket: bit 0 is group 1; the first 32.",
            "NETLINK_DIAG_GROUPS",
        ),
        |c| other(c, |o| Value::known(o.groups, |groups| Value::Count(groups.into()))),
    ),
    (
        FieldSpec::new(
            "no_table",
            Kind::Bool,
            "Whether the socket is in no table of the kernel: created and never bound, or closed at both ends while a process keeps its descriptor.",
            "/proc/PID/fd without a row",
        ),
        |c| other(c, |o| Value::Bool(o.is_in_no_table)),
    ),
];

fn other<'a>(c: &'a Connection, read: impl FnOnce(&'a OtherSocket) -> Value<'a>) -> Value<'a> {
    c.socket.other.as_deref().map_or(Value::NotApplicable, read)
}

fn text(known: &Known<Box<str>>) -> Value<'_> {
    Value::known(known.as_ref(), |text| Value::text(text))
}

/// The value of each process at the other end: a plain value where it is one.
fn peer_owners<'a>(c: &'a Connection, read: fn(&'a Owner) -> Value<'a>) -> Value<'a> {
    let of_peer = |peer: &'a PeerSocket| {
        Value::known(peer.owners.as_ref(), |owners| {
            let processes = owners.chunk_by(|a, b| a.process.pid == b.process.pid);
            let mut values: Vec<Value<'a>> =
                processes.filter_map(|chunk| chunk.first()).map(read).collect();
            match (values.pop(), values.is_empty()) {
                (None, _) => Value::Unknown(Unknown::NoOwnerFound),
                (Some(only), true) => only,
                (Some(last), false) => {
                    values.push(last);
                    Value::Several(values)
                }
            }
        })
    };
    other(c, |o| Value::known(o.peer.as_ref(), of_peer))
}
