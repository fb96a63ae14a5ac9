//! The tracker: applies observations and events, and keeps what the next ones need.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::RandomState;

use crate::model::{
    Application, Closed, Connection, ConnectionId, Event, EventKind, Known, LifecycleEvent, Loss,
    LossCause, LossKind, Moment, Observation, OwnerTable, ResolvedName, Snapshot, SocketId,
    SocketSample, Source,
};

use super::applications::{Applications, MAX_APPLICATIONS};
use super::assemble::{Facts, SampleContext, assemble};
use super::direction::Listeners;
use super::event::event;
use super::history::{History, SampleInputs};
use super::listeners::ListenStates;
use super::names::{MAX_NAMES, Names};
use super::owners::OwnerIndex;
use super::pending::{Pending, PendingConnections, may_be_sampled};
use super::precedence::{FieldGroup, merged, outranks};
use super::slab::Slab;

/// Most that a tracker keeps. What is beyond a bound is counted as a loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrackerBounds {
    /// Connections whose history is kept, about 600 bytes each. Others are listed without rates.
    pub histories: usize,
    /// Connections with events that no sample has shown yet, about 300 bytes each.
    pub pending: usize,
    /// Final events kept until the connection is removed, about 1.5 kB each: by default a minute of
    /// TIME-WAIT at 270 closed connections a second. Other connections are removed as they were last
    /// sampled.
    pub final_events: usize,
}

impl Default for TrackerBounds {
    fn default() -> Self {
        Self { histories: 1_000_000, pending: 262_144, final_events: 16_384 }
    }
}

/// What a tracker keeps between samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retention {
    /// Nothing: there is only one sample.
    None,
    /// Enough for rates, and for verdicts over at least this time (and at most twice it).
    Window(Duration),
}

/// A connection that an earlier sample had and the last one had not.
#[derive(Debug, Clone)]
pub struct Removed {
    /// Its identity.
    pub id: SocketId,
    /// How it closed, where an event reported it.
    pub closed: Known<Closed>,
    /// The closed or failed event, with its final counters.
    pub final_event: Option<Arc<Event>>,
}

/// Turns observations into snapshots, and lifecycle events into published events.
#[derive(Debug)]
pub struct Tracker {
    retention: Retention,
    bounds: TrackerBounds,
    /// By the last owner table.
    owners: OwnerIndex,
    sequence: u64,
    /// The serial number of the last new connection.
    serial: u64,
    histories: Slab<History>,
    /// Connections whose history ended with the last sample.
    removed: Vec<Removed>,
    /// The namespaces that the last sample has completely, and its moment: a connection that is new in
    /// one of them was opened since.
    complete: (Moment, HashSet<u64, RandomState>),
    applications: Applications,
    names: Names,
    listen_states: ListenStates,
    events: EventState,
}

/// What is kept of events, for all connections.
#[derive(Debug)]
struct EventState {
    /// Whether a source reports events.
    has_source: bool,
    /// The serial number of the last event.
    serial: u64,
    /// Events that were not taken yet.
    untaken: Vec<Arc<Event>>,
    pending: PendingConnections,
    /// The final events of closed connections that are not removed yet.
    final_events: HashMap<SocketId, Arc<Event>, RandomState>,
    /// Connections that closed since the last sample began, and when.
    closed: Vec<(SocketId, Moment)>,
    /// Connections whose socket was reused for another connection since the last sample.
    replaced: Vec<Removed>,
    /// Final events that the bound refused since that was last reported.
    refused: u64,
}

impl EventState {
    fn new(bounds: TrackerBounds) -> Self {
        Self {
            has_source: false,
            serial: 0,
            untaken: Vec::new(),
            pending: PendingConnections::new(bounds.pending),
            final_events: HashMap::default(),
            closed: Vec::new(),
            replaced: Vec::new(),
            refused: 0,
        }
    }
}

impl Tracker {
    /// A tracker without samples.
    #[must_use]
    pub fn new(retention: Retention) -> Self {
        let bounds = TrackerBounds::default();
        Self {
            retention,
            bounds,
            owners: OwnerIndex::default(),
            sequence: 0,
            serial: 0,
            histories: Slab::default(),
            removed: Vec::new(),
            complete: (Moment::default(), HashSet::default()),
            applications: Applications::default(),
            names: Names::default(),
            listen_states: ListenStates::default(),
            events: EventState::new(bounds),
        }
    }

