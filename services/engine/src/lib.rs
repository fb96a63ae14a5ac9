//! Which sources run, and the only clock: looks at the machine once or again and again, and
//! publishes each look as an immutable snapshot.
//!
//! The one idea: sources do not know each other, so whoever holds the sockets that one of them
//! found is asked of the other here.

mod choice;
mod closed;
mod cost;
mod inodes;
mod owners;
mod watcher;

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

pub use choice::Choice;
use conns_contract::{HolderSource, Scope, SocketSource, SourceError};
use conns_core::model::{Loss, LossKind, Moment, Observation, Snapshot, SocketId, Source};
use conns_core::track::{Memory, Tracker};
use inodes::Inodes;
use owners::Owners;
pub use watcher::{SHORTEST_INTERVAL, Watcher};

/// Looks at the machine when told to.
pub struct Engine {
    sockets: Box<dyn SocketSource>,
    /// `None` where the socket source tells holders itself.
    holders: Option<Box<dyn HolderSource>>,
    owners: Owners,
    tracker: Tracker,
    clock: Clock,
    choice: Choice,
    /// Said with every snapshot: what the choice of source left out.
    standing_losses: Vec<Loss>,
}

impl Engine {
    /// Opens the sources of `choice`; `memory` is for what the snapshots will be used.
    ///
    /// # Errors
    /// [`SourceError`] if the chosen source does not work here, or, for [`Choice::Auto`], none does.
    pub fn open(choice: Choice, memory: Memory) -> Result<Self, SourceError> {
        let choice::Opened { sockets, holders, losses } = choice::open(choice)?;
        Ok(Self {
            sockets,
            holders,
            owners: Owners::unknown(),
            tracker: Tracker::new(memory),
            clock: Clock::start(),
            choice,
            standing_losses: losses,
        })
    }

    /// One look at `scope`.
    ///
    /// # Errors
    /// [`SourceError`] if no socket table could be read. A failure to find holders is a loss in
    /// the snapshot: the sockets are there all the same.
    pub fn look(&mut self, scope: &Scope) -> Result<Arc<Snapshot>, SourceError> {
        let mut observations = vec![self.sockets(scope)?];
        // After the sockets, so that every socket that is still there finds its holder.
        observations.extend(self.holders_of(&observations));
        let mut snapshot = self.tracker.fold(observations);
        snapshot.losses.extend(self.standing_losses.iter().cloned());
        Ok(Arc::new(snapshot))
    }

    /// One look of many: like [`Engine::look`], but holders are looked for only where a socket is
    /// new, and else once in a while.
    ///
    /// # Errors
    /// As [`Engine::look`].
    pub(crate) fn look_again(&mut self, scope: &Scope) -> Result<Arc<Snapshot>, SourceError> {
        let sockets = self.sockets(scope)?;
        let now = self.clock.now();
        let mut observations = vec![sockets];
        let known = observations.first().and_then(|sockets| self.owners.still_good(sockets, now));
        let holders = known.or_else(|| {
            let said = self.holders_of(&observations)?;
            self.owners.remember(Inodes::of(&observations), &said);
            Some(said)
        });
        observations.extend(holders);
        let mut snapshot = self.tracker.fold(observations);
        snapshot.losses.extend(self.standing_losses.iter().cloned());
        Ok(Arc::new(snapshot))
    }

    /// What the last look did not show any more.
    pub(crate) fn gone(&self) -> &[SocketId] {
        self.tracker.gone()
    }

    /// Opens the sources anew; those in use are kept if that fails.
    pub(crate) fn reopen(&mut self) {
        if let Ok(choice::Opened { sockets, holders, losses }) = choice::open(self.choice) {
            (self.sockets, self.holders, self.standing_losses) = (sockets, holders, losses);
            self.owners = Owners::unknown();
        }
    }

    fn sockets(&mut self, scope: &Scope) -> Result<Observation, SourceError> {
        self.sockets.observe(scope, self.clock.now()).map_err(|second| {
            match self.standing_losses.first() {
                Some(first) => SourceError::Both {
                    first: first.sentence.to_string(),
                    second: Box::new(second),
                },
                None => second,
            }
        })
    }

    /// Who holds the sockets in `observations`, if they do not say it themselves.
    fn holders_of(&mut self, observations: &[Observation]) -> Option<Observation> {
        let wanted = Inodes::of(observations);
        let at = self.clock.now();
        Some(self.holders.as_mut()?.observe(&wanted, at).unwrap_or_else(|error| Observation {
            source: Source::Procfs,
            at,
            facts: Vec::new(),
            losses: vec![Loss {
                source: Source::Procfs,
                kind: LossKind::TableUnreadable,
                count: 1,
                sentence: error.to_string().into(),
            }],
        }))
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
        let observation = self.sockets(scope)?;
        self.tracker.fold(vec![observation]);
        Ok(())
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
