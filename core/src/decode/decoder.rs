//! The contract between a protocol and what drives it: first its probe is shown the first bytes of
//! a connection; once that recognises them, a decoder gets the bytes of both sides.
//!
//! A decoder sees the connection from neither end. Values that differ by end ("what the peer
//! announced") are chosen when they are read.

use std::fmt;

use crate::model::{Certainty, Known, Moment, ResolvedName, Scalar};

use super::media::Publications;
use super::{BothSides, Ends, ExpectedFlow, ProtocolSpec, Side, Want};

/// How a protocol over a byte stream (TCP) is recognised and decoded.
#[derive(Debug)]
pub struct StreamProtocol {
    /// Whether the first bytes are of this protocol.
    pub probe: fn(&Opening<'_>) -> Probe,
    /// A decoder for a connection that was recognised. It is handed the first bytes after that.
    pub decoder: fn(&Opening<'_>) -> Box<dyn Decoder>,
    /// The most bytes one decoder may hold ([`Decoder::memory`]). One that holds more is dropped.
    pub max_memory: u64,
}

/// The result of a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probe {
    /// The bytes can be of no other protocol.
    Certain,
    /// The bytes are possible. It is chosen if no protocol is certain once all first bytes are there.
    Maybe,
    /// The bytes are of another protocol. The probe is not called again.
    NotMine,
    /// The bytes are too few.
    NeedMore,
}

/// The first bytes of a connection.
#[derive(Debug, Clone, Copy)]
pub struct Opening<'a> {
    /// The first bytes of each side.
    pub prefixes: BothSides<Prefix<'a>>,
    /// The side whose payload was seen first.
    pub first: Side,
    /// What is known of the ends.
    pub ends: Ends,
    /// What is published on other connections.
    pub publications: &'a Publications,
}

impl Opening<'_> {
    /// The first bytes of a side.
    #[must_use]
    pub fn of(&self, side: Side) -> &Prefix<'_> {
        self.prefixes.of(side)
    }
}

/// The first bytes of one side.
#[derive(Debug, Clone, Copy, Default)]
pub struct Prefix<'a> {
    /// The bytes, at most [`MAX_PREFIX_BYTES`](super::MAX_PREFIX_BYTES).
    pub bytes: &'a [u8],
    /// Whether they are the first of the connection. If not, they may begin within a message.
    pub is_from_start: bool,
    /// Whether no more will be shown: the bound is reached, the side ended, or bytes are missing.
    pub is_complete: bool,
}

/// Decodes one connection.
///
/// Nothing in the bytes may make it panic, and it allocates nothing by a length the peer names.
pub trait Decoder: fmt::Debug + Send {
    /// Reads bytes of a side, or one datagram of a flow. Bytes of a stream follow those before unless
    /// [`Decoder::gap`] or [`Decoder::skipped`] was called in between; after a datagram that was cut,
    /// `gap` is. `at` is the moment at which they were in order.
    fn data(&mut self, side: Side, bytes: &[u8], at: Moment);

    /// That many bytes were passed over because [`Decoder::want`] did not want them.
    fn skipped(&mut self, side: Side, bytes: u64, at: Moment);

    /// That many bytes of a side are missing. A protocol that can find the next message does.
    fn gap(&mut self, side: Side, bytes: u64, at: Moment);

    /// A side ended, by FIN or RST. Of a side of which nothing more is wanted, too.
    fn end(&mut self, _side: Side, _at: Moment) {}

    /// The process that owns this machine's end, which sends [`Side::Sent`], has written payload of that
    /// side, or read payload of [`Side::Received`]: that many bytes since the connection began. Bytes
    /// are sent after they are written, and arrive before they are read.
    fn moved_by_process(&mut self, _side: Side, _bytes_total: u64, _at: Moment) {}

    /// What is wanted of a side from now on. A decoder must not rely on it: the first bytes are handed over
    /// whole. [`Want::NoMore`] is final.
    fn want(&self, side: Side) -> Want;

    /// The values of the protocol's fields, in their order, as the end that sends `seen_from` has
    /// them at the moment `now`.
    fn values(&self, seen_from: Side, now: Moment) -> Box<[Known<Scalar>]>;

    /// Bytes held on the heap.
    fn memory(&self) -> u64;

    /// Names of addresses read since the last call.
    fn take_names(&mut self) -> Vec<ResolvedName> {
        Vec::new()
    }

    /// Flows of datagrams that this connection set up since the last call. Their datagrams are handed over by
    /// [`Decoder::flow_datagram`] until the connection ends.
    fn take_expected_flows(&mut self) -> Vec<ExpectedFlow> {
        Vec::new()
    }

    /// Reads a datagram of the flow that it expects under `number`; `side` is the side of this connection whose
    /// end sent it, and `cut` bytes of it were not captured.
    fn flow_datagram(&mut self, _number: u32, _side: Side, _bytes: &[u8], _cut: u32, _at: Moment) {}

    /// The protocol inside this one, once it is known: HTTP upgraded to another protocol, a tunnel.
    fn inner(&self) -> Option<Inner<'_>> {
        None
    }
}

/// A protocol inside another one. The outer decoder owns its decoder and drives it.
#[derive(Debug, Clone, Copy)]
pub struct Inner<'a> {
    /// The protocol.
    pub protocol: &'static ProtocolSpec,
    /// How certain the recognition is.
    pub certainty: Certainty,
    /// When it was recognised.
    pub since: Moment,
    /// Its decoder.
    pub decoder: &'a dyn Decoder,
}
