//! Events: what was told of connections at the moment it happened becomes what is published, and
//! is remembered for the looks to come.
//!
//! The one idea: most short connections are in no look. So what is kept of a connection that no
//! look has shown is small, bounded, and gone with the first look after its end.

use std::sync::Arc;

use crate::model::{
    CloseReason, Closed, Closer, Connection, Direction, Event, EventKind, Known, LifecycleEvent,
    Loss, LossCause, Moment, Owner, Socket, SocketId, Source, Stats, Unknown, Verdict,
};
use crate::track::course::Course;
use crate::track::direction::Believed;
use crate::track::sample::{Counters, Gauges};
use crate::track::verdict::{evidence_of_life, judge_end};

use super::{Removed, Tracker, joined};

/// Most connections remembered that no look has shown, about 200 bytes each: two seconds of the
/// storm this is built for. Of what is beyond, every event is told as if it were the first.
const UNMET_KEPT: usize = 262_144;
/// Most last events remembered until the connection leaves the table, about 1.5 kB each; a minute
/// of TIME-WAIT at 270 closings a second. What is beyond leaves the table as it was last seen.
const ENDS_KEPT: usize = 16_384;
/// A connection that so many looks after it was told of have not shown is gone, and word of its end
/// was lost.
const LOOKS_UNMET: u64 = 2;

/// A connection that no look has shown.
#[derive(Debug)]
pub(super) struct Unmet {
    pub(super) serial: u64,
    pub(super) first_seen: Moment,
    /// The last snapshot when it was first told of.
    pub(super) heard_in: u64,
    pub(super) direction: Believed,
    /// `None` of a connection of which nothing was told.
    pub(super) course: Option<Course>,
}

impl Tracker {
    /// Takes what happened since the last call, oldest first. What comes of it is for
    /// [`Tracker::take_events`].
    pub fn apply_events(&mut self, lifecycle_events: Vec<LifecycleEvent>) {
        self.told.is_listening = true;
        self.told.events.reserve(lifecycle_events.len());
        for lifecycle_event in lifecycle_events {
            let event = self.hear_one(lifecycle_event);
            self.told.events.push(event);
        }
    }

    /// The events that were made since the last call, oldest first; numbered from 1 on.
    pub fn take_events(&mut self) -> Vec<Arc<Event>> {
        std::mem::take(&mut self.told.events)
    }

    /// Forgets connections that are over. For those who only listen to events: otherwise the next
    /// look does it, which may still show them in TIME-WAIT.
    pub fn forget_closed(&mut self) {
        for id in std::mem::take(&mut self.told.over) {
            let is_over = self.remembered.get(&id).is_some_and(|kept| kept.is_over());
            if is_over {
                self.remembered.remove(&id);
            }
            self.forget_over(id);
        }
    }

    /// What the bounds refused since the last call. A snapshot says it by itself.
    pub fn take_refusals(&mut self) -> Vec<Loss> {
        let unmet = std::mem::take(&mut self.told.unmet_refused);
        let ends = std::mem::take(&mut self.told.ends_refused);
        let refused = |cause, count| Loss::counted(Source::Derived, cause, count);
        let unmet = refused(LossCause::PendingFull { bound: UNMET_KEPT as u64 }, unmet);
        let ends = refused(LossCause::FinalMeasuresFull { bound: ENDS_KEPT as u64 }, ends);
        unmet.into_iter().chain(ends).collect()
    }

    fn hear_one(&mut self, lifecycle_event: LifecycleEvent) -> Arc<Event> {
        let (id, kind) = (lifecycle_event.socket.id, lifecycle_event.kind);
        // Only that a process has accepted it may be told late.
        let begins = kind != EventKind::Accepted;
        if begins && self.remembered.get(&id).is_some_and(|kept| kept.is_over()) {
            self.replace(id);
        }
        self.told.serial += 1;
        let serial = self.told.serial;
        let (event, is_kept) = match self.remembered.get_mut(&id) {
            Some(kept) => (kept.hear(lifecycle_event, serial), true),
            None => self.hear_of_unmet(lifecycle_event, serial),
        };
        let event = Arc::new(event);
        if is_kept && matches!(kind, EventKind::Closed | EventKind::Failed) {
            self.told.over.push(id);
            if self.told.ends.len() < ENDS_KEPT {
                self.told.ends.insert(id, Arc::clone(&event));
            } else {
                self.told.ends_refused += 1;
            }
        }
        event
    }

