//! How a connection opened and closed, and the events of it that sources report.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Known, Moment, Process, SocketSample};

/// Which end opened a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Direction {
    /// The remote end connected to this machine.
    Inbound,
    /// This machine connected to the remote end.
    Outbound,
}

impl Direction {
    /// `inbound` or `outbound`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Inbound => "inbound",
            Self::Outbound => "outbound",
        }
    }
}

/// The kind of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum EventKind {
    /// The handshake is complete.
    Opened,
    /// A process read, wrote or closed it for the first time after it was accepted.
    Accepted,
    /// It is closed: the kernel will move no more data on it.
    Closed,
    /// A connection attempt failed.
    Failed,
}

impl EventKind {
    /// All kinds, in the order they happen.
    pub const ALL: [Self; 4] = [Self::Opened, Self::Accepted, Self::Closed, Self::Failed];

    /// The name in lower case, for machine-read output.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Accepted => "accepted",
            Self::Closed => "closed",
            Self::Failed => "failed",
        }
    }
}

/// How a connection opened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Opened {
    /// When the handshake was complete; of a failed one: when it began.
    pub at: Moment,
    /// From our SYN to the end of the handshake, microseconds; does not apply to accepted ones.
    pub handshake_us: Known<u64>,
    /// From the handshake to the first read, write or close by a process, microseconds; does not apply
    /// to outbound ones. The return of `accept`, which is earlier, has no tracepoint.
    pub first_use_us: Known<u64>,
    /// The process that called `connect`, or was the first to use the accepted socket, as it was then.
    pub by: Known<Arc<Process>>,
}

/// Which end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Closer {
    /// This machine.
    Local,
    /// The peer.
    Remote,
    /// Both at once (RFC 9293 section 3.6, simultaneous close).
    Both,
    /// Neither: the kernel gave up.
    Neither,
}

impl Closer {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Local, Self::Remote, Self::Both, Self::Neither];

    /// The name in lower case, for machine-read output.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Remote => "remote",
            Self::Both => "both",
            Self::Neither => "neither",
        }
    }
}

/// Why a connection closed, or why an attempt failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum CloseReason {
    /// By FIN.
    Fin,
    /// The peer sent RST.
    ResetReceived,
    /// This machine sent RST: data was unread at `close`, or `SO_LINGER` was 0, or it was aborted.
    ResetSent,
    /// No answer in time (`ETIMEDOUT`).
    TimedOut,
    /// The peer answered the SYN with RST (`ECONNREFUSED`).
    Refused,
    /// The network has no route (`EHOSTUNREACH`, `ENETUNREACH`).
    Unreachable,
    /// The caller gave up before the handshake was complete.
    GivenUp,
    /// Another error, by its number in `errno.h`.
    Error(u16),
}

impl CloseReason {
    /// One of each name; the number of the error is 0. Files have their places, so new ones come last.
    pub const ALL: [Self; 8] = [
        Self::Fin,
        Self::ResetReceived,
        Self::ResetSent,
        Self::TimedOut,
        Self::Refused,
        Self::Unreachable,
        Self::GivenUp,
        Self::Error(0),
    ];

    /// The name in lower case with dashes, for machine-read output.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Fin => "fin",
            Self::ResetReceived => "rst-in",
            Self::ResetSent => "rst-out",
            Self::TimedOut => "timed-out",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::GivenUp => "given-up",
            Self::Error(_) => "error",
        }
    }
}

/// How a connection closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closed {
    /// When.
    pub at: Moment,
    /// From the end of the handshake until then, microseconds; of a failed one: from its SYN.
    /// Unknown if it opened before events were read.
    pub duration_us: Known<u64>,
    /// Why.
    pub how: CloseReason,
    /// The end that closed first; unknown if it was closing before events were read.
    pub first_closer: Known<Closer>,
    /// Whether the peer's FIN came. The kernel counts it as one received byte.
    pub fin_received: bool,
}

/// An event as a source reports it.
#[derive(Debug, Clone)]
pub struct LifecycleEvent {
    /// When.
    pub at: Moment,
    /// Its kind.
    pub kind: EventKind,
    /// The socket as it was then; of a closed one with its final counters.
    pub socket: SocketSample,
    /// The end that opened the connection.
    pub direction: Known<Direction>,
    /// How it opened, as far as it has.
    pub opened: Known<Arc<Opened>>,
    /// How it closed; applies to closed and failed events.
    pub closed: Known<Closed>,
}
