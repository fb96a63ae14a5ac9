//! Answers about the past: the same as those about the latest update, from what the history kept of a moment.
//!
//! Invariant: the history is read on threads for queries, within [`MAX_TIME`], and moments that were read are kept for later requests,
//! so that pages, orders and totals of one moment read it once.

mod events;
mod line;
mod moments;
mod time;

use std::sync::Arc;
use std::time::Duration;

use conns_core::model::Update;
use conns_history::{BoundedTables, PastError, Times, date, update_at};
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::context::{Asked, Native};
use crate::problem::{ErrorShape, Problem};
pub(super) use events::events;
pub(super) use line::timeline;
pub(super) use moments::Moments;

/// How long reading the history for one request may take, as long as a query in SQL.
const MAX_TIME: Duration = Duration::from_secs(2);
/// Most periods that an error names in its sentence, and in its list.
const NAMED_PERIODS: usize = 3;
const LISTED_PERIODS: usize = 100;

/// What was true at the moment that a request names.
pub(super) fn update(native: &Native, asked: &Asked) -> Result<Arc<Update>, Problem> {
    let live = Arc::clone(native.caches.latest().update());
    let now_us = live.snapshot.at.wall_us;
    let at_us = time::at(&asked.query, now_us)?;
    native.moments.read((at_us, now_us), |number| {
        let mut read = update_at(&mut tables(native, &live)?, at_us).map_err(problem)?;
        let snapshot = Arc::make_mut(&mut read.snapshot);
        snapshot.machine = Arc::clone(&live.snapshot.machine);
        // Orders and cursors of one reading are not those of another.
        snapshot.sequence = number;
        read.instance = live.instance;
        Ok(read)
    })
}

/// The kept tables, or that there are none.
fn tables(native: &Native, live: &Update) -> Result<BoundedTables, Problem> {
    let reader = native.about.history.as_ref().ok_or_else(|| {
        let message = "this agent keeps no history";
        let hint = "`history.size` is 0, or its log has the reason why the file cannot be used";
        Problem::new(StatusCode::NOT_FOUND, "no-history", message, hint)
    })?;
    let session = reader.session().map_err(|error| problem(PastError::Read(error.to_string())))?;
    let mut own = live.snapshot.connections.iter().map(|c| &c.socket.netns);
    let own_netns = own.find(|netns| netns.is_own).map(|netns| netns.inode);
    Ok(BoundedTables::new(session, own_netns, MAX_TIME))
}

/// A time in which an agent sampled.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Period {
    /// Since when: microseconds since 1970-01-01 UTC.
    from_us: i64,
    /// Until when.
    to_us: i64,
}

/// That a moment was not kept, with the times of which there is something.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct NotKept {
    /// That it was not kept, and why.
    error: ErrorShape,
    /// When an agent sampled: the latest 100 times, oldest first; absent if there is none, or `at` is not why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    periods: Vec<Period>,
}

fn problem(error: PastError) -> Problem {
    let message = error.to_string();
    match error {
        PastError::NotSampled { periods, .. } => {
            let hint = match periods.is_empty() {
                true => "ask again when an agent has sampled".to_owned(),
                false => format!("an agent sampled {}", named(&periods)),
            };
            let first = periods.len().saturating_sub(LISTED_PERIODS);
            let periods = periods.iter().skip(first);
            let periods =
                periods.map(|one| Period { from_us: one.from_us, to_us: one.to_us }).collect();
            Problem::new(StatusCode::NOT_FOUND, "not-kept", message, hint)
                .within(|error| NotKept { error, periods })
        }
        PastError::Removed { .. } => {
            let hint = "ask for a later moment, or give the history more space: `history.size`";
            Problem::new(StatusCode::NOT_FOUND, "not-kept", message, hint)
                .within(|error| NotKept { error, periods: Vec::new() })
        }
        PastError::TooCostly => {
            let hint = "ask for less: a shorter time, or fewer parts";
            Problem::bad("query-too-costly", message, hint)
        }
        PastError::Read(_) => {
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            Problem::new(status, "query-failed", message, "the log of the agent has more")
        }
    }
}

/// The last of some periods in words.
fn named(periods: &[Times]) -> String {
    let first = periods.len().saturating_sub(NAMED_PERIODS);
    let word = |one: &Times| format!("from {} to {}", date(one.from_us), date(one.to_us));
    let words: Vec<String> = periods.iter().skip(first).map(word).collect();
    match first {
        0 => words.join(", "),
        more => format!("{}, and {more} times before", words.join(", ")),
    }
}