    /// Sets what it keeps at most from now on.
    pub fn set_bounds(&mut self, bounds: TrackerBounds) {
        self.bounds = bounds;
        self.events.pending.set_bound(bounds.pending);
    }

    /// The connections that an earlier sample had and the last one had not.
    #[must_use]
    pub fn removed(&self) -> &[Removed] {
        &self.removed
    }

    /// Joins what the sources report of one moment. [`PRECEDENCE`] lists which source wins where two
    /// report the same socket. Events are applied before rows, in any order of the observations.
    ///
    /// [`PRECEDENCE`]: super::PRECEDENCE
    pub fn apply(&mut self, observations: Vec<Observation>) -> Snapshot {
        let mut at = Moment::default();
        let mut tables: Vec<Vec<SocketSample>> = Vec::new();
        let mut owners: Option<(Arc<OwnerTable>, Source)> = None;
        let mut losses = Vec::new();
        let mut listen_counters = Vec::new();
        for observation in observations {
            let source = observation.source;
            losses.extend(observation.losses);
            listen_counters.extend(observation.listen_counters);
            self.apply_applications(source, observation.applications);
            self.apply_names(observation.names);
            if let Some(rows) = observation.sockets {
                at = at.max(observation.at);
                tables.push(rows);
            }
            if let Some(table) = observation.owners {
                let wins =
                    |(_, earlier): &(_, Source)| !outranks(FieldGroup::Owners, *earlier, source);
                if owners.as_ref().is_none_or(wins) {
                    owners = Some((table, source));
                }
            }
            if let Some(lifecycle) = observation.lifecycle {
                self.apply_events(lifecycle);
            }
        }
        // The index of an unchanged table stays.
        let owners_unchanged = owners.as_ref().is_some_and(|(table, _)| self.owners.is_of(table));
        if !owners_unchanged {
            let index = |(table, source)| OwnerIndex::new(table, source);
            self.owners = owners.map_or_else(OwnerIndex::default, index);
        }
        self.sequence += 1;
        let rows = merged(tables);
        self.listen_states.apply(&rows, listen_counters);
        let complete = complete_namespaces(&rows, &losses);
        let has_events = self.events.has_source;
        let context = SampleContext { sequence: self.sequence, at, has_events };
        let connections = match self.retention {
            Retention::None => self.apply_single_sample(rows, context),
            Retention::Window(half) => {
                self.apply_sample(rows, context, owners_unchanged, half, &mut losses)
            }
        };
        self.complete = (at, complete);
        losses.extend(self.take_refusals());
        Snapshot { sequence: self.sequence, at, connections, losses, ..Snapshot::default() }
    }

    /// The connections of the only sample.
    fn apply_single_sample(
        &mut self,
        rows: Vec<SocketSample>,
        context: SampleContext,
    ) -> Vec<Connection> {
        let listeners = Listeners::of(&rows);
        let mut connections = Vec::with_capacity(rows.len());
        // A socket that changes its state moves to another table of the kernel, and may be listed
        // there again in the same sample: the first row wins.
        let mut seen: HashSet<SocketId, RandomState> = HashSet::default();
        seen.reserve(rows.len());
        for mut sample in rows.into_iter().filter(|sample| seen.insert(sample.id)) {
            self.owners.name_peer(&mut sample);
            let owners = self.owners.of(&sample);
            let id = ConnectionId::of_socket(sample.id);
            let application = self.applications.sampled(id, context.sequence);
            let facts = Facts::of_single_sample(
                &sample,
                owners,
                (application, self.names.of(&sample, context.at)),
                &listeners,
                &self.listen_states,
                context,
            );
            connections.push(assemble(sample, facts));
        }
        connections
    }

