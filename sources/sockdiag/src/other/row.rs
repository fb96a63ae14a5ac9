//! Rows of families that are not of the internet: `struct unix_diag_msg`, `packet_diag_msg`, `netlink_diag_msg` and
//! `vsock_diag_msg` with their attributes. The fixed part is required; attributes are read by length.

use std::sync::Arc;

use conns_contract::user_id;
use conns_core::model::{
    AcceptQueue, Family, Known, Netns, OtherSocket, PeerSocket, Protocol, Queues, Socket, SocketId,
    SocketMemory, SocketType, Source, State, Unknown,
};

use super::names;
use crate::row::{memory, u32_at};
use crate::wire::{Malformed, attributes};

// Attribute types, `linux/unix_diag.h`.
const UNIX_DIAG_NAME: u16 = 0;
const UNIX_DIAG_PEER: u16 = 2;
const UNIX_DIAG_RQLEN: u16 = 4;
const UNIX_DIAG_MEMINFO: u16 = 5;
const UNIX_DIAG_SHUTDOWN: u16 = 6;
const UNIX_DIAG_UID: u16 = 7;
// `linux/packet_diag.h`.
const PACKET_DIAG_INFO: u16 = 0;
const PACKET_DIAG_UID: u16 = 5;
const PACKET_DIAG_MEMINFO: u16 = 6;
// `linux/netlink_diag.h`.
const NETLINK_DIAG_MEMINFO: u16 = 0;
const NETLINK_DIAG_GROUPS: u16 = 1;

const SOURCE: Source = Source::SockDiag;

/// A family whose rows are read here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiagFamily {
    /// `UNIX_DIAG`.
    Unix,
    /// `PACKET_DIAG`.
    Packet,
    /// `NETLINK_DIAG`.
    Netlink,
    /// `VSOCK_DIAG`.
    Vsock,
}

impl DiagFamily {
    /// Every family.
    pub const ALL: [Self; 4] = [Self::Unix, Self::Packet, Self::Netlink, Self::Vsock];

    /// The request for every socket of the family, in every state.
    pub(crate) fn request(self) -> Vec<u8> {
        const ALL_STATES: [u8; 4] = u32::MAX.to_ne_bytes();
        /// Inode and cookie of one socket; the dump is of all.
        const EVERY_INODE: [u8; 4] = [0; 4];
        const EVERY_COOKIE: [u8; 8] = [0; 8];
        // UDIAG_SHOW_NAME, _PEER, _RQLEN, _MEMINFO, _UID; PACKET_SHOW_INFO, _MEMINFO; NDIAG_SHOW_MEMINFO, _GROUPS.
        let (head, show) = match self {
            Self::Unix => ([1, 0, 0, 0], 0x75_u32),
            Self::Packet => ([17, 0, 0, 0], 0x11),
            // NDIAG_PROTO_ALL.
            Self::Netlink => ([16, 255, 0, 0], 0x3),
            Self::Vsock => ([40, 0, 0, 0], 0),
        };
        let mut body = head.to_vec();
        if matches!(self, Self::Unix | Self::Vsock) {
            body.extend(ALL_STATES);
        }
        body.extend(EVERY_INODE);
        body.extend(show.to_ne_bytes());
        body.extend(EVERY_COOKIE);
        body
    }

    /// The table in messages.
    pub(crate) fn describe(self) -> &'static str {
        match self {
            Self::Unix => "unix sockets",
            Self::Packet => "packet sockets",
            Self::Netlink => "netlink sockets",
            Self::Vsock => "vsock sockets",
        }
    }

    /// The name in `/proc/net/protocols` of a kernel that has such sockets.
    pub(crate) fn kernel_name(self) -> &'static str {
        match self {
            Self::Unix => "UNIX",
            Self::Packet => "PACKET",
            Self::Netlink => "NETLINK",
            Self::Vsock => "AF_VSOCK",
        }
    }
}

/// Reads the payload of one `SOCK_DIAG_BY_FAMILY` message. `interface` names an interface of the namespace by its index.
///
/// # Errors
/// [`Malformed`] if the fixed part is cut or names a state that the kernel headers do not have.
pub fn read(
    family: DiagFamily,
    netns: &Arc<Netns>,
    payload: &[u8],
    interface: &mut dyn FnMut(u32) -> Option<String>,
) -> Result<Socket, Malformed> {
    match family {
        DiagFamily::Unix => unix(netns, payload),
        DiagFamily::Packet => packet(netns, payload, interface),
        DiagFamily::Netlink => netlink(netns, payload),
        DiagFamily::Vsock => vsock(netns, payload),
    }
}

