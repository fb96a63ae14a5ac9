//! Payload of connections: a source hands over segments, and is steered by what decoders still want.

use std::io;
use std::time::Duration;

use conns_core::decode::assembly::Segment;
use conns_core::model::{ConnectionId, Loss, Moment};

pub use conns_core::decode::{Ends, Side, Steering, Want};

/// What a payload source hands over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payload<'a> {
    /// A connection begins, or is seen for the first time. What follows with the same id belongs to it.
    Opened {
        /// Its ends.
        ends: Ends,
        /// Whether it may be reported again though it has begun already: processors that hand over the first datagrams of a flow at the
        /// same time each report it. With other ends it begins anew.
        may_repeat: bool,
    },
    /// A TCP segment, or a part of one. A SYN without payload shows where the side begins.
    Segment {
        /// Which side sent it.
        side: Side,
        /// The segment.
        segment: Segment<'a>,
        /// Bytes of the side before this sequence number that were not handed over will not be: they
        /// were not wanted, or were lost.
        before: u32,
    },
    /// A datagram of a connected UDP socket.
    Datagram {
        /// Which side sent it.
        side: Side,
        /// Its payload as far as it was handed over.
        bytes: &'a [u8],
        /// How many bytes of it follow.
        cut: u32,
    },
    /// The process that owns the socket has written payload of [`Side::Sent`], or read payload of
    /// [`Side::Received`].
    Moved {
        /// Which.
        side: Side,
        /// How many bytes it has written or read since the connection began.
        bytes_total: u64,
    },
}

/// What was drained, besides the payload.
#[derive(Debug, Clone, Default)]
pub struct PayloadBatch {
    /// What was lost since the last call.
    pub losses: Vec<Loss>,
    /// Whether the bound of a batch was reached, so that more is there already.
    pub has_more: bool,
}

/// A source of payload.
pub trait PayloadSource: Send {
    /// Hands over what arrived since the last call and is wanted, in the order of its arrival, with
    /// the connection and the time at which it was sent, received, written or read. A batch is bounded, so that
    /// payload does not delay events.
    fn drain(
        &mut self,
        now: Moment,
        sink: &mut dyn FnMut(ConnectionId, Moment, Payload<'_>),
    ) -> PayloadBatch;

    /// Waits until so much has arrived that it is to be drained at once, at most for `timeout`. What is less waits to be drained.
    ///
    /// # Errors
    /// The error of the system call.
    fn wait(&mut self, timeout: Duration) -> io::Result<()>;

    /// Applies what is wanted, the later over the earlier. Of a connection that was not steered the first
    /// bytes of each side are handed over ([`MAX_PREFIX_BYTES`](conns_core::decode::MAX_PREFIX_BYTES)).
    fn steer(&mut self, steering: &[Steering<ConnectionId>]);

    /// Releases what is kept of a connection that is closed.
    fn close(&mut self, connection: ConnectionId);
}
