//! Events are taken while something else is done.
//!
//! The one idea: the kernel's ring has room for a fraction of a second of a storm, and a look under a
//! storm takes longer. So a thread empties it meanwhile into memory that is used only then, and
//! bounded: what does not fit stays in the ring, and the source counts what that loses.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use conns_contract::EventSource;
use conns_core::model::Observation;

use crate::Clock;

/// No more is taken while so many events wait, about 1.2 kB each: a second of the storm this is built
/// for.
const WAITING_MOST: usize = 65_536;
/// Time between two takings: in it, the worst storm fills a part of the kernel's ring.
const TAKEN_EVERY: Duration = Duration::from_millis(20);

/// Does `work`, and returns what `source` told of meanwhile. Without a thread to spare it is left in
/// the ring.
pub(crate) fn meanwhile<R>(
    source: &mut dyn EventSource,
    clock: Clock,
    work: impl FnOnce() -> R,
) -> (R, Vec<Observation>) {
    let is_done = AtomicBool::new(false);
    let mut told = Vec::new();
    let take = || {
        let mut waiting = 0;
        loop {
            // Before the first: most work is done sooner.
            thread::park_timeout(TAKEN_EVERY);
            if is_done.load(Ordering::Acquire) {
                return;
            }
            if waiting < WAITING_MOST {
                let more = source.observe(clock.now());
                let events = count(&more);
                waiting += events;
                if events > 0 || !more.losses.is_empty() {
                    told.push(more);
                }
            }
        }
    };
    let result = thread::scope(|scope| {
        let taking = thread::Builder::new().name("ears".to_owned()).spawn_scoped(scope, take);
        let done = Done(&is_done);
        let result = work();
        drop(done);
        if let Ok(taking) = taking {
            taking.thread().unpark();
        }
        result
    });
    (result, told)
}

/// Says that the work is done, also where it panicked: the thread would be waited for without end.
struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

fn count(observation: &Observation) -> usize {
    observation.events().len()
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::fakes::{Ring, Shared, opened};

    /// Waits until `is_so`, and says whether it came to be.
    fn wait(mut is_so: impl FnMut() -> bool) -> bool {
        let start = Instant::now();
        while !is_so() && start.elapsed() < Duration::from_secs(20) {
            thread::sleep(Duration::from_millis(1));
        }
        is_so()
    }

    #[test]
    fn what_happens_meanwhile_is_taken_in_order_as_far_as_there_is_room() {
        let ring = Shared::<Ring>::default();
        let (mut source, clock) = (ring.clone(), Clock::start());
        let happen = |count| ring.set(|ring| ring.lifecycle_events.extend((0..count).map(opened)));
        ring.set(|ring| ring.batch = Some(WAITING_MOST / 4 + 1));
        let (is_taken, told) = meanwhile(&mut source, clock, || {
            happen(10);
            let is_taken = wait(|| ring.lock().lifecycle_events.is_empty());
            happen(2 * WAITING_MOST as u64);
            // Four more fill it; then the source is left alone.
            let is_full = wait(|| ring.lock().lifecycle_events.len() <= WAITING_MOST);
            thread::sleep(TAKEN_EVERY * 5);
            is_taken && is_full
        });
        assert!(is_taken);
        let cookies: Vec<u64> = told
            .iter()
            .flat_map(Observation::events)
            .map(|lifecycle_event| lifecycle_event.socket.id.cookie)
            .collect();
        assert_eq!(cookies.len(), 10 + 4 * (WAITING_MOST / 4 + 1));
        let expected = (0..10).chain(0..cookies.len() as u64 - 10);
        assert!(cookies.iter().copied().eq(expected));
    }

    #[test]
    fn work_that_panics_ends() {
        let ring = Shared::<Ring>::default();
        let work = || meanwhile(&mut ring.clone(), Clock::start(), || panic!("of the test"));
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).is_err());
    }

    #[test]
    fn short_work_leaves_the_source_alone() {
        let ring = Shared::<Ring>::default();
        let (result, told) = meanwhile(&mut ring.clone(), Clock::start(), || 7);
        assert_eq!((result, told.len(), ring.lock().drains), (7, 0, 0));
    }
}
