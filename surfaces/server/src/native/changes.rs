//! Changes as server-sent events: `GET /api/v1/changes`.

mod lists;
mod telling;

use std::sync::Arc;

use axum::response::Response;
use conns_api::{Answer, View};

use super::context::{Asked, Native};
use super::selection::{Scope, Selection};
use super::{events, list, streams};
use crate::problem::Problem;
use telling::{ChangesTelling, Wanted};

/// `GET /api/v1/changes`.
pub(super) fn answer(native: &Arc<Native>, asked: &Asked) -> Result<Response, Problem> {
    let query = &asked.query;
    let hint = "give the id of a `beat` event: instance, dash, sequence, dash, serial";
    let telling = ChangesTelling::new(
        Selection::read(query, Scope::View(View::All))?,
        list::fields(query, Answer::Connections)?,
        Wanted {
            updates: query.is_true("updates", true),
            events: query.is_true("events", true),
            event_fields: events::fields(query)?,
        },
        streams::left(asked, telling::parse_id, hint)?,
    );
    streams::open(native, telling)
}
