//! The agent's heart: one thread that looks again and again, and publishes a beat each time.
//!
//! The one idea: readers get a beat by counting one more reader of it; the watcher never waits for
//! anybody, and what took too long is left out and counted, not made up for. Events are heard at
//! all times, and published with the next beat.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use conns_contract::{Scope, SourceError};
use conns_core::model::{
    Cost, Event, EventLog, Health, Loss, LossTotals, Moment, Snapshot, Update,
};
use tokio::sync::watch;

use crate::closed::ClosedLog;
use crate::event_buffer::EventBuffer;
use crate::{Clock, Engine, cost};

/// Shortest time between two looks: below, looking would be most of what the machine does.
pub const MIN_INTERVAL: Duration = Duration::from_millis(100);

/// While it waits for events, the thread hears so late that it is to stop, or to look more often.
const WOKEN_EVERY: Duration = Duration::from_millis(250);
/// Shortest time between two takings of events: in it, the worst storm fills a part of the kernel's
/// ring.
const HEARD_EVERY: Duration = Duration::from_millis(50);

/// Looks at the machine until it is dropped; from [`Sampler::start`] on in a thread of its own.
pub struct Sampler {
    feed: watch::Receiver<Arc<Update>>,
    reins: Arc<Reins>,
    clock: Clock,
    /// What the thread will be given.
    idle: Option<(Heart, watch::Sender<Arc<Update>>)>,
    event_logs: watch::Receiver<Arc<EventLog>>,
    thread: Option<JoinHandle<()>>,
}

/// What others may tell the thread.
struct Reins {
    interval_us: AtomicU64,
    stop: AtomicBool,
}

impl Sampler {
    /// Looks once, so that everything the sources need is open, and starts no thread yet: whoever
    /// gives up privileges does so now.
    ///
    /// # Errors
    /// [`SourceError`] if the first look shows nothing at all.
    pub fn open(mut engine: Engine, every: Duration) -> Result<Self, SourceError> {
        let scope = Scope::everything();
        let clock = engine.clock;
        let every = every.max(MIN_INTERVAL);
        if !engine.hears() {
            engine.tell_by_looks(every);
        }
        let heard = engine.hear();
        let first = engine.look_again(&scope)?;
        engine.seen_by_looks(None, &first);
        let reins = Arc::new(Reins {
            interval_us: AtomicU64::new(micros(every)),
            stop: AtomicBool::new(false),
        });
        let instance = fresh_instance();
        let events = EventBuffer::new(instance);
        let (event_sender, event_logs) = watch::channel(Arc::clone(events.published()));
        let mut heart = Heart {
            health: Health { started: first.at, samples: 1, ..Health::default() },
            closed: ClosedLog::since(first.sequence),
            events,
            event_sender,
            recent_events: Arc::default(),
            lost: LossTotals::default(),
            instance,
            latest: first,
            reins: Arc::clone(&reins),
            engine,
            scope,
        };
        heart.note(heard);
        let (publish, feed) = watch::channel(heart.update(Duration::ZERO));
        Ok(Self { feed, reins, clock, idle: Some((heart, publish)), event_logs, thread: None })
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
    pub fn feed(&self) -> watch::Receiver<Arc<Update>> {
        self.feed.clone()
    }

    /// The latest events. A new log is published at most 50 ms after the source reported an event,
    /// at any sample interval and also while samples fail.
    #[must_use]
    pub fn events(&self) -> watch::Receiver<Arc<EventLog>> {
        self.event_logs.clone()
    }

    /// The clock its snapshots are dated with.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.clock
    }

    /// Looks so often from now on.
    pub fn set_interval(&self, every: Duration) {
        self.reins.interval_us.store(micros(every.max(MIN_INTERVAL)), Ordering::Relaxed);
        self.wake();
    }

    fn wake(&self) {
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }
}

impl Drop for Sampler {
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
    events: EventBuffer,
    event_sender: watch::Sender<Arc<EventLog>>,
    /// The events of the log published last, for updates.
    recent_events: Arc<[Arc<Event>]>,
    /// What the source of events lost.
    lost: LossTotals,
    health: Health,
    reins: Arc<Reins>,
}

