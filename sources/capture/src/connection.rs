//! One TCP connection of a capture file, as packets show it.

use std::sync::Arc;

use conns_core::decode::{BothSides, Side};
use conns_core::model::{
    Application, CloseReason, Closer, Direction, Endpoint, Known, Moment, Opened, Source, State,
    Unknown,
};

use crate::half::Half;
use crate::repeats::{self, Repeats};
use crate::transport::{ACK, CWR, ECE, FIN, RST, SYN, TcpSegment};

/// How long an end that closed first stays in TIME-WAIT, microseconds (`TCP_TIMEWAIT_LEN` of Linux).
pub(crate) const TIME_WAIT_US: u64 = 60_000_000;
/// How long a SYN waits for an answer, microseconds: six retransmissions (`net.ipv4.tcp_syn_retries`).
pub(crate) const SYN_TIMEOUT_US: u64 = 127_000_000;
/// How long a connection with both FINs waits for the last acknowledgement, microseconds.
const LAST_ACK_TIMEOUT_US: u64 = 60_000_000;

/// A TCP connection.
#[derive(Debug)]
pub(crate) struct Connection {
    /// The end that sent the first SYN, or the first packet seen; and the other one.
    pub(crate) ends: BothSides<Endpoint>,
    /// What each of them sent.
    pub(crate) halves: BothSides<Half>,
    repeats: BothSides<Repeats>,
    /// Whether the first end opened it; else it began before the capture.
    pub(crate) is_opener_known: bool,
    syn_at: Option<Moment>,
    /// How it opened, seen from each end.
    pub(crate) opened: BothSides<Option<Arc<Opened>>>,
    /// The end that sent the first FIN.
    first_closer: Option<FirstCloser>,
    pub(crate) end: Option<Finished>,
    last_at: Moment,
    /// Both SYNs agree to ECN (RFC 3168).
    pub(crate) has_ecn: bool,
    /// The layers when it closed, seen from each end.
    pub(crate) last_application: BothSides<Option<Arc<Application>>>,
}

/// Which end closed first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FirstCloser {
    One(Side),
    Both,
}

/// How a connection ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Finished {
    pub(crate) at: Moment,
    pub(crate) kind: FinishKind,
}

/// Why a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FinishKind {
    /// Both ends sent FIN, and acknowledged it.
    Fin,
    /// This end sent RST.
    Reset(Side),
    /// The second end answered the SYN with RST.
    Refused,
    /// Nothing answered the SYN, or the answer to it.
    Unanswered,
    /// The first end sent RST before the handshake was complete, or opened another connection.
    GivenUp,
    /// Both ends opened another connection: how this one ended was not captured.
    Unseen,
}

/// What a segment changed, for events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Opened(Side),
    Ended,
}

/// What became of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is of the connection. Bytes of the other end that it acknowledges and that were not captured; whether it
    /// was captured after a later one.
    Applied { missing_bytes: u64, is_reordered: bool },
    /// It was captured before.
    Repeated,
    /// It is of no connection.
    Stray,
}

impl Connection {
    /// A connection whose first packet is `segment`, which `source` sent. Returns also the side of `source`.
    pub(crate) fn new(
        source: Endpoint,
        destination: Endpoint,
        segment: &TcpSegment<'_>,
        now: Moment,
    ) -> (Self, Side) {
        let (syn, ack) = (segment.has(SYN), segment.has(ACK));
        // The answer to a SYN comes from the second end.
        let side = if syn && ack { Side::Received } else { Side::Sent };
        let (sent, received) = match side {
            Side::Sent => (source, destination),
            Side::Received => (destination, source),
        };
        let connection = Self {
            ends: BothSides { sent, received },
            halves: BothSides::default(),
            repeats: BothSides::default(),
            is_opener_known: syn,
            syn_at: (syn && !ack).then_some(now),
            opened: BothSides::default(),
            first_closer: None,
            end: None,
            last_at: now,
            has_ecn: false,
            last_application: BothSides::default(),
        };
        (connection, side)
    }

    /// Adds a segment that the end `side` sent, in an IP packet with the identification `ip_id`.
    pub(crate) fn apply(
        &mut self,
        side: Side,
        segment: &TcpSegment<'_>,
        ip_id: u32,
        now: Moment,
        changes: &mut Vec<Change>,
    ) -> Outcome {
        if self.is_repeated(side, segment, ip_id, now) {
            return Outcome::Repeated;
        }
        let (half, other) = self.pair(side);
        if segment.has(RST) {
            if !half.is_plausible(segment.sequence) {
                return Outcome::Stray;
            }
            half.segments = half.segments.wrapping_add(1);
            self.last_at = now;
            self.reset(side, now, changes);
            return Outcome::Applied { missing_bytes: 0, is_reordered: false };
        }
        let (missing_before, reordered_before) = (other.missing_bytes, half.reordered_segments);
        if !half.apply(segment, now) {
            return Outcome::Stray;
        }
        if segment.has(ACK) {
            other.acknowledge(segment.acknowledgement, now);
        }
        let missing_bytes = other.missing_bytes - missing_before;
        let is_reordered = half.reordered_segments != reordered_before;
        self.last_at = now;
        if segment.has(SYN) && segment.has(ACK) {
            self.has_ecn = segment.has(ECE) && !segment.has(CWR);
        }
        self.advance_handshake(now, changes);
        if segment.has(FIN) && self.first_closer.is_none() {
            self.first_closer = Some(FirstCloser::One(side));
        }
        self.advance_close(side, now, changes);
        Outcome::Applied { missing_bytes, is_reordered }
    }

