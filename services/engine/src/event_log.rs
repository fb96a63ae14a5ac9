//! What has happened lately, kept in bounded space.
//!
//! The one idea: whoever reads every beat, or every other, misses nothing, however much happens; the
//! rest of the room is for those who read late.

use std::collections::VecDeque;
use std::sync::Arc;

use conns_core::model::{Event, Loss, LossCause, Source};

/// Most events kept of the last two beats, about 1.5 kB each: a second of the storm this is built
/// for, and some more.
pub(crate) const EVENTS_KEPT_MOST: usize = 131_072;
/// Most events kept together with older ones.
pub(crate) const EVENTS_KEPT: usize = 4096;

/// The events, oldest first.
#[derive(Default)]
pub(crate) struct EventLog {
    kept: VecDeque<Arc<Event>>,
    shared: Arc<[Arc<Event>]>,
    /// The serial number of the last event that is not kept any more.
    complete_since: u64,
    /// The last event of the beat published last, and of the one before.
    published: u64,
    published_before: u64,
    /// How many no beat ever showed.
    lost: u64,
}

impl EventLog {
    /// Adds what has happened since.
    pub(crate) fn add(&mut self, events: Vec<Arc<Event>>) {
        self.kept.extend(events);
        while self.kept.len() > EVENTS_KEPT_MOST {
            self.forget_oldest();
        }
    }

    /// What the next beat shows, shared with every reader, and the serial number since which that
    /// is complete.
    pub(crate) fn publish(&mut self) -> (Arc<[Arc<Event>]>, u64) {
        let last = self.kept.back().map_or(self.complete_since, |event| event.serial);
        let two_beats_ago = self.published_before;
        (self.published_before, self.published) = (self.published, last);
        while self.kept.len() > EVENTS_KEPT
            && self.kept.front().is_some_and(|oldest| oldest.serial <= two_beats_ago)
        {
            self.forget_oldest();
        }
        let is_new = self.shared.last().map(|event| event.serial) != Some(last)
            || self.shared.len() != self.kept.len();
        if is_new {
            self.shared = self.kept.iter().cloned().collect();
        }
        (Arc::clone(&self.shared), self.complete_since)
    }

    fn forget_oldest(&mut self) {
        if let Some(oldest) = self.kept.pop_front() {
            self.complete_since = oldest.serial;
            self.lost += u64::from(oldest.serial > self.published);
        }
    }

    /// What the bound dropped before any reader could have it.
    pub(crate) fn loss(&self) -> Option<Loss> {
        let cause = LossCause::EventsNotPublished { capacity: EVENTS_KEPT_MOST as u64 };
        Loss::counted(Source::Derived, cause, self.lost)
    }
}

#[cfg(test)]
mod tests;
