//! Health of the agent: `GET /api/v1/health` and `/health`.

use std::sync::atomic::Ordering;

use axum::response::Response;
use conns_api::AbilityShapes;
use conns_core::model::{Health, Loss, Moment};
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::context::{Asked, Native};
use super::list;
use crate::problem::Problem;
use crate::response::{JSON, whole};

/// Age in intervals from which a snapshot is stale.
const STALE_AFTER_INTERVALS: u64 = 3;

/// Why there is no fresh snapshot; `None` if there is one.
pub(super) fn trouble(health: &Health, at: Moment, now: Moment) -> Option<String> {
    if let Some(why) = &health.failing {
        return Some(why.to_string());
    }
    let age_us = now.monotonic_us.saturating_sub(at.monotonic_us);
    let is_stale = age_us > health.interval_us.saturating_mul(STALE_AFTER_INTERVALS);
    is_stale.then(|| format!("the last sample began {} ms ago", age_us / 1000))
}

/// `GET /api/v1/health`: 200, or 503 if there is no fresh snapshot.
pub(super) fn answer(native: &Native, _: &Asked) -> Result<Response, Problem> {
    let cache = native.caches.latest();
    let (update, about) = (cache.update(), &native.about);
    let (health, at) = (&update.health, update.snapshot.at);
    let now = (about.now)();
    let trouble = trouble(health, at, now);
    let is_whole = update.snapshot.losses.is_empty()
        && health.losses.is_empty()
        && health.abilities.iter().all(|ability| ability.missing.is_none());
    let status = match (&trouble, is_whole) {
        (Some(_), _) => "failing",
        (None, false) => "degraded",
        (None, true) => "ok",
    };
    let refused: Map<String, Value> = about
        .refusals
        .list()
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(name, count)| (name.to_owned(), count.into()))
        .collect();
    let cost = health.cost;
    let body = json!({
        "status": status,
        "failing": trouble,
        "version": about.version,
        "snapshot": list::snapshot(update),
        "age_us": now.monotonic_us.saturating_sub(at.monotonic_us),
        "started_us": health.started.wall_us,
        "interval_us": health.interval_us,
        "sockets": update.snapshot.connections.len(),
        "samples": {
            "done": health.samples, "skipped": health.samples_skipped,
            "lateness_us": health.lateness_us, "lateness_max_us": health.lateness_max_us,
        },
        "abilities": AbilityShapes(&health.abilities),
        "reconciliation_differences": health.reconciliation_differences,
        "losses": {
            "snapshot": losses(&update.snapshot.losses), "agent": losses(&health.losses),
        },
        "cost": {
            "cpu_us": cost.cpu_us, "sample_cpu_us": cost.sample_cpu_us,
            "resident_bytes": cost.resident_bytes,
            "resident_peak_bytes": cost.resident_peak_bytes,
        },
        "readers": {
            "clients": native.clients.load(Ordering::Relaxed),
            "streams": native.streams.open(),
            "refused": refused,
        },
        "privileges": (about.privileges)(),
    });
    let mut response = whole(JSON, format!("{body}\n").into());
    if trouble.is_some() {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    Ok(response)
}

fn losses(losses: &[Loss]) -> Vec<Value> {
    let shape = |loss: &Loss| {
        json!({
            "kind": loss.kind().name(), "count": loss.count,
            "source": loss.source.to_string(), "message": loss.to_string(),
        })
    };
    losses.iter().map(shape).collect()
}
