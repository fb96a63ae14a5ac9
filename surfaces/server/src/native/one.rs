//! One connection, and the verdict on it.

use conns_api::Answer;
use conns_core::model::{self, SocketId, Update};
use http::StatusCode;

use super::context::{Asked, Native};
use super::shapes::{
    ClosedConnection, ClosedShape, ClosedVerdict, ConnectionRecord, OneConnection, OneVerdict,
    SnapshotShape,
};
use crate::problem::{Problem, repeated};
use crate::response::json;

/// `GET /api/v1/connections/{id}`.
pub(super) fn connection(_: &Native, update: &Update, asked: &Asked) -> Result<Vec<u8>, Problem> {
    one(update, asked, Answer::Connections)
}

/// `GET /api/v1/connections/{id}/verdict`.
pub(super) fn verdict(_: &Native, update: &Update, asked: &Asked) -> Result<Vec<u8>, Problem> {
    one(update, asked, Answer::Verdicts)
}

fn one(update: &Update, asked: &Asked, shape: Answer) -> Result<Vec<u8>, Problem> {
    let id = parse(&asked.id)?;
    let there = update.snapshot.connections.iter().find(|c| c.socket.id == id);
    if let Some(there) = there {
        let snapshot = SnapshotShape::from(update);
        let body = match shape {
            Answer::Connections => {
                let explains = asked.query.get("explain") == Some("1");
                let connection = ConnectionRecord::new(there, explains);
                json(&OneConnection { connection, snapshot })
            }
            Answer::Verdicts => json(&OneVerdict { verdict: there.into(), snapshot }),
        };
        return Ok(body);
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

/// 410: it closed recently; its last record is beside the error.
fn closed_lately(update: &Update, closed: &model::ClosedConnection, shape: Answer) -> Problem {
    let message = "the connection has closed";
    let hint = "its last record is beside this error";
    let problem = Problem::new(StatusCode::GONE, "closed", message, hint);
    let (last, closed) = (&closed.connection, ClosedShape::from(closed));
    let snapshot = SnapshotShape::from(update);
    match shape {
        Answer::Connections => problem.within(|error| ClosedConnection {
            error,
            closed,
            snapshot,
            connection: ConnectionRecord::new(last, false),
        }),
        Answer::Verdicts => {
            problem.within(|error| ClosedVerdict { error, closed, snapshot, verdict: last.into() })
        }
    }
}

/// An id: `<inode of the network namespace>-<cookie>`, both decimal.
pub(super) fn parse(text: &str) -> Result<SocketId, Problem> {
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
