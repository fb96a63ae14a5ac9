//! The control frames between a relay and its clients, and one flow of a relay.
//!
//! A client has a TLS connection on TCP to the relay, over which both send frames in the form of
//! [`crate::frames::Frame`]. The datagrams of a flow pass a UDP port of the relay; see [`Flow`].
//!
//! ```text
//! frame      = type (integer) length (integer) fields
//! Hello      = 0   version
//! Register   = 1
//! Registered = 2
//! Request    = 3   key (32 bytes)
//! Opened     = 4   flow (16 bytes), port, receiver (address)
//! Invited    = 5   flow (16 bytes), port, sender key (32 bytes)
//! Bound      = 6   flow (16 bytes)
//! Closed     = 7   flow (16 bytes), reason
//! Refused    = 8   reason, text (length, bytes)
//! Ping       = 9
//! Pong       = 10
//! address    = family (4 or 6), address (4 or 16 bytes), port
//! ```

mod encode;
mod flow;
mod refusal;
mod shared_rate;
mod types;

use std::net::SocketAddr;

pub use crate::frames::FrameError;
pub use flow::{Action, DropReason, Flow, IDLE_US, Side};
pub use refusal::RelayRefusal;
pub use shared_rate::{MIN_BURST_BYTES, SharedRate};

/// Version of the frames in this file.
pub const VERSION: u64 = 1;
/// Bytes of the fields of a frame.
pub const MAX_FRAME_BYTES: usize = 4096;
/// Flows of a relay at most.
pub const MAX_FLOWS: usize = 1000;
/// Flows of one key of a relay at most, as sender and as receiver together.
pub const MAX_FLOWS_PER_KEY: usize = 64;

/// Identifies a flow, and admits an address to it; the relay chooses it at random.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FlowToken(pub [u8; 16]);

/// Omits most of the token, since the token admits an address.
impl std::fmt::Debug for FlowToken {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [first, second, ..] = self.0;
        write!(formatter, "FlowToken({first:02x}{second:02x}…)")
    }
}

/// A frame of a connection between a relay and a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RelayFrame {
    /// The first frame of each side.
    Hello {
        /// The greatest version that the side understands; see [`VERSION`].
        version: u64,
    },
    /// A receiver accepts flows for the key of its TLS identity.
    Register,
    /// The relay sends [`RelayFrame::Invited`] from now on.
    Registered,
    /// A sender asks for a flow to a receiver.
    Request {
        /// Public key of the receiver.
        key: [u8; 32],
    },
    /// To the sender: it first sends the token to the port, and then QUIC.
    Opened {
        /// The flow.
        flow: FlowToken,
        /// UDP port of the relay.
        port: u16,
        /// UDP address of the receiver as the relay sees it: the relay sends this frame when it is bound.
        receiver: SocketAddr,
    },
    /// To the receiver: it sends the token to the port, and expects QUIC from there, or declines with
    /// [`RelayFrame::Closed`].
    Invited {
        /// The flow.
        flow: FlowToken,
        /// UDP port of the relay.
        port: u16,
        /// Public key of the sender.
        sender_key: [u8; 32],
    },
    /// The relay has received the token of the client, and has bound its address.
    Bound {
        /// The flow.
        flow: FlowToken,
    },
    /// A flow ended. A client ends it too: a receiver declines with [`RelayRefusal::NotAllowed`], and a sender has finished
    /// with [`RelayRefusal::Ended`].
    Closed {
        /// The flow.
        flow: FlowToken,
        /// Why it ended.
        reason: RelayRefusal,
    },
    /// The relay refuses [`RelayFrame::Register`] or [`RelayFrame::Request`], or ends a registration.
    Refused {
        /// The cause, as a program reads it.
        reason: RelayRefusal,
        /// The cause, as a person reads it; at most [`crate::frames::MAX_TEXT_BYTES`].
        text: String,
    },
    /// Asks for [`RelayFrame::Pong`].
    Ping,
    /// Answers [`RelayFrame::Ping`].
    Pong,
}
