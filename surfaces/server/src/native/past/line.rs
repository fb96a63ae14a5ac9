//! `GET /api/v1/timeline`: a time in equal parts, and what was kept of each.

use std::sync::Arc;

use axum::response::Response;
use conns_api::{TimelineShape, is_problem};
use conns_history::{Times, timeline as read};

use super::super::context::{Asked, Native};
use super::super::parameters::{BUCKETS, FROM, TO};
use super::{problem, tables, time};
use crate::problem::Problem;
use crate::response::{JSON, json, whole};

/// The time without `from`: an hour.
const USUAL_US: i64 = 3_600_000_000;

/// `GET /api/v1/timeline`.
pub(in super::super) fn timeline(native: &Native, asked: &Asked) -> Result<Response, Problem> {
    let live = Arc::clone(native.caches.latest().update());
    let now_us = live.snapshot.at.wall_us;
    let to_us = time::read(&asked.query, &TO)?.unwrap_or(now_us).min(now_us);
    let from_us = time::read(&asked.query, &FROM)?;
    let from_us = from_us.unwrap_or_else(|| to_us.saturating_sub(USUAL_US));
    if from_us >= to_us {
        let hint = "`from` is before `to`, and `to` is the last sample if it is not given";
        return Err(Problem::bad("bad-parameter", "the time from `from` to `to` is empty", hint));
    }
    let times = Times { from_us, to_us };
    let buckets = asked.query.whole(&BUCKETS);
    let line = read(&mut tables(native, &live)?, times, buckets, &is_problem).map_err(problem)?;
    Ok(whole(JSON, json(&TimelineShape::from(&line)).into()))
}
