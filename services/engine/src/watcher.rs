//! The agent's heart: one thread that looks again and again, and publishes a beat each time.
//!
//! The one idea: readers get a beat by counting one more reader of it; the watcher never waits for
//! anybody, and what took too long is left out and counted, not made up for.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use conns_contract::{Scope, SourceError};
use conns_core::model::{Ability, Beat, Cost, Health, LossKind, Moment, Snapshot, Source};
use tokio::sync::watch;

use crate::closed::ClosedLog;
use crate::{Clock, Engine, cost};

/// Shortest time between two looks: below, looking would be most of what the machine does.
pub const SHORTEST_INTERVAL: Duration = Duration::from_millis(100);

/// Looks at the machine until it is dropped; from [`Watcher::start`] on in a thread of its own.
pub struct Watcher {
    feed: watch::Receiver<Arc<Beat>>,
    reins: Arc<Reins>,
    clock: Clock,
    /// What the thread will be given.
    idle: Option<(Heart, watch::Sender<Arc<Beat>>)>,
    thread: Option<JoinHandle<()>>,
}

/// What others may tell the thread.
struct Reins {
    interval_us: AtomicU64,
    stop: AtomicBool,
}

impl Watcher {
    /// Looks once, so that everything the sources need is open, and starts no thread yet: whoever
    /// gives up privileges does so now.
    ///
    /// # Errors
    /// [`SourceError`] if the first look shows nothing at all.
    pub fn open(mut engine: Engine, every: Duration) -> Result<Self, SourceError> {
        let scope = Scope::everything();
        let clock = engine.clock;
        let first = engine.look_again(&scope)?;
        let reins = Arc::new(Reins {
            interval_us: AtomicU64::new(micros(every.max(SHORTEST_INTERVAL))),
            stop: AtomicBool::new(false),
        });
        let mut heart = Heart {
            health: Health { started: first.at, beats: 1, ..Health::default() },
            closed: ClosedLog::since(first.sequence),
            instance: fresh_instance(),
            latest: first,
            reins: Arc::clone(&reins),
            engine,
            scope,
        };
        let (publish, feed) = watch::channel(heart.beat(Duration::ZERO));
        Ok(Self { feed, reins, clock, idle: Some((heart, publish)), thread: None })
    }

    /// Starts the thread; the second look is made one interval later.
    ///
    /// # Errors
    /// What the system says if it gives no thread.
    pub fn start(&mut self) -> io::Result<()> {
        if let Some((mut heart, publish)) = self.idle.take() {
            let thread = thread::Builder::new().name("watcher".to_owned());
            self.thread = Some(thread.spawn(move || heart.run(&publish))?);
        }
        Ok(())
    }

    /// The latest beat, and word of each new one.
    #[must_use]
    pub fn feed(&self) -> watch::Receiver<Arc<Beat>> {
        self.feed.clone()
    }

    /// The clock its snapshots are dated with.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// Looks so often from now on.
    pub fn set_interval(&self, every: Duration) {
        self.reins.interval_us.store(micros(every.max(SHORTEST_INTERVAL)), Ordering::Relaxed);
        self.wake();
    }

    fn wake(&self) {
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.reins.stop.store(true, Ordering::Relaxed);
        self.wake();
        // A panic was reported when it happened, and whoever reads the feed has seen it end.
        drop(self.thread.take().map(JoinHandle::join));
    }
}

/// What the thread has.
struct Heart {
    engine: Engine,
    scope: Scope,
    instance: u64,
    latest: Arc<Snapshot>,
    closed: ClosedLog,
    health: Health,
    reins: Arc<Reins>,
}

impl Heart {
    fn run(&mut self, publish: &watch::Sender<Arc<Beat>>) {
        let mut due = Instant::now();
        while let Some(every) = self.wait(&mut due) {
            let slip = due.elapsed();
            let beat = self.look(slip);
            publish.send_replace(beat);
            // A look that took longer than its turn is not made up for, only counted.
            let missed = due.elapsed().as_micros() / every.as_micros().max(1);
            if let Ok(missed @ 1..) = u32::try_from(missed) {
                self.health.beats_missed += u64::from(missed);
                due += every * missed;
            }
        }
    }

