//! Bounds the published [`EventLog`].
//!
//! Invariant: a reader that reads every publication of the last [`MIN_RETENTION`] or of the last
//! two samples, whichever is longer, misses nothing unless the bound is reached.

use std::sync::Arc;
use std::time::Duration;

use conns_core::model::{Event, EventLog, Loss, LossCause, Moment, Source};

/// Most buffered events where memory is not limited, about 1.5 kB each: three seconds at 40 000 events a
/// second.
pub(crate) const MAX_EVENTS: usize = 131_072;
/// Events buffered regardless of their age.
pub(crate) const MIN_EVENTS: usize = 1024;
/// Shortest time an event stays buffered.
pub(crate) const MIN_RETENTION: Duration = Duration::from_secs(2);

/// The log that the next publication shares.
pub(crate) struct EventBuffer {
    /// Most events.
    bound: usize,
    log: EventLog,
    /// The log published last.
    published: Arc<EventLog>,
    /// How many events were dropped before they were published.
    dropped: u64,
}

impl EventBuffer {
    /// An empty buffer of the agent `instance`, for at most `bound` events.
    pub(crate) fn new(instance: u64, bound: usize) -> Self {
        let log = EventLog::after(instance, 0);
        Self { bound, published: Arc::new(log.clone()), log, dropped: 0 }
    }

    /// Appends events, and drops the oldest beyond the bound.
    pub(crate) fn add(&mut self, events: impl IntoIterator<Item = Arc<Event>>) {
        self.log.append(events);
        while self.log.len() > self.bound
            && let Some(removed) = self.log.remove_oldest()
        {
            let published = self.published.last_serial();
            let dropped = removed.iter().filter(|event| event.serial > published).count();
            self.dropped += dropped as u64;
        }
    }

    /// Removes events older than `retention`, and returns the log if it differs from the one
    /// returned last.
    pub(crate) fn publish(
        &mut self,
        now: Moment,
        retention: Duration,
        losses: &[Loss],
    ) -> Option<Arc<EventLog>> {
        let retention = retention.max(MIN_RETENTION);
        loop {
            let oldest = self.log.oldest();
            let is_old = |event: &Arc<Event>| now.since(event.at) > retention;
            let is_removable =
                self.log.len() - oldest.len() >= MIN_EVENTS && oldest.last().is_some_and(is_old);
            if !is_removable || self.log.remove_oldest().is_none() {
                break;
            }
        }
        if *self.log.losses != *losses {
            self.log.losses = losses.into();
        }
        let (new, old) = (&self.log, &self.published);
        let is_same = new.last_serial() == old.last_serial()
            && new.complete_since() == old.complete_since()
            && Arc::ptr_eq(&new.losses, &old.losses);
        if is_same {
            return None;
        }
        self.published = Arc::new(self.log.clone());
        Some(Arc::clone(&self.published))
    }

    /// How many events there are.
    pub(crate) fn len(&self) -> usize {
        self.log.len()
    }

    /// Copies the events to other memory, so that what lies around them can be given back.
    pub(crate) fn copy_events(&mut self) {
        self.log.copy_events();
        self.published = Arc::new(self.log.clone());
    }

    /// The log published last.
    pub(crate) fn published(&self) -> &Arc<EventLog> {
        &self.published
    }

    /// The events that were dropped before they were published.
    pub(crate) fn loss(&self) -> Option<Loss> {
        let cause = LossCause::EventsNotPublished { capacity: self.bound as u64 };
        Loss::counted(Source::Derived, cause, self.dropped)
    }
}

#[cfg(test)]
mod tests;
