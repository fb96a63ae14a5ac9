//! What is kept of one connection between samples, and what the next sample or event adds to it.

use std::sync::Arc;
use std::time::Duration;

use crate::model::{
    Application, Closed, Connection, EventKind, Known, LifecycleEvent, Moment, Socket,
    SocketSample, Stats, Unknown,
};

use super::assemble::{Facts, Occasion, SampleContext, fin_received};
use super::counters::Counters;
use super::direction::{InferredDirection, Listeners};
use super::event::Past;
use super::gauges::Gauges;
use super::lifecycle::{Lifecycle, lifecycle_of};
use super::listeners::ListenStates;
use super::names::Names;
use super::owners::{OwnerIndex, OwnersOfSocket};
use super::pending::Pending;
use super::shown::Shown;
use super::stats::StatsHistory;
use super::verdict::{evidence_of_life, evidence_of_window};
use super::window::Window;

/// In how many samples the name of the remote address is searched for: payload is read after the samples, so
/// that an answer may be known later than the connection.
const MAX_NAME_SEARCHES: u8 = 3;

/// What is kept of one connection that was in a sample.
#[derive(Debug, Clone)]
pub(super) struct History {
    /// The snapshot that had it last.
    sampled_in: u64,
    /// Its owners when they were last known.
    owners: Option<OwnersOfSocket>,
    /// Whether these are the owners by the current owner table.
    owners_are_current: bool,
    direction: InferredDirection,
    /// Only of connections with events.
    lifecycle: Option<Box<Lifecycle>>,
    stats: StatsHistory,
    /// `None` before the first sample.
    window: Option<Window>,
    /// `None` before the first sample.
    shown: Option<Shown>,
    /// The name of the remote address when it was opened.
    resolved_name: Option<Arc<str>>,
    /// For how many more samples it is searched for.
    name_searches: u8,
}

/// The parts of a snapshot that the samples of all connections share.
#[derive(Debug, Clone, Copy)]
pub(super) struct SampleInputs<'a> {
    pub(super) context: SampleContext,
    pub(super) owners: &'a OwnerIndex,
    /// Whether `owners` is the index of the sample before.
    pub(super) owners_unchanged: bool,
    pub(super) listeners: &'a Listeners,
    pub(super) listen_states: &'a ListenStates,
    pub(super) names: &'a Names,
    /// Half of the window that verdicts are about.
    pub(super) half_window: Duration,
}

impl History {
    /// The history of a connection that is sampled for the first time. `pending` is what events
    /// reported of it before, and `absent_at` the moment of an earlier sample that would have
    /// shown it.
    pub(super) fn new(
        pending: Pending,
        absent_at: Option<Moment>,
        SampleContext { sequence, at, .. }: SampleContext,
    ) -> Self {
        let lifecycle = pending.lifecycle.map(Box::new);
        let stats = Stats::new(pending.serial, sequence, pending.first_seen);
        let mut stats = StatsHistory::new(stats, at, absent_at);
        if let Some(then) = lifecycle.as_ref().and_then(|lifecycle| lifecycle.established_at()) {
            stats.set_established(then);
        }
        Self {
            sampled_in: 0,
            owners: None,
            owners_are_current: false,
            direction: pending.direction,
            lifecycle,
            stats,
            window: None,
            shown: None,
            resolved_name: None,
            name_searches: MAX_NAME_SEARCHES,
        }
    }

    /// The sequence number of the snapshot that had it last.
    pub(super) fn sampled_in(&self) -> u64 {
        self.sampled_in
    }