    /// Sleeps until the next look is due, and returns the interval; `None` when told to stop.
    fn wait(&self, due: &mut Instant) -> Option<Duration> {
        let last = *due;
        loop {
            if self.reins.stop.load(Ordering::Relaxed) {
                return None;
            }
            let every = Duration::from_micros(self.reins.interval_us.load(Ordering::Relaxed));
            *due = last + every;
            match due.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
                Some(left) => thread::park_timeout(left),
                None => return Some(every),
            }
        }
    }

    fn look(&mut self, slip: Duration) -> Arc<Beat> {
        let before = cost::thread_cpu();
        match self.engine.look_again(&self.scope) {
            Ok(snapshot) => {
                self.closed.add(&self.latest, &snapshot, self.engine.gone());
                self.latest = snapshot;
                self.health.failing = None;
            }
            Err(error) => {
                self.health.failing = Some(error.to_string().into());
                // A socket may be broken for good; a new one may work.
                self.engine.reopen();
            }
        }
        self.health.beats += 1;
        self.health.slip_us = micros(slip);
        self.health.slip_max_us = self.health.slip_max_us.max(micros(slip));
        self.beat(cost::thread_cpu().saturating_sub(before))
    }

    fn beat(&mut self, cpu: Duration) -> Arc<Beat> {
        let Health { interval_us, abilities, losses, cost, .. } = &mut self.health;
        *interval_us = self.reins.interval_us.load(Ordering::Relaxed);
        *abilities = abilities_of(&self.latest);
        *losses = self.closed.loss().into_iter().collect();
        *cost = Cost { beat_cpu_us: micros(cpu), ..cost::of_process() };
        Arc::new(Beat {
            instance: self.instance,
            snapshot: Arc::clone(&self.latest),
            closed: self.closed.shared(),
            closed_complete_since: self.closed.complete_since,
            events: Arc::default(),
            events_complete_since: 0,
            health: self.health.clone(),
        })
    }
}

/// What the losses of the latest snapshot say can be done here.
fn abilities_of(snapshot: &Snapshot) -> Vec<Ability> {
    let first = |source: Source, kind: Option<LossKind>| {
        let of_it = |loss: &&conns_core::model::Loss| {
            loss.source == source && kind.is_none_or(|kind| loss.kind == kind)
        };
        snapshot.losses.iter().find(of_it).map(|loss| loss.sentence.clone())
    };
    let ability = |name: &str, meaning: &str, missing: Option<Box<str>>| Ability {
        name: name.into(),
        meaning: meaning.into(),
        missing,
    };
    vec![
        ability(
            "kernel-tables",
            "sockets with latency, loss, bytes and verdict, over netlink",
            first(Source::SockDiag, Some(LossKind::TableUnreadable)),
        ),
        ability(
            "all-namespaces",
            "sockets of every network namespace, so of containers too",
            first(Source::SockDiag, Some(LossKind::NotPermitted))
                .or_else(|| first(Source::SockDiag, Some(LossKind::NamespaceUnreadable))),
        ),
        ability(
            "owners",
            "the process that holds a socket",
            first(Source::Procfs, Some(LossKind::TableUnreadable)),
        ),
        ability(
            "owners-of-others",
            "the processes of other users as well",
            first(Source::Procfs, Some(LossKind::NotPermitted)),
        ),
    ]
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

/// A number no earlier start of the agent had.
fn fresh_instance() -> u64 {
    // Without random numbers the time will do: it tells starts apart, and that is all it is for.
    getrandom::u64().unwrap_or_else(|_| {
        let Moment { wall_us, .. } = crate::Clock::start().now();
        wall_us.unsigned_abs()
    })
}
