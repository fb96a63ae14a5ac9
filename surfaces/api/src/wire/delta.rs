//! A decoded update: everything, or what changed, which is applied to the update before it.
//!
//! Of a connection that did not change, time has passed all the same: its age and the times since
//! data last moved are advanced.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::RandomState;

use conns_core::model::{
    ClosedConnection, Connection, ConnectionId, Health, Known, Loss, Machine, Moment, OpenFile,
    Snapshot, Transfer, Update,
};

use super::MAX_CONNECTIONS;
use super::error::WireError;
use super::resume::ResumeId;

/// What an agent answers to an [`UpdateQuery`](super::UpdateQuery).
#[derive(Debug, Clone)]
pub struct UpdateDelta {
    /// The snapshot this is about, and the latest event when the answer was made.
    pub id: ResumeId,
    /// The snapshot of the same agent since which these are the changes; `None` if this is
    /// everything.
    pub since: Option<u64>,
    /// The machine.
    pub machine: Arc<Machine>,
    /// When the sockets were read, by the agent's clocks.
    pub at: Moment,
    /// All connections asked for, or those that came and changed.
    pub connections: Vec<Connection>,
    /// What closed since.
    pub closed: Vec<Arc<ClosedConnection>>,
    /// What is there, but not among the connections asked for any more.
    pub removed: Vec<ConnectionId>,
    /// What is missing from the whole state.
    pub losses: Vec<Loss>,
    /// All transfers.
    pub transfers: Arc<[Transfer]>,
    /// All open files.
    pub files: Arc<[OpenFile]>,
    /// How the agent does.
    pub health: Health,
}

impl UpdateDelta {
    /// The update this leads to, from the update `before`, which must be the one it has the changes
    /// since; a delta that is everything needs none.
    ///
    /// # Errors
    /// [`WireError::OtherSnapshot`] if `before` is another, [`WireError::TooMany`] if the changes
    /// add up to more connections than one answer could have.
    pub fn apply(self, before: Option<Arc<Update>>) -> Result<Update, WireError> {
        let Self { id, since, machine, at, connections, closed, removed, losses, .. } = self;
        let connections = match since {
            None => connections,
            Some(since) => {
                let before = before
                    .filter(|b| b.instance == id.instance && b.snapshot.sequence == since)
                    .ok_or(WireError::OtherSnapshot)?;
                // Copied only if another reader still has it.
                let before = Arc::unwrap_or_clone(Arc::unwrap_or_clone(before).snapshot);
                merge(before, at, connections, &closed, removed)?
            }
        };
        let sequence = id.sequence;
        let snapshot = Snapshot { sequence, machine, at, connections, losses };
        Ok(Update {
            instance: id.instance,
            snapshot: Arc::new(snapshot),
            closed: closed.into(),
            closed_complete_since: since.unwrap_or(sequence),
            transfers: self.transfers,
            files: self.files,
            health: self.health,
            ..Update::default()
        })
    }
}

fn merge(
    before: Snapshot,
    at: Moment,
    connections: Vec<Connection>,
    closed: &[Arc<ClosedConnection>],
    removed: Vec<ConnectionId>,
) -> Result<Vec<Connection>, WireError> {
    let passed = at.since(before.at);
    let closed = closed.iter().map(|closed| closed.connection.id());
    let removed: HashSet<ConnectionId, RandomState> = removed.into_iter().chain(closed).collect();
    let mut changed: HashMap<ConnectionId, usize, RandomState> =
        HashMap::with_capacity_and_hasher(connections.len(), RandomState::default());
    let mut connections: Vec<Option<Connection>> = connections.into_iter().map(Some).collect();
    for (i, connection) in connections.iter().flatten().enumerate() {
        changed.insert(connection.id(), i);
    }
    let mut now = before.connections;
    now.retain_mut(|connection| {
        let id = connection.id();
        match changed.get(&id).and_then(|i| connections.get_mut(*i)?.take()) {
            Some(new) => *connection = new,
            None if removed.contains(&id) => return false,
            None => advance(connection, passed),
        }
        true
    });
    now.extend(connections.into_iter().flatten());
    if now.len() > MAX_CONNECTIONS {
        let (subject, count) = ("connections", now.len());
        return Err(WireError::TooMany { subject, count, bound: MAX_CONNECTIONS });
    }
    Ok(now)
}

/// Lets time pass for a connection on which nothing else happened.
fn advance(connection: &mut Connection, passed: Duration) {
    let us = u64::try_from(passed.as_micros()).unwrap_or(u64::MAX);
    if let Known::Value(age, _) = &mut connection.stats.age_us {
        *age = age.saturating_add(us);
    }
    if !connection.socket.state.carries_data() {
        return;
    }
    connection.socket.advance(u32::try_from(passed.as_millis()).unwrap_or(u32::MAX));
}
