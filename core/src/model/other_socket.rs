//! What is known of a socket that is neither TCP nor UDP, besides what every socket has.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Known, Owner};

/// The type given to socket(2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SocketType {
    /// `SOCK_STREAM`.
    Stream,
    /// `SOCK_DGRAM`.
    Datagram,
    /// `SOCK_RAW`.
    Raw,
    /// `SOCK_RDM`.
    ReliableDatagram,
    /// `SOCK_SEQPACKET`.
    SeqPacket,
    /// A number this version does not know.
    Other(u8),
}

impl SocketType {
    /// The type of this number in `linux/net.h`.
    #[must_use]
    pub fn from_kernel(number: u8) -> Self {
        match number {
            1 => Self::Stream,
            2 => Self::Datagram,
            3 => Self::Raw,
            4 => Self::ReliableDatagram,
            5 => Self::SeqPacket,
            other => Self::Other(other),
        }
    }

    /// The name, as in `SOCK_` constants, in lower case.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Stream => "stream",
            Self::Datagram => "dgram",
            Self::Raw => "raw",
            Self::ReliableDatagram => "rdm",
            Self::SeqPacket => "seqpacket",
            Self::Other(_) => "other",
        }
    }
}

/// The socket at the other end of a unix socket.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PeerSocket {
    /// Its inode.
    pub inode: u64,
    /// The descriptors that refer to it.
    pub owners: Known<Arc<[Owner]>>,
}

/// What a socket that is neither TCP nor UDP has besides. Ends are text, because each family has addresses of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OtherSocket {
    /// Its type; not applicable if the table does not distinguish types.
    pub socket_type: Known<SocketType>,
    /// Its protocol by name: of raw sockets that of IP, of packet sockets the Ethernet type, of netlink sockets the
    /// subsystem, of sockets in no table what the kernel calls it.
    pub protocol: Known<Box<str>>,
    /// This end: of unix sockets the path or `@` and the abstract name, of packet sockets the interface, of netlink sockets
    /// the port (mostly a pid), of vsock `cid:port`.
    pub local_name: Known<Box<str>>,
    /// The other end in the same form.
    pub peer_name: Known<Box<str>>,
    /// The socket at the other end of a connected unix socket.
    pub peer: Known<PeerSocket>,
    /// The multicast groups of a netlink socket: bit 0 is group 1.
    pub groups: Known<u32>,
    /// Whether it is in no table of the kernel that could be read.
    pub is_in_no_table: bool,
}

impl OtherSocket {
    /// A socket to which nothing of all that applies.
    #[must_use]
    pub fn bare() -> Self {
        Self {
            socket_type: Known::NotApplicable,
            protocol: Known::NotApplicable,
            local_name: Known::NotApplicable,
            peer_name: Known::NotApplicable,
            peer: Known::NotApplicable,
            groups: Known::NotApplicable,
            is_in_no_table: false,
        }
    }
}