    fn pair(&mut self, side: Side) -> (&mut Half, &mut Half) {
        let BothSides { sent, received } = &mut self.halves;
        match side {
            Side::Sent => (sent, received),
            Side::Received => (received, sent),
        }
    }

    fn is_repeated(
        &mut self,
        side: Side,
        segment: &TcpSegment<'_>,
        ip_id: u32,
        now: Moment,
    ) -> bool {
        let length = segment.payload_bytes();
        // Without an identification, acknowledgements that repeat each other do not differ from copies.
        if ip_id == 0 && length == 0 && !segment.has(SYN | FIN) {
            return false;
        }
        let digest = repeats::digest(&[
            u64::from(segment.sequence) << 32 | u64::from(segment.acknowledgement),
            u64::from(ip_id) << 32 | u64::from(length),
            u64::from(segment.flags) << 16 | u64::from(segment.window),
            segment.options.timestamp.map_or(u64::MAX, u64::from),
        ]);
        self.repeats.of_mut(side).is_repeated(digest, now.monotonic_us)
    }

    fn advance_handshake(&mut self, now: Moment, changes: &mut Vec<Change>) {
        if !self.is_opener_known || self.opened.received.is_some() || self.end.is_some() {
            return;
        }
        let received = &self.halves.received;
        // Its SYN may not have been captured.
        let is_answered = received.began_at_syn || received.segments > 0;
        if self.opened.sent.is_none() && is_answered {
            let handshake_us = match self.syn_at {
                Some(syn) => {
                    Known::Value(now.monotonic_us.saturating_sub(syn.monotonic_us), Source::Capture)
                }
                None => Known::Unknown(Unknown::BeganBefore),
            };
            let opened = Opened {
                at: now,
                handshake_us,
                first_use_us: Known::NotApplicable,
                by: Known::Unknown(Unknown::SourceDoesNotReport),
            };
            self.opened.sent = Some(Arc::new(opened));
            changes.push(Change::Opened(Side::Sent));
        }
        if received.is_syn_acked() || (is_answered && !received.began_at_syn) {
            let opened = Opened {
                at: now,
                handshake_us: Known::NotApplicable,
                first_use_us: Known::Unknown(Unknown::SourceDoesNotReport),
                by: Known::Unknown(Unknown::SourceDoesNotReport),
            };
            self.opened.received = Some(Arc::new(opened));
            changes.push(Change::Opened(Side::Received));
        }
    }

    fn advance_close(&mut self, side: Side, now: Moment, changes: &mut Vec<Change>) {
        let (half, other) = (self.halves.of(side), self.halves.of(side.other()));
        if self.end.is_some() || !half.is_finished() || !other.is_finished() {
            return;
        }
        // Both sent FIN before that of the other came.
        if !half.is_fin_acked() && !other.is_fin_acked() {
            self.first_closer = Some(FirstCloser::Both);
        }
        if half.is_fin_acked() && other.is_fin_acked() {
            self.finish(FinishKind::Fin, now, changes);
        }
    }

    fn reset(&mut self, side: Side, now: Moment, changes: &mut Vec<Change>) {
        let is_open = self.opened.sent.is_some() || !self.is_opener_known;
        let kind = match (is_open, side) {
            (true, _) => FinishKind::Reset(side),
            (false, Side::Received) => FinishKind::Refused,
            (false, Side::Sent) => FinishKind::GivenUp,
        };
        self.finish(kind, now, changes);
    }

    /// Ends it, unless it has ended.
    pub(crate) fn finish(&mut self, kind: FinishKind, at: Moment, changes: &mut Vec<Change>) {
        if self.end.is_none() {
            self.end = Some(Finished { at, kind });
            changes.push(Change::Ended);
        }
    }

    /// Ends what has waited too long for the other end.
    pub(crate) fn expire(&mut self, now: Moment, changes: &mut Vec<Change>) {
        let us = now.monotonic_us.saturating_sub(self.last_at.monotonic_us);
        if self.end.is_some() {
            return;
        }
        let is_half_open = self.is_opener_known && self.opened.received.is_none();
        if is_half_open && us > SYN_TIMEOUT_US {
            self.finish(FinishKind::Unanswered, now, changes);
        } else if self.halves.sent.is_finished()
            && self.halves.received.is_finished()
            && us > LAST_ACK_TIMEOUT_US
        {
            self.finish(FinishKind::Fin, self.last_at, changes);
        }
    }

