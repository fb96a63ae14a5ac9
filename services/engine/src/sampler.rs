//! The sampler thread: takes a sample at each interval and publishes it as an update.
//!
//! Updates and events are published on channels that keep the latest value, so no reader delays the
//! sampler. Samples that fall into a longer one are skipped and counted. Events are drained and
//! published at all times, also while a sample lasts and while samples fail.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use conns_contract::{Clock, Scope, SourceError, after};
use conns_core::model::{
    ChangeIndex, Cost, Event, EventLog, Health, Loss, LossTotals, Moment, Snapshot, Update,
};
use tokio::sync::watch;

use crate::closed::ClosedLog;
use crate::cost::{self, micros};
use crate::daemons::Daemons;
use crate::engine::Engine;
use crate::event_buffer::EventBuffer;
use crate::event_drain::{DRAIN_INTERVAL, EventSink};
use crate::heap::{self, MemoryReturn};

/// Shortest sample interval: below, sampling would take most of the machine.
pub const MIN_INTERVAL: Duration = Duration::from_millis(100);

/// Longest wait for events. The programs in the kernel wake no reader for a few events, so this bounds
/// how long such events wait, and how late the thread notices a stop or a shorter interval.
const WAKE_INTERVAL: Duration = Duration::from_millis(50);

/// Samples the machine until it is dropped; from [`Sampler::start`] on in a thread of its own.
pub struct Sampler {
    updates: watch::Receiver<Arc<Update>>,
    events: watch::Receiver<Arc<EventLog>>,
    control: Arc<Control>,
    clock: Arc<dyn Clock>,
    /// What the thread will be given.
    idle: Option<(SamplerThread, watch::Sender<Arc<Update>>)>,
    thread: Option<JoinHandle<()>>,
}

/// The interval and the stop flag, shared with the thread.
struct Control {
    interval_us: AtomicU64,
    stop: AtomicBool,
    /// Set with each change, so that a waiting thread reads the others.
    is_changed: AtomicBool,
}

impl Control {
    fn interval(&self) -> Duration {
        Duration::from_micros(self.interval_us.load(Ordering::Relaxed))
    }
}

impl Sampler {
    /// Takes the first sample, so that everything the sources need is open, and starts no thread
    /// yet: the caller can give up privileges in between.
    ///
    /// # Errors
    /// [`SourceError`] if the first sample fails.
    pub fn open(mut engine: Engine, interval: Duration) -> Result<Self, SourceError> {
        let max_sockets = engine.bounds().sockets;
        let scope = Scope { max_sockets, ..Scope::everything() };
        let clock = Arc::clone(engine.clock());
        let interval = interval.max(MIN_INTERVAL);
        if !engine.has_events() {
            engine.use_polling_fallback(interval);
        }
        let control = Arc::new(Control {
            interval_us: AtomicU64::new(micros(interval)),
            stop: AtomicBool::new(false),
            is_changed: AtomicBool::new(false),
        });
        let instance = fresh_instance(&*clock);
        let (mut publisher, events) = EventPublisher::new(instance, &clock, &control, &engine);
        engine.drain_events(&mut publisher);
        let first = engine.sample(&scope, &mut publisher)?;
        engine.derived_events(None, &first);
        let mut thread = SamplerThread {
            health: Health { started: first.at, samples: 1, ..Health::default() },
            closed: ClosedLog::since(first.sequence),
            publisher,
            instance,
            latest: first,
            changes: Arc::default(),
            control: Arc::clone(&control),
            clock: Arc::clone(&clock),
            memory: MemoryReturn::default(),
            daemons: None,
            engine,
            scope,
        };
        // Opening the sources takes memory for a moment.
        heap::give_back();
        let (sender, updates) = watch::channel(thread.update(Duration::ZERO));
        Ok(Self { updates, events, control, clock, idle: Some((thread, sender)), thread: None })
    }

    /// Also asks the Monero nodes of this machine, over their RPC ports on loopback, for what the handshakes before
    /// the agent announced. Called before [`Sampler::start`]; the thread that asks calls `confine` first.
    ///
    /// # Errors
    /// That of `confine`, or of the system if it gives no thread.
    pub fn ask_daemons(
        &mut self,
        confine: impl FnOnce() -> Result<(), String> + Send + 'static,
    ) -> io::Result<()> {
        if let Some((sampler, _)) = &mut self.idle {
            sampler.daemons = Some(Daemons::start(confine)?);
        }
        Ok(())
    }