    /// Adds a sample, and returns what is known of the connection besides it.
    pub(super) fn apply_sample(
        &mut self,
        sample: &SocketSample,
        application: Option<Known<Arc<Application>>>,
        inputs: SampleInputs<'_>,
    ) -> Facts<'_> {
        let SampleContext { sequence, at, has_events } = inputs.context;
        self.sampled_in = sequence;
        let owners = self.apply_owners(sample, inputs.owners, inputs.owners_unchanged);
        let direction = self.direction.apply_sample(sample, inputs.listeners);
        let (opened, closed) = lifecycle_of(self.lifecycle.as_deref(), sample, has_events);
        let fin = fin_received(closed, sample);
        let listener = inputs.listen_states.of(sample);
        let gauges = Gauges::of(sample).with_queues(listener.map(|listener| listener.lately));
        let (counters, evidence) = match (&mut self.window, self.stats.last()) {
            (Some(window), Some(last)) => {
                let counters = Counters::continuing(sample, fin, &last.1);
                window.add(at, gauges, inputs.half_window, last);
                (counters, evidence_of_window(sample, window.span(), at, counters))
            }
            (window, _) => {
                let counters = Counters::of(sample, fin);
                *window = Some(Window::new(at, counters, gauges));
                let gauges = gauges.with_queues(listener.map(|listener| listener.ever));
                (counters, evidence_of_life(sample, counters, gauges))
            }
        };
        let rates_changed = self.stats.apply_sample(sample, fin, at, counters);
        if self.resolved_name.is_none() && self.name_searches > 0 {
            self.name_searches -= 1;
            self.resolved_name = inputs.names.of(sample, self.stats.stats().first_seen);
        }
        let shown = self.shown.as_ref();
        Facts {
            occasion: Occasion::Sample { sequence, shown, rates_changed },
            owners,
            direction,
            opened,
            closed,
            application,
            resolved_name: self.resolved_name.clone(),
            stats: self.stats.stats(),
            totals: counters.totals(),
            overflows: listener.map_or(Known::NotApplicable, |listener| {
                listener.widened_overflows(counters.totals())
            }),
            evidence,
        }
    }

    /// Records how the sample was shown.
    pub(super) fn record(&mut self, connection: &Connection) {
        let changed = connection.stats.changed_sequence;
        match &mut self.shown {
            Some(shown) if changed != self.sampled_in => shown.refresh(connection),
            shown => *shown = Some(Shown::of(connection)),
        }
        self.stats.set_changed(changed);
    }

    fn apply_owners(
        &mut self,
        socket: &Socket,
        index: &OwnerIndex,
        is_unchanged: bool,
    ) -> OwnersOfSocket {
        if let Some(before) = &self.owners
            && is_unchanged
            && self.owners_are_current
        {
            return before.clone();
        }
        let mut owners = index.of(socket);
        if let Known::Unknown(_) = owners.listed
            // No descriptor is known, but an event reported the process that opened it.
            && let Some(opener) = self.lifecycle.as_ref().and_then(|lifecycle| lifecycle.opener())
        {
            owners = opener.into();
        }
        self.owners_are_current = owners.listed.value().is_some();
        if self.owners_are_current {
            self.owners = Some(owners.clone());
        }
        owners
    }

    /// Adds an event, and returns what is known of the connection besides it.
    pub(super) fn apply_event(&mut self, event: &LifecycleEvent) -> Past {
        let lifecycle = self.lifecycle.get_or_insert_with(|| Box::new(Lifecycle::unreported()));
        lifecycle.apply(event);
        if let Some(then) = lifecycle.established_at() {
            self.stats.set_established(then);
        }
        // The next sample joins the process that accepted it.
        self.owners_are_current &= event.kind != EventKind::Accepted;
        Past {
            owners: self.owners.clone().or_else(|| lifecycle.opener().map(Into::into)),
            direction: self.direction.apply_event(event.direction),
            opened: lifecycle.opened().clone(),
            closed: lifecycle.closed(),
            stats: self.stats.stats_at(event.at),
            counters: self.stats.last().map(|(_, counters)| counters),
        }
    }

    /// Whether an event reported it closed.
    pub(super) fn is_closed(&self) -> bool {
        self.lifecycle.as_ref().is_some_and(|lifecycle| lifecycle.is_closed())
    }

    /// Whether `socket` shows another connection than the closed one.
    pub(super) fn is_superseded_by(&self, socket: &Socket, at: Moment) -> bool {
        self.lifecycle.as_ref().is_some_and(|lifecycle| lifecycle.is_superseded_by(socket, at))
    }

    /// How it closed; unknown without an event.
    pub(super) fn closed(&self) -> Known<Closed> {
        match &self.lifecycle {
            Some(lifecycle) if lifecycle.is_closed() => lifecycle.closed(),
            _ => Known::Unknown(Unknown::SourceDoesNotReport),
        }
    }
}
