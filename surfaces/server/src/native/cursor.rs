//! Cursors of one request: written for a place in its list, and read if they are of the same list.

use std::hash::{DefaultHasher, Hash, Hasher};

use conns_api::{Cursor, PagePlace};
use http::StatusCode;

use conns_core::model::Update;

use super::parameters::{AT, Query};
use crate::problem::Problem;

/// What a cursor belongs to: the agent's instance and what was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Context {
    instance: u64,
    question: u64,
}

impl Context {
    /// Of this path and its parameters except those of paging.
    pub(super) fn new(update: &Update, path: &str, query: &Query) -> Self {
        let instance = match query.get(AT.name) {
            // Each reading of a moment of the past is a list of its own.
            Some(_) => update.instance.wrapping_add(update.snapshot.sequence),
            None => update.instance,
        };
        // With fixed keys, so that it is the same at each request.
        let mut hasher = DefaultHasher::new();
        path.hash(&mut hasher);
        for pair in query.without_paging() {
            pair.hash(&mut hasher);
        }
        Self { instance, question: hasher.finish() }
    }

    /// The cursor of `place`.
    pub(super) fn write(self, place: PagePlace) -> String {
        let Self { instance, question } = self;
        Cursor { instance, question, place }.to_string()
    }

    /// The place of the request's cursor, if it has one.
    pub(super) fn read(self, query: &Query) -> Result<Option<PagePlace>, Problem> {
        query.get("cursor").map(|text| self.read_text(text)).transpose()
    }

    /// The place of this cursor.
    pub(super) fn read_text(self, text: &str) -> Result<PagePlace, Problem> {
        let Ok(cursor) = text.parse::<Cursor>() else {
            let hint = "give `next_cursor` of the page before, as it is";
            return Err(Problem::bad("bad-cursor", "this is no cursor of this API", hint));
        };
        if cursor.instance != self.instance {
            return Err(expired(
                "the agent was restarted since this cursor was given, or has read this moment of the past anew",
            ));
        }
        if cursor.question != self.question {
            let hint = "only `limit` and `fields` may differ from page to page";
            let message = "this cursor was given for another question";
            return Err(Problem::bad("cursor-of-another-question", message, hint));
        }
        Ok(cursor.place)
    }
}

/// 410: the place does not exist any more.
pub(super) fn expired(message: &str) -> Problem {
    Problem::new(StatusCode::GONE, "cursor-expired", message, "begin anew, without a cursor")
}
