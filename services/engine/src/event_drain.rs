//! Drains events and payload while a sample is taken.
//!
//! The ring in the kernel has room for a fraction of a second of a storm, and a sample may take
//! longer. So a thread drains it meanwhile. While the sample only reads, the tracker is free, and
//! events are published at once. While the sample joins the rows, they are buffered, up to a bound;
//! beyond it they stay in the ring, and the source counts what that loses.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use conns_contract::{Clock, EventSource, after};
use conns_core::model::{Event, Loss, Moment, Observation};
use conns_core::track::Tracker;

use crate::tap::Tap;

/// The name of the thread.
pub(crate) const THREAD: &str = "event-drain";
/// Most events buffered while the tracker is busy where memory is not limited, about 1.2 kB each: a second
/// at 65 000 a second.
pub(crate) const MAX_BUFFERED_EVENTS: usize = 65_536;
/// Shortest time between two drains, and so the longest time that an event waits to be published after another one: in it,
/// the worst storm fills a fifth of the kernel's ring.
pub(crate) const DRAIN_INTERVAL: Duration = Duration::from_millis(20);
/// The same while a sample is taken and payload is decoded: its ring has room for four times what 200 streams of 4 Mbit/s send in it,
/// as both ends have it.
const PAYLOAD_DRAIN_INTERVAL: Duration = Duration::from_millis(5);

/// Most batches drained in a row: a source that reports faster than it is drained must not stop all
/// else.
pub(crate) const MAX_BATCHES: usize = 16;

/// Where events go.
pub(crate) trait EventSink: Send {
    /// Takes a batch of events, and what the source lost.
    fn add(&mut self, events: Vec<Arc<Event>>, losses: Vec<Loss>);

    /// No more batches follow for now.
    fn flush(&mut self) {}
}

/// Collects the events and losses of one call.
#[derive(Default)]
pub(crate) struct Collected {
    pub(crate) events: Vec<Arc<Event>>,
    pub(crate) losses: Vec<Loss>,
}

impl EventSink for Collected {
    fn add(&mut self, events: Vec<Arc<Event>>, losses: Vec<Loss>) {
        self.events.extend(events);
        self.losses.extend(losses);
    }
}

/// What is drained: events, and payload, of which the last layers of a connection come with its closed event.
pub(crate) struct Drained<'a> {
    pub(crate) events: &'a mut dyn EventSource,
    pub(crate) tap: Option<&'a mut Tap>,
}

impl Drained<'_> {
    /// One batch: layers of closed connections, then the events; and whether there is more payload.
    pub(crate) fn observe(&mut self, now: Moment) -> ([Option<Observation>; 2], bool) {
        let events = self.events.observe(now);
        let Some(tap) = &mut self.tap else { return ([None, Some(events)], false) };
        // After the events, and all of it, so that the payload of the connections that they close is there: what is
        // opened after its closed event stays for long.
        let has_more = (0..MAX_BATCHES).all(|_| tap.drain(now));
        ([tap.close(events.events(), now), Some(events)], has_more)
    }
}

/// Applies what a source reported to the tracker, and hands the events on.
pub(crate) fn apply(tracker: &mut Tracker, observation: Observation, sink: &mut dyn EventSink) {
    tracker.apply_applications(observation.source, observation.applications);
    tracker.apply_names(observation.names);
    if let Some(lifecycle) = observation.lifecycle {
        tracker.apply_events(lifecycle);
    }
    sink.add(tracker.take_events(), observation.losses);
}

/// Does `work` while a thread drains the sources. Returns what it drained and could not apply, because
/// `work` had locked the tracker; it stops draining at `bound` of those. If the system gives no thread, the events stay in the ring.
pub(crate) fn during<R>(
    drained: &mut Drained<'_>,
    tracker: &Mutex<&mut Tracker>,
    bound: usize,
    clock: &dyn Clock,
    sink: &mut dyn EventSink,
    work: impl FnOnce() -> R,
) -> (R, VecDeque<Observation>) {
    let done = Done { is_done: AtomicBool::new(false), clock };
    let mut buffered = VecDeque::new();
    let interval = drained.tap.as_ref().map_or(DRAIN_INTERVAL, |_| PAYLOAD_DRAIN_INTERVAL);
    let drain = || {
        loop {
            // Before the first drain: most work is done sooner.
            clock.wait_until(after(clock.now(), interval), &done.is_done);
            if done.is_done.load(Ordering::Acquire) {
                return;
            }
            for _ in 0..MAX_BATCHES {
                let count: usize = buffered.iter().map(|o: &Observation| o.events().len()).sum();
                if count >= bound {
                    break;
                }
                let (observed, has_more) = drained.observe(clock.now());
                buffered.extend(observed.into_iter().flatten().filter(has_content));
                if !has_more || done.is_done.load(Ordering::Acquire) {
                    break;
                }
            }
            if !buffered.is_empty()
                && let Ok(mut tracker) = tracker.try_lock()
            {
                for observation in buffered.drain(..) {
                    apply(&mut tracker, observation, sink);
                }
                sink.flush();
            }
        }
    };
    let result = thread::scope(|scope| {
        // Without a thread the events wait in the ring.
        let _ = thread::Builder::new().name(THREAD.to_owned()).spawn_scoped(scope, drain);
        let _done = Finish(&done);
        work()
    });
    (result, buffered)
}

fn has_content(observation: &Observation) -> bool {
    let Observation { losses, applications, names, .. } = observation;
    !(observation.events().is_empty()
        && losses.is_empty()
        && applications.is_empty()
        && names.is_empty())
}

/// Whether the work is done.
struct Done<'a> {
    is_done: AtomicBool,
    clock: &'a dyn Clock,
}

/// Ends the thread, also where the work panics: the scope waits for it.
struct Finish<'a>(&'a Done<'a>);

impl Drop for Finish<'_> {
    fn drop(&mut self) {
        self.0.is_done.store(true, Ordering::Release);
        self.0.clock.wake();
    }
}

#[cfg(test)]
mod tests;
