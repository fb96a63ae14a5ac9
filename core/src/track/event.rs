//! Makes published events of lifecycle events and of what is known of their connections.

use std::sync::Arc;

use crate::model::{
    Application, Closed, Direction, Event, EventKind, Known, LifecycleEvent, Opened, Stats, Unknown,
};

use super::assemble::{Facts, Occasion, assemble, fin_received, without_rates};
use super::counters::Counters;
use super::gauges::Gauges;
use super::owners::OwnersOfSocket;
use super::verdict::evidence_of_life;

/// What is known of a connection when an event of it is published, the event included.
#[derive(Debug)]
pub(super) struct Past {
    pub(super) owners: Option<OwnersOfSocket>,
    pub(super) direction: Known<Direction>,
    pub(super) opened: Known<Arc<Opened>>,
    pub(super) closed: Known<Closed>,
    pub(super) stats: Stats,
    /// The counters of the last sample.
    pub(super) counters: Option<Counters>,
}

/// The event to publish, with this serial number.
pub(super) fn event(
    event: LifecycleEvent,
    serial: u64,
    past: Past,
    (application, resolved_name): (Option<Known<Arc<Application>>>, Option<Arc<str>>),
) -> Event {
    let LifecycleEvent { at, kind, socket, direction: reported, .. } = event;
    let fin = fin_received(past.closed, &socket);
    let counters = match past.counters {
        Some(earlier) => Counters::continuing(&socket, fin, &earlier),
        None => Counters::of(&socket, fin),
    };
    let mut stats = without_rates(past.stats, &socket, fin);
    if kind == EventKind::Failed {
        stats.age_us = Known::NotApplicable;
    }
    let facts = Facts {
        occasion: Occasion::Event(kind),
        owners: past.owners.unwrap_or(Known::Unknown(Unknown::NoOwnerFound).into()),
        direction: if past.direction.value().is_some() { past.direction } else { reported },
        opened: past.opened,
        closed: past.closed,
        application,
        resolved_name,
        stats,
        totals: counters.totals(),
        overflows: Known::NotApplicable,
        evidence: evidence_of_life(&socket, counters, Gauges::of(&socket)),
    };
    Event { serial, at, kind, connection: assemble(socket, facts) }
}
