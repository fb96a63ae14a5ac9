//! One flow of a relay: which datagrams it forwards, and to which address.

use std::net::SocketAddr;

use super::{FlowToken, SharedRate};

/// Microseconds without a forwarded datagram after which a flow ends.
pub const IDLE_US: u64 = 60_000_000;

/// One of both clients of a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// The client that sent the request.
    Sender,
    /// The client that is registered.
    Receiver,
}

/// What the relay does with a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// The source is the address of this side from now on; the relay reports it with
    /// [`super::RelayFrame::Bound`].
    Bind {
        /// The side.
        side: Side,
    },
    /// The relay sends the bytes to the other side.
    Forward {
        /// Address of the other side.
        to: SocketAddr,
    },
    /// The relay drops the datagram, and answers nothing.
    Drop {
        /// Why.
        why: DropReason,
    },
}

/// Why a datagram is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DropReason {
    /// The side has no address yet, and the datagram is not the token.
    NotBound,
    /// The source is not the address of the side.
    UnknownSource,
    /// The datagram is the token, and its source is the address of the side already.
    Repeated,
    /// The other side has no address yet.
    OtherSideNotBound,
    /// The flows have used up their rate.
    OverRate,
}

/// A flow between two clients of a relay.
#[derive(Debug, Clone)]
pub struct Flow {
    token: FlowToken,
    sender: Option<SocketAddr>,
    receiver: Option<SocketAddr>,
    rate: Option<SharedRate>,
    active_us: u64,
    forwarded_bytes: u64,
    dropped: u64,
}

impl Flow {
    /// A flow without addresses. Both directions share the rate, with all flows that have a clone of it; `None` does not
    /// limit it.
    #[must_use]
    pub fn new(token: FlowToken, rate: Option<SharedRate>, now_us: u64) -> Self {
        Self {
            token,
            sender: None,
            receiver: None,
            rate,
            active_us: now_us,
            forwarded_bytes: 0,
            dropped: 0,
        }
    }

    /// Decides on a datagram that arrived from a side's port. The first datagram that is exactly the token binds the
    /// address of the side; the address stays until the flow ends.
    pub fn on_datagram(
        &mut self,
        from_side: Side,
        from: SocketAddr,
        bytes: &[u8],
        now_us: u64,
    ) -> Action {
        let is_token = bytes == self.token.0;
        let (own, other) = match from_side {
            Side::Sender => (&mut self.sender, self.receiver),
            Side::Receiver => (&mut self.receiver, self.sender),
        };
        let why = match (*own, other) {
            (None, _) if is_token => {
                *own = Some(from);
                return Action::Bind { side: from_side };
            }
            (None, _) => DropReason::NotBound,
            (Some(bound), _) if bound != from => DropReason::UnknownSource,
            _ if is_token => DropReason::Repeated,
            (_, None) => DropReason::OtherSideNotBound,
            (_, Some(to)) => {
                let bytes = bytes.len() as u64;
                if self.rate.as_ref().is_none_or(|rate| rate.take(bytes, now_us)) {
                    self.active_us = self.active_us.max(now_us);
                    self.forwarded_bytes += bytes;
                    return Action::Forward { to };
                }
                DropReason::OverRate
            }
        };
        self.dropped += 1;
        Action::Drop { why }
    }

    /// Whether nothing was forwarded for [`IDLE_US`].
    #[must_use]
    pub fn is_idle(&self, now_us: u64) -> bool {
        now_us.saturating_sub(self.active_us) >= IDLE_US
    }

    /// Address of a side; `None` before its token arrived.
    #[must_use]
    pub fn address(&self, side: Side) -> Option<SocketAddr> {
        match side {
            Side::Sender => self.sender,
            Side::Receiver => self.receiver,
        }
    }

    /// Bytes of the datagrams that were forwarded, in both directions.
    #[must_use]
    pub fn forwarded_bytes(&self) -> u64 {
        self.forwarded_bytes
    }

    /// Number of datagrams that were dropped.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }
}
