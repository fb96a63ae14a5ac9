//! Changes as server-sent events (HTML standard, section 9.2), for as long as the client reads.
//!
//! The one idea: nothing is queued for a client. Each stream keeps the place it has reached and, when its
//! client has taken the last piece, writes the next one from whatever beat is the latest by then. So
//! a slow client gets many beats as one, keeps no old beat in memory, and delays nobody.

mod events;
mod telling;

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use conns_api::{Answer, View};
use hyper::body::{Body as HttpBody, Frame};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep_until};

use super::answers::{EVENTS, with_body};
use super::problem::{Problem, repeated};
use super::selection::{Scope, Selection};
use super::{Asked, Native, STREAMS, list};
use telling::{From, Telling};

/// A piece is handed on when it has so many bytes; one record more may be in it.
pub(super) const PIECE_BYTES: usize = 256 * 1024;

/// A comment is sent after so long without an event, so that a client and whatever is between see
/// that the stream lives. Shorter than the idle time of most proxies, which is a minute.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// What a client is told first: to come again after two seconds if the stream ends.
const RETRY: &str = "retry: 2000\n\n";

/// `GET /api/v1/changes`.
pub(super) fn answer(native: &Arc<Native>, asked: &Asked) -> Result<Response, Problem> {
    let query = &asked.query;
    let telling = Telling::new(
        Selection::read(query, Scope::View(View::All))?,
        list::fields(query, Answer::Connections)?,
        query.is_true("updates", true),
        from(asked)?,
    );
    let place = Arc::clone(&native.streams).try_acquire_owned().map_err(|_| {
        Problem::busy("too-many-streams", format!("{STREAMS} streams of changes are open already"))
    })?;
    let (pieces, taken) = mpsc::channel(1);
    tokio::spawn(tell(Arc::clone(native), telling, pieces, place));
    Ok(with_body(EVENTS, Body::new(Taken(taken))))
}

/// Where the client left off.
fn from(asked: &Asked) -> Result<From, Problem> {
    // A browser that reconnects repeats the query of the first time; its header is newer.
    if let Some(header) = asked.headers.get("last-event-id") {
        // Refusing would make a browser give up for good.
        let text = String::from_utf8_lossy(header.as_bytes());
        return Ok(events::parse_id(&text).unwrap_or(From::Elsewhere));
    }
    let Some(since) = asked.query.get("since") else { return Ok(From::Nothing) };
    events::parse_id(since).ok_or_else(|| {
        let message = format!("`since` cannot be `{}`", repeated(since));
        let hint = "give the id of a `beat` event: instance, dash, sequence";
        Problem::bad("bad-parameter", message, hint)
    })
}

/// Tells a client until it goes or the agent ends.
async fn tell(
    native: Arc<Native>,
    mut telling: Telling,
    pieces: mpsc::Sender<Bytes>,
    _place: OwnedSemaphorePermit,
) {
    let mut feed = native.shelves.feed();
    if pieces.send(Bytes::from_static(RETRY.as_bytes())).await.is_err() {
        return;
    }
    let mut told = Instant::now();
    loop {
        // Whatever is published from here on wakes this stream again.
        feed.mark_unchanged();
        loop {
            let turn = tokio::select! {
                turn = Arc::clone(&native.told).acquire_owned() => turn,
                () = pieces.closed() => return,
            };
            let Ok(turn) = turn else { return };
            let native = Arc::clone(&native);
            let written = spawn_blocking(move || {
                let mut piece = Vec::new();
                let has_more = telling.write(native.shelves.latest().beat(), &mut piece);
                drop(turn);
                (telling, Bytes::from(piece), has_more)
            });
            let Ok((back, piece, has_more)) = written.await else { return };
            telling = back;
            if !piece.is_empty() {
                if pieces.send(piece).await.is_err() {
                    return;
                }
                told = Instant::now();
            }
            if !has_more {
                break;
            }
        }
        loop {
            tokio::select! {
                changed = feed.changed() => match changed {
                    Ok(()) => break,
                    Err(_) => return,
                },
                // Counted from what was last told: beats that bring nothing new do not put it off.
                () = sleep_until(told + KEEP_ALIVE) => {
                    if pieces.send(Bytes::from_static(b":\n\n")).await.is_err() {
                        return;
                    }
                    told = Instant::now();
                }
                () = pieces.closed() => return,
            }
        }
    }
}

/// The body of a stream.
struct Taken(mpsc::Receiver<Bytes>);

impl HttpBody for Taken {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
    }
}