/// The fixed part of `N` bytes, and the attributes.
fn split<'a, const N: usize>(
    payload: &'a [u8],
    structure: &'static str,
) -> Result<(&'a [u8; N], &'a [u8]), Malformed> {
    let short = Malformed::ShortRow { available: payload.len(), needed: N, structure };
    payload.split_first_chunk::<N>().ok_or(short)
}

/// What every row has: inode and cookie from `at` on.
fn socket(
    netns: &Arc<Netns>,
    (protocol, family): (Protocol, Family),
    state: State,
    fixed: &[u8],
    at: usize,
    other: OtherSocket,
) -> Socket {
    let ne32 = |at| u32_at(fixed, at).unwrap_or(0);
    let (inode, low, high) = (ne32(at), ne32(at + 4), ne32(at + 8));
    let cookie = u64::from(low) | u64::from(high) << 32;
    let id = SocketId { netns: netns.inode, cookie };
    let why = Unknown::KernelDoesNotReport;
    let ends = (protocol, family);
    let socket = Socket::new_other(id, SOURCE, Arc::clone(netns), ends, state, other, why);
    let inode = if inode == 0 { Known::NotApplicable } else { known(u64::from(inode)) };
    Socket { inode, ..socket }
}

fn known<T>(value: T) -> Known<T> {
    Known::Value(value, SOURCE)
}

fn state(number: u8) -> Result<State, Malformed> {
    State::from_kernel(number).ok_or(Malformed::State(number))
}

fn unix(netns: &Arc<Netns>, payload: &[u8]) -> Result<Socket, Malformed> {
    let (fixed, rest) = split::<16>(payload, "unix_diag_msg")?;
    let [_, kind, number, ..] = *fixed;
    let state = state(number)?;
    let mut other =
        OtherSocket { socket_type: known(SocketType::from_kernel(kind)), ..OtherSocket::bare() };
    let (mut queues, mut shutdown, mut uid, mut used) = (None, None, None, None);
    for (kind, payload) in attributes(rest) {
        match kind {
            UNIX_DIAG_NAME => other.local_name = unix_name(payload).map_or(other.local_name, known),
            UNIX_DIAG_PEER => {
                let inode = u32_at(payload, 0).filter(|inode| *inode != 0);
                let owners = Known::Unknown(Unknown::NoOwnerFound);
                if let Some(inode) = inode {
                    other.peer = known(PeerSocket { inode: inode.into(), owners });
                }
            }
            UNIX_DIAG_RQLEN => queues = u32_at(payload, 0).zip(u32_at(payload, 4)),
            UNIX_DIAG_MEMINFO => used = memory(payload),
            UNIX_DIAG_SHUTDOWN => shutdown = payload.first().copied(),
            UNIX_DIAG_UID => uid = u32_at(payload, 0),
            _ => {}
        }
    }
    let ends = (Protocol::Unix, Family::Unix);
    let mut socket = socket(netns, ends, state, fixed, 4, other);
    if let Some((first, second)) = queues {
        if state == State::Listen {
            socket.accept_queue = known(AcceptQueue { length: first, limit: second });
            socket.queues = Known::NotApplicable;
        } else {
            socket.queues = known(Queues { receive_bytes: first, send_bytes: second });
        }
    }
    socket.memory = used.map_or(socket.memory, known);
    socket.shutdown = shutdown.map_or(socket.shutdown, known);
    socket.uid = uid.map_or(socket.uid, |uid| user_id(uid, SOURCE));
    Ok(socket)
}

/// `sun_path` as text: the path up to its terminating zero, or `@` and the abstract name, in which `ss` shows zeros as `@`.
/// `None` if there is no name.
fn unix_name(bytes: &[u8]) -> Option<Box<str>> {
    let (first, rest) = bytes.split_first()?;
    if *first == 0 {
        let shown: Vec<u8> =
            rest.iter().map(|byte| if *byte == 0 { b'@' } else { *byte }).collect();
        return Some(format!("@{}", String::from_utf8_lossy(&shown)).into());
    }
    let path = bytes.split(|byte| *byte == 0).next()?;
    Some(String::from_utf8_lossy(path).into())
}

