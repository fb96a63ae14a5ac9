//! Which sources run, and the only clock: looks at the machine once or again and again, publishes
//! each look as an immutable snapshot, and what happens in between as events.
//!
//! The one idea: sources do not know each other, so whoever holds the sockets that one of them
//! found is asked of the other here.

mod abilities;
mod choice;
mod closed;
mod cost;
mod differences;
mod ears;
mod event_buffer;
#[cfg(test)]
#[path = "../tests/stage/fakes.rs"]
mod fakes;
mod follow;
mod numbers;
mod owners;
mod sampler;
mod sources;
#[cfg(target_os = "linux")]
mod table_size;

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

pub use choice::{Choice, Purpose};
use conns_contract::{Scope, SourceError};
use conns_core::model::{
    Ability, AbilityKind, Event, Loss, LossCause, Moment, Observation, Snapshot, Source,
};
use conns_core::track::{Removed, Retention, Tracker};
use differences::Differences;
pub use follow::EventBatch;
use follow::Following;
use owners::Owners;
pub use sampler::{MIN_INTERVAL, Sampler};
pub use sources::{ProcessSource, Sources};

/// How far back the looks reach that stand in for events.
const FOLLOWED_WINDOW: Duration = Duration::from_secs(5);
/// So many events at once mean that the source may have more.
const BIG_BATCH: usize = 8192;
/// Most such batches taken in a row: a source that tells faster than it is heard must not keep all
/// else waiting.
const BATCHES_MOST: usize = 16;

/// Looks at the machine when told to, and hears what happens to its connections.
pub struct Engine {
    sources: Sources,
    owners: Owners,
    tracker: Tracker,
    clock: Clock,
    /// `None` where others chose the sources.
    choice: Option<Choice>,
    /// What the last look lost, or before it the choice of sources.
    lost: Vec<Loss>,
    /// Events as looks show them, once they are wanted and nobody tells them.
    differences: Option<Differences>,
    coarse: Option<Loss>,
    following: Following,
}

impl Engine {
    /// Opens the sources of `choice` for `purpose`; `memory` is for what the snapshots will be
    /// used.
    ///
    /// # Errors
    /// [`SourceError`] if the chosen source does not work here, or, for [`Choice::Auto`], none does.
    pub fn open(choice: Choice, memory: Retention, purpose: Purpose) -> Result<Self, SourceError> {
        // Before the sources, so that nothing they tell is older than the clock.
        let clock = Clock::start();
        let memory = match (purpose, memory) {
            // What is gone is known only to one who remembers.
            (Purpose::Follow, Retention::None) => Retention::Window(FOLLOWED_WINDOW),
            (_, memory) => memory,
        };
        let sources = choice::open(choice, purpose)?;
        Ok(Self { clock, choice: Some(choice), ..Self::of(sources, memory) })
    }

    /// An engine with these sources.
    #[must_use]
    pub fn of(sources: Sources, memory: Retention) -> Self {
        Self {
            owners: Owners::default(),
            tracker: Tracker::new(memory),
            clock: Clock::start(),
            choice: None,
            lost: sources.losses.clone(),
            differences: None,
            coarse: None,
            following: Following::default(),
            sources,
        }
    }

    /// One look at `scope`.
    ///
    /// # Errors
    /// [`SourceError`] if no socket table could be read. A failure to find holders is a loss in
    /// the snapshot: the sockets are there all the same.
    pub fn look(&mut self, scope: &Scope) -> Result<Arc<Snapshot>, SourceError> {
        let observations = self.sources.sockets(scope, self.clock.now())?;
        // After the sockets, so that every socket that is still there finds its holder.
        let owners = self.owners.look(&mut self.sources, &observations, self.clock.now());
        Ok(self.fold(observations, owners))
    }

    /// One look of many: like [`Engine::look`], but holders are looked for only where they may be
    /// others than before, and events are taken meanwhile.
    ///
    /// # Errors
    /// As [`Engine::look`].
    pub(crate) fn look_again(&mut self, scope: &Scope) -> Result<Arc<Snapshot>, SourceError> {
        let Some(mut events) = self.sources.events.take() else {
            return self.look_deaf(scope);
        };
        let clock = self.clock;
        let (snapshot, told) = ears::meanwhile(&mut *events, clock, || self.look_deaf(scope));
        self.sources.events = Some(events);
        self.sources.told.extend(told);
        snapshot
    }

    fn look_deaf(&mut self, scope: &Scope) -> Result<Arc<Snapshot>, SourceError> {
        let observations = self.sources.sockets(scope, self.clock.now())?;
        let owners = self.owners.look_again(&mut self.sources, &observations, self.clock.now());
        Ok(self.fold(observations, owners))
    }

