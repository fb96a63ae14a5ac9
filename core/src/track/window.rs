//! The window of samples that a verdict is about.

use std::time::Duration;

use crate::model::Moment;

use super::counters::Counters;
use super::gauges::Gauges;

/// Consecutive samples of one socket.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Span {
    /// When it starts.
    pub(super) start: Moment,
    /// The counters then.
    pub(super) first: Counters,
    /// The gauges of all its samples.
    pub(super) gauges: Gauges,
}

/// A window in two halves: when the newer one is full, it becomes the older one. So the window
/// covers at least half of its length and at most all of it.
#[derive(Debug, Clone)]
pub(super) struct Window {
    older: Option<Span>,
    newer: Span,
}

impl Window {
    /// A window that starts with this sample.
    pub(super) fn new(start: Moment, first: Counters, gauges: Gauges) -> Self {
        Self { older: None, newer: Span { start, first, gauges } }
    }

    /// Adds the gauges of a sample at `at`. `last` are the moment and the counters of the sample
    /// before it.
    pub(super) fn add(
        &mut self,
        at: Moment,
        gauges: Gauges,
        half: Duration,
        last: (Moment, Counters),
    ) {
        if at.since(self.newer.start) > half {
            // The next half starts with the sample that ended this one, so no byte is missing.
            let (start, first) = last;
            self.older = Some(self.newer);
            self.newer = Span { start, first, gauges: Gauges::default() };
        }
        self.newer.gauges = self.newer.gauges.plus(gauges);
    }

    /// Both halves.
    pub(super) fn span(&self) -> Span {
        match self.older {
            Some(older) => Span { gauges: older.gauges.plus(self.newer.gauges), ..older },
            None => self.newer,
        }
    }
}
