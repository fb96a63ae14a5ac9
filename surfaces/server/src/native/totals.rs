//! Totals over connections: how many, their rates, and how many have a problem: `GET /api/v1/totals`.

use conns_api::{ClassWord, LossShape, View, is_problem};
use conns_core::model::Update;
use conns_core::query::{Sum, total};
use serde::Serialize;
use utoipa::ToSchema;

use super::context::{Asked, Native};
use super::selection::{Scope, Selection};
use super::shapes::SnapshotShape;
use crate::problem::Problem;
use crate::response::json;

/// `GET /api/v1/totals`.
pub(super) fn answer(_: &Native, update: &Update, asked: &Asked) -> Result<Vec<u8>, Problem> {
    let selection = Selection::read(&asked.query, Scope::View(View::Connections))?;
    let chosen = update.snapshot.connections.iter().filter(|c| selection.matches(c));
    let all = total(chosen);
    let rate = |sum: Sum<f64>| sum.known_total().map(|rate| (rate * 1e3).round() / 1e3);
    let problems = all.verdicts.iter().filter(|(class, _)| is_problem(*class));
    Ok(json(&Totals {
        connections: all.count,
        rate_out_bytes_per_s: rate(all.rate_out),
        rate_in_bytes_per_s: rate(all.rate_in),
        rates_unknown: all.rate_out.unknown,
        problems: problems
            .map(|(class, count)| Problems { verdict: ClassWord(*class), connections: *count })
            .collect(),
        losses: LossShape::all(&update.snapshot.losses),
        snapshot: SnapshotShape::from(update),
    }))
}

/// Totals over connections.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Totals {
    /// How many match.
    connections: usize,
    /// Payload sent a second, of those whose rate is known; null if none is.
    #[schema(required)]
    rate_out_bytes_per_s: Option<f64>,
    /// Payload received a second, of those whose rate is known; null if none is.
    #[schema(required)]
    rate_in_bytes_per_s: Option<f64>,
    /// Connections whose rate is unknown.
    rates_unknown: usize,
    /// Verdicts with something to be mended, the most frequent first.
    problems: Vec<Problems>,
    /// What is missing from the answer.
    losses: Vec<LossShape>,
    /// The snapshot they are of.
    snapshot: SnapshotShape,
}

/// Connections with one verdict.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = VerdictCount)]
pub(super) struct Problems {
    /// The verdict.
    verdict: ClassWord,
    /// How many.
    connections: usize,
}
