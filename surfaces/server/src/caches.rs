//! The shelf of the latest beat, shared by everything that answers.

use std::sync::{Arc, Mutex, PoisonError};

use conns_api::UpdateReceiver;
use conns_core::model::Update;
use conns_dialects::ResponseCache;

/// Where answers are taken from: one shelf a beat, put up by whoever first asks after it.
#[derive(Debug)]
pub(crate) struct ResponseCaches {
    feed: UpdateReceiver,
    latest: Mutex<Arc<ResponseCache>>,
}

impl ResponseCaches {
    /// ResponseCaches of this feed.
    pub(crate) fn new(feed: UpdateReceiver) -> Self {
        let update = Arc::clone(&feed.borrow());
        Self { feed, latest: Mutex::new(Arc::new(ResponseCache::new(update))) }
    }

    /// The shelf of the latest beat.
    pub(crate) fn latest(&self) -> Arc<ResponseCache> {
        let update: Arc<Update> = Arc::clone(&self.feed.borrow());
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        // A beat at which the sources failed carries the snapshot of the one before.
        if !std::ptr::eq(latest.update(), &raw const *update) {
            *latest = Arc::new(ResponseCache::new(update));
        }
        Arc::clone(&latest)
    }

    /// A receiver of its own, for a reader that waits for beats.
    pub(crate) fn feed(&self) -> UpdateReceiver {
        self.feed.clone()
    }
}
