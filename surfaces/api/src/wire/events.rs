//! The agent's end of events: an event log and a query make an answer.
//!
//! Events are numbered without a gap, so a query names the last one that its sender has, and what is
//! not buffered any more is a loss with its exact count.

use std::sync::Arc;

use conns_core::model::{Event, EventLog, Loss, LossCause, LossKind, Source, Update};

use super::error::unencodable;
use super::query::{EventsFrom, EventsQuery};
use super::resume::ResumeId;
use super::selector::Selector;
use super::{MAX_EVENTS_PER_ANSWER, MAX_LOSSES, v1};
use crate::agent::AgentError;

/// The answer to `query`, taken from `log`; it came when `latest` was the serial number of the
/// latest event. Namespaces are looked up among the connections of `update` as well.
///
/// # Errors
/// As [`encode_update`](super::encode_update).
pub fn encode_events(
    log: &EventLog,
    update: &Update,
    query: &EventsQuery,
    latest: u64,
) -> Result<Vec<u8>, AgentError> {
    let is_first = !matches!(query.from, EventsFrom::After(_));
    let (after, missing) = begin(log, query, latest);
    let fallback = polling_fallback(&log.losses).filter(|_| is_first).cloned();
    let losses: Vec<Loss> = missing.into_iter().chain(fallback).collect();
    let loss_totals: Vec<Loss> = counted(&log.losses).cloned().collect();
    let all = || {
        let of_events = log.iter().map(|event| &event.connection);
        update.snapshot.connections.iter().chain(of_events)
    };
    let selector = match Selector::new(&query.ask, all) {
        // The namespace was there when the first query was answered, and nothing of it is left.
        Err(AgentError::NotThere(_)) if !is_first => Selector::nothing(&query.ask),
        selector => selector?,
    };
    let mut behind = log.buffered_after(after);
    let mut serial = log.last_serial();
    let mut selected: Vec<&Arc<Event>> = Vec::new();
    for event in behind.by_ref().take(MAX_EVENTS_PER_ANSWER) {
        serial = event.serial;
        if selector.contains_in_any_state(&event.connection) {
            selected.push(event);
        }
    }
    let has_more = behind.next().is_some();
    v1::encode_events(&v1::EventsParts {
        id: ResumeId { instance: log.instance, ..ResumeId::new(update, serial) },
        has_more,
        events: &selected,
        losses: &losses,
        loss_totals: &loss_totals,
    })
    .map_err(unencodable)
}

/// The event behind which an answer begins, and what is missing before it.
fn begin(log: &EventLog, query: &EventsQuery, latest: u64) -> (u64, Option<Loss>) {
    let oldest = log.complete_since();
    let id = match query.from {
        EventsFrom::Now => return from(log, latest),
        EventsFrom::Oldest => return (oldest, None),
        EventsFrom::After(id) => id,
    };
    if id.instance != log.instance {
        return (oldest, Some(Loss::one(Source::Derived, LossCause::AgentRestarted)));
    }
    from(log, id.serial)
}

fn from(log: &EventLog, serial: u64) -> (u64, Option<Loss>) {
    if log.since(serial).is_some() {
        return (serial, None);
    }
    let count = log.complete_since().saturating_sub(serial);
    let loss = Loss { source: Source::Derived, cause: LossCause::EventsForgotten, count };
    (log.complete_since(), Some(loss))
}

impl EventsQuery {
    /// Whether `log` has an answer to a query that came when `latest` was the serial number of the
    /// latest event; also if the answer is that events are missing.
    #[must_use]
    pub fn is_due(&self, log: &EventLog, latest: u64) -> bool {
        let begin = match self.from {
            EventsFrom::Now => latest,
            EventsFrom::Oldest => return true,
            EventsFrom::After(id) if id.instance != log.instance => return true,
            EventsFrom::After(id) => id.serial,
        };
        begin != log.last_serial()
    }
}

/// What is missing from the events of `log`: that they are differences of samples, what was lost
/// since the agent started, or, of events of the past, what the history lacks.
#[must_use]
pub fn event_losses(log: &EventLog) -> Vec<Loss> {
    let of_history = log.losses.iter().filter(|loss| loss.source == Source::History);
    polling_fallback(&log.losses).chain(counted(&log.losses)).chain(of_history).cloned().collect()
}

/// Losses of the event source. What the agent's own bound dropped shows in the serial numbers of the
/// events that are left.
fn of_source(losses: &[Loss]) -> impl Iterator<Item = &Loss> {
    losses.iter().filter(|loss| loss.source == Source::Ebpf).take(MAX_LOSSES)
}

/// That there is no source of events, and what that means.
fn polling_fallback(losses: &[Loss]) -> impl Iterator<Item = &Loss> {
    of_source(losses).filter(|loss| loss.kind() == LossKind::TableUnreadable)
}

/// What was lost of events since the agent started.
fn counted(losses: &[Loss]) -> impl Iterator<Item = &Loss> {
    of_source(losses).filter(|loss| loss.kind() != LossKind::TableUnreadable)
}
