//! The clock that is handed to the engine and to sources: [`SystemClock`] reads the time of the
//! machine, [`ReplayClock`] moves only when its owner moves it.

mod replay;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use conns_core::model::Moment;

pub use replay::ReplayClock;

/// Reads the time, and waits for it.
pub trait Clock: Send + Sync {
    /// This moment.
    fn now(&self) -> Moment;

    /// Blocks until the monotonic clock reaches `deadline_us`, or until `interrupt` is set and
    /// [`Clock::wake`] is called. Returns whether the deadline was reached.
    fn wait_until(&self, deadline_us: u64, interrupt: &AtomicBool) -> bool;

    /// Makes every thread in [`Clock::wait_until`] read its `interrupt`.
    fn wake(&self);

    /// Blocks for `span`.
    fn sleep(&self, span: Duration) {
        self.wait_until(after(self.now(), span), &AtomicBool::new(false));
    }
}

/// The monotonic microsecond that is `span` after `moment`.
#[must_use]
pub fn after(moment: Moment, span: Duration) -> u64 {
    let span = u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
    moment.monotonic_us.saturating_add(span)
}

/// The clock of this machine. Its monotonic time starts at 0 when it is made.
#[derive(Debug)]
pub struct SystemClock {
    start: Instant,
    waiting: Mutex<()>,
    woken: Condvar,
}

impl SystemClock {
    /// A clock that starts now.
    #[must_use]
    pub fn start() -> Self {
        Self { start: Instant::now(), waiting: Mutex::new(()), woken: Condvar::new() }
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Moment {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Moment {
            monotonic_us: u64::try_from(self.monotonic().as_micros()).unwrap_or(u64::MAX),
            wall_us: i64::try_from(wall.as_micros()).unwrap_or(i64::MAX),
        }
    }

    fn wait_until(&self, deadline_us: u64, interrupt: &AtomicBool) -> bool {
        let deadline = Duration::from_micros(deadline_us);
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let left = deadline.saturating_sub(self.monotonic());
            if left.is_zero() {
                return true;
            }
            if interrupt.load(Ordering::Acquire) {
                return false;
            }
            let woken = self.woken.wait_timeout(waiting, left);
            waiting = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn wake(&self) {
        // A thread that has read its interrupt keeps the lock until it waits.
        drop(self.waiting.lock());
        self.woken.notify_all();
    }
}

#[cfg(test)]
mod tests;
