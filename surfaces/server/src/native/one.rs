//! One connection, and the verdict on it.

use axum::response::Response;
use conns_api::{Answer, RecordWriter};
use conns_core::model::{ClosedConnection, Connection, SocketId, Update};
use http::StatusCode;
use serde_json::{Value, json};

use super::context::{Asked, Native};
use super::list;
use crate::problem::{Problem, repeated};
use crate::response::{JSON, whole};

/// `GET /api/v1/connections/{id}`.
pub(super) fn connection(native: &Native, asked: &Asked) -> Result<Response, Problem> {
    one(native, asked, Answer::Connections)
}

/// `GET /api/v1/connections/{id}/verdict`.
pub(super) fn verdict(native: &Native, asked: &Asked) -> Result<Response, Problem> {
    one(native, asked, Answer::Verdicts)
}

fn one(native: &Native, asked: &Asked, shape: Answer) -> Result<Response, Problem> {
    let id = parse(&asked.id)?;
    let cache = native.caches.latest();
    let update = cache.update();
    let there = update.snapshot.connections.iter().find(|c| c.socket.id == id);
    if let Some(there) = there {
        let mut out = keyed(shape).to_vec();
        record(&mut out, shape, there);
        out.extend_from_slice(format!(",\"snapshot\":{}}}\n", list::snapshot(update)).as_bytes());
        return Ok(whole(JSON, out.into()));
    }
    // The latest: an id may reappear if a sample missed its socket.
    match update.closed.iter().rev().find(|closed| closed.connection.socket.id == id) {
        Some(closed) => Err(closed_lately(update, closed, shape)),
        None => Err(Problem::new(
            StatusCode::NOT_FOUND,
            "no-such-connection",
            format!("no connection has the id {}", asked.id),
            "it never existed or closed long ago; /api/v1/connections?view=all lists the ids",
        )),
    }
}

fn keyed(shape: Answer) -> &'static [u8] {
    match shape {
        Answer::Connections => b"{\"connection\":",
        Answer::Verdicts => b"{\"verdict\":",
    }
}

/// The record with every field.
fn record(out: &mut Vec<u8>, shape: Answer, connection: &Connection) {
    let fields = match shape {
        Answer::Connections => conns_core::query::catalogue().iter().collect(),
        Answer::Verdicts => shape.usual_fields(),
    };
    shape.append(out, &mut RecordWriter::new(&fields), connection);
}

/// 410: it closed recently; its last record is beside the error.
fn closed_lately(update: &Update, closed: &ClosedConnection, shape: Answer) -> Problem {
    let mut last = Vec::new();
    record(&mut last, shape, &closed.connection);
    let key = match shape {
        Answer::Connections => "connection",
        Answer::Verdicts => "verdict",
    };
    let message = "the connection has closed";
    let hint = "its last record is beside this error";
    Problem::new(StatusCode::GONE, "closed", message, hint)
        .beside(key, serde_json::from_slice(&last).unwrap_or(Value::Null))
        .beside("closed", json!({ "sequence": closed.sequence, "at_us": closed.at.wall_us }))
        .beside("snapshot", list::snapshot(update))
}

/// An id: `<inode of the network namespace>-<cookie>`, both decimal.
fn parse(text: &str) -> Result<SocketId, Problem> {
    let number = |text: &str| {
        // `parse` alone takes a sign.
        let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        is_plain.then(|| text.parse().ok())?
    };
    let id = text.split_once('-').and_then(|(netns, cookie)| {
        Some(SocketId { netns: number(netns)?, cookie: number(cookie)? })
    });
    id.ok_or_else(|| {
        Problem::new(
            StatusCode::NOT_FOUND,
            "no-such-connection",
            format!("`{}` is not the id of a connection", repeated(text)),
            "an id is `<inode of the network namespace>-<cookie>`, as in the key `id` of a list",
        )
    })
}