    /// Starts the thread; it takes the second sample one interval later.
    ///
    /// # Errors
    /// The error of the system if it gives no thread.
    pub fn start(&mut self) -> io::Result<()> {
        if let Some((mut sampler, sender)) = self.idle.take() {
            let thread = thread::Builder::new().name("sampler".to_owned());
            self.thread = Some(thread.spawn(move || sampler.run(&sender))?);
        }
        Ok(())
    }

    /// The latest update.
    #[must_use]
    pub fn updates(&self) -> watch::Receiver<Arc<Update>> {
        self.updates.clone()
    }

    /// The latest events. A new log is published at most 50 ms after the source reported an event,
    /// at any sample interval and also while samples fail.
    #[must_use]
    pub fn events(&self) -> watch::Receiver<Arc<EventLog>> {
        self.events.clone()
    }

    /// The clock that dates its snapshots.
    #[must_use]
    pub fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.clock)
    }

    /// Sets the sample interval.
    pub fn set_interval(&self, interval: Duration) {
        self.control.interval_us.store(micros(interval.max(MIN_INTERVAL)), Ordering::Relaxed);
        self.wake();
    }

    fn wake(&self) {
        self.control.is_changed.store(true, Ordering::Release);
        self.clock.wake();
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        self.control.stop.store(true, Ordering::Relaxed);
        self.wake();
        // A panic of the thread was reported when it happened, and closed the channels.
        drop(self.thread.take().map(JoinHandle::join));
    }
}

/// Buffers events, and publishes them on their channel.
struct EventPublisher {
    buffer: EventBuffer,
    sender: watch::Sender<Arc<EventLog>>,
    /// What the event source lost.
    lost: LossTotals,
    /// When it lost something last.
    lost_at: Option<Moment>,
    polling_fallback: Option<Loss>,
    clock: Arc<dyn Clock>,
    control: Arc<Control>,
}

impl EventPublisher {
    fn new(
        instance: u64,
        clock: &Arc<dyn Clock>,
        control: &Arc<Control>,
        engine: &Engine,
    ) -> (Self, watch::Receiver<Arc<EventLog>>) {
        let buffer = EventBuffer::new(instance, engine.bounds().events);
        let (sender, receiver) = watch::channel(Arc::clone(buffer.published()));
        let publisher = Self {
            buffer,
            sender,
            lost: LossTotals::default(),
            lost_at: None,
            polling_fallback: engine.polling_fallback().cloned(),
            clock: Arc::clone(clock),
            control: Arc::clone(control),
        };
        (publisher, receiver)
    }

    /// Copies the events to other memory, and publishes the copies, so that no reader holds the originals.
    fn copy_events(&mut self) {
        self.buffer.copy_events();
        self.sender.send_replace(Arc::clone(self.buffer.published()));
    }

    /// What is missing from the events.
    fn losses(&self) -> Vec<Loss> {
        let of_source = self.lost.losses().chain(self.polling_fallback.clone());
        self.buffer.loss().into_iter().chain(of_source).collect()
    }
}

impl EventSink for EventPublisher {
    fn add(&mut self, events: Vec<Arc<Event>>, losses: Vec<Loss>) {
        let unpublished = self.buffer.loss();
        self.buffer.add(events);
        if !losses.is_empty() || self.buffer.loss() != unpublished {
            self.lost_at = Some(self.clock.now());
        }
        self.lost.add(losses);
    }

    /// Publishes the log if anything in it is new.
    fn flush(&mut self) {
        let retention = self.control.interval() * 2;
        if let Some(log) = self.buffer.publish(self.clock.now(), retention, &self.losses()) {
            self.sender.send_replace(log);
        }
    }
}

/// What the thread owns.
struct SamplerThread {
    engine: Engine,
    clock: Arc<dyn Clock>,
    scope: Scope,
    instance: u64,
    latest: Arc<Snapshot>,
    changes: Arc<ChangeIndex>,
    closed: ClosedLog,
    publisher: EventPublisher,
    health: Health,
    control: Arc<Control>,
    memory: MemoryReturn,
    /// `None` if no process is asked.
    daemons: Option<Daemons>,
}

impl SamplerThread {
    fn run(&mut self, sender: &watch::Sender<Arc<Update>>) {
        let mut due_us = self.now_us();
        while let Some(interval) = self.wait(&mut due_us) {
            let update = self.sample(self.now_us().saturating_sub(due_us));
            sender.send_replace(update);
            self.give_back_memory();
            // Samples missed by one that took longer than the interval are skipped, and counted.
            let interval_us = micros(interval).max(1);
            let missed = self.now_us().saturating_sub(due_us) / interval_us;
            self.health.samples_skipped += missed;
            due_us += interval_us * missed;
        }
    }

