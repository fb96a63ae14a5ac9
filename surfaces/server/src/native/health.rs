//! Health of the agent: `GET /api/v1/health` and `/health`.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::response::Response;
use conns_api::{AbilityShape, LossShape};
use conns_core::model::{Health, Loss, LossCause, Moment};
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::context::{Asked, Native};
use super::shapes::SnapshotShape;
use crate::problem::Problem;
use crate::response::{JSON, json, whole};

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

/// How long a loss of events counts as one of the present.
const RECENT: Duration = Duration::from_secs(60);

/// Whether the agent misses events, its link server or its history now, or has lost events lately: readers are informed of each loss when it
/// happens, and an earlier one does not affect what they read now.
pub(super) fn loses(health: &Health, now: Moment) -> bool {
    let is_condition = |loss: &Loss| {
        matches!(
            loss.cause,
            LossCause::PollingFallback { .. }
                | LossCause::LinkServerEnded { is_running: false, .. }
                | LossCause::HistoryNotWritten { .. }
        )
    };
    let is_recent = health.lost_at.is_some_and(|at| now.since(at) < RECENT);
    is_recent || health.losses.iter().any(is_condition)
}

/// `GET /api/v1/health`: 200, or 503 if there is no fresh snapshot.
pub(super) fn answer(native: &Native, _: &Asked) -> Result<Response, Problem> {
    let cache = native.caches.latest();
    let (update, about) = (cache.update(), &native.about);
    let (health, at) = (&update.health, update.snapshot.at);
    let now = (about.now)();
    let trouble = trouble(health, at, now);
    let is_whole = update.snapshot.losses.is_empty()
        && !loses(health, now)
        && health.abilities.iter().all(|ability| ability.missing.is_none());
    let status = match (&trouble, is_whole) {
        (Some(_), _) => Status::Failing,
        (None, false) => Status::Degraded,
        (None, true) => Status::Ok,
    };
    let is_failing = trouble.is_some();
    let refused = about.refusals.list().into_iter().filter(|(_, count)| *count > 0);
    let cost = health.cost;
    let body = json(&HealthShape {
        status,
        failing: trouble,
        version: &about.version,
        snapshot: SnapshotShape::from(&**update),
        age_us: now.monotonic_us.saturating_sub(at.monotonic_us),
        started_us: health.started.wall_us,
        interval_us: health.interval_us,
        sockets: update.snapshot.connections.len(),
        samples: Samples {
            done: health.samples,
            skipped: health.samples_skipped,
            lateness_us: health.lateness_us,
            lateness_max_us: health.lateness_max_us,
        },
        abilities: AbilityShape::all(&health.abilities),
        reconciliation_differences: health.reconciliation_differences,
        losses: HealthLosses {
            snapshot: LossShape::all(&update.snapshot.losses),
            agent: LossShape::all(&health.losses),
        },
        cost: CostShape {
            cpu_us: cost.cpu_us,
            sample_cpu_us: cost.sample_cpu_us,
            resident_bytes: cost.resident_bytes,
            resident_peak_bytes: cost.resident_peak_bytes,
        },
        readers: Readers {
            clients: native.clients.load(Ordering::Relaxed),
            streams: native.streams.open(),
            refused: refused.collect(),
        },
        privileges: (about.privileges)(),
    });
    let mut response = whole(JSON, body.into());
    if is_failing {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    Ok(response)
}

/// Health of the agent.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Health)]
pub(super) struct HealthShape<'a> {
    /// Summary.
    status: Status,
    /// Why there is no fresh snapshot; null if there is.
    #[schema(required)]
    failing: Option<String>,
    /// Version of the agent.
    version: &'a str,
    /// The latest snapshot.
    snapshot: SnapshotShape,
    /// Age of the snapshot.
    age_us: u64,
    /// When the agent started: microseconds since 1970-01-01 UTC.
    started_us: i64,
    /// Time between two samples.
    interval_us: u64,
    /// Sockets in the snapshot.
    sockets: usize,
    /// Samples since the start.
    samples: Samples,
    /// What the agent does where the system lets it.
    abilities: Vec<AbilityShape<'a>>,
    /// Cached owners that a full scan found to be outdated.
    reconciliation_differences: u64,
    /// What is missing.
    losses: HealthLosses,
    /// What the agent itself takes.
    cost: CostShape,
    /// Clients of the agent.
    readers: Readers,
    /// The privileges the agent kept and dropped.
    privileges: serde_json::Value,
}

/// Whether the agent samples, and anything is missing.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Status {
    /// Nothing is missing.
    Ok,
    /// Something is missing.
    Degraded,
    /// There is no fresh snapshot.
    Failing,
}

/// Samples since the start.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Samples {
    /// Samples taken.
    done: u64,
    /// Samples skipped because an earlier one took too long.
    skipped: u64,
    /// Delay of the last sample behind its schedule.
    lateness_us: u64,
    /// Maximum delay of a sample behind its schedule.
    lateness_max_us: u64,
}

/// What is missing.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct HealthLosses {
    /// From the snapshot.
    snapshot: Vec<LossShape>,
    /// From the agent's own work since it started.
    agent: Vec<LossShape>,
}

/// What the agent itself takes.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Cost)]
pub(super) struct CostShape {
    /// CPU time since the start.
    cpu_us: u64,
    /// CPU time of the last sample.
    sample_cpu_us: u64,
    /// Resident memory.
    resident_bytes: u64,
    /// Its peak.
    resident_peak_bytes: u64,
}

/// Clients of the agent.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Readers {
    /// Clients connected.
    clients: usize,
    /// Streams of changes and events open.
    streams: usize,
    /// Refusals to clients, by limit.
    refused: BTreeMap<&'static str, u64>,
}