    /// Whether it ended at a time from which no late segment of it is expected, nor a row shows it.
    pub(crate) fn is_over(&self, now: Moment) -> bool {
        let since = |end: Finished| now.monotonic_us.saturating_sub(end.at.monotonic_us);
        self.end.is_some_and(|end| since(end) >= TIME_WAIT_US)
    }

    /// Whether no row shows it any more.
    fn is_closed(&self, now: Moment) -> bool {
        self.end.is_some_and(|end| end.kind != FinishKind::Fin) || self.is_over(now)
    }

    /// The state of an end; `None` if it has no socket.
    pub(crate) fn state(&self, side: Side, now: Moment) -> Option<State> {
        if self.end.is_some() {
            let waits = !self.is_closed(now)
                && match self.first_closer {
                    Some(FirstCloser::One(first)) => first == side,
                    Some(FirstCloser::Both) => true,
                    None => false,
                };
            return waits.then_some(State::TimeWait);
        }
        if self.is_opener_known && self.opened.of(side).is_none() {
            return match side {
                Side::Sent => Some(State::SynSent),
                Side::Received => self.halves.received.began_at_syn.then_some(State::SynReceived),
            };
        }
        let (half, other) = (self.halves.of(side), self.halves.of(side.other()));
        let is_first = self.first_closer == Some(FirstCloser::One(side));
        Some(match (half.is_finished(), other.is_finished()) {
            (false, false) => State::Established,
            (false, true) => State::CloseWait,
            (true, false) if half.is_fin_acked() => State::FinWait2,
            (true, false) => State::FinWait1,
            (true, true) if self.first_closer == Some(FirstCloser::Both) => State::Closing,
            // The FIN of the other end was seen, and its acknowledgement was not: it is on its way.
            (true, true) if is_first && half.is_fin_acked() => State::TimeWait,
            (true, true) if is_first => State::Closing,
            (true, true) => State::LastAck,
        })
    }

    /// Which end opened it, seen from `side`.
    pub(crate) fn direction(&self, side: Side) -> Known<Direction> {
        match (self.is_opener_known, side) {
            (true, Side::Sent) => Known::Value(Direction::Outbound, Source::Capture),
            (true, Side::Received) => Known::Value(Direction::Inbound, Source::Capture),
            (false, _) => Known::Unknown(Unknown::BeganBefore),
        }
    }

    /// How it opened, seen from `side`. Of an attempt that failed: when its SYN was sent.
    pub(crate) fn opened(&self, side: Side) -> Known<Arc<Opened>> {
        match (self.opened.of(side), self.syn_at) {
            (Some(opened), _) => Known::Value(Arc::clone(opened), Source::Capture),
            (None, Some(at)) if side == Side::Sent => {
                let opened = Opened {
                    at,
                    handshake_us: Known::Unknown(Unknown::NothingMeasured),
                    first_use_us: Known::NotApplicable,
                    by: Known::Unknown(Unknown::SourceDoesNotReport),
                };
                Known::Value(Arc::new(opened), Source::Capture)
            }
            (None, _) => Known::Unknown(Unknown::BeganBefore),
        }
    }

    /// The end that closed first, seen from `side`.
    pub(crate) fn first_closer(&self, side: Side, kind: FinishKind) -> Known<Closer> {
        let seen_from = |closer: Side| if closer == side { Closer::Local } else { Closer::Remote };
        let closer = match (self.first_closer, kind) {
            (Some(FirstCloser::Both), _) => Closer::Both,
            (Some(FirstCloser::One(first)), _) => seen_from(first),
            (None, FinishKind::Reset(by)) => seen_from(by),
            (None, FinishKind::Refused) => seen_from(Side::Received),
            (None, FinishKind::GivenUp) => seen_from(Side::Sent),
            (None, FinishKind::Fin | FinishKind::Unanswered | FinishKind::Unseen) => {
                return Known::Unknown(Unknown::NothingMeasured);
            }
        };
        Known::Value(closer, Source::Capture)
    }
}

impl FinishKind {
    /// Why it closed, seen from `side`.
    pub(crate) fn reason(self, side: Side) -> CloseReason {
        match self {
            Self::Fin => CloseReason::Fin,
            Self::Reset(by) if by == side => CloseReason::ResetSent,
            Self::Reset(_) => CloseReason::ResetReceived,
            Self::Refused => CloseReason::Refused,
            Self::Unanswered => CloseReason::TimedOut,
            Self::GivenUp | Self::Unseen => CloseReason::GivenUp,
        }
    }
}