    /// Gives memory back to the system. What was copied is held by the update before, so that comes later.
    fn give_back_memory(&mut self) {
        let Self { memory, closed, publisher, engine, latest, clock, .. } = self;
        let records = latest.connections.len() + closed.len() + publisher.buffer.len();
        memory.after_update(records, clock.now(), || {
            engine.clear_owners();
            closed.shrink_after_peak();
            publisher.copy_events();
        });
    }

    fn now_us(&self) -> u64 {
        self.clock.now().monotonic_us
    }

    /// Waits until the next sample is due, draining events meanwhile, and returns the interval;
    /// `None` if the thread is to stop.
    fn wait(&mut self, due_us: &mut u64) -> Option<Duration> {
        let last_us = *due_us;
        loop {
            self.control.is_changed.swap(false, Ordering::Acquire);
            if self.control.stop.load(Ordering::Relaxed) {
                return None;
            }
            let interval = self.control.interval();
            *due_us = last_us + micros(interval);
            if self.now_us() >= *due_us {
                return Some(interval);
            }
            if self.engine.is_drained() {
                self.wait_for_events(*due_us);
            } else {
                self.clock.wait_until(*due_us, &self.control.is_changed);
            }
        }
    }

    /// Waits for events, and drains and publishes them.
    fn wait_for_events(&mut self, due_us: u64) {
        let deadline_us = due_us.min(after(self.clock.now(), WAKE_INTERVAL));
        let at_most = Duration::from_micros(deadline_us.saturating_sub(self.now_us()));
        self.engine.wait_for_events(at_most);
        if self.engine.has_payload() {
            // Without a pause: its source wakes the thread once there is much of it.
            self.engine.drain_events(&mut self.publisher);
        } else if self.now_us() < deadline_us {
            self.engine.drain_events(&mut self.publisher);
            let pause_us = due_us.min(after(self.clock.now(), DRAIN_INTERVAL));
            self.clock.wait_until(pause_us, &self.control.is_changed);
        }
    }

    fn sample(&mut self, lateness_us: u64) -> Arc<Update> {
        let before = cost::thread_cpu();
        self.engine.drain_events(&mut self.publisher);
        let reported = self.daemons.as_mut().and_then(|daemons| daemons.answers(self.clock.now()));
        if let Some(reported) = reported {
            self.engine.apply_reported(reported);
        }
        match self.engine.sample(&self.scope, &mut self.publisher) {
            Ok(snapshot) => {
                self.closed.add(&self.latest, &snapshot, self.engine.removed());
                let events = self.engine.derived_events(Some(&self.latest), &snapshot);
                self.publisher.add(events, Vec::new());
                (self.latest, self.changes) = (snapshot, Arc::default());
                if let Some(daemons) = &mut self.daemons {
                    daemons.search(&self.latest);
                }
                self.health.failing = None;
            }
            Err(error) => {
                self.health.failing = Some(error.to_string().into());
                // The socket may be broken for good; a new one may work.
                self.engine.reopen();
            }
        }
        self.health.samples += 1;
        self.health.lateness_us = lateness_us;
        self.health.lateness_max_us = self.health.lateness_max_us.max(lateness_us);
        self.update(cost::thread_cpu().saturating_sub(before))
    }

    fn update(&mut self, cpu: Duration) -> Arc<Update> {
        self.publisher.flush();
        let health = &mut self.health;
        health.interval_us = self.control.interval_us.load(Ordering::Relaxed);
        health.abilities = self.engine.abilities();
        health.reconciliation_differences = self.engine.reconciliation_differences();
        health.losses = self.publisher.losses();
        health.losses.extend(self.engine.payload_losses());
        health.losses.extend(self.engine.reported_losses());
        health.lost_at = self.publisher.lost_at;
        health.cost = Cost { sample_cpu_us: micros(cpu), ..cost::of_process() };
        let files = self.engine.written_files(&self.latest);
        Arc::new(Update {
            instance: self.instance,
            snapshot: Arc::clone(&self.latest),
            changes: Arc::clone(&self.changes),
            closed: self.closed.shared(),
            closed_complete_since: self.closed.complete_since,
            transfers: self.engine.transfers(),
            files,
            health: self.health.clone(),
        })
    }
}

/// A number that no earlier start of the agent had.
fn fresh_instance(clock: &dyn Clock) -> u64 {
    // Without random numbers the time distinguishes starts.
    getrandom::u64().unwrap_or_else(|_| clock.now().wall_us.unsigned_abs())
}
