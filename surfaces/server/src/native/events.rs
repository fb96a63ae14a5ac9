//! Lifecycle events, as a list or as they are published: `GET /api/v1/events`.
//!
//! Events are numbered without a gap, so a client that names the last one it has gets all that follow,
//! or the number of those that are not buffered any more.

mod event_lists;
mod event_stream;

use std::sync::Arc;

use axum::response::Response;
use conns_api::{EventRecords, LossShape, ResumeId, View, event_losses, usual_event_fields};
use conns_core::model::{Event, EventKind, EventLog, Update};
use conns_core::query::{Field, parse_columns};
use http::{HeaderMap, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use super::accept::is_named;
use super::context::{Asked, Native};
use super::parameters::{AT, LIMIT, Query};
use super::selection::{Scope, Selection};
use super::shapes::{EventRecord, Records, SnapshotShape};
use super::streams;
use crate::problem::{ErrorShape, Problem};
use crate::response::{EVENTS, JSON, whole};
pub(super) use event_lists::EventLists;
use event_stream::EventStream;

/// How many events behind `serial` are not buffered any more; `None` if all are.
pub(super) fn gap(log: &EventLog, serial: u64) -> Option<u64> {
    log.complete_since().checked_sub(serial).filter(|missed| *missed > 0)
}

/// Why events behind a place cannot be sent.
struct Expired {
    reason: String,
    /// How many events are missing, if that is known.
    missed: Option<u64>,
}

impl Expired {
    /// Why `log` does not have all events behind `id`, if it does not.
    fn of(log: &EventLog, id: ResumeId) -> Option<Self> {
        let ResumeId { instance, serial, .. } = id;
        let unknown = |reason: String| Some(Self { reason, missed: None });
        if instance != log.instance {
            return unknown("the agent was restarted".to_owned());
        }
        if serial > log.last_serial() {
            return unknown(format!("the event {serial} does not exist yet"));
        }
        gap(log, serial).map(|missed| Self {
            reason: format!("{missed} events behind the event {serial} are not kept any more"),
            missed: Some(missed),
        })
    }
}

/// Which events are selected, and the fields of their records.
pub(super) struct EventSelection {
    selection: Selection,
    /// Empty is all.
    kinds: Vec<EventKind>,
    /// `None` is the default for each kind.
    fields: Option<Vec<&'static Field>>,
}

impl EventSelection {
    pub(super) fn read(query: &Query) -> Result<Self, Problem> {
        let named = |name: &str| EventKind::ALL.into_iter().find(|kind| kind.name() == name);
        Ok(Self {
            selection: Selection::read(query, Scope::View(View::All))?,
            kinds: query.all("event").filter_map(named).collect(),
            fields: fields(query)?,
        })
    }

    pub(super) fn matches(&self, event: &Event) -> bool {
        (self.kinds.is_empty() || self.kinds.contains(&event.kind))
            && self.selection.matches_in_any_state(&event.connection)
    }
}

/// The fields of events that are asked for, if any are.
pub(super) fn fields(query: &Query) -> Result<Option<Vec<&'static Field>>, Problem> {
    let Some(text) = query.get("fields") else { return Ok(None) };
    parse_columns(text, &usual_event_fields()).map(Some).map_err(|error| {
        Problem::bad("bad-fields", error.to_string(), "/api/v1/fields lists the fields")
    })
}

/// Whether a client asks for a stream of events, not a list.
pub(super) fn is_stream(headers: &HeaderMap) -> bool {
    is_named(headers, EVENTS) && !is_named(headers, JSON)
}

/// `GET /api/v1/events` for a list.
pub(super) fn answer(native: &Native, asked: &Asked) -> Result<Response, Problem> {
    let query = &asked.query;
    let selection = EventSelection::read(query)?;
    let since = streams::since(asked)?;
    let (cache, log) = (native.caches.latest(), native.caches.event_log());
    let update = cache.update();
    if let Some(expired) = since.and_then(|id| Expired::of(&log, id)) {
        return Err(problem(update, &log, expired));
    }
    let serial = since.map_or(log.complete_since(), |id| id.serial);
    let body = selection.list(update, &log, serial, query.whole(&LIMIT));
    Ok(whole(JSON, body.into()))
}

impl EventSelection {
    /// The events of `log` behind `serial`, at most `limit`.
    pub(super) fn list(
        &self,
        update: &Update,
        log: &EventLog,
        serial: u64,
        limit: usize,
    ) -> Vec<u8> {
        let mut selected = log.buffered_after(serial).filter(|event| self.matches(event));
        let mut records = Records::default();
        let mut writer = EventRecords::new(self.fields.as_deref());
        let mut last = serial;
        for event in selected.by_ref().take(limit) {
            records.add(|out| writer.append_with_id(out, event));
            last = event.serial;
            if records.is_full() {
                break;
            }
        }
        // Events that do not match behind the last one are passed by.
        let next = selected.next().map_or(log.last_serial(), |_| last);
        records.into_answer(&EventsShape {
            events: Vec::new(),
            losses: LossShape::all(&event_losses(log)),
            snapshot: SnapshotShape::from(update),
            complete_since: log.complete_since(),
            last: log.last_serial(),
            next_since: ResumeId::new(update, next).to_string(),
        })
    }
}

/// Events, oldest first.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Events)]
pub(super) struct EventsShape {
    /// The events.
    events: Vec<EventRecord>,
    /// What the agent lost of events.
    losses: Vec<LossShape>,
    /// The latest snapshot.
    snapshot: SnapshotShape,
    /// Every event with a higher serial number is kept.
    complete_since: u64,
    /// The serial number of the latest event; 0 before the first.
    last: u64,
    /// `since` of the next request.
    next_since: String,
}

/// That the events after `since` are not kept, beside the error.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ExpiredEvents {
    /// Why not.
    error: ErrorShape,
    /// How many events; null if unknown.
    #[schema(required)]
    missed: Option<u64>,
    /// Every event with a higher serial number is kept.
    complete_since: u64,
    /// The serial number of the latest event; 0 before the first.
    last: u64,
    /// The latest snapshot.
    snapshot: SnapshotShape,
}

/// 410: events are not buffered any more.
fn problem(update: &Update, log: &EventLog, expired: Expired) -> Problem {
    let hint = "begin again: without `since` the list has everything that is kept";
    let problem = Problem::new(StatusCode::GONE, "events-expired", expired.reason, hint);
    problem.within(|error| ExpiredEvents {
        error,
        missed: expired.missed,
        complete_since: log.complete_since(),
        last: log.last_serial(),
        snapshot: SnapshotShape::from(update),
    })
}

/// `GET /api/v1/events` for a stream.
pub(super) fn stream(native: &Arc<Native>, asked: &Asked) -> Result<Response, Problem> {
    if let Some(name) = asked.query.any_of(&[LIMIT.name, AT.name]) {
        let hint = "a stream has no end; omit it, or ask for `Accept: application/json`";
        let message = format!("`{name}` does not go with a stream");
        return Err(Problem::bad("conflicting-parameters", message, hint));
    }
    let resume = streams::resume(asked)?;
    streams::open(native, EventStream::new(EventSelection::read(&asked.query)?, resume))
}
