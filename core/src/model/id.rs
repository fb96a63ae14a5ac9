//! The identity of a connection: a socket, or a flow below one.

use serde::{Deserialize, Serialize};

use super::{Endpoint, SocketId};

/// Identifies a connection. A socket alone is a connection of its own; a flow below a socket (a
/// UDP peer, a QUIC connection, one end of a connection in a capture file) is the socket and the
/// flow's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ConnectionId {
    /// The socket.
    pub socket: SocketId,
    /// The flow; `None` is the socket itself.
    pub flow: Option<FlowKey>,
}

impl ConnectionId {
    /// The socket itself.
    #[must_use]
    pub fn of_socket(socket: SocketId) -> Self {
        Self { socket, flow: None }
    }
}

/// Distinguishes the flows of one socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum FlowKey {
    /// By the remote end: a peer of an unconnected UDP socket.
    Peer(Endpoint),
    /// By the connection id of QUIC (RFC 9000 section 5.1): at most 20 bytes, and their count.
    Quic([u8; 20], u8),
    /// By the end of a captured connection that the row is seen from.
    Captured(CapturedEnd),
}

impl FlowKey {
    /// The peer of an unconnected UDP socket; `None` if it is another flow.
    #[must_use]
    pub fn peer(self) -> Option<Endpoint> {
        match self {
            Self::Peer(peer) => Some(peer),
            Self::Quic(..) | Self::Captured(_) => None,
        }
    }
}

/// An end of a connection in a capture file, which has no own side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum CapturedEnd {
    /// The end that sent the first SYN, or the first packet seen.
    First,
    /// The other end.
    Second,
}

/// What is known of a flow beside its socket. Where a flow has a value, it replaces that of the
/// socket: two flows of one socket have remote ends and counters of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flow {
    /// Its key.
    pub key: FlowKey,
    /// This machine's end, or of a captured connection the end the row is seen from.
    pub local: Endpoint,
    /// The other end.
    pub remote: Endpoint,
    /// Payload bytes sent.
    pub bytes_out: u64,
    /// Payload bytes received.
    pub bytes_in: u64,
}
