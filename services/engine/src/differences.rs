//! Events derived from samples, where no source reports them: what is new in a sample has opened,
//! what is removed or in TIME-WAIT has closed. Connections that open and close between two samples
//! are missed, and how a connection closed is unknown.

use std::collections::HashMap;
use std::sync::Arc;

use conns_core::model::{
    Connection, Event, EventKind, Known, Moment, Protocol, Snapshot, SocketId, State, Unknown,
};
use conns_core::track::Removed;
use foldhash::fast::RandomState;

/// Most connections tracked, about 32 bytes each; those beyond have no events.
const MAX_TRACKED: usize = 1_000_000;

/// The phase of a connection.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Handshake,
    Open,
    Closed,
}

/// The phases that the samples so far have shown.
#[derive(Default)]
pub(crate) struct Differences {
    phases: HashMap<SocketId, Phase, RandomState>,
    serial: u64,
    /// Whether there was a sample to compare with.
    has_first: bool,
}

impl Differences {
    /// The events between the samples `before` and `now`, the second of which removed `removed`.
    /// `before` is `None` the first time.
    pub(crate) fn events(
        &mut self,
        before: Option<&Snapshot>,
        now: &Snapshot,
        removed: &[Removed],
    ) -> Vec<Arc<Event>> {
        let mut events = Vec::new();
        let is_first = !std::mem::replace(&mut self.has_first, true);
        let ids = removed.iter().map(|removed| removed.id);
        let were_open = ids.filter(|id| self.phases.remove(id) == Some(Phase::Open));
        let closed: std::collections::HashSet<_, RandomState> = were_open.collect();
        if !closed.is_empty() {
            for connection in before.into_iter().flat_map(|before| &before.connections) {
                if closed.contains(&connection.socket.id) {
                    self.push(&mut events, EventKind::Closed, now.at, connection);
                }
            }
        }
        let is_new = |connection: &&Connection| connection.stats.changed_sequence == now.sequence;
        for connection in now.connections.iter().filter(|c| is_first || is_new(c)) {
            let Some(phase) = phase(connection) else { continue };
            let id = connection.socket.id;
            let earlier = self.phases.get(&id).copied();
            if earlier.is_none() && self.phases.len() >= MAX_TRACKED {
                continue;
            }
            self.phases.insert(id, phase);
            if is_first {
                continue;
            }
            if phase > Phase::Handshake && earlier.is_none_or(|earlier| earlier < Phase::Open) {
                self.push(&mut events, EventKind::Opened, now.at, connection);
            }
            if phase == Phase::Closed && earlier != Some(Phase::Closed) {
                self.push(&mut events, EventKind::Closed, now.at, connection);
            }
        }
        events
    }

    fn push(
        &mut self,
        events: &mut Vec<Arc<Event>>,
        kind: EventKind,
        at: Moment,
        connection: &Connection,
    ) {
        self.serial += 1;
        let mut connection = connection.clone();
        connection.closed = match kind {
            EventKind::Closed => Known::Unknown(Unknown::SourceDoesNotReport),
            _ => Known::NotApplicable,
        };
        events.push(Arc::new(Event { serial: self.serial, at, kind, connection }));
    }
}

/// `None` if it is no TCP connection.
fn phase(connection: &Connection) -> Option<Phase> {
    if connection.socket.protocol != Protocol::Tcp {
        return None;
    }
    match connection.socket.state {
        State::Listen | State::Close | State::BoundInactive => None,
        State::SynSent | State::SynReceived => Some(Phase::Handshake),
        State::TimeWait => Some(Phase::Closed),
        State::Established
        | State::FinWait1
        | State::FinWait2
        | State::CloseWait
        | State::LastAck
        | State::Closing => Some(Phase::Open),
    }
}
