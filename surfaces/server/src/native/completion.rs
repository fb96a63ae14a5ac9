//! What can stand at a place of a filter: `GET /api/v1/complete`.

use axum::response::Response;
use conns_core::query::complete;
use serde::Serialize;
use utoipa::ToSchema;

use super::context::{Asked, Native};
use crate::problem::Problem;
use crate::response::{JSON, json, whole};

/// `GET /api/v1/complete`.
pub(super) fn answer(_: &Native, asked: &Asked) -> Result<Response, Problem> {
    let filter = asked.query.get("filter").unwrap_or_default();
    let cursor = match asked.query.get("cursor").map(str::parse) {
        None => filter.len(),
        Some(Ok(cursor)) if filter.is_char_boundary(cursor) => cursor,
        Some(_) => {
            let message = "`cursor` is no place between two characters of the filter";
            let hint = "count bytes from the beginning of the filter, at most to its end";
            return Err(Problem::bad("bad-parameter", message, hint));
        }
    };
    let found = complete(filter, cursor);
    let candidates = found.candidates.into_iter();
    let body = json(&CompletionShape {
        start: found.replaced.start,
        end: found.replaced.end,
        candidates: candidates
            .map(|found| CandidateShape { text: found.text, meaning: found.meaning.into() })
            .collect(),
    });
    Ok(whole(JSON, body.into()))
}

/// What can stand at a place of a filter.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Completion)]
pub(super) struct CompletionShape {
    /// First byte of what a candidate replaces.
    start: usize,
    /// The byte behind it.
    end: usize,
    /// What can stand there.
    candidates: Vec<CandidateShape>,
}

/// One text that can stand there.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Candidate)]
pub(super) struct CandidateShape {
    /// The text.
    text: String,
    /// What it means.
    meaning: String,
}
