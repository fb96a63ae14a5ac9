//! What is remembered of one connection from look to look, and what the next look or event makes
//! of it.

use std::sync::Arc;

use crate::model::{
    Closed, Connection, Event, EventKind, Known, LifecycleEvent, Moment, Owner, Socket,
    SocketSample, Stats, Unknown,
};
use crate::track::course::{self, Course};
use crate::track::direction::{Believed, Listeners};
use crate::track::join::Owners;
use crate::track::sample::{Counters, Gauges, Span};
use crate::track::stats::LifeSoFar;
use crate::track::verdict::{evidence_of_window, judge};

use super::hear::{Unmet, event};
use super::{Now, joined, judge_life};

/// What is kept of one connection.
#[derive(Debug, Clone)]
pub(super) struct Remembered {
    /// The snapshot that had it last.
    pub(super) met_in: u64,
    /// Who held it when that was last known.
    owners: Option<Known<Arc<[Owner]>>>,
    /// Whether that is what the holdings of the last look say.
    holders_are_current: bool,
    direction: Believed,
    /// Only of connections of which something was told.
    course: Option<Box<Course>>,
    stats: LifeSoFar,
    /// The window in two halves: when the newer is full, it becomes the older.
    older: Option<Span>,
    newer: Span,
}

impl Remembered {
    /// A connection that no look has shown before, and what to remember of it. `since` is the
    /// moment of an earlier look that would have shown it.
    pub(super) fn look_first(
        socket: SocketSample,
        Unmet { serial, first_seen, direction: mut believed, course, .. }: Unmet,
        owners: Known<Arc<[Owner]>>,
        listeners: &Listeners,
        (Now { sequence, at, is_told, .. }, since): (Now, Option<Moment>),
    ) -> (Connection, Self) {
        let course = course.map(Box::new);
        let owners = or_opener(owners, course.as_deref());
        let stats = Stats::new(serial, sequence, first_seen);
        let direction = believed.look(&socket, listeners);
        let untold = course::untold(&socket, is_told);
        let mut connection = joined(socket, owners, direction, untold, stats);
        if let Some(course) = &course {
            course.tell(&mut connection);
        }
        let (counters, gauges) = judge_life(&mut connection);
        let mut stats = LifeSoFar::met(connection.stats, at, counters, since);
        if let Some(then) = course.as_ref().and_then(|course| course.established_at()) {
            stats.witness(then);
        }
        stats.look(&mut connection, at, counters);
        stats.note_changes(&mut connection, sequence);
        let newer = Span { start: at, first: counters, gauges };
        let is_held = connection.owners.value().is_some();
        let kept = Self {
            met_in: sequence,
            owners: is_held.then(|| connection.owners.clone()),
            holders_are_current: is_held,
            direction: believed,
            course,
            stats,
            older: None,
            newer,
        };
        (connection, kept)
    }

    /// Who holds it, where `told` are the holdings of this look, and `is_joined` if they are those
    /// of the last one.
    pub(super) fn holders_now(
        &mut self,
        socket: &Socket,
        told: &Owners,
        is_joined: bool,
    ) -> Known<Arc<[Owner]>> {
        if let Some(before) = &self.owners
            && is_joined
            && self.holders_are_current
        {
            return before.clone();
        }
        let owners = or_opener(told.of(socket), self.course.as_deref());
        self.holders_are_current = owners.value().is_some();
        if self.holders_are_current {
            self.owners = Some(owners.clone());
        }
        owners
    }

    /// The connection as this look shows it, and what comes from comparing with what is
    /// remembered.
    pub(super) fn look_again(
        &mut self,
        socket: SocketSample,
        owners: Known<Arc<[Owner]>>,
        listeners: &Listeners,
        Now { sequence, at, is_told, half, .. }: Now,
    ) -> Connection {
        self.met_in = sequence;
        let direction = self.direction.look(&socket, listeners);
        let untold = course::untold(&socket, is_told);
        let mut connection = joined(socket, owners, direction, untold, self.stats.so_far());
        if let Some(course) = &self.course {
            course.tell(&mut connection);
        }
        let counters = Counters::of(&connection);
        let gauges = Gauges::look_at(&connection);
        if at.since(self.newer.start) > half {
            // The next half starts from the look that ended this one, so that nothing falls between.
            let (start, first) = self.stats.last();
            self.older = Some(self.newer);
            self.newer = Span { start, first, gauges: Gauges::default() };
        }
        self.newer.gauges = self.newer.gauges.plus(gauges);
        self.stats.look(&mut connection, at, counters);
        let whole = match self.older {
            Some(older) => Span { gauges: older.gauges.plus(self.newer.gauges), ..older },
            None => self.newer,
        };
        let evidence = evidence_of_window(&connection, whole, at, counters);
        connection.verdict = judge(&connection, evidence);
        self.stats.note_changes(&mut connection, sequence);
        connection
    }

    /// The event that this is, of a connection looks have shown.
    pub(super) fn hear(&mut self, lifecycle_event: LifecycleEvent, serial: u64) -> Event {
        let course = self.course.get_or_insert_with(|| Box::new(Course::untold()));
        course.hear(&lifecycle_event);
        if let Some(then) = course.established_at() {
            self.stats.witness(then);
        }
        // Who accepted it is news to the next look.
        self.holders_are_current &= lifecycle_event.kind != EventKind::Accepted;
        let owners = self.owners.clone().or_else(|| course.owners());
        let direction = self.direction.hear(lifecycle_event.direction);
        let stats = self.stats.so_far_at(lifecycle_event.at);
        event(lifecycle_event, serial, owners, direction, course, stats)
    }

    /// Whether it was told to be over.
    pub(super) fn is_over(&self) -> bool {
        self.course.as_ref().is_some_and(|course| course.is_over())
    }

    /// Whether `socket` has begun another connection since.
    pub(super) fn is_of_another(&self, socket: &Socket, at: Moment) -> bool {
        self.course.as_ref().is_some_and(|course| course.is_of_another(socket, at))
    }

    /// How it ended; unknown where nobody told.
    pub(super) fn closed(&self) -> Known<Closed> {
        let untold = Known::Unknown(Unknown::SourceCannotTell);
        match &self.course {
            Some(course) if course.is_over() => course.closed(),
            _ => untold,
        }
    }
}

/// The process that opened it, where the descriptors do not tell who holds it.
fn or_opener(owners: Known<Arc<[Owner]>>, course: Option<&Course>) -> Known<Arc<[Owner]>> {
    match owners {
        Known::Unknown(_) => course.and_then(Course::owners).unwrap_or(owners),
        held => held,
    }
}
