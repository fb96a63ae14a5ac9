//! `GET /api/v1/events` with `at`: what ended and failed up to a moment.

use std::sync::Arc;

use axum::response::Response;
use conns_api::EVENTS_REACH_US;
use conns_core::model::EventLog;
use conns_history::{Times, events_before};

use super::super::context::{Asked, Native};
use super::super::events::{EventSelection, answer};
use super::super::parameters::LIMIT;
use super::{problem, tables, time};
use crate::problem::Problem;
use crate::response::{JSON, whole};

/// The last events before the moment of the request, at most `limit`; without one those that are buffered.
pub(in super::super) fn events(native: &Native, asked: &Asked) -> Result<Response, Problem> {
    if !asked.is_past() {
        return answer(native, asked);
    }
    let query = &asked.query;
    if query.get("since").is_some() {
        let hint = "events of the past are the last ones up to `at`, at most `limit`";
        let message = "`since` does not go with `at`";
        return Err(Problem::bad("conflicting-parameters", message, hint));
    }
    let selection = EventSelection::read(query)?;
    let live = Arc::clone(native.caches.latest().update());
    let to_us = time::at(query, live.snapshot.at.wall_us)?;
    let times = Times { from_us: to_us.saturating_sub(EVENTS_REACH_US), to_us };
    let limit = query.whole(&LIMIT);
    let is_wanted = |event: &_| selection.matches(event);
    let (events, losses) =
        events_before(&mut tables(native, &live)?, times, limit, &is_wanted).map_err(problem)?;
    let mut log = EventLog::after(live.instance, 0);
    log.append(events);
    log.losses = losses.into();
    Ok(whole(JSON, selection.list(&live, &log, 0, limit).into()))
}