    /// The connections of one sample of many.
    fn apply_sample(
        &mut self,
        rows: Vec<SocketSample>,
        context: SampleContext,
        owners_unchanged: bool,
        half_window: Duration,
        losses: &mut Vec<Loss>,
    ) -> Vec<Connection> {
        let listeners = Listeners::of(&rows);
        let mut connections = Vec::with_capacity(rows.len());
        let (mut sampled, mut refused) = (0, 0_u64);
        self.histories.rewind();
        for mut sample in rows {
            self.owners.name_peer(&mut sample);
            let id = sample.id;
            let mut known = self.histories.next_mut(&id);
            // A second row of the same socket, see `apply_single_sample`.
            if known.as_ref().is_some_and(|history| history.sampled_in() == context.sequence) {
                continue;
            }
            if known.as_ref().is_some_and(|history| history.is_superseded_by(&sample, context.at)) {
                self.replace(id, context.sequence - 1);
                known = None;
            }
            let application =
                self.applications.sampled(ConnectionId::of_socket(id), context.sequence);
            let inputs = SampleInputs {
                context,
                owners: &self.owners,
                owners_unchanged,
                listeners: &listeners,
                listen_states: &self.listen_states,
                names: &self.names,
                half_window,
            };
            let apply = |history: &mut History, sample: SocketSample| {
                let facts = history.apply_sample(&sample, application, inputs);
                let connection = assemble(sample, facts);
                history.record(&connection);
                connections.push(connection);
            };
            if let Some(history) = known {
                sampled += 1;
                apply(history, sample);
                continue;
            }
            let (then, namespaces) = &self.complete;
            let absent_at = namespaces.contains(&id.netns).then_some(*then);
            let pending = take_pending(&mut self.events, &mut self.serial, &sample, context);
            let mut history = History::new(pending, absent_at, context);
            apply(&mut history, sample);
            if self.histories.len() < self.bounds.histories {
                self.histories.insert(id, history);
                sampled += 1;
            } else {
                refused += 1;
            }
        }
        self.remove_absent(sampled, context.at);
        let cause = LossCause::HistoryFull { bound: self.bounds.histories as u64 };
        losses.extend(Loss::counted(Source::Derived, cause, refused));
        connections
    }

    /// Removes what is kept of connections that the sample did not have. `sampled` is how many of the
    /// histories it had; it began at `at`.
    fn remove_absent(&mut self, sampled: usize, at: Moment) {
        // Without the room that a peak has taken.
        self.removed = std::mem::take(&mut self.events.replaced);
        // Most samples have all of them, and need not search.
        if sampled < self.histories.len() {
            let sequence = self.sequence;
            let (removed, applications) = (&mut self.removed, &mut self.applications);
            let final_events = &mut self.events.final_events;
            self.histories.retain(|id, history| {
                let is_sampled = history.sampled_in() == sequence;
                if !is_sampled {
                    let (closed, final_event) = (history.closed(), final_events.remove(id));
                    removed.push(Removed { id: *id, closed, final_event });
                    applications.remove(ConnectionId::of_socket(*id), sequence - 1);
                }
                is_sampled
            });
        }
        // The next sample may show in TIME-WAIT what closed after this one began.
        let is_earlier =
            |(_, closed): &mut (SocketId, Moment)| closed.monotonic_us <= at.monotonic_us;
        let closed: Vec<_> = self.events.closed.extract_if(.., is_earlier).collect();
        for (id, _) in closed {
            self.remove_closed(id);
        }
        self.events.pending.remove_absent(self.sequence);
        self.applications.remove_absent(self.sequence);
    }

    /// Removes a connection whose socket was reused for another one.
    fn replace(&mut self, id: SocketId, last_sequence: u64) {
        if let Some(history) = self.histories.remove(&id) {
            let final_event = self.events.final_events.remove(&id);
            self.events.replaced.push(Removed { id, closed: history.closed(), final_event });
            self.applications.remove(ConnectionId::of_socket(id), last_sequence);
        }
    }

    /// Applies layers that `source` decoded, for the snapshots and events from now on.
    pub fn apply_applications(
        &mut self,
        source: Source,
        applications: Vec<(ConnectionId, Arc<Application>)>,
    ) {
        for (id, application) in applications {
            self.applications.apply(id, application, source, self.sequence);
        }
    }

    /// Applies names of addresses at once, so that the connections that are opened after have them.
    pub fn apply_names(&mut self, names: Vec<(ConnectionId, ResolvedName)>) {
        for (id, name) in names {
            self.names.apply(id.socket.netns, name);
        }
    }

    /// Applies lifecycle events, oldest first. [`Tracker::take_events`] returns what is published.
    pub fn apply_events(&mut self, events: Vec<LifecycleEvent>) {
        self.events.has_source = true;
        self.events.untaken.reserve(events.len());
        for event in events {
            let event = self.apply_event(event);
            self.events.untaken.push(event);
        }
    }

    /// The events since the last call, oldest first; numbered from 1.
    pub fn take_events(&mut self) -> Vec<Arc<Event>> {
        std::mem::take(&mut self.events.untaken)
    }

    /// Removes what is kept of closed connections, for a caller that takes no samples. Otherwise the
    /// next sample does it, which may still show them in TIME-WAIT.
    pub fn forget_closed(&mut self) {
        for (id, _) in std::mem::take(&mut self.events.closed) {
            if self.histories.get(&id).is_some_and(History::is_closed) {
                self.histories.remove(&id);
            }
            self.remove_closed(id);
            self.applications.forget(ConnectionId::of_socket(id));
        }
    }

