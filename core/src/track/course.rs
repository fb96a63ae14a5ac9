//! What events told of one connection, from its opening to its end. Not what looks saw of it: that
//! is `stats.rs`.
//!
//! The one idea: an event comes once and is exact, a look comes again and again; so what was told
//! is kept beside the connection, and every later row of it says the same.

use std::sync::Arc;

use crate::model::{
    Closed, Connection, EventKind, Known, LifecycleEvent, Moment, Opened, Owner, Protocol, Socket,
    State, Unknown,
};

/// A row may have been read a little before the end that was told first, and the clocks that date
/// them differ a little: one that shows life so soon after the end is taken for older than it.
const LATE_US: u64 = 100_000;

/// What was told.
#[derive(Debug, Clone)]
pub(super) struct Course {
    opened: Known<Arc<Opened>>,
    /// Whether that led to a connection.
    is_open: bool,
    /// When it was told to be over, and how.
    end: Option<(Moment, Known<Closed>)>,
}

impl Course {
    /// Of a connection of which nothing was told.
    pub(super) fn untold() -> Self {
        Self { opened: Known::Unknown(Unknown::BeganBefore), is_open: false, end: None }
    }

    /// Adds what this event tells.
    pub(super) fn hear(&mut self, lifecycle_event: &LifecycleEvent) {
        match &lifecycle_event.opened {
            Known::Value(told, source) => {
                self.opened = Known::Value(self.with_what_was_known(told), *source);
            }
            untold if self.opened.value().is_none() => self.opened = untold.clone(),
            _ => {}
        }
        self.is_open |= lifecycle_event.kind != EventKind::Failed;
        if matches!(lifecycle_event.kind, EventKind::Closed | EventKind::Failed) {
            self.end = Some((lifecycle_event.at, lifecycle_event.closed));
        }
    }

    /// The opening as it is told now; where it says less of the process than before, that stays.
    fn with_what_was_known(&self, told: &Arc<Opened>) -> Arc<Opened> {
        let Known::Value(before, _) = &self.opened else { return Arc::clone(told) };
        let says_less = told.by.value().is_none() && before.by.value().is_some();
        if !says_less {
            return Arc::clone(told);
        }
        let accept_wait_us = match told.accept_wait_us {
            Known::Unknown(_) => before.accept_wait_us,
            told => told,
        };
        Arc::new(Opened { by: before.by.clone(), accept_wait_us, ..Opened::clone(told) })
    }

    pub(super) fn opened(&self) -> &Known<Arc<Opened>> {
        &self.opened
    }

    /// When it was established, where that was told.
    pub(super) fn established_at(&self) -> Option<Moment> {
        self.opened.value().filter(|_| self.is_open).map(|opened| opened.at)
    }

    /// How it ended; not applicable as long as it was not told to be over.
    pub(super) fn closed(&self) -> Known<Closed> {
        self.end.map_or(Known::NotApplicable, |(_, closed)| closed)
    }

    /// Whether it was told to be over.
    pub(super) fn is_over(&self) -> bool {
        self.end.is_some()
    }

    /// The process that opened it as its holder, where no descriptor tells of one.
    pub(super) fn owners(&self) -> Option<Known<Arc<[Owner]>>> {
        let Known::Value(process, source) = &self.opened.value()?.by else { return None };
        let owner = Owner { process: Arc::clone(process), descriptor: None };
        Some(Known::Value([owner].into(), *source))
    }

    /// Whether `socket`, looked at at this moment, has begun another connection since this one was
    /// over: a socket whose `connect` failed, or that was disconnected, keeps its identity.
    pub(super) fn is_of_another(&self, socket: &Socket, at: Moment) -> bool {
        self.end.is_some_and(|(end, _)| {
            !may_be_over(socket.state) && end.monotonic_us.saturating_add(LATE_US) < at.monotonic_us
        })
    }

    /// Fills in what was told of this row's connection.
    pub(super) fn tell(&self, connection: &mut Connection) {
        if is_connection(&connection.socket) {
            connection.opened = self.opened.clone();
            // A row that shows life is older than the end.
            if may_be_over(connection.socket.state) && self.is_over() {
                connection.closed = self.closed();
            }
        }
    }
}

/// What is known of a row's course where nothing was told; `is_told` is whether anything is told
/// of any connection.
pub(super) fn untold(socket: &Socket, is_told: bool) -> (Known<Arc<Opened>>, Known<Closed>) {
    let why = if is_told { Unknown::BeganBefore } else { Unknown::SourceCannotTell };
    match socket.state {
        _ if !is_connection(socket) => (Known::NotApplicable, Known::NotApplicable),
        State::TimeWait => (Known::Unknown(why), Known::Unknown(why)),
        _ => (Known::Unknown(why), Known::NotApplicable),
    }
}

/// Whether this is a connection, or the attempt at one, and no endpoint that waits for others.
fn is_connection(socket: &Socket) -> bool {
    socket.protocol != Protocol::Udp
        && !matches!(socket.state, State::Listen | State::Close | State::BoundInactive)
}

/// The states the kernel shows of a TCP connection that it has done with. Of one that ended
/// without the peer's FIN it keeps a stub that reads FIN-WAIT-2.
fn may_be_over(state: State) -> bool {
    matches!(state, State::TimeWait | State::FinWait2 | State::Close | State::BoundInactive)
}
