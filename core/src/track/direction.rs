//! Who opened a connection.
//!
//! The one idea: Linux counts the SYN as one acknowledged byte, on the side that sent it and only
//! there. So the byte counters tell exactly who connected; the listening sockets are asked
//! where they cannot, and nobody where an event told it.

use std::collections::HashMap;
use std::net::IpAddr;

use foldhash::fast::RandomState;

use crate::model::{
    Direction, Known, Protocol, Socket, SocketSample, Source, State, TcpInfo, Unknown, unmapped,
};

/// The listening endpoints of one observation.
#[derive(Debug, Default)]
pub(super) struct Listeners {
    by_port: HashMap<(u64, bool, u16), Vec<IpAddr>, RandomState>,
}

impl Listeners {
    pub(super) fn of(tables: &[Vec<SocketSample>]) -> Self {
        let mut listeners = Self::default();
        for socket in tables.iter().flatten() {
            let listens = match socket.protocol {
                Protocol::Tcp | Protocol::Mptcp => socket.state == State::Listen,
                Protocol::Udp => socket.state == State::Close && socket.local.port != 0,
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

    /// Whether one of them would have accepted at the local end of `socket`.
    fn serve(&self, socket: &Socket) -> bool {
        let local = unmapped(socket.local.address);
        self.by_port.get(&Self::key(socket)).is_some_and(|addresses| {
            addresses.iter().any(|address| address.is_unspecified() || *address == local)
        })
    }
}

/// On what a direction rests; what comes later outweighs what comes earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Grounds {
    /// Nothing.
    None,
    /// Who listens where: usually right.
    Listeners,
    /// The state, or the byte counters: exact.
    Socket,
    /// An event told it.
    Told,
}

/// Who is believed to have opened a connection. Once known it does not change, but for better
/// grounds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Believed {
    direction: Known<Direction>,
    grounds: Grounds,
}

impl Believed {
    /// Nothing is known.
    pub(super) const NOTHING: Self =
        Self { direction: Known::Unknown(Unknown::Ambiguous), grounds: Grounds::None };

    /// What a look at `socket` adds, and who opened it, as far as is known then.
    pub(super) fn look(&mut self, socket: &Socket, listeners: &Listeners) -> Known<Direction> {
        match (socket.protocol, socket.state) {
            (_, State::Listen | State::BoundInactive) => return Known::NotApplicable,
            (_, State::Close) if socket.remote.is_none() => return Known::NotApplicable,
            _ if self.grounds >= Grounds::Socket => return self.direction,
            _ => {}
        }
        let seen = Self::seen(socket, listeners);
        if seen.grounds > self.grounds {
            *self = seen;
        }
        self.direction
    }

    /// Adds what an event tells, and returns who opened it, as far as is known then.
    pub(super) fn hear(&mut self, told: Known<Direction>) -> Known<Direction> {
        if told.value().is_some() {
            *self = Self { direction: told, grounds: Grounds::Told };
        }
        self.direction
    }

    fn seen(socket: &Socket, listeners: &Listeners) -> Self {
        let by = |grounds, direction| Self {
            direction: Known::Value(direction, Source::Derived),
            grounds,
        };
        match socket.state {
            State::SynSent => by(Grounds::Socket, Direction::Outbound),
            State::SynReceived => by(Grounds::Socket, Direction::Inbound),
            _ => match opener(socket) {
                Some(direction) => by(Grounds::Socket, direction),
                None if listeners.serve(socket) => by(Grounds::Listeners, Direction::Inbound),
                // A connection nobody listens for (any more): most often opened from here, but an
                // accepted one outlives its listener, and the kernel keeps no trace in TIME-WAIT.
                None if socket.state == State::TimeWait => Self::NOTHING,
                None => by(Grounds::Listeners, Direction::Outbound),
            },
        }
    }
}

/// Who opened `socket`, by one look at it.
pub(super) fn direction(socket: &Socket, listeners: &Listeners) -> Known<Direction> {
    let mut believed = Believed::NOTHING;
    believed.look(socket, listeners)
}

/// Who sent the SYN, from the byte counters.
///
/// `bytes_acked` counts from the initial sequence number on the side that sent the SYN and from
/// the byte after it on the other (RFC 4898 `tcpEStatsAppHCThruOctetsAcked`, Linux `tcp_ack`).
/// Everything sent is either acknowledged or in flight, so the difference is 1 or 0. Where the
/// counters were read while they moved it is something else, and tells nothing. From the time this
/// end has sent its FIN, that counts as well, so later states are not asked.
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
