//! A decoded answer about events.

use std::sync::Arc;

use conns_core::model::{Event, Loss};

use super::resume::ResumeId;

/// What an agent answers to an [`EventsQuery`](super::EventsQuery).
#[derive(Debug, Clone)]
pub struct EventsAnswer {
    /// Every event up to here is in the answer, or does not match; and the latest snapshot.
    pub id: ResumeId,
    /// Whether the agent has more already.
    pub has_more: bool,
    /// The events asked for, oldest first.
    pub events: Vec<Arc<Event>>,
    /// What was lost on the way to this answer.
    pub losses: Vec<Loss>,
    /// What the agent lost of events since it started.
    pub loss_totals: Vec<Loss>,
}
