//! Events as looks show them, where nobody tells of them when they happen: what is new in a look has
//! opened, what is gone or in TIME-WAIT has closed.
//!
//! The one idea: it is the same log, only coarser. What opened and closed between two looks is in
//! none of them, and how a connection ended no look tells; so both are said to be unknown.

use std::collections::HashMap;
use std::sync::Arc;

use conns_core::model::{
    Connection, Event, EventKind, Known, Moment, Protocol, Snapshot, SocketId, State, Unknown,
};
use conns_core::track::Removed;
use foldhash::fast::RandomState;

/// Most connections followed, about 32 bytes each; of what is beyond, nothing is told.
const FOLLOWED_MOST: usize = 1_000_000;

/// How far a connection has come.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Handshake,
    Open,
    Over,
}

/// What the looks so far have shown.
#[derive(Default)]
pub(crate) struct Differences {
    phases: HashMap<SocketId, Phase, RandomState>,
    serial: u64,
    /// Whether there was a look to differ from.
    has_begun: bool,
}

impl Differences {
    /// What has happened between the looks `before` and `now`, of which the second does not show
    /// `gone` any more. `before` is `None` the first time.
    pub(crate) fn tell(
        &mut self,
        before: Option<&Snapshot>,
        now: &Snapshot,
        gone: &[Removed],
    ) -> Vec<Arc<Event>> {
        let mut events = Vec::new();
        let is_first = !std::mem::replace(&mut self.has_begun, true);
        let ids = gone.iter().map(|gone| gone.id);
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
            if earlier.is_none() && self.phases.len() >= FOLLOWED_MOST {
                continue;
            }
            self.phases.insert(id, phase);
            if is_first {
                continue;
            }
            if phase > Phase::Handshake && earlier.is_none_or(|earlier| earlier < Phase::Open) {
                self.push(&mut events, EventKind::Opened, now.at, connection);
            }
            if phase == Phase::Over && earlier != Some(Phase::Over) {
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
            EventKind::Closed => Known::Unknown(Unknown::SourceCannotTell),
            _ => Known::NotApplicable,
        };
        events.push(Arc::new(Event { serial: self.serial, at, kind, connection }));
    }
}

/// `None` of what is no connection over TCP.
fn phase(connection: &Connection) -> Option<Phase> {
    if connection.socket.protocol != Protocol::Tcp {
        return None;
    }
    match connection.socket.state {
        State::Listen | State::Close | State::BoundInactive => None,
        State::SynSent | State::SynReceived => Some(Phase::Handshake),
        State::TimeWait => Some(Phase::Over),
        State::Established
        | State::FinWait1
        | State::FinWait2
        | State::CloseWait
        | State::LastAck
        | State::Closing => Some(Phase::Open),
    }
}