    fn fold(
        &mut self,
        mut observations: Vec<Observation>,
        owners: Option<Observation>,
    ) -> Arc<Snapshot> {
        observations.extend(owners);
        let mut snapshot = self.tracker.fold(observations);
        snapshot.losses.extend(self.sources.losses.iter().cloned());
        self.lost.clone_from(&snapshot.losses);
        Arc::new(snapshot)
    }

    /// Looks `every` so often for `span`, and returns the last look, the only one for which holders
    /// are looked for. At least two looks are made.
    ///
    /// # Errors
    /// As [`Engine::look`].
    pub fn watch(
        &mut self,
        scope: &Scope,
        span: Duration,
        every: Duration,
    ) -> Result<Arc<Snapshot>, SourceError> {
        let start = Instant::now();
        let mut due = Duration::ZERO;
        self.glance(scope)?;
        loop {
            due = (due + every).min(span);
            thread::sleep(due.saturating_sub(start.elapsed()));
            if due >= span {
                return self.look(scope);
            }
            self.glance(scope)?;
            // A look that took longer than its turn is not made up for.
            due = due.max(start.elapsed().min(span));
        }
    }

    /// A look at the sockets alone, for what the tracker remembers of it.
    fn glance(&mut self, scope: &Scope) -> Result<(), SourceError> {
        let observations = self.sources.sockets(scope, self.clock.now())?;
        self.tracker.fold(observations);
        Ok(())
    }

    /// What can be done here, and what not, as far as the last look has shown.
    #[must_use]
    pub fn abilities(&self) -> Vec<Ability> {
        let is_watched = self
            .sources
            .abilities
            .iter()
            .any(|ability| ability.kind == AbilityKind::EbpfWatch && ability.is_available());
        let mut abilities = abilities::of_losses(&self.lost, is_watched);
        abilities.extend(self.sources.abilities.iter().cloned());
        abilities
    }

    /// Whether there is a source that tells of events.
    pub(crate) fn hears(&self) -> bool {
        self.sources.events.is_some()
    }

    /// Waits until there is something to hear, or so long.
    pub(crate) fn wait(&mut self, at_most: Duration) {
        self.sources.wait(at_most);
    }

    /// OwnerTable that were found to be other than believed although no change was told.
    pub(crate) fn reconciliation_differences(&self) -> u64 {
        self.owners.reconciliation_differences()
    }

    /// What was told since the last call, and what of it was lost. To be asked before looking: then
    /// no row is older than what was told of it.
    pub(crate) fn hear(&mut self) -> (Vec<Arc<Event>>, Vec<Loss>) {
        let mut losses = Vec::new();
        if !self.hears() {
            return (Vec::new(), losses);
        }
        for _ in 0..BATCHES_MOST {
            let (lifecycle_events, lost) = self.sources.lifecycle_events(self.clock.now());
            let is_big = lifecycle_events.len() >= BIG_BATCH;
            losses.extend(lost);
            self.tracker.hear(lifecycle_events);
            if !is_big {
                break;
            }
        }
        (self.tracker.take_events(), losses)
    }

    /// From now on events are told as looks show them, `every` so often.
    pub(crate) fn tell_by_looks(&mut self, every: Duration) {
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
        let interval_us = u64::try_from(every.as_micros()).unwrap_or(u64::MAX);
        let cause = LossCause::PollingFallback { interval_us, reason };
        self.coarse = Some(Loss::one(Source::Ebpf, cause));
    }

    /// That events are told as looks show them, if they are, and what that means.
    pub(crate) fn coarse(&self) -> Option<&Loss> {
        self.coarse.as_ref()
    }

    /// What has happened between two looks, if that is how events are told.
    pub(crate) fn seen_by_looks(
        &mut self,
        before: Option<&Snapshot>,
        now: &Snapshot,
    ) -> Vec<Arc<Event>> {
        let gone = self.tracker.gone();
        self.differences.as_mut().map_or_else(Vec::new, |d| d.tell(before, now, gone))
    }

    /// What the last look did not show any more.
    pub(crate) fn gone(&self) -> &[Removed] {
        self.tracker.gone()
    }

    /// Opens the tables and what tells of holders anew; those in use are kept if that fails.
    pub(crate) fn reopen(&mut self) {
        let Some(Sources { tables, owners, losses, second_choice, .. }) =
            self.choice.and_then(choice::open_again)
        else {
            return;
        };
        let sources = &mut self.sources;
        (sources.tables, sources.owners) = (tables, owners);
        // What is done without from now on; our own programs are not loaded again.
        sources.losses.retain(|loss| loss.source == Source::Ebpf);
        sources.losses.extend(losses);
        sources.second_choice = second_choice.or(sources.second_choice.take());
        self.owners.forget();
    }
}

/// The clock all observations are dated with.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    fn start() -> Self {
        Self { start: Instant::now() }
    }

    /// This moment.
    #[must_use]
    pub fn now(self) -> Moment {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Moment {
            monotonic_us: u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX),
            wall_us: i64::try_from(wall.as_micros()).unwrap_or(i64::MAX),
        }
    }
}
