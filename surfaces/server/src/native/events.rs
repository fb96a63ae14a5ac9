//! What happened, as a list or as it happens: `GET /api/v1/events`.
//!
//! The one idea: events are numbered without a gap, so a client that names the last one it has is told all
//! since, or that they are not kept any more.

mod telling;

use std::sync::Arc;

use axum::response::Response;
use conns_api::{Answer, EventRecords, View, event_losses, usual_event_fields};
use conns_core::model::{Event, EventKind, Update};
use conns_core::query::{Field, parse_columns};
use http::{HeaderMap, StatusCode};
use serde_json::json;

use super::accept::is_named;
use super::context::{Asked, Native};
use super::list;
use super::parameters::LIMIT;
use super::parameters::Query;
use super::selection::{Scope, Selection};
use super::streams::{self, parse_instance, parse_number};
use crate::problem::{Problem, repeated};
use crate::response::{EVENTS, JSON, whole};
use telling::EventsTelling;

/// Behind which event a client begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    /// Of which start of the agent; `None` if the client does not say it.
    instance: Option<u64>,
    serial: u64,
}

impl Place {
    /// Why the events behind this place cannot be told by `update`, if they cannot.
    fn trouble(self, update: &Update) -> Option<Trouble> {
        let Self { instance, serial } = self;
        if instance.is_some_and(|instance| instance != update.instance) {
            return Some(Trouble::of_unknown_size("the agent was started anew".to_owned()));
        }
        if serial > update.last_event() {
            return Some(Trouble::of_unknown_size(format!("the event {serial} has not been yet")));
        }
        let missed = update.events_complete_since.saturating_sub(serial);
        (missed > 0).then(|| Trouble {
            reason: format!("{missed} events behind the event {serial} are not kept any more"),
            missed: Some(missed),
        })
    }
}

/// Why something is not told.
struct Trouble {
    reason: String,
    /// How many events it is about.
    missed: Option<u64>,
}

impl Trouble {
    fn of_unknown_size(reason: String) -> Self {
        Self { reason, missed: None }
    }
}

/// The place that an id or a number names; `None` if it is none.
fn parse_place(text: &str) -> Option<Place> {
    match text.split_once('-') {
        Some((instance, serial)) => {
            Some(Place { instance: Some(parse_instance(instance)?), serial: parse_number(serial)? })
        }
        None => Some(Place { instance: None, serial: parse_number(text)? }),
    }
}

const PLACE_HINT: &str =
    "give the serial number of an event, or the id of one: instance, dash, serial number";

/// Which events are meant, and how they are told.
struct Choice {
    selection: Selection,
    /// Empty is all.
    kinds: Vec<EventKind>,
    /// `None` is what is usual for each kind.
    fields: Option<Vec<&'static Field>>,
}

impl Choice {
    fn read(query: &Query) -> Result<Self, Problem> {
        let named = |name: &str| EventKind::ALL.into_iter().find(|kind| kind.name() == name);
        Ok(Self {
            selection: Selection::read(query, Scope::View(View::All))?,
            kinds: query.all("event").filter_map(named).collect(),
            fields: fields(query)?,
        })
    }

    fn matches(&self, event: &Event) -> bool {
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

/// Whether a client wants events as they happen, not a list.
pub(super) fn is_stream(headers: &HeaderMap) -> bool {
    is_named(headers, EVENTS) && !is_named(headers, JSON)
}

/// `GET /api/v1/events` for a list.
pub(super) fn answer(native: &Native, asked: &Asked) -> Result<Response, Problem> {
    let query = &asked.query;
    let choice = Choice::read(query)?;
    let since = query.get("since").map(|text| {
        parse_place(text).ok_or_else(|| {
            let message = format!("`since` cannot be `{}`", repeated(text));
            Problem::bad("bad-parameter", message, PLACE_HINT)
        })
    });
    let since = since.transpose()?;
    let cache = native.caches.latest();
    let update = cache.update();
    if let Some(trouble) = since.and_then(|place| place.trouble(update)) {
        return Err(expired(update, trouble));
    }
    let serial = since.map_or(update.events_complete_since, |place| place.serial);
    Ok(whole(JSON, choice.list(update, serial, query.whole(&LIMIT)).into()))
}

impl Choice {
    /// The events of `update` behind `serial`, at most so many.
    fn list(&self, update: &Update, serial: u64, limit: usize) -> Vec<u8> {
        let behind = update.events_since(serial).unwrap_or_default();
        let mut chosen = behind.iter().filter(|event| self.matches(event));
        let mut out = b"{\"events\":[\n".to_vec();
        let mut records = EventRecords::new(self.fields.as_deref());
        let mut last = None;
        for event in chosen.by_ref().take(limit) {
            if last.is_some() {
                out.extend_from_slice(b",\n");
            }
            records.append_with_id(&mut out, event);
            last = Some(event.serial);
        }
        // Whatever does not match behind the last one is passed by.
        let next = match chosen.next() {
            Some(_) => last.unwrap_or(serial),
            None => update.last_event(),
        };
        out.extend_from_slice(b"\n]");
        Answer::append_losses(&mut out, &event_losses(update));
        for (key, value) in [
            ("snapshot", list::snapshot(update)),
            ("complete_since", json!(update.events_complete_since)),
            ("last", json!(update.last_event())),
            ("next_since", json!(next)),
        ] {
            out.extend_from_slice(format!(",\"{key}\":{value}").as_bytes());
        }
        out.extend_from_slice(b"}\n");
        out
    }
}

/// 410: what is asked for is not kept.
fn expired(update: &Update, trouble: Trouble) -> Problem {
    let hint = "begin anew: without `since` everything that is kept is told";
    Problem::new(StatusCode::GONE, "events-expired", trouble.reason, hint)
        .beside("missed", json!(trouble.missed))
        .beside("complete_since", json!(update.events_complete_since))
        .beside("last", json!(update.last_event()))
        .beside("snapshot", list::snapshot(update))
}

/// `GET /api/v1/events` for events as they happen.
pub(super) fn stream(native: &Arc<Native>, asked: &Asked) -> Result<Response, Problem> {
    if asked.query.get(LIMIT.name).is_some() {
        let hint = "a stream has no end; leave it out, or ask for `Accept: application/json`";
        let message = "`limit` does not go with a stream";
        return Err(Problem::bad("conflicting-parameters", message, hint));
    }
    let left = streams::left(asked, parse_place, PLACE_HINT)?;
    streams::open(native, EventsTelling::new(Choice::read(&asked.query)?, left))
}
