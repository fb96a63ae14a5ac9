//! What is remembered of one connection from look to look, and what the next look or event makes
//! of it.

use std::sync::Arc;

use crate::model::{
    Connection, Ending, Event, EventKind, Happening, Holder, Known, Life, Moment, Socket,
    SocketRow, Unknown,
};
use crate::track::course::{self, Course};
use crate::track::direction::{Believed, Listeners};
use crate::track::join::Holders;
use crate::track::life::LifeSoFar;
use crate::track::sample::{Counters, Gauges, Span};
use crate::track::verdict::{Evidence, judge};

use super::hear::{Unmet, event};
use super::{Now, joined, judge_life};

/// What is kept of one connection.
#[derive(Debug, Clone)]
pub(super) struct Remembered {
    /// The snapshot that had it last.
    pub(super) met_in: u64,
    /// Who held it when that was last known.
    holders: Option<Known<Arc<[Holder]>>>,
    /// Whether that is what the holdings of the last look say.
    holders_are_current: bool,
    direction: Believed,
    /// Only of connections of which something was told.
    course: Option<Box<Course>>,
    life: LifeSoFar,
    /// The window in two halves: when the newer is full, it becomes the older.
    older: Option<Span>,
    newer: Span,
}

impl Remembered {
    /// A connection that no look has shown before, and what to remember of it. `since` is the
    /// moment of an earlier look that would have shown it.
    pub(super) fn look_first(
        socket: SocketRow,
        Unmet { serial, first_seen, direction: mut believed, course, .. }: Unmet,
        holders: Known<Arc<[Holder]>>,
        listeners: &Listeners,
        (Now { sequence, at, is_told, .. }, since): (Now, Option<Moment>),
    ) -> (Connection, Self) {
        let course = course.map(Box::new);
        let holders = or_opener(holders, course.as_deref());
        let life = Life::new(serial, sequence, first_seen);
        let direction = believed.look(&socket, listeners);
        let untold = course::untold(&socket, is_told);
        let mut connection = joined(socket, holders, direction, untold, life);
        if let Some(course) = &course {
            course.tell(&mut connection);
        }
        let (counters, gauges) = judge_life(&mut connection);
        let mut life = LifeSoFar::met(connection.life, at, counters, since);
        if let Some(then) = course.as_ref().and_then(|course| course.established_at()) {
            life.witness(then);
        }
        life.look(&mut connection, at, counters);
        life.note_changes(&mut connection, sequence);
        let newer = Span { start: at, first: counters, gauges };
        let is_held = connection.holders.value().is_some();
        let kept = Self {
            met_in: sequence,
            holders: is_held.then(|| connection.holders.clone()),
            holders_are_current: is_held,
            direction: believed,
            course,
            life,
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
        told: &Holders,
        is_joined: bool,
    ) -> Known<Arc<[Holder]>> {
        if let Some(before) = &self.holders
            && is_joined
            && self.holders_are_current
        {
            return before.clone();
        }
        let holders = or_opener(told.of(socket), self.course.as_deref());
        self.holders_are_current = holders.value().is_some();
        if self.holders_are_current {
            self.holders = Some(holders.clone());
        }
        holders
    }

    /// The connection as this look shows it, and what comes from comparing with what is
    /// remembered.
    pub(super) fn look_again(
        &mut self,
        socket: SocketRow,
        holders: Known<Arc<[Holder]>>,
        listeners: &Listeners,
        Now { sequence, at, is_told, half, .. }: Now,
    ) -> Connection {
        self.met_in = sequence;
        let direction = self.direction.look(&socket, listeners);
        let untold = course::untold(&socket, is_told);
        let mut connection = joined(socket, holders, direction, untold, self.life.so_far());
        if let Some(course) = &self.course {
            course.tell(&mut connection);
        }
        let counters = Counters::of(&connection);
        let gauges = Gauges::look_at(&connection);
        if at.since(self.newer.start) > half {
            // The next half starts from the look that ended this one, so that nothing falls between.
            let (start, first) = self.life.last();
            self.older = Some(self.newer);
            self.newer = Span { start, first, gauges: Gauges::default() };
        }
        self.newer.gauges = self.newer.gauges.plus(gauges);
        self.life.look(&mut connection, at, counters);
        let whole = match self.older {
            Some(older) => Span { gauges: older.gauges.plus(self.newer.gauges), ..older },
            None => self.newer,
        };
        let evidence = Evidence::of_window(&connection, whole, at, counters);
        connection.verdict = judge(&connection, evidence);
        self.life.note_changes(&mut connection, sequence);
        connection
    }

    /// The event that this is, of a connection looks have shown.
    pub(super) fn hear(&mut self, happening: Happening, serial: u64) -> Event {
        let course = self.course.get_or_insert_with(|| Box::new(Course::untold()));
        course.hear(&happening);
        if let Some(then) = course.established_at() {
            self.life.witness(then);
        }
        // Who accepted it is news to the next look.
        self.holders_are_current &= happening.kind != EventKind::Accepted;
        let holders = self.holders.clone().or_else(|| course.holders());
        let direction = self.direction.hear(happening.direction);
        let life = self.life.so_far_at(happening.at);
        event(happening, serial, holders, direction, course, life)
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
    pub(super) fn ending(&self) -> Known<Ending> {
        let untold = Known::Unknown(Unknown::SourceCannotTell);
        match &self.course {
            Some(course) if course.is_over() => course.ending(),
            _ => untold,
        }
    }
}

/// The process that opened it, where the descriptors do not tell who holds it.
fn or_opener(holders: Known<Arc<[Holder]>>, course: Option<&Course>) -> Known<Arc<[Holder]>> {
    match holders {
        Known::Unknown(_) => course.and_then(Course::holders).unwrap_or(holders),
        held => held,
    }
}
