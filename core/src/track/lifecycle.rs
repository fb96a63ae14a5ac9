//! What events reported of one connection, from opened to closed. What samples show of it is in
//! `stats.rs`.
//!
//! An event comes once and is exact. So its content is kept, and every later sample of the
//! connection shows it.

use std::sync::Arc;

use crate::model::{
    Closed, EventKind, Known, LifecycleEvent, Moment, Opened, Owner, Socket, Source, State, Unknown,
};

use super::precedence::{FieldGroup, outranks};

/// How much older than the closing a sample that still shows the connection alive may be: it may
/// have been read before the event, and the clocks that date them differ.
const MAX_SAMPLE_DELAY_US: u64 = 100_000;

/// The events of one connection so far.
#[derive(Debug, Clone)]
pub(super) struct Lifecycle {
    opened: Known<Arc<Opened>>,
    /// Whether the handshake was completed.
    is_established: bool,
    /// When it closed or failed, and how.
    end: Option<(Moment, Known<Closed>)>,
}

impl Lifecycle {
    /// A connection without events.
    pub(super) fn unreported() -> Self {
        Self { opened: Known::Unknown(Unknown::BeganBefore), is_established: false, end: None }
    }

    /// Adds an event.
    pub(super) fn apply(&mut self, event: &LifecycleEvent) {
        match (&event.opened, &self.opened) {
            (Known::Value(_, new), Known::Value(_, old))
                if outranks(FieldGroup::Lifecycle, *old, *new) => {}
            (Known::Value(opened, source), _) => {
                self.opened = Known::Value(self.keeping_the_opener(opened), *source);
            }
            (reason, Known::Unknown(_) | Known::NotApplicable) => self.opened = reason.clone(),
            (_, Known::Value(..)) => {}
        }
        self.is_established |= event.kind != EventKind::Failed;
        if matches!(event.kind, EventKind::Closed | EventKind::Failed) {
            self.end = Some((event.at, event.closed));
        }
    }

    /// `opened`, with the process of an earlier event if this one does not have it.
    fn keeping_the_opener(&self, opened: &Arc<Opened>) -> Arc<Opened> {
        let Known::Value(before, _) = &self.opened else { return Arc::clone(opened) };
        let lacks_process = opened.by.value().is_none() && before.by.value().is_some();
        if !lacks_process {
            return Arc::clone(opened);
        }
        let first_use_us = match opened.first_use_us {
            Known::Unknown(_) => before.first_use_us,
            known => known,
        };
        Arc::new(Opened { by: before.by.clone(), first_use_us, ..Opened::clone(opened) })
    }

    /// How it was opened.
    pub(super) fn opened(&self) -> &Known<Arc<Opened>> {
        &self.opened
    }

    /// When it was established, and the source, where an event reported it.
    pub(super) fn established_at(&self) -> Option<(Moment, Source)> {
        let Known::Value(opened, source) = &self.opened else { return None };
        self.is_established.then_some((opened.at, *source))
    }

    /// How it closed; not applicable before.
    pub(super) fn closed(&self) -> Known<Closed> {
        self.end.map_or(Known::NotApplicable, |(_, closed)| closed)
    }

    /// Whether it closed or failed.
    pub(super) fn is_closed(&self) -> bool {
        self.end.is_some()
    }

    /// The process that opened it, as an owner without a descriptor.
    pub(super) fn opener(&self) -> Option<Known<Arc<[Owner]>>> {
        let Known::Value(process, source) = &self.opened.value()?.by else { return None };
        let owner = Owner { process: Arc::clone(process), descriptor: None };
        Some(Known::Value([owner].into(), *source))
    }

    /// Whether `socket`, sampled at `at`, shows another connection than the closed one: a socket
    /// whose `connect` failed, or that was disconnected, keeps its identity.
    pub(super) fn is_superseded_by(&self, socket: &Socket, at: Moment) -> bool {
        self.end.is_some_and(|(end, _)| {
            !may_be_closed(socket.state)
                && end.monotonic_us.saturating_add(MAX_SAMPLE_DELAY_US) < at.monotonic_us
        })
    }
}

/// How the connection of a sample was opened and closed, by its events if there are any.
/// `has_events` is whether events are reported of any connection.
pub(super) fn lifecycle_of(
    lifecycle: Option<&Lifecycle>,
    socket: &Socket,
    has_events: bool,
) -> (Known<Arc<Opened>>, Known<Closed>) {
    if !is_connection(socket) {
        return (Known::NotApplicable, Known::NotApplicable);
    }
    let why = if has_events { Unknown::BeganBefore } else { Unknown::SourceDoesNotReport };
    let opened = lifecycle.map_or(Known::Unknown(why), |lifecycle| lifecycle.opened().clone());
    // A sample that shows the connection alive is older than the event that closed it.
    let closed = match lifecycle {
        Some(lifecycle) if lifecycle.is_closed() && may_be_closed(socket.state) => {
            lifecycle.closed()
        }
        _ if socket.state == State::TimeWait => Known::Unknown(why),
        _ => Known::NotApplicable,
    };
    (opened, closed)
}

/// Whether this is a connection or the attempt at one, and not a listener.
fn is_connection(socket: &Socket) -> bool {
    socket.protocol.is_tcp()
        && !matches!(socket.state, State::Listen | State::Close | State::BoundInactive)
}

/// The states of a TCP connection after the closed event. The kernel keeps a minisock in FIN-WAIT-2
/// for one that closed without the peer's FIN.
fn may_be_closed(state: State) -> bool {
    matches!(state, State::TimeWait | State::FinWait2 | State::Close | State::BoundInactive)
}
