//! The events since the screen opened, at most [`MAX_EVENTS`], and those of them that are shown.

use std::collections::VecDeque;
use std::sync::Arc;

use conns_core::model::{ConnectionId, Event, Loss, LossTotals};
use conns_core::query::Filter;

/// Most events that are kept; the oldest leave first.
pub(crate) const MAX_EVENTS: usize = 5000;

/// Events, oldest first.
#[derive(Debug, Default)]
pub(crate) struct EventLog {
    all: VecDeque<Arc<Event>>,
    shown: Vec<Arc<Event>>,
    /// The number of events that came while the screen was frozen.
    hidden: usize,
    /// The events up to the moment of the past that is shown, in place of those that came.
    past: Option<Vec<Arc<Event>>>,
    is_frozen: bool,
    losses: LossTotals,
}

impl EventLog {
    /// Adds events, and what was lost of them.
    pub(crate) fn add(
        &mut self,
        events: Vec<Arc<Event>>,
        losses: Vec<Loss>,
        filter: Option<&Filter>,
    ) {
        self.losses.add(losses);
        if events.is_empty() {
            return;
        }
        if self.is_frozen {
            self.hidden += events.len();
        }
        let is_match = |event: &&Arc<Event>| filter.is_none_or(|f| f.matches(&event.connection));
        if !self.is_frozen {
            self.shown.extend(events.iter().filter(is_match).cloned());
        }
        self.all.extend(events);
        let surplus = self.all.len().saturating_sub(MAX_EVENTS);
        self.all.drain(..surplus);
        if surplus > 0 && !self.is_frozen {
            self.choose(filter);
        }
    }

    /// Shows those that match.
    pub(crate) fn choose(&mut self, filter: Option<&Filter>) {
        let is_match = |event: &&Arc<Event>| filter.is_none_or(|f| f.matches(&event.connection));
        self.shown = self.current().filter(is_match).cloned().collect();
    }

    /// Those of the moment: up to that of the past, or up to the one at which the screen stands still.
    fn current(&self) -> impl Iterator<Item = &Arc<Event>> {
        let live = match self.past {
            Some(_) => 0,
            None => self.all.len().saturating_sub(self.hidden),
        };
        self.past.iter().flatten().chain(self.all.iter().take(live))
    }

    /// Shows the events up to a moment of the past, or again those that come, with the next choice.
    pub(crate) fn set_past(&mut self, past: Option<Vec<Arc<Event>>>) {
        self.past = past;
    }

    /// Stops or goes on.
    pub(crate) fn freeze(&mut self, is_frozen: bool, filter: Option<&Filter>) {
        self.is_frozen = is_frozen;
        self.hidden = 0;
        self.choose(filter);
    }

    /// Those that match, oldest first.
    #[must_use]
    pub(crate) fn shown(&self) -> &[Arc<Event>] {
        &self.shown
    }

    /// How many came since the screen was frozen.
    #[must_use]
    pub(crate) fn hidden(&self) -> usize {
        self.hidden
    }

    /// The events of one connection.
    pub(crate) fn of(&self, id: ConnectionId) -> impl Iterator<Item = &Arc<Event>> {
        self.current().filter(move |event| event.connection.id() == id)
    }

    /// What was lost of them.
    #[must_use]
    pub(crate) fn losses(&self) -> Vec<Loss> {
        self.losses.losses().collect()
    }
}