    /// What bounds refused since the last call. A snapshot has it among its losses.
    pub fn take_refusals(&mut self) -> Vec<Loss> {
        let pending = LossCause::PendingFull { bound: self.bounds.pending as u64 };
        let final_events = LossCause::FinalMeasuresFull { bound: self.bounds.final_events as u64 };
        let applications = LossCause::ApplicationsFull { bound: MAX_APPLICATIONS as u64 };
        let names = LossCause::NamesFull { bound: MAX_NAMES as u64 };
        let refused = [
            (pending, self.events.pending.take_refused()),
            (final_events, std::mem::take(&mut self.events.refused)),
            (applications, self.applications.take_refused()),
            (names, self.names.take_refused()),
        ];
        let loss = |(cause, count)| Loss::counted(Source::Derived, cause, count);
        refused.into_iter().filter_map(loss).collect()
    }

    fn apply_event(&mut self, lifecycle_event: LifecycleEvent) -> Arc<Event> {
        let (id, kind) = (lifecycle_event.socket.id, lifecycle_event.kind);
        // Only the accepted event may be reported after the closed one.
        let begins = kind != EventKind::Accepted;
        if begins && self.histories.get(&id).is_some_and(History::is_closed) {
            self.replace(id, self.sequence);
        }
        self.events.serial += 1;
        let serial = self.events.serial;
        let (past, is_kept) = match self.histories.get_mut(&id) {
            Some(history) => (history.apply_event(&lifecycle_event), true),
            None => {
                let known = self.events.pending.take_for_event(&id, kind);
                let is_new = known.is_none();
                let mut pending = known.unwrap_or_else(|| {
                    self.serial += 1;
                    let opened = lifecycle_event.opened.value();
                    let first_seen = opened.map_or(lifecycle_event.at, |opened| opened.at);
                    Pending::new(self.serial, first_seen, self.sequence)
                });
                let past = pending.apply_event(&lifecycle_event, self.sequence);
                let is_kept = may_be_sampled(&lifecycle_event)
                    && self.events.pending.store(id, pending, is_new);
                (past, is_kept)
            }
        };
        let application = self.applications.get(ConnectionId::of_socket(id));
        let name = self.names.of(&lifecycle_event.socket, past.stats.first_seen);
        let event = Arc::new(event(lifecycle_event, serial, past, (application, name)));
        if is_kept && matches!(kind, EventKind::Closed | EventKind::Failed) {
            self.events.closed.push((id, event.at));
            if self.events.final_events.len() < self.bounds.final_events {
                self.events.final_events.insert(id, Arc::clone(&event));
            } else {
                self.events.refused += 1;
            }
        }
        event
    }

    /// Removes what is kept of a closed connection that is in no sample.
    fn remove_closed(&mut self, id: SocketId) {
        self.events.pending.remove_closed(&id);
        if !self.histories.contains(&id) {
            self.events.final_events.remove(&id);
        }
    }
}

/// What events reported of the connection of a socket that is sampled for the first time.
fn take_pending(
    events: &mut EventState,
    serial: &mut u64,
    sample: &SocketSample,
    context: SampleContext,
) -> Pending {
    let pending = events.pending.take(&sample.id).filter(|pending| {
        let is_superseded = pending.is_superseded_by(sample, context.at);
        if is_superseded {
            events.final_events.remove(&sample.id);
        }
        !is_superseded
    });
    pending.unwrap_or_else(|| {
        *serial += 1;
        Pending::new(*serial, context.at, context.sequence)
    })
}

/// The namespaces of these rows, if no part of the socket tables was lost.
fn complete_namespaces(rows: &[SocketSample], losses: &[Loss]) -> HashSet<u64, RandomState> {
    let is_of_tables = |loss: &Loss| {
        loss.source != Source::Procfs
            && !matches!(loss.kind(), LossKind::EventDropped | LossKind::MapFull)
    };
    if losses.iter().any(is_of_tables) {
        return HashSet::default();
    }
    let mut complete = HashSet::default();
    let mut last = None;
    for row in rows {
        // A capture file shows a connection with its first packet, however old it is.
        if row.source == Source::Capture {
            continue;
        }
        // Most rows follow one of the same namespace.
        if last.replace(row.id.netns) != Some(row.id.netns) {
            complete.insert(row.id.netns);
        }
    }
    complete
}
