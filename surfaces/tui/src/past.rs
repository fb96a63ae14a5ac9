//! Steps into the past, which the history of the agent answers: the screen stands still at a moment that is read.

use std::sync::Arc;

use conns_api::Timeline;
use conns_core::model::{Event, Update};

use crate::state::{Effect, Frozen, State};

/// What the history has of a moment.
#[derive(Debug)]
pub struct PastMoment {
    /// What was open.
    pub update: Arc<Update>,
    /// The last events before it, oldest first.
    pub events: Vec<Arc<Event>>,
    /// The time around it, or why it is not known.
    pub time_line: Result<Timeline, String>,
}

/// What a step is, microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// A minute: open connections are kept that often.
    Minute,
    /// An hour.
    Hour,
}

impl Step {
    fn us(self) -> i64 {
        match self {
            Self::Minute => 60_000_000,
            Self::Hour => 3_600_000_000,
        }
    }
}

impl State {
    /// Goes back by a step.
    pub(crate) fn earlier(&mut self, step: Step) {
        if let Some(shown) = self.moment_us() {
            self.read_past(shown.saturating_sub(step.us()));
        }
    }

    /// Goes on by a step, and back to the present from the last one.
    pub(crate) fn later(&mut self, step: Step) {
        let is_shown = self.frozen.as_ref().is_some_and(|frozen| frozen.is_past);
        let is_past = is_shown || self.wanted_us.is_some();
        let (Some(shown), Some(latest)) = (self.moment_us().filter(|_| is_past), &self.latest)
        else {
            return self.notify("this is the present; [ goes back".to_owned());
        };
        let wanted_us = shown.saturating_add(step.us());
        match wanted_us < latest.snapshot.at.wall_us {
            true => self.read_past(wanted_us),
            false => self.unfreeze(),
        }
    }

    /// The moment that is shown, or read to be shown.
    fn moment_us(&self) -> Option<i64> {
        let shown = self.shown_update().map(|update| update.snapshot.at.wall_us);
        self.wanted_us.or(shown)
    }

    fn read_past(&mut self, at_us: i64) {
        self.wanted_us = Some(at_us);
        self.notify(format!("reading the history at {}", self.time_text(at_us)));
        self.effects.push(Effect::Past(at_us));
    }

    /// The history has answered about the moment `at_us`. One that is not wanted any more changes nothing.
    pub fn past(&mut self, at_us: i64, read: Result<PastMoment, String>) {
        if self.wanted_us != Some(at_us) {
            return;
        }
        self.wanted_us = None;
        match read {
            Ok(PastMoment { update, events, time_line }) => {
                self.notice = None;
                let is_first = self.frozen.is_none();
                let updates = self.frozen.as_ref().map_or(0, |frozen| frozen.updates);
                if let Some(detail) = &mut self.detail {
                    detail.refresh(&update);
                }
                self.frozen = Some(Frozen { update, updates, is_past: true });
                self.time_line = time_line;
                let filter = self.filter();
                self.events.set_past(Some(events));
                match is_first {
                    true => self.events.freeze(true, filter.as_ref()),
                    false => self.events.choose(filter.as_ref()),
                }
                self.ask(true);
            }
            Err(why) => {
                // What is shown stays, so a next step begins there.
                self.notify(why);
            }
        }
    }
}