/// Sets the memory, and as `ss` does the queues from it.
fn fill_memory(socket: &mut Socket, memory: Option<SocketMemory>) {
    let Some(memory) = memory else { return };
    let SocketMemory { receive_bytes, send_bytes, .. } = memory;
    socket.queues = known(Queues { receive_bytes, send_bytes });
    socket.memory = known(memory);
}

fn packet(
    netns: &Arc<Netns>,
    payload: &[u8],
    interface: &mut dyn FnMut(u32) -> Option<String>,
) -> Result<Socket, Malformed> {
    let (fixed, rest) = split::<16>(payload, "packet_diag_msg")?;
    let [_, kind, n0, n1, ..] = *fixed;
    let mut index = None;
    let (mut used, mut uid) = (None, None);
    for (kind, payload) in attributes(rest) {
        match kind {
            PACKET_DIAG_INFO => index = u32_at(payload, 0),
            PACKET_DIAG_UID => uid = u32_at(payload, 0),
            PACKET_DIAG_MEMINFO => used = memory(payload),
            _ => {}
        }
    }
    let name = |index: u32| match index {
        0 => "*".into(),
        index => interface(index).unwrap_or_else(|| format!("if{index}")).into(),
    };
    let other = OtherSocket {
        socket_type: known(SocketType::from_kernel(kind)),
        protocol: known(names::ethernet_type(u16::from_ne_bytes([n0, n1]))),
        local_name: Known::from_option(index.map(name), SOURCE, Unknown::KernelDoesNotReport),
        ..OtherSocket::bare()
    };
    let ends = (Protocol::Packet, Family::Packet);
    let mut socket = socket(netns, ends, State::Close, fixed, 4, other);
    socket.interface = index.unwrap_or(0);
    socket.uid = uid.map_or(socket.uid, |uid| user_id(uid, SOURCE));
    fill_memory(&mut socket, used);
    Ok(socket)
}

fn netlink(netns: &Arc<Netns>, payload: &[u8]) -> Result<Socket, Malformed> {
    let (fixed, rest) = split::<28>(payload, "netlink_diag_msg")?;
    let [_, kind, protocol, ..] = *fixed;
    let ne32 = |at| u32_at(fixed, at).unwrap_or(0);
    let (port, peer_port) = (ne32(4), ne32(8));
    let (mut used, mut groups) = (None, None);
    for (kind, payload) in attributes(rest) {
        match kind {
            NETLINK_DIAG_MEMINFO => used = memory(payload),
            NETLINK_DIAG_GROUPS => groups = u32_at(payload, 0),
            _ => {}
        }
    }
    let other = OtherSocket {
        socket_type: known(SocketType::from_kernel(kind)),
        protocol: known(names::netlink_protocol(protocol)),
        local_name: known(port.to_string().into()),
        peer_name: match peer_port {
            0 => Known::NotApplicable,
            port => known(port.to_string().into()),
        },
        groups: groups.map_or(Known::NotApplicable, known),
        ..OtherSocket::bare()
    };
    let ends = (Protocol::Netlink, Family::Netlink);
    let mut socket = socket(netns, ends, State::Close, fixed, 16, other);
    fill_memory(&mut socket, used);
    Ok(socket)
}

fn vsock(netns: &Arc<Netns>, payload: &[u8]) -> Result<Socket, Malformed> {
    let (fixed, _) = split::<32>(payload, "vsock_diag_msg")?;
    let [_, kind, number, shutdown, ..] = *fixed;
    let ne32 = |at| u32_at(fixed, at).unwrap_or(0);
    let state = state(number)?;
    let end = |cid: u32, port: u32| {
        // VMADDR_CID_ANY and VMADDR_PORT_ANY.
        let text =
            |number: u32| if number == u32::MAX { "*".to_owned() } else { number.to_string() };
        format!("{}:{}", text(cid), text(port)).into()
    };
    let has_peer = ne32(12) != u32::MAX;
    let other = OtherSocket {
        socket_type: known(SocketType::from_kernel(kind)),
        local_name: known(end(ne32(4), ne32(8))),
        peer_name: if has_peer { known(end(ne32(12), ne32(16))) } else { Known::NotApplicable },
        ..OtherSocket::bare()
    };
    let ends = (Protocol::Vsock, Family::Vsock);
    let mut socket = socket(netns, ends, state, fixed, 20, other);
    socket.shutdown = known(shutdown);
    Ok(socket)
}

#[cfg(test)]
mod tests;
