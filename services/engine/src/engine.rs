//! Takes samples: reads the sources, and lets the tracker join what they read.

use std::mem;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use conns_contract::{Clock, Scope, SourceError};
use conns_core::model::{
    Ability, AbilityKind, Connection, ConnectionId, Event, Known, Loss, LossCause, Machine, Moment,
    Observation, OpenFile, OtherFamily, PairKey, Snapshot, Source, Transfer, Unknown,
};
use conns_core::track::{Removed, Retention, Tracker, kernel_owner};

use crate::choice::{self, Choice, Purpose};
use crate::differences::Differences;
use crate::event_drain::{self, Collected, DRAIN_INTERVAL, Drained, EventSink, MAX_BATCHES};
use crate::memory::MemoryBounds;
use crate::owners::CachedOwners;
use crate::peers::Peers;
use crate::sources::Sources;
use crate::tap::Tap;
use crate::transfers::{ReadLosses, ReadTransfers, Transfers};
#[cfg(target_os = "linux")]
use crate::written_files::WrittenFiles;
use crate::{abilities, machine, no_table, reading};

/// How far back the history reaches that events need.
const FOLLOW_WINDOW: Duration = Duration::from_secs(5);
/// A batch of at least this many events means that the source may have more.
const BIG_BATCH: usize = 8192;

/// Samples the machine on request, and drains the events of its connections.
pub struct Engine {
    sources: Sources,
    owners: CachedOwners,
    tracker: Tracker,
    bounds: MemoryBounds,
    clock: Arc<dyn Clock>,
    machine: Arc<Machine>,
    /// `None` where the caller chose the sources.
    choice: Option<Choice>,
    /// The losses of the last sample, or before it those of the choice of sources.
    lost: Vec<Loss>,
    /// Events derived from samples, where no source reports them.
    differences: Option<Differences>,
    polling_fallback: Option<Loss>,
    /// Whether it reads a recording, and nothing of this machine.
    is_replaying: bool,
    /// `None` where no source hands over payload.
    tap: Option<Tap>,
    #[cfg(target_os = "linux")]
    written_files: WrittenFiles,
    transfers: Transfers,
    reported_losses: Option<ReadLosses>,
}

