//! The direction of a connection: which end opened it.
//!
//! Linux counts the SYN as one acknowledged byte on the side that sent it, so the byte counters show
//! the direction exactly. Where they do not, the listening sockets do; an event outweighs both.

use std::collections::HashMap;
use std::net::IpAddr;

use foldhash::fast::RandomState;

use crate::model::{
    Direction, Known, Protocol, Socket, SocketSample, Source, State, TcpInfo, Unknown, unmapped,
};

use super::precedence::{FieldGroup, outranks};

/// The listening endpoints of one sample.
#[derive(Debug, Default)]
pub(super) struct Listeners {
    by_port: HashMap<(u64, bool, u16), Vec<IpAddr>, RandomState>,
}

impl Listeners {
    pub(super) fn of(rows: &[SocketSample]) -> Self {
        let mut listeners = Self::default();
        for socket in rows {
            let listens = match socket.protocol {
                Protocol::Tcp | Protocol::Mptcp => socket.state == State::Listen,
                Protocol::Udp => socket.state == State::Close && socket.local.port != 0,
                _ => false,
            };
            if listens {
                let addresses = listeners.by_port.entry(Self::key(socket)).or_default();
                addresses.push(unmapped(socket.local.address));
            }
        }
        listeners
    }

    fn key(socket: &Socket) -> (u64, bool, u16) {
        (socket.id.netns, socket.protocol == Protocol::Udp, socket.local.port)
    }

    /// Whether one of them accepts connections at the local end of `socket`.
    fn serve(&self, socket: &Socket) -> bool {
        let local = unmapped(socket.local.address);
        self.by_port.get(&Self::key(socket)).is_some_and(|addresses| {
            addresses.iter().any(|address| address.is_unspecified() || *address == local)
        })
    }
}

/// The evidence for a direction; later variants outweigh earlier ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum DirectionEvidence {
    /// None.
    None,
    /// Whether a socket listens at the local end: usually right.
    Listeners,
    /// The state, or the byte counters: exact.
    Socket,
    /// An event.
    Event,
}

/// The direction of a connection as far as known. It changes only on better evidence.
#[derive(Debug, Clone, Copy)]
pub(super) struct InferredDirection {
    direction: Known<Direction>,
    evidence: DirectionEvidence,
}

impl InferredDirection {
    /// Without evidence.
    pub(super) const UNKNOWN: Self =
        Self { direction: Known::Unknown(Unknown::Ambiguous), evidence: DirectionEvidence::None };

    /// Adds the evidence of a sample, and returns the direction to show for it.
    pub(super) fn apply_sample(
        &mut self,
        socket: &Socket,
        listeners: &Listeners,
    ) -> Known<Direction> {
        match (socket.protocol, socket.state) {
            (_, State::Listen | State::BoundInactive) => return Known::NotApplicable,
            // No end of these opens a connection by a handshake that shows it.
            _ if socket.other.is_some() => return Known::NotApplicable,
            (_, State::Close) if socket.remote.is_none() => return Known::NotApplicable,
            _ if self.evidence >= DirectionEvidence::Socket => return self.direction,
            _ => {}
        }
        let inferred = Self::of(socket, listeners);
        if inferred.evidence > self.evidence {
            *self = inferred;
        }
        self.direction
    }

    /// Adds the direction that an event reports, and returns the direction as known then. A source
    /// that loses against the one of an earlier event changes nothing.
    pub(super) fn apply_event(&mut self, reported: Known<Direction>) -> Known<Direction> {
        if let Known::Value(_, source) = reported {
            let is_outranked = match self.direction {
                Known::Value(_, earlier) if self.evidence == DirectionEvidence::Event => {
                    outranks(FieldGroup::Lifecycle, earlier, source)
                }
                _ => false,
            };
            if !is_outranked {
                *self = Self { direction: reported, evidence: DirectionEvidence::Event };
            }
        }
        self.direction
    }

    fn of(socket: &Socket, listeners: &Listeners) -> Self {
        let by = |evidence, direction| Self {
            direction: Known::Value(direction, Source::Derived),
            evidence,
        };
        if socket.peer_of.is_some() {
            // Its socket is bound to a port in any case. The end that sent datagrams, if only one did, sent the first one.
            let sent = socket.udp.value().map(|udp| (udp.bytes_out > 0, udp.bytes_in > 0));
            return match sent {
                Some((true, false)) => by(DirectionEvidence::Listeners, Direction::Outbound),
                Some((false, true)) => by(DirectionEvidence::Listeners, Direction::Inbound),
                _ => Self::UNKNOWN,
            };
        }
        match socket.state {
            State::SynSent => by(DirectionEvidence::Socket, Direction::Outbound),
            State::SynReceived => by(DirectionEvidence::Socket, Direction::Inbound),
            _ => match opener(socket) {
                Some(direction) => by(DirectionEvidence::Socket, direction),
                None if listeners.serve(socket) => {
                    by(DirectionEvidence::Listeners, Direction::Inbound)
                }
                // Without a listener most connections were opened here, but an accepted one outlives
                // its listener, and a TIME-WAIT minisock has no counters.
                None if socket.state == State::TimeWait => Self::UNKNOWN,
                // Packets show no listener.
                None if socket.source == Source::Capture => Self::UNKNOWN,
                None => by(DirectionEvidence::Listeners, Direction::Outbound),
            },
        }
    }
}

/// Which end sent the SYN, from the byte counters.
///
/// `bytes_acked` counts from the initial sequence number on the side that sent the SYN and from
/// the byte after it on the other (RFC 4898 `tcpEStatsAppHCThruOctetsAcked`, Linux `tcp_ack`).
/// Everything sent is either acknowledged or in flight, so the difference is 1 or 0. Any other
/// difference means that the counters changed while they were read, and is no evidence. The FIN of
/// this end counts as well, so states after it are not used.
fn opener(socket: &Socket) -> Option<Direction> {
    if !matches!(socket.state, State::Established | State::CloseWait) {
        return None;
    }
    let tcp: &TcpInfo = socket.tcp.value()?;
    let queued = u64::from(socket.queues.get()?.send_bytes);
    let in_flight = queued.checked_sub(u64::from(tcp.notsent_bytes()?))?;
    let sent = tcp.bytes_sent()?.checked_sub(tcp.bytes_retrans()?)?;
    match tcp.bytes_acked()?.checked_add(in_flight)?.checked_sub(sent)? {
        0 => Some(Direction::Inbound),
        1 => Some(Direction::Outbound),
        _ => None,
    }
}
