//! What servers held back for their players at a moment, as known from what they sent later.
//!
//! A capture file is read beyond the moment that is asked for: of the messages that were published before it, a server
//! held back those that it sent later, and had dropped the others.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use foldhash::fast::RandomState;

use super::track::Offered;

/// The playbacks of a source, and what was held back for them.
#[derive(Debug, Default)]
pub(super) struct HeldBack {
    /// How many playbacks began.
    began: AtomicU64,
    /// How many of them are not over.
    current: AtomicU64,
    /// The moment that is asked for, once it is there.
    marked: OnceLock<Marked>,
    by_number: Mutex<HashMap<u64, Held, RandomState>>,
}

/// The playbacks at a moment: when it is, the number of the last one, and how many were not over.
#[derive(Debug)]
struct Marked {
    at_us: u64,
    last: u64,
    current: u64,
}

/// What was held back for one playback.
#[derive(Debug, Clone, Copy, Default)]
struct Held {
    offered: Offered,
    /// Whether a message that was published after the moment was sent: no more of those before it will be.
    is_all: bool,
}

impl HeldBack {
    /// Begins a playback; its number is the same each time that a file is read.
    pub(super) fn begin(&self) -> u64 {
        self.current.fetch_add(1, Ordering::Relaxed);
        self.began.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(super) fn end(&self) {
        self.current.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn has_playbacks(&self) -> bool {
        self.current.load(Ordering::Relaxed) > 0
    }

    pub(super) fn mark(&self, at_us: u64) {
        let last = self.began.load(Ordering::Relaxed);
        let current = self.current.load(Ordering::Relaxed);
        self.marked.get_or_init(|| Marked { at_us, last, current });
    }

    /// The moment, once it is there.
    pub(super) fn marked_us(&self) -> Option<u64> {
        self.marked.get().map(|marked| marked.at_us)
    }

    /// All that was held back for a playback is known.
    pub(super) fn found(&self, number: u64, offered: Offered) {
        let mut held = self.by_number.lock().unwrap_or_else(PoisonError::into_inner);
        held.entry(number).or_insert(Held { offered, is_all: true });
    }

    pub(super) fn is_marked(&self) -> bool {
        self.marked.get().is_some()
    }

    /// Whether all is known of every playback at the moment.
    pub(super) fn is_known(&self) -> bool {
        let Some(marked) = self.marked.get() else { return false };
        let held = self.by_number.lock().unwrap_or_else(PoisonError::into_inner);
        let known = held.iter().filter(|(number, held)| **number <= marked.last && held.is_all);
        known.count() as u64 >= marked.current
    }

    /// A playback sent a message after the moment: `bytes` of it were published before, `None` if it began later.
    pub(super) fn sent(&self, number: u64, is_video: bool, bytes: Option<u64>) {
        if self.marked.get().is_none_or(|marked| number > marked.last) {
            return;
        }
        let mut held = self.by_number.lock().unwrap_or_else(PoisonError::into_inner);
        let held = held.entry(number).or_default();
        match bytes {
            Some(bytes) if !held.is_all => held.offered.of_mut(is_video).add(bytes),
            Some(_) => {}
            None => held.is_all = true,
        }
    }

    /// What was held back for a playback, if all of it is known.
    pub(super) fn of(&self, number: u64) -> Option<Offered> {
        let held = self.by_number.lock().unwrap_or_else(PoisonError::into_inner);
        held.get(&number).filter(|held| held.is_all).map(|held| held.offered)
    }

    /// Adopts what reading the same file further found.
    pub(super) fn adopt(&self, ahead: &Self) {
        let found = ahead.by_number.lock().unwrap_or_else(PoisonError::into_inner).clone();
        *self.by_number.lock().unwrap_or_else(PoisonError::into_inner) = found;
    }
}
