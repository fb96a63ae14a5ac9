//! Media streams, and transfers between hosts: `GET /api/v1/streams`, `GET /api/v1/transfers`.

use conns_api::{LossShape, View, write_streams};
use conns_core::media::published_streams;
use conns_core::model::{Connection, Transfer, Update};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::context::{Asked, Native};
use super::selection::{Scope, Selection};
use super::shapes::SnapshotShape;
use crate::problem::Problem;
use crate::response::json;

/// `GET /api/v1/streams`.
pub(super) fn streams(_: &Native, update: &Update, asked: &Asked) -> Result<Vec<u8>, Problem> {
    let selection = Selection::read(&asked.query, Scope::View(View::All))?;
    let all = update.snapshot.connections.iter();
    let chosen: Vec<&Connection> = all.filter(|c| selection.matches(c)).collect();
    let mut body = Vec::new();
    // Writing to memory does not fail.
    let _ = write_streams(&mut body, &published_streams(&chosen), &update.snapshot.losses);
    Ok(body)
}

/// Media streams, each with its server, its publishers and its players.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Streams {
    /// The streams, as `conns streams -o json` has them.
    #[schema(value_type = Vec<Object>)]
    streams: Vec<Value>,
    /// What is missing from the answer.
    losses: Vec<LossShape>,
}

/// `GET /api/v1/transfers`.
pub(super) fn transfers(_: &Native, update: &Update, _: &Asked) -> Result<Vec<u8>, Problem> {
    Ok(json(&Transfers {
        transfers: &update.transfers,
        losses: LossShape::all(&update.snapshot.losses),
        snapshot: SnapshotShape::from(update),
    }))
}

/// Transfers to other hosts.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Transfers<'a> {
    /// The connections of the transfer service to each destination, in order of `connection_id`.
    #[schema(value_type = Vec<Object>)]
    transfers: &'a [Transfer],
    /// What is missing from the answer.
    losses: Vec<LossShape>,
    /// The snapshot they are of.
    snapshot: SnapshotShape,
}
