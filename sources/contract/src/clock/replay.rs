//! A clock that moves when its owner moves it: for tests, and for capture files, whose packets
//! carry the time.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::Duration;

use conns_core::model::Moment;

use super::{Clock, after};

/// What is done when the clock reaches a moment.
type Action = Box<dyn FnOnce() + Send>;

/// A clock that stands still until its owner, the thread that made it, moves it.
///
/// A wait of the owner itself moves the clock to the deadline; waits of other threads end when the
/// clock gets there.
pub struct ReplayClock {
    owner: ThreadId,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    now: Moment,
    /// Counts up with each move and each wake: a thread that waits since an earlier one has not
    /// checked its deadline and its interrupt yet.
    epoch: u64,
    waiting: Vec<Waiting>,
    /// By the moment and the order of scheduling.
    actions: BTreeMap<(u64, usize), Action>,
    scheduled: usize,
}

/// A thread in [`Clock::wait_until`].
struct Waiting {
    thread: ThreadId,
    name: Option<String>,
    deadline_us: u64,
    epoch: u64,
}

impl ReplayClock {
    /// A clock that stands at `start`, and belongs to the calling thread.
    #[must_use]
    pub fn at(start: Moment) -> Self {
        let state = State {
            now: start,
            epoch: 0,
            waiting: Vec::new(),
            actions: BTreeMap::new(),
            scheduled: 0,
        };
        let owner = thread::current().id();
        Self { owner, state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Moves to `moment`, if that is later, and runs the actions scheduled until then, each at its
    /// own time.
    pub fn move_to(&self, moment: Moment) {
        self.run_actions(moment.monotonic_us);
        let mut state = self.lock();
        if moment.monotonic_us >= state.now.monotonic_us {
            state.now = moment;
        }
        self.notify(state);
    }

    /// Moves both the monotonic clock and the wall clock by `span`.
    pub fn advance(&self, span: Duration) {
        self.move_to_us(after(self.now(), span));
    }

    /// Runs `action` when the clock gets `span` further than it is, in the thread that moves it.
    pub fn schedule(&self, span: Duration, action: impl FnOnce() + Send + 'static) {
        let mut state = self.lock();
        let at = after(state.now, span);
        state.scheduled += 1;
        let key = (at, state.scheduled);
        state.actions.insert(key, Box::new(action));
    }

    /// Blocks until the thread named `name` waits for a later moment and has nothing left to do
    /// now. Returns that moment.
    pub fn settle(&self, name: &str) -> u64 {
        let mut state = self.lock();
        loop {
            let settled = state.waiting.iter().find(|waiting| {
                waiting.name.as_deref() == Some(name) && waiting.epoch == state.epoch
            });
            if let Some(waiting) = settled {
                return waiting.deadline_us;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Moves by `span`, from one deadline of the thread named `name` to the next, and lets it do
    /// its work at each of them.
    pub fn run(&self, name: &str, span: Duration) {
        let end = after(self.now(), span);
        loop {
            let deadline = self.settle(name);
            let action = self.lock().actions.first_key_value().map(|((at, _), _)| *at);
            let next = action.map_or(deadline, |action| deadline.min(action));
            if next > end {
                self.move_to_us(end);
                self.settle(name);
                return;
            }
            self.move_to_us(next);
        }
    }

    fn move_to_us(&self, monotonic_us: u64) {
        self.run_actions(monotonic_us);
        self.set(monotonic_us);
    }

    /// Runs the actions that are due until then.
    fn run_actions(&self, until_us: u64) {
        loop {
            let mut state = self.lock();
            let is_due = |((at, _), _): (&(u64, usize), &Action)| *at <= until_us;
            if !state.actions.first_key_value().is_some_and(is_due) {
                return;
            }
            let Some(((at, _), action)) = state.actions.pop_first() else { return };
            drop(state);
            self.set(at);
            action();
        }
    }

    fn set(&self, monotonic_us: u64) {
        let mut state = self.lock();
        let span = monotonic_us.saturating_sub(state.now.monotonic_us);
        state.now.monotonic_us += span;
        let span = i64::try_from(span).unwrap_or(i64::MAX);
        state.now.wall_us = state.now.wall_us.saturating_add(span);
        self.notify(state);
    }

    fn notify(&self, mut state: MutexGuard<'_, State>) {
        state.epoch += 1;
        drop(state);
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The owner waits: time passes, until an action interrupts it.
    fn pass(&self, deadline_us: u64, interrupt: &AtomicBool) -> bool {
        loop {
            if self.now().monotonic_us >= deadline_us {
                return true;
            }
            if interrupt.load(Ordering::Acquire) {
                return false;
            }
            let action = self.lock().actions.first_key_value().map(|((at, _), _)| *at);
            self.move_to_us(action.map_or(deadline_us, |action| action.min(deadline_us)));
        }
    }
}

impl Clock for ReplayClock {
    fn now(&self) -> Moment {
        self.lock().now
    }

    fn wait_until(&self, deadline_us: u64, interrupt: &AtomicBool) -> bool {
        let current = thread::current();
        if current.id() == self.owner {
            return self.pass(deadline_us, interrupt);
        }
        let mut state = self.lock();
        let is_reached = loop {
            if state.now.monotonic_us >= deadline_us {
                break true;
            }
            if interrupt.load(Ordering::Acquire) {
                break false;
            }
            let epoch = state.epoch;
            match state.waiting.iter_mut().find(|waiting| waiting.thread == current.id()) {
                Some(waiting) => waiting.epoch = epoch,
                None => {
                    let (thread, name) = (current.id(), current.name().map(str::to_owned));
                    state.waiting.push(Waiting { thread, name, deadline_us, epoch });
                }
            }
            self.changed.notify_all();
            while state.epoch == epoch {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
        };
        state.waiting.retain(|waiting| waiting.thread != current.id());
        is_reached
    }

    fn wake(&self) {
        self.notify(self.lock());
    }
}

impl fmt::Debug for ReplayClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplayClock").field("now", &self.now()).finish_non_exhaustive()
    }
}
