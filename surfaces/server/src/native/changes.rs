//! Changes as server-sent events: `GET /api/v1/changes`.

mod delta_stream;
mod record_lists;

use std::sync::Arc;

use axum::response::Response;
use conns_api::{Answer, View};

use super::context::{Asked, Native};
use super::selection::{Scope, Selection};
use super::{events, list, streams};
use crate::problem::Problem;
use delta_stream::{DeltaStream, Parts};

/// `GET /api/v1/changes`.
pub(super) fn answer(native: &Arc<Native>, asked: &Asked) -> Result<Response, Problem> {
    let query = &asked.query;
    let stream = DeltaStream::new(
        Selection::read(query, Scope::View(View::All))?,
        list::fields(query, Answer::Connections)?,
        Parts {
            updates: query.is_true("updates", true),
            events: query.is_true("events", true),
            event_fields: events::fields(query)?,
        },
        streams::resume(asked)?,
    );
    streams::open(native, stream)
}
