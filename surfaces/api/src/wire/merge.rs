//! Changes, put onto the snapshot they are changes of.
//!
//! The one idea: of a connection that did not change, time has passed all the same; its age and the
//! times since data last moved are counted on, so that nothing on the screen stands still.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use conns_core::model::{Connection, Known, Snapshot, SocketId};

use super::{CONNECTIONS_MAX, SnapshotDelta, WireError};

impl SnapshotDelta {
    /// The snapshot this update leads to, from the snapshot `before`, which must be the one it
    /// tells the changes since; an update that tells everything needs none.
    ///
    /// # Errors
    /// [`WireError::OtherSnapshot`] if `before` is another, [`WireError::TooMany`] if the changes
    /// add up to more connections than one answer could have.
    pub fn onto(self, before: Option<Arc<Snapshot>>) -> Result<Snapshot, WireError> {
        let Self { mark, since, at, connections, gone, losses, .. } = self;
        let Some(since) = since else {
            return Ok(Snapshot {
                sequence: mark.sequence,
                at,
                connections,
                losses,
                ..Snapshot::default()
            });
        };
        let before = before.filter(|b| b.sequence == since).ok_or(WireError::OtherSnapshot)?;
        // Only if somebody else still reads it, it is copied.
        let before = Arc::unwrap_or_clone(before);
        let passed = at.since(before.at);
        let gone: HashSet<SocketId> = gone.into_iter().collect();
        let mut changed: HashMap<SocketId, usize> = HashMap::with_capacity(connections.len());
        let mut connections: Vec<Option<Connection>> = connections.into_iter().map(Some).collect();
        for (i, connection) in connections.iter().flatten().enumerate() {
            changed.insert(connection.socket.id, i);
        }
        let mut now = before.connections;
        now.retain_mut(|connection| {
            let id = connection.socket.id;
            match changed.get(&id).and_then(|i| connections.get_mut(*i)?.take()) {
                Some(new) => *connection = new,
                None if gone.contains(&id) => return false,
                None => count_on(connection, passed),
            }
            true
        });
        now.extend(connections.into_iter().flatten());
        if now.len() > CONNECTIONS_MAX {
            let (subject, count) = ("connections", now.len());
            return Err(WireError::TooMany { subject, count, bound: CONNECTIONS_MAX });
        }
        Ok(Snapshot {
            sequence: mark.sequence,
            at,
            connections: now,
            losses,
            ..Snapshot::default()
        })
    }
}

/// Lets time pass for a connection on which nothing else happened.
fn count_on(connection: &mut Connection, passed: Duration) {
    let us = u64::try_from(passed.as_micros()).unwrap_or(u64::MAX);
    if let Known::Value(age, _) = &mut connection.stats.age_us {
        *age = age.saturating_add(us);
    }
    if !connection.socket.state.carries_data() {
        return;
    }
    connection.socket.advance(u32::try_from(passed.as_millis()).unwrap_or(u32::MAX));
}
