//! One published update, with the lists that were already written from it.
//!
//! Invariant: an update never changes, so a list written from it is the same for every client until
//! the next update; a list of ten thousand rows is written once per update, not once per answer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use conns_core::model::{Snapshot, Update};
use tokio::sync::OnceCell;

/// Lists cached per update; the dialects have fewer kinds. Lists beyond are written per answer.
const MAX_LISTS: usize = 32;

type Slot = Arc<OnceCell<Bytes>>;

/// An update and the lists written from it.
#[derive(Debug)]
pub struct ResponseCache {
    update: Arc<Update>,
    lists: Mutex<HashMap<String, Slot>>,
}

impl ResponseCache {
    /// An empty cache of this update.
    #[must_use]
    pub fn new(update: Arc<Update>) -> Self {
        Self { update, lists: Mutex::default() }
    }

    /// The update.
    #[must_use]
    pub fn update(&self) -> &Arc<Update> {
        &self.update
    }

    /// The snapshot of the update.
    #[must_use]
    pub fn snapshot(&self) -> &Snapshot {
        &self.update.snapshot
    }

    /// The cached list of this name, or the one that `write` makes. Everything `write` depends on
    /// besides the update must be in the name.
    ///
    /// Never waits: while another thread writes the same list, this call writes it too, and both
    /// return the one that was done first. The server avoids that by running one answer per dialect
    /// at a time.
    pub fn list(&self, name: &str, write: impl FnOnce(&Snapshot) -> Vec<u8>) -> Bytes {
        let Some(slot) = self.slot(name) else { return write(self.snapshot()).into() };
        if let Some(list) = slot.get() {
            return list.clone();
        }
        let list: Bytes = write(self.snapshot()).into();
        // Refused if another call has set it or is about to; both lists are equal.
        let _ = slot.set(list.clone());
        slot.get().cloned().unwrap_or(list)
    }

    /// The cached list of this name, or the one that `write` resolves to. Calls made while it is
    /// written await that list. After an error the next call writes.
    ///
    /// # Errors
    /// The error of `write`.
    pub async fn list_once<F, E>(&self, name: &str, write: impl FnOnce() -> F) -> Result<Bytes, E>
    where
        F: Future<Output = Result<Bytes, E>>,
    {
        match self.slot(name) {
            Some(slot) => slot.get_or_try_init(write).await.cloned(),
            None => write().await,
        }
    }

    fn slot(&self, name: &str) -> Option<Slot> {
        let mut lists = self.lists.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = lists.get(name) {
            return Some(Arc::clone(slot));
        }
        let has_room = lists.len() < MAX_LISTS;
        has_room.then(|| Arc::clone(lists.entry(name.to_owned()).or_default()))
    }
}
