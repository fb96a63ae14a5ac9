//! `POST /api/v1/sql`: one `select` over the tables of the latest snapshot.

use axum::response::Response;
use conns_api::{LossShape, field_json, write_sql};
use conns_history::{KeptIn, QueryBounds, QueryError, kept_tables, live_tables, query};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::context::{Asked, Native};
use super::parameters::LIMIT;
use super::shapes::SnapshotShape;
use crate::problem::Problem;
use crate::response::{JSON, whole};

/// Answers the query in the body of the request.
pub(super) fn answer(native: &Native, asked: &Asked, body: &[u8]) -> Result<Response, Problem> {
    if !native.about.sql {
        let hint = "the configuration of the agent has `history.sql = false`";
        return Err(Problem::new(http::StatusCode::FORBIDDEN, "sql-off", "SQL is off", hint));
    }
    let sql = std::str::from_utf8(body).map_err(|_| {
        let hint = "send one `select` as UTF-8";
        Problem::bad("bad-sql", "the query is no text in UTF-8", hint)
    })?;
    let cache = native.caches.latest();
    let update = cache.update();
    let limit = asked.query.get(LIMIT.name).map(|_| asked.query.whole(&LIMIT));
    let usual = QueryBounds::default();
    let bounds = QueryBounds { rows: limit.unwrap_or(usual.rows), ..usual };
    let mut tables = live_tables(update, field_json);
    let kept = kept(native);
    tables.extend(kept_tables(&kept));
    let answer = query(&tables, sql, bounds)?;
    let mut losses = update.snapshot.losses.clone();
    losses.extend(kept.iter().flat_map(|session| session.losses()));
    let mut text = Vec::new();
    // Writing to memory does not fail.
    let _ = write_sql(&mut text, &answer, &losses, &SnapshotShape::from(&**update));
    Ok(whole(JSON, text.into()))
}

/// What the history is read from.
fn kept(native: &Native) -> KeptIn {
    let none = "this agent keeps no history: `history.size` is 0, or its log has the reason why the file cannot be used";
    let reader = native.about.history.as_ref().ok_or_else(|| none.to_owned())?;
    reader.session().map_err(|error| error.to_string())
}

impl From<QueryError> for Problem {
    fn from(error: QueryError) -> Self {
        let message = error.to_string();
        match error {
            QueryError::Invalid(_) | QueryError::NotOne(_) | QueryError::NotPermitted => {
                let hint = "docs/sql.md has the tables; their columns are those of /api/v1/fields";
                Self::bad("bad-sql", message, hint)
            }
            QueryError::TooLong(_) | QueryError::TooLarge(_) => {
                let hint = "add `where`, or group by fewer columns";
                Self::bad("query-too-costly", message, hint)
            }
            QueryError::Failed(_) => {
                let status = http::StatusCode::INTERNAL_SERVER_ERROR;
                Self::new(status, "query-failed", message, "the log of the agent has more")
            }
        }
    }
}

/// The answer to a query in SQL.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SqlRows {
    /// The names of the columns, in their order.
    columns: Vec<String>,
    /// The rows: an object each, with the names of the columns as keys. What is unknown is null.
    #[schema(value_type = Vec<Object>)]
    rows: Vec<Map<String, Value>>,
    /// Whether there are more rows than `limit`, or than fit into 32 MiB.
    has_more: bool,
    /// What is missing from the snapshot, and from the rows that were read of the history.
    losses: Vec<LossShape>,
    /// The snapshot.
    snapshot: SnapshotShape,
}
