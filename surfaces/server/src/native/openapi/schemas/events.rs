//! The shapes of answers about events.

use conns_core::model::EventKind;
use conns_core::query::catalogue;
use utoipa::openapi::Type;

use super::{
    Shape, error, exact, id, list, nullable, object, of_field, reference, text, whole, words,
};

/// A record with what happened in front; the serial number is that of the event.
pub(super) fn event() -> Shape {
    let properties: Vec<(&str, Shape)> = catalogue()
        .iter()
        .filter(|field| field.name != "serial")
        .map(|field| (&*field.key, of_field(field)))
        .collect();
    let kinds = EventKind::ALL.map(EventKind::name);
    object(
        &[
            ("id", id()),
            ("event", words(kinds, "What happened.")),
            ("at_us", whole("When: microseconds since 1970-01-01 UTC.")),
            ("serial", whole("Counts up by one with each event of the agent, from 1.")),
        ],
        &properties,
    )
}

pub(super) fn events() -> Shape {
    exact(&[
        ("events", list(reference("Event"))),
        ("losses", list(reference("Loss"))),
        ("snapshot", reference("Snapshot")),
        ("complete_since", complete_since()),
        ("last", last_event()),
        ("next_since", text("`since` of the next request.")),
    ])
}

pub(super) fn expired_events() -> Shape {
    exact(&[
        ("error", error()),
        ("missed", nullable(Type::Integer, "How many events; null if unknown.")),
        ("complete_since", complete_since()),
        ("last", last_event()),
        ("snapshot", reference("Snapshot")),
    ])
}

fn complete_since() -> Shape {
    whole("Every event with a higher serial number is kept.")
}

fn last_event() -> Shape {
    whole("The serial number of the latest event; 0 before the first.")
}