    /// The event that this is, of a connection no look has shown, and whether it is remembered.
    fn hear_of_unmet(&mut self, lifecycle_event: LifecycleEvent, serial: u64) -> (Event, bool) {
        let id = lifecycle_event.socket.id;
        let begins = lifecycle_event.kind != EventKind::Accepted;
        let known = self.told.unmet.remove(&id).filter(|unmet| !(begins && unmet.is_over()));
        let is_new = known.is_none();
        let mut unmet = known.unwrap_or_else(|| {
            self.serial += 1;
            let opened = lifecycle_event.opened.value();
            let first_seen = opened.map_or(lifecycle_event.at, |opened| opened.at);
            Unmet::new(self.serial, first_seen, self.sequence)
        });
        let course = unmet.course.get_or_insert_with(Course::untold);
        course.hear(&lifecycle_event);
        let owners = course.owners();
        let direction = unmet.direction.hear(lifecycle_event.direction);
        let mut stats = Stats::new(unmet.serial, self.sequence, unmet.first_seen);
        if let Some(then) = course.established_at() {
            let since = lifecycle_event.at.monotonic_us.saturating_sub(then.monotonic_us);
            stats.age_us = Known::Value(since, Source::Ebpf);
        }
        let may_be_shown = may_be_shown(&lifecycle_event);
        let event = event(lifecycle_event, serial, owners, direction, course, stats);
        let has_room = self.told.unmet.len() < UNMET_KEPT;
        if may_be_shown && has_room {
            self.told.unmet.insert(id, unmet);
        } else if may_be_shown && is_new {
            self.told.unmet_refused += 1;
        }
        (event, may_be_shown && has_room)
    }

    /// What was told of `socket`, which a look shows for the first time.
    pub(super) fn meet(&mut self, socket: &Socket, at: Moment) -> Unmet {
        let told = self.told.unmet.remove(&socket.id);
        let of_this = told.filter(|unmet| {
            let is_other = unmet.course.as_ref().is_some_and(|c| c.is_of_another(socket, at));
            if is_other {
                self.told.ends.remove(&socket.id);
            }
            !is_other
        });
        of_this.unwrap_or_else(|| {
            self.serial += 1;
            Unmet::new(self.serial, at, self.sequence)
        })
    }

    /// Lets go of a remembered connection whose socket has begun another one.
    pub(super) fn replace(&mut self, id: SocketId) {
        if let Some(kept) = self.remembered.remove(&id) {
            let final_event = self.told.ends.remove(&id);
            self.told.replaced.push(Removed { id, closed: kept.closed(), final_event });
        }
    }

    /// After a look: what it has not shown and is over need not be remembered any more.
    pub(super) fn forget_unmet(&mut self) {
        for id in std::mem::take(&mut self.told.over) {
            self.forget_over(id);
        }
        let sequence = self.sequence;
        self.told.unmet.retain(|_, unmet| unmet.heard_in + LOOKS_UNMET >= sequence);
    }

    /// Forgets what is over and not remembered from a look.
    fn forget_over(&mut self, id: SocketId) {
        let is_over = self.told.unmet.get(&id).is_some_and(Unmet::is_over);
        if is_over {
            self.told.unmet.remove(&id);
        }
        if !self.remembered.contains(&id) {
            self.told.ends.remove(&id);
        }
    }
}

/// Whether a look may yet show the connection: of one that is over only the stub that waits in
/// TIME-WAIT on the side that closed first.
fn may_be_shown(lifecycle_event: &LifecycleEvent) -> bool {
    let closed_first = |end: Closed| end.first_closer.get() != Some(Closer::Remote);
    let leaves_stub = |end: Closed| end.how == CloseReason::Fin && closed_first(end);
    match lifecycle_event.kind {
        EventKind::Opened | EventKind::Accepted => true,
        EventKind::Closed => lifecycle_event.closed.get().is_none_or(leaves_stub),
        EventKind::Failed => false,
    }
}

impl Unmet {
    fn new(serial: u64, first_seen: Moment, heard_in: u64) -> Self {
        Self { serial, first_seen, heard_in, direction: Believed::NOTHING, course: None }
    }

    fn is_over(&self) -> bool {
        self.course.as_ref().is_some_and(Course::is_over)
    }
}

/// What is published of a happening, where the rest is what is remembered of its connection.
pub(super) fn event(
    lifecycle_event: LifecycleEvent,
    serial: u64,
    owners: Option<Known<Arc<[Owner]>>>,
    direction: Known<Direction>,
    course: &Course,
    mut stats: Stats,
) -> Event {
    let LifecycleEvent { at, kind, socket, direction: told, .. } = lifecycle_event;
    let owners = owners.unwrap_or(Known::Unknown(Unknown::NoOwnerFound));
    let direction = if direction.value().is_some() { direction } else { told };
    let course = (course.opened().clone(), course.closed());
    if kind == EventKind::Failed {
        stats.age_us = Known::NotApplicable;
    }
    let mut connection = joined(socket, owners, direction, course, stats);
    if matches!(kind, EventKind::Closed | EventKind::Failed) {
        connection.verdict = end_verdict(&connection, kind);
    }
    Event { serial, at, kind, connection }
}

/// What kept it from being faster over its whole life, by its final measures.
fn end_verdict(connection: &Connection, kind: EventKind) -> Verdict {
    let counters = Counters::of(connection);
    let gauges = Gauges::look_at(connection);
    let evidence = evidence_of_life(connection, counters, gauges);
    judge_end(connection, evidence, kind)
}
