//! One published look, with the lists that were already written out for it.
//!
//! The one idea: a beat never changes, so a list written from it is the same for whoever asks
//! before the next beat; ten thousand rows are written once a second, not once an answer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;
use conns_core::model::{Snapshot, Update};

/// Most lists kept for one beat; the dialects have fewer kinds. What is beyond is written anew.
const LISTS_KEPT: usize = 32;

type Slot = Arc<OnceLock<Bytes>>;

/// A beat and what was written from it.
#[derive(Debug)]
pub struct ResponseCache {
    update: Arc<Update>,
    lists: Mutex<HashMap<String, Slot>>,
}

impl ResponseCache {
    /// Nothing is written yet.
    #[must_use]
    pub fn new(update: Arc<Update>) -> Self {
        Self { update, lists: Mutex::default() }
    }

    /// The beat.
    #[must_use]
    pub fn update(&self) -> &Update {
        &self.update
    }

    /// What is connected.
    #[must_use]
    pub fn snapshot(&self) -> &Snapshot {
        &self.update.snapshot
    }

    /// The list of this name, written by `write` unless somebody already asked for it. Whatever
    /// `write` depends on besides the beat must be in the name.
    pub fn list(&self, name: &str, write: impl FnOnce(&Snapshot) -> Vec<u8>) -> Bytes {
        match self.slot(name) {
            // Whoever comes while it is being written waits for it, off the lock.
            Some(slot) => slot.get_or_init(|| write(self.snapshot()).into()).clone(),
            None => write(self.snapshot()).into(),
        }
    }

    fn slot(&self, name: &str) -> Option<Slot> {
        let mut lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = lists.get(name) {
            return Some(Arc::clone(slot));
        }
        let has_room = lists.len() < LISTS_KEPT;
        has_room.then(|| Arc::clone(lists.entry(name.to_owned()).or_default()))
    }
}
