//! Connections that events reported and no sample has shown. Most short connections are in no sample,
//! so what is kept of them is small, bounded, and removed with the first sample after they closed.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use crate::model::{
    CloseReason, Closed, Closer, EventKind, Known, LifecycleEvent, Moment, Socket, SocketId, Stats,
};

use super::direction::InferredDirection;
use super::event::Past;
use super::lifecycle::Lifecycle;

/// A connection that this many samples after its first event do not show is closed, and its closed
/// event was lost.
const MAX_ABSENT_SAMPLES: u64 = 2;
/// Room for fewer connections than this is not worth giving back.
const MAX_FREE: usize = 1024;

/// A connection that no sample has shown.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) serial: u64,
    pub(super) first_seen: Moment,
    /// The last snapshot before its first event.
    since_sequence: u64,
    pub(super) direction: InferredDirection,
    /// `None` of a connection without events.
    pub(super) lifecycle: Option<Lifecycle>,
}

impl Pending {
    /// A connection without events.
    pub(super) fn new(serial: u64, first_seen: Moment, since_sequence: u64) -> Self {
        let direction = InferredDirection::UNKNOWN;
        Self { serial, first_seen, since_sequence, direction, lifecycle: None }
    }

    /// Adds an event, and returns what is known of the connection besides it.
    pub(super) fn apply_event(&mut self, event: &LifecycleEvent, sequence: u64) -> Past {
        let lifecycle = self.lifecycle.get_or_insert_with(Lifecycle::unreported);
        lifecycle.apply(event);
        let mut stats = Stats::new(self.serial, sequence, self.first_seen);
        if let Some((then, source)) = lifecycle.established_at() {
            let since = event.at.monotonic_us.saturating_sub(then.monotonic_us);
            stats.age_us = Known::Value(since, source);
        }
        Past {
            owners: lifecycle.opener().map(Into::into),
            direction: self.direction.apply_event(event.direction),
            opened: lifecycle.opened().clone(),
            closed: lifecycle.closed(),
            stats,
            counters: None,
        }
    }

    fn is_closed(&self) -> bool {
        self.lifecycle.as_ref().is_some_and(Lifecycle::is_closed)
    }

    /// Whether `socket`, sampled at `at`, shows another connection than the closed one.
    pub(super) fn is_superseded_by(&self, socket: &Socket, at: Moment) -> bool {
        self.lifecycle.as_ref().is_some_and(|lifecycle| lifecycle.is_superseded_by(socket, at))
    }
}

/// All pending connections.
#[derive(Debug)]
pub(super) struct PendingConnections {
    /// Most connections. Beyond it, each event is published as if it were the first of its connection.
    bound: usize,
    by_id: HashMap<SocketId, Pending, RandomState>,
    /// How many the bound refused since that was last reported.
    refused: u64,
}

impl PendingConnections {
    /// Stores at most `bound`.
    pub(super) fn new(bound: usize) -> Self {
        Self { bound, by_id: HashMap::default(), refused: 0 }
    }

    pub(super) fn set_bound(&mut self, bound: usize) {
        self.bound = bound;
    }

    /// Takes out the connection of this socket.
    pub(super) fn take(&mut self, id: &SocketId) -> Option<Pending> {
        self.by_id.remove(id)
    }

    /// Takes out the connection of this socket to which an event of this kind belongs: a socket that
    /// closed and is opened again has another connection.
    pub(super) fn take_for_event(&mut self, id: &SocketId, kind: EventKind) -> Option<Pending> {
        // Only the accepted event may be reported after the closed one.
        let begins = kind != EventKind::Accepted;
        self.by_id.remove(id).filter(|pending| !(begins && pending.is_closed()))
    }

    /// Stores a connection, and returns whether there is room. `is_new` is whether it was not stored
    /// before.
    pub(super) fn store(&mut self, id: SocketId, pending: Pending, is_new: bool) -> bool {
        let has_room = self.by_id.len() < self.bound;
        if has_room {
            self.by_id.insert(id, pending);
        } else if is_new {
            self.refused += 1;
        }
        has_room
    }

    /// Removes the connection of this socket if it closed.
    pub(super) fn remove_closed(&mut self, id: &SocketId) {
        if self.by_id.get(id).is_some_and(Pending::is_closed) {
            self.by_id.remove(id);
        }
    }

    /// Removes connections that the samples up to this snapshot should have shown.
    pub(super) fn remove_absent(&mut self, sequence: u64) {
        self.by_id.retain(|_, pending| pending.since_sequence + MAX_ABSENT_SAMPLES >= sequence);
        if self.by_id.capacity() > MAX_FREE.max(4 * self.by_id.len()) {
            self.by_id.shrink_to(2 * self.by_id.len());
        }
    }

    /// How many the bound refused since the last call.
    pub(super) fn take_refused(&mut self) -> u64 {
        std::mem::take(&mut self.refused)
    }
}

/// Whether a sample may show the connection after this event: a closed one only as a TIME-WAIT
/// minisock, on the side that closed first.
pub(super) fn may_be_sampled(event: &LifecycleEvent) -> bool {
    let closed_first = |end: Closed| end.first_closer.get() != Some(Closer::Remote);
    let enters_time_wait = |end: Closed| end.how == CloseReason::Fin && closed_first(end);
    match event.kind {
        EventKind::Opened | EventKind::Accepted => true,
        EventKind::Closed => event.closed.get().is_none_or(enters_time_wait),
        EventKind::Failed => false,
    }
}
