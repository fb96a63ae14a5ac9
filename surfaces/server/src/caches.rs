//! The response cache of the latest update, shared by all requests.

use std::sync::{Arc, Mutex, PoisonError};

use conns_api::UpdateReceiver;
use conns_core::model::Update;
use conns_dialects::ResponseCache;

/// One response cache per update, created by the first request after it.
#[derive(Debug)]
pub(crate) struct ResponseCaches {
    updates: UpdateReceiver,
    latest: Mutex<Arc<ResponseCache>>,
}

impl ResponseCaches {
    /// The caches of these updates.
    pub(crate) fn new(updates: UpdateReceiver) -> Self {
        let update = Arc::clone(&updates.borrow());
        Self { updates, latest: Mutex::new(Arc::new(ResponseCache::new(update))) }
    }

    /// The cache of the latest update.
    pub(crate) fn latest(&self) -> Arc<ResponseCache> {
        let update: Arc<Update> = Arc::clone(&self.updates.borrow());
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        // By identity: an update made while the sources fail has the snapshot of the one before.
        if !std::ptr::eq(latest.update(), &raw const *update) {
            *latest = Arc::new(ResponseCache::new(update));
        }
        Arc::clone(&latest)
    }

    /// A receiver of its own, for a client that waits for updates.
    pub(crate) fn feed(&self) -> UpdateReceiver {
        self.updates.clone()
    }
}