impl Engine {
    /// Opens the sources of `choice` for `purpose`; `retention` is for how the snapshots are used.
    /// `clock` dates the observations; it must be older than the sources.
    ///
    /// # Errors
    /// [`SourceError`] if the chosen source does not work here, or, for [`Choice::Auto`], none does.
    pub fn open(
        choice: Choice,
        retention: Retention,
        purpose: Purpose,
        pair_key: PairKey,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, SourceError> {
        let retention = match (purpose, retention) {
            // Removed connections are known only from a history.
            (Purpose::Follow, Retention::None) => Retention::Window(FOLLOW_WINDOW),
            (_, retention) => retention,
        };
        let sources = choice::open(choice, purpose, pair_key)?;
        Ok(Self { choice: Some(choice), ..Self::new(sources, retention, clock) })
    }

    /// An engine with these sources.
    #[must_use]
    pub fn new(mut sources: Sources, retention: Retention, clock: Arc<dyn Clock>) -> Self {
        Self {
            tap: sources.payload.take().map(Tap::new),
            #[cfg(target_os = "linux")]
            written_files: WrittenFiles::default(),
            transfers: Transfers::default(),
            reported_losses: None,
            owners: CachedOwners::default(),
            tracker: Tracker::new(retention),
            bounds: MemoryBounds::default(),
            clock,
            machine: Arc::new(machine::read()),
            choice: None,
            lost: sources.losses.clone(),
            differences: None,
            polling_fallback: None,
            is_replaying: false,
            sources,
        }
    }

    /// An engine with sources that replay what another machine recorded.
    pub(crate) fn replaying(sources: Sources, retention: Retention, clock: Arc<dyn Clock>) -> Self {
        Self { machine: Arc::default(), is_replaying: true, ..Self::new(sources, retention, clock) }
    }

    /// Makes the next sample search the owners, which replaces a table of sockets that are closed.
    pub(crate) fn clear_owners(&mut self) {
        self.owners.clear();
    }

    /// Sets how the connections of link servers are read with each sample.
    pub fn read_transfers(&mut self, read: ReadTransfers) {
        self.transfers.set(read);
    }

    /// The connections of link servers at the latest sample, sorted by their id.
    #[must_use]
    pub fn transfers(&self) -> Arc<[Transfer]> {
        self.transfers.latest()
    }

    /// Sets what else the agent reports as missing, read with each sample.
    pub fn report_losses(&mut self, read: ReadLosses) {
        self.reported_losses = Some(read);
    }

    /// What else the agent reports as missing.
    pub(crate) fn reported_losses(&mut self) -> Vec<Loss> {
        self.reported_losses.as_mut().map(|read| read()).unwrap_or_default()
    }

    /// Sets what it keeps at most, before its first sample.
    pub fn set_bounds(&mut self, bounds: MemoryBounds) {
        self.tracker.set_bounds(bounds.tracker);
        if let Some(tap) = &mut self.tap {
            tap.set_limits(bounds.decode);
        }
        self.bounds = bounds;
    }

    /// What it keeps at most.
    #[must_use]
    pub fn bounds(&self) -> &MemoryBounds {
        &self.bounds
    }

    /// The clock that dates the observations.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// Takes one sample of `scope`, and searches all owners.
    ///
    /// # Errors
    /// [`SourceError`] if no socket table could be read. A failure to find owners is a loss in the
    /// snapshot.
    pub fn sample_once(&mut self, scope: &Scope) -> Result<Arc<Snapshot>, SourceError> {
        self.owners.clear();
        let mut snapshot = self.sample_without_events(scope)?;
        self.identify_kernel_sockets(&mut snapshot, scope);
        Ok(snapshot)
    }

    /// Where a socket of root has no known owner, finds out whether the kernel has made it for itself.
    fn identify_kernel_sockets(&self, snapshot: &mut Arc<Snapshot>, scope: &Scope) {
        let is_without_owner = |connection: &Connection| {
            let reason = match connection.owners {
                Known::Unknown(reason) => reason,
                Known::Value(..) | Known::NotApplicable => return false,
            };
            matches!(reason, Unknown::NoOwnerFound | Unknown::NotPrivileged)
                && connection.socket.uid.get() == Some(0)
                && connection.socket.inode.value().is_some()
        };
        // Programs that are loaded have reported it.
        let is_reported = self.choice != Some(Choice::Auto) || self.sources.fallback.is_some();
        if is_reported || !snapshot.connections.iter().any(is_without_owner) {
            return;
        }
        let held = choice::held_by_kernel(scope, self.clock.now());
        if held.is_empty() {
            return;
        }
        for connection in &mut Arc::make_mut(snapshot).connections {
            if is_without_owner(connection) && held.contains(&connection.socket.id) {
                connection.owners = Known::Value(kernel_owner(), Source::Ebpf);
            }
        }
    }

    /// Takes one sample of many: like [`Engine::sample_once`], but owners are searched only where
    /// the cached ones may be outdated. Events are drained meanwhile.
    ///
    /// # Errors
    /// As [`Engine::sample_once`].
    pub(crate) fn sample(
        &mut self,
        scope: &Scope,
        sink: &mut dyn EventSink,
    ) -> Result<Arc<Snapshot>, SourceError> {
        self.report_layers();
        let Some(mut events) = self.sources.events.take() else {
            let snapshot = self.sample_without_events(scope)?;
            self.remove_absent_payload(&snapshot);
            return Ok(snapshot);
        };
        let peers = self.peers();
        let Self { sources, owners, tracker, clock, bounds, tap, transfers, .. } = self;
        let bound = bounds.buffered_events;
        let mut drained = Drained { events: &mut *events, tap: tap.as_mut() };
        let tracker = Mutex::new(tracker);
        let (snapshot, rest) =
            event_drain::during(&mut drained, &tracker, bound, &**clock, sink, || {
                let observations = read(sources, owners, scope, &**clock, &peers)?;
                let reported = transfers.read(&observations, clock.now());
                let mut tracker = tracker.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(reported) = reported {
                    tracker.apply_applications(reported.source, reported.applications);
                }
                Ok(tracker.apply(observations))
            });
        self.sources.events = Some(events);
        self.sources.buffered.extend(rest);
        let snapshot = self.completed(snapshot?);
        self.remove_absent_payload(&snapshot);
        Ok(snapshot)
    }

    /// Hands the layers that changed to the tracker.
    fn report_layers(&mut self) {
        let now = self.clock.now();
        if let Some(observation) = self.tap.as_mut().and_then(|tap| tap.report(now)) {
            self.tracker.apply_applications(observation.source, observation.applications);
        }
    }

    /// Hands what processes reported of their connections to the tracker.
    pub(crate) fn apply_reported(&mut self, observation: Observation) {
        self.tracker.apply_applications(observation.source, observation.applications);
    }

    /// Ends the decoding of connections that samples do not show any more.
    fn remove_absent_payload(&mut self, snapshot: &Snapshot) {
        let Some(tap) = &mut self.tap else { return };
        let sockets = snapshot.connections.iter().map(|connection| {
            let traffic = connection.socket.udp.value();
            let bytes = traffic.map_or(0, |udp| udp.bytes_out.saturating_add(udp.bytes_in));
            (ConnectionId::of_socket(connection.socket.id), bytes)
        });
        tap.remove_absent(|| sockets.collect(), snapshot.at);
    }

    fn sample_without_events(&mut self, scope: &Scope) -> Result<Arc<Snapshot>, SourceError> {
        let peers = self.peers();
        let Self { sources, owners, clock, transfers, .. } = self;
        let observations = read(sources, owners, scope, &**clock, &peers)?;
        if let Some(reported) = transfers.read(&observations, clock.now()) {
            self.apply_reported(reported);
        }
        let snapshot = self.tracker.apply(observations);
        Ok(self.completed(snapshot))
    }

    /// Adds what the tracker does not know.
    fn completed(&mut self, mut snapshot: Snapshot) -> Arc<Snapshot> {
        snapshot.machine = Arc::clone(&self.machine);
        snapshot.losses.extend(self.sources.losses.iter().cloned());
        self.lost.clone_from(&snapshot.losses);
        Arc::new(snapshot)
    }

    /// Samples at `interval` for `span`, and returns the last sample, the only one for which owners
    /// are searched. At least two samples are taken.
    ///
    /// # Errors
    /// As [`Engine::sample_once`].
    pub fn sample_over(
        &mut self,
        scope: &Scope,
        span: Duration,
        interval: Duration,
    ) -> Result<Arc<Snapshot>, SourceError> {
        let start = self.clock.now();
        let mut due = Duration::ZERO;
        self.sample_sockets(scope)?;
        loop {
            due = (due + interval).min(span);
            self.sleep_draining(start, due);
            if due >= span {
                self.report_layers();
                return self.sample_once(scope);
            }
            self.sample_sockets(scope)?;
            // Samples missed by one that took longer than the interval are skipped.
            due = due.max(self.clock.now().since(start).min(span));
        }
    }

    /// Sleeps until `due` has passed since `start`; payload is drained meanwhile.
    fn sleep_draining(&mut self, start: Moment, due: Duration) {
        loop {
            let left = due.saturating_sub(self.clock.now().since(start));
            if self.tap.is_none() || left.is_zero() {
                return self.clock.sleep(left);
            }
            self.clock.sleep(left.min(DRAIN_INTERVAL));
            let mut dropped = Collected::default();
            self.drain_events(&mut dropped);
        }
    }

    /// Samples the sockets alone, for the history.
    pub(crate) fn sample_sockets(&mut self, scope: &Scope) -> Result<(), SourceError> {
        let mut observations = self.sources.sockets(scope, self.clock.now())?;
        self.peers().add_rows(&mut observations);
        self.tracker.apply(observations);
        Ok(())
    }

    /// What works here and what does not, as far as the last sample shows.
    #[must_use]
    pub fn abilities(&self) -> Vec<Ability> {
        if self.is_replaying {
            return Vec::new();
        }
        let is_watched = self.sources.are_tables_watched();
        let mut abilities = abilities::of_losses(&self.lost, is_watched);
        abilities.extend(self.sources.abilities.iter().cloned());
        abilities
    }

    /// Whether there is something to drain between samples.
    pub(crate) fn is_drained(&self) -> bool {
        self.has_events() || self.tap.is_some()
    }

    /// Whether a source reports events.
    pub(crate) fn has_events(&self) -> bool {
        self.sources.events.is_some()
    }

    /// The peers of unconnected sockets that have rows.
    fn peers(&self) -> Arc<Peers> {
        self.tap.as_ref().map(Tap::peers).unwrap_or_default()
    }

    /// Whether payload is decoded.
    pub(crate) fn has_payload(&self) -> bool {
        self.tap.is_some()
    }

    /// Waits until there are events to drain, at most for `at_most`. Where payload is decoded, its source is waited for:
    /// it wakes only for much, and is to be drained after the wait in any case, and the events with it.
    pub(crate) fn wait_for_events(&mut self, at_most: Duration) {
        match &mut self.tap {
            Some(tap) if self.sources.buffered.is_empty() => tap.wait(at_most, &*self.clock),
            _ => self.sources.wait(at_most, &*self.clock),
        }
    }

    /// Owners that a reconciliation found to differ from the cached ones.
    pub(crate) fn reconciliation_differences(&self) -> u64 {
        self.owners.reconciliation_differences()
    }

    /// Drains one batch of events, and returns whether the source may have more.
    pub(crate) fn drain_batch(&mut self, sink: &mut dyn EventSink) -> bool {
        for observation in mem::take(&mut self.sources.buffered) {
            event_drain::apply(&mut self.tracker, observation, sink);
        }
        let now = self.clock.now();
        let Some(events) = &mut self.sources.events else {
            return self.tap.as_mut().is_some_and(|tap| tap.drain(now));
        };
        let mut drained = Drained { events: &mut **events, tap: self.tap.as_mut() };
        let (observed, mut is_big) = drained.observe(now);
        for observation in observed.into_iter().flatten() {
            is_big |= observation.events().len() >= BIG_BATCH;
            event_drain::apply(&mut self.tracker, observation, sink);
        }
        is_big
    }

    /// What was not decoded, since the start.
    pub(crate) fn payload_losses(&mut self) -> Vec<Loss> {
        self.tap.as_mut().map_or_else(Vec::new, |tap| tap.losses().collect())
    }

    /// The files that the media servers of a snapshot write.
    pub(crate) fn written_files(&mut self, snapshot: &Snapshot) -> Arc<[OpenFile]> {
        #[cfg(target_os = "linux")]
        return self.written_files.of(snapshot);
        #[cfg(not(target_os = "linux"))]
        {
            let _ = snapshot;
            Arc::default()
        }
    }

    /// Lists the files that processes of these names write too.
    pub fn also_list_files_of(&mut self, names: Vec<Box<str>>) {
        #[cfg(target_os = "linux")]
        self.written_files.also_of(names);
        #[cfg(not(target_os = "linux"))]
        let _ = names;
    }

    /// Drains the event source. Called before a sample, no row is older than the events applied to
    /// it.
    pub(crate) fn drain_events(&mut self, sink: &mut dyn EventSink) {
        let _is_limited = (0..MAX_BATCHES).all(|_| self.drain_batch(sink));
        sink.flush();
    }

    /// Removes closed connections from the history, for a caller that needs no further samples of
    /// them.
    pub(crate) fn forget_closed(&mut self) {
        self.tracker.forget_closed();
    }

    /// What bounds of the tracker refused since the last call or sample.
    pub(crate) fn take_refusals(&mut self) -> Vec<Loss> {
        self.tracker.take_refusals()
    }

    /// Derives events from samples taken at `interval` from now on.
    pub(crate) fn use_polling_fallback(&mut self, interval: Duration) {
        if self.differences.is_some() {
            return;
        }
        self.differences = Some(Differences::default());
        let abilities = &self.sources.abilities;
        let of_events = abilities.iter().find(|ability| ability.kind == AbilityKind::EbpfEvents);
        let missing = of_events.and_then(|ability| ability.missing.as_ref());
        let reason = match (missing, self.choice) {
            (Some(missing), _) => missing.to_string().into(),
            (None, Some(Choice::Kernel | Choice::Portable)) => {
                "the chosen source does not report them".into()
            }
            (None, _) => "no source reports them".into(),
        };
        let interval_us = u64::try_from(interval.as_micros()).unwrap_or(u64::MAX);
        let cause = LossCause::PollingFallback { interval_us, reason };
        self.polling_fallback = Some(Loss::one(Source::Ebpf, cause));
    }

    /// What deriving events from samples misses, if they are derived.
    pub(crate) fn polling_fallback(&self) -> Option<&Loss> {
        self.polling_fallback.as_ref()
    }

    /// The losses of the choice of sources and of their failures.
    pub(crate) fn standing_losses(&self) -> impl Iterator<Item = &Loss> + Clone {
        self.sources.losses.iter().chain(&self.polling_fallback)
    }

    /// The events between two samples, if events are derived from samples.
    pub(crate) fn derived_events(
        &mut self,
        before: Option<&Snapshot>,
        now: &Snapshot,
    ) -> Vec<Arc<Event>> {
        let removed = self.tracker.removed();
        self.differences.as_mut().map_or_else(Vec::new, |d| d.events(before, now, removed))
    }

    /// The connections that the last sample removed.
    pub(crate) fn removed(&self) -> &[Removed] {
        self.tracker.removed()
    }

    /// Opens the socket tables and the owner source again; those in use are kept if that fails.
    pub(crate) fn reopen(&mut self) {
        let Some(Sources { tables, owners, losses, second_choice, .. }) =
            self.choice.and_then(choice::open_again)
        else {
            return;
        };
        let sources = &mut self.sources;
        (sources.tables, sources.owners) = (tables, owners);
        // eBPF programs are not loaded again, so their losses stand.
        sources.losses.retain(|loss| loss.source == Source::Ebpf);
        sources.losses.extend(losses);
        sources.second_choice = second_choice.or(sources.second_choice.take());
        self.owners.clear();
    }
}

/// Reads what `scope` asks for.
fn read(
    sources: &mut Sources,
    owners: &mut CachedOwners,
    scope: &Scope,
    clock: &dyn Clock,
    peers: &Peers,
) -> Result<Vec<Observation>, SourceError> {
    match scope.others.contains(OtherFamily::None) {
        true => no_table::read(sources, owners, scope, clock, peers),
        false => reading::read(sources, owners, scope, clock, peers),
    }
}
