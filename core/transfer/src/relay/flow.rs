//! One flow of a relay: which datagrams it forwards, and to which address.

use std::net::SocketAddr;

use super::FlowToken;
use crate::rate::BytesPerSecond;

/// Microseconds without a forwarded datagram after which a flow ends.
pub const IDLE_US: u64 = 60_000_000;
/// Bytes that a flow of any rate may forward at once: a datagram of an Ethernet frame.
pub const MIN_BURST_BYTES: u64 = 1500;
/// Microseconds of the rate that a flow may forward at once.
const BURST_US: u64 = 250_000;

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
    /// The flow has used up its rate.
    OverRate,
}

/// A flow between two clients of a relay.
#[derive(Debug, Clone)]
pub struct Flow {
    token: FlowToken,
    sender: Option<SocketAddr>,
    receiver: Option<SocketAddr>,
    bucket: Option<Bucket>,
    active_us: u64,
    forwarded_bytes: u64,
    dropped: u64,
}

impl Flow {
    /// A flow without addresses. Both directions share the rate; `None` does not limit it.
    #[must_use]
    pub fn new(token: FlowToken, rate: Option<BytesPerSecond>, now_us: u64) -> Self {
        Self {
            token,
            sender: None,
            receiver: None,
            bucket: rate.map(|rate| Bucket::new(rate, now_us)),
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
                if self.bucket.as_mut().is_none_or(|bucket| bucket.take(bytes, now_us)) {
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

/// A token bucket of 250 ms, and of [`MIN_BURST_BYTES`] at least. It counts millionths of a byte, so that it loses nothing
/// when it is refilled often.
#[derive(Debug, Clone)]
struct Bucket {
    rate: BytesPerSecond,
    level: u128,
    filled_us: u64,
}

impl Bucket {
    fn new(rate: BytesPerSecond, now_us: u64) -> Self {
        Self { rate, level: Self::capacity(rate), filled_us: now_us }
    }

    fn capacity(rate: BytesPerSecond) -> u128 {
        millionths(rate.bytes_in(BURST_US).max(MIN_BURST_BYTES))
    }

    /// Takes the bytes, unless the bucket has fewer.
    fn take(&mut self, bytes: u64, now_us: u64) -> bool {
        let elapsed_us = now_us.saturating_sub(self.filled_us);
        // The product is below 2^128, and the sum saturates.
        let filled = u128::from(self.rate.0) * u128::from(elapsed_us);
        self.level = self.level.saturating_add(filled).min(Self::capacity(self.rate));
        self.filled_us = self.filled_us.max(now_us);
        let after = self.level.checked_sub(millionths(bytes));
        self.level = after.unwrap_or(self.level);
        after.is_some()
    }
}

fn millionths(bytes: u64) -> u128 {
    u128::from(bytes) * 1_000_000
}
