//! The shelf of the latest beat, shared by everything that answers.

use std::sync::{Arc, Mutex, PoisonError};

use conns_api::Feed;
use conns_core::model::Beat;
use conns_dialects::Shelf;

/// Where answers are taken from: one shelf a beat, put up by whoever first asks after it.
#[derive(Debug)]
pub(crate) struct Shelves {
    feed: Feed,
    latest: Mutex<Arc<Shelf>>,
}

impl Shelves {
    /// Shelves of this feed.
    pub(crate) fn new(feed: Feed) -> Self {
        let beat = Arc::clone(&feed.borrow());
        Self { feed, latest: Mutex::new(Arc::new(Shelf::new(beat))) }
    }

    /// The shelf of the latest beat.
    pub(crate) fn latest(&self) -> Arc<Shelf> {
        let beat: Arc<Beat> = Arc::clone(&self.feed.borrow());
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        // A beat at which the sources failed carries the snapshot of the one before.
        if !std::ptr::eq(latest.beat(), &raw const *beat) {
            *latest = Arc::new(Shelf::new(beat));
        }
        Arc::clone(&latest)
    }

    /// A receiver of its own, for a reader that waits for beats.
    pub(crate) fn feed(&self) -> Feed {
        self.feed.clone()
    }
}
