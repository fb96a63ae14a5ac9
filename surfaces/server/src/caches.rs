//! The response cache of the latest update, and the latest events, shared by all responses.

use std::sync::{Arc, Mutex, PoisonError};

use conns_api::{EventReceiver, UpdateReceiver};
use conns_core::model::{EventLog, Update};
use conns_dialects::ResponseCache;

/// What responses are written from: one cache per update, made by the first response after it.
#[derive(Debug)]
pub(crate) struct ResponseCaches {
    updates: UpdateReceiver,
    events: EventReceiver,
    latest: Mutex<Arc<ResponseCache>>,
}

impl ResponseCaches {
    /// Caches of these updates, and these events.
    pub(crate) fn new(updates: UpdateReceiver, events: EventReceiver) -> Self {
        let update = Arc::clone(&updates.borrow());
        Self { updates, events, latest: Mutex::new(Arc::new(ResponseCache::new(update))) }
    }

    /// The cache of the latest update.
    pub(crate) fn latest(&self) -> Arc<ResponseCache> {
        let update: Arc<Update> = Arc::clone(&self.updates.borrow());
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        // While sources fail, an update has the snapshot of the one before.
        if !Arc::ptr_eq(latest.update(), &update) {
            *latest = Arc::new(ResponseCache::new(update));
        }
        Arc::clone(&latest)
    }

    /// The latest events.
    pub(crate) fn event_log(&self) -> Arc<EventLog> {
        Arc::clone(&self.events.borrow())
    }

    /// A receiver for a reader that waits for updates.
    pub(crate) fn updates(&self) -> UpdateReceiver {
        self.updates.clone()
    }

    /// A receiver for a reader that waits for events.
    pub(crate) fn events(&self) -> EventReceiver {
        self.events.clone()
    }
}