impl Heart {
    fn run(&mut self, publish: &watch::Sender<Arc<Update>>) {
        let mut due = Instant::now();
        while let Some(every) = self.wait(&mut due) {
            let slip = due.elapsed();
            let update = self.look(slip);
            publish.send_replace(update);
            // A look that took longer than its turn is not made up for, only counted.
            let missed = due.elapsed().as_micros() / every.as_micros().max(1);
            if let Ok(missed @ 1..) = u32::try_from(missed) {
                self.health.samples_skipped += u64::from(missed);
                due += every * missed;
            }
        }
    }

    /// Waits until the next look is due, hearing events meanwhile, and returns the interval; `None`
    /// when told to stop.
    fn wait(&mut self, due: &mut Instant) -> Option<Duration> {
        let last = *due;
        loop {
            if self.reins.stop.load(Ordering::Relaxed) {
                return None;
            }
            let every = Duration::from_micros(self.reins.interval_us.load(Ordering::Relaxed));
            *due = last + every;
            let left = due.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Some(every);
            }
            if self.engine.hears() {
                self.wait_for_events(left);
            } else {
                thread::park_timeout(left);
            }
        }
    }

    /// Takes what is told, so that the kernel always has room for more.
    fn wait_for_events(&mut self, left: Duration) {
        let (start, at_most) = (Instant::now(), left.min(WOKEN_EVERY));
        self.engine.wait(at_most);
        if start.elapsed() < at_most {
            self.hear();
            thread::park_timeout(HEARD_EVERY.min(left.saturating_sub(start.elapsed())));
        }
    }

    fn hear(&mut self) {
        let heard = self.engine.hear();
        self.note(heard);
    }

    fn note(&mut self, (events, losses): (Vec<Arc<Event>>, Vec<Loss>)) {
        self.events.add(events);
        self.lost.add(losses);
        self.publish_events();
    }

    /// Publishes the events if any are new.
    fn publish_events(&mut self) {
        let interval = Duration::from_micros(self.reins.interval_us.load(Ordering::Relaxed));
        let losses = self.event_losses();
        let now = self.engine.clock.now();
        if let Some(log) = self.events.publish(now, interval * 2, &losses) {
            self.event_sender.send_replace(log);
        }
    }

    fn event_losses(&self) -> Vec<Loss> {
        let of_source = self.lost.losses().chain(self.engine.coarse().cloned());
        self.events.loss().into_iter().chain(of_source).collect()
    }

    fn look(&mut self, slip: Duration) -> Arc<Update> {
        let before = cost::thread_cpu();
        self.hear();
        match self.engine.look_again(&self.scope) {
            Ok(snapshot) => {
                self.closed.add(&self.latest, &snapshot, self.engine.gone());
                self.events.add(self.engine.seen_by_looks(Some(&self.latest), &snapshot));
                self.latest = snapshot;
                self.health.failing = None;
            }
            Err(error) => {
                self.health.failing = Some(error.to_string().into());
                // A socket may be broken for good; a new one may work.
                self.engine.reopen();
            }
        }
        self.health.samples += 1;
        self.health.lateness_us = micros(slip);
        self.health.lateness_max_us = self.health.lateness_max_us.max(micros(slip));
        self.update(cost::thread_cpu().saturating_sub(before))
    }

    fn update(&mut self, cpu: Duration) -> Arc<Update> {
        self.publish_events();
        let event_losses = self.event_losses();
        let log = self.events.published();
        let first = self.recent_events.first().map(|event| event.serial);
        let last = self.recent_events.last().map(|event| event.serial);
        if (first, last)
            != (log.iter().next().map(|e| e.serial), log.iter().next_back().map(|e| e.serial))
        {
            self.recent_events = log.iter().cloned().collect();
        }
        let Health { interval_us, abilities, reconciliation_differences, losses, cost, .. } =
            &mut self.health;
        *interval_us = self.reins.interval_us.load(Ordering::Relaxed);
        *abilities = self.engine.abilities();
        *reconciliation_differences = self.engine.reconciliation_differences();
        *losses = self.closed.loss().into_iter().chain(event_losses).collect();
        *cost = Cost { sample_cpu_us: micros(cpu), ..cost::of_process() };
        Arc::new(Update {
            instance: self.instance,
            snapshot: Arc::clone(&self.latest),
            closed: self.closed.shared(),
            closed_complete_since: self.closed.complete_since,
            events: Arc::clone(&self.recent_events),
            events_complete_since: log.complete_since(),
            transfers: Arc::default(),
            files: Arc::default(),
            health: self.health.clone(),
        })
    }
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
