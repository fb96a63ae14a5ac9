//! Answers without an end: server-sent events (HTML standard, section 9.2), for as long as the client
//! reads.
//!
//! The one idea: nothing is queued for a client. Each stream keeps the place it has reached and, when its
//! client has taken the last piece, writes the next one from whatever beat is the latest by then. So
//! a slow client gets many beats as one, keeps no old beat in memory, and delays nobody.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use conns_core::model::Update;
use hyper::body::{Body as HttpBody, Frame};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep_until};

use super::context::{Asked, Native};
use super::list;
use crate::problem::{Problem, repeated};
use crate::response::{EVENTS, with_body};
use crate::stream_slots::StreamSlot;

/// A piece is handed on when it has so many bytes; one record more may be in it.
pub(super) const PIECE_BYTES: usize = 256 * 1024;

/// A comment is sent after so long without an event, so that a client and whatever is between see
/// that the stream lives. Shorter than the idle time of most proxies, which is a minute.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// What a client is told first: to come again after two seconds if the stream ends.
const RETRY: &str = "retry: 2000\n\n";

/// What one client was told, and what to tell it next. Pure: beats in, text out.
pub(super) trait Telling: Send + 'static {
    /// Appends the next piece, if there is anything to tell; whether there is more after it.
    fn write(&mut self, update: &Update, out: &mut Vec<u8>) -> bool;
}

/// Begins a stream, if there is room for one.
pub(super) fn open(native: &Arc<Native>, telling: impl Telling) -> Result<Response, Problem> {
    let place = native.streams.take().map_err(|limit| {
        Problem::busy("too-many-streams", format!("all {limit} streams of limits.streams are open"))
    })?;
    let (pieces, taken) = mpsc::channel(1);
    tokio::spawn(tell(Arc::clone(native), telling, pieces, place));
    Ok(with_body(EVENTS, Body::new(Taken(taken))))
}

/// Where a client says it left off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Left<P> {
    /// It has nothing.
    Nothing,
    /// Behind this place.
    At(P),
    /// Behind something that is not ours.
    Elsewhere,
}

/// Where the client left off, by its header or else the parameter `since`; `read` makes a place of an
/// id, which is of what `hint` says.
pub(super) fn left<P>(
    asked: &Asked,
    read: impl Fn(&str) -> Option<P>,
    hint: &str,
) -> Result<Left<P>, Problem> {
    // A browser that reconnects repeats the query of the first time; its header is newer.
    if let Some(header) = asked.headers.get("last-event-id") {
        // Refusing would make a browser give up for good.
        let text = String::from_utf8_lossy(header.as_bytes());
        return Ok(read(&text).map_or(Left::Elsewhere, Left::At));
    }
    let Some(since) = asked.query.get("since") else { return Ok(Left::Nothing) };
    match read(since) {
        Some(place) => Ok(Left::At(place)),
        None => {
            let message = format!("`since` cannot be `{}`", repeated(since));
            Err(Problem::bad("bad-parameter", message, hint))
        }
    }
}

/// The instance of an agent as ids have it: 16 hexadecimal digits.
pub(super) fn parse_instance(text: &str) -> Option<u64> {
    let is_plain = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_plain.then(|| u64::from_str_radix(text, 16).ok())?
}

/// A whole number without a sign.
pub(super) fn parse_number(text: &str) -> Option<u64> {
    let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_plain.then(|| text.parse().ok())?
}

/// Appends an event without an id.
pub(super) fn event(out: &mut Vec<u8>, name: &str, data: &Value) {
    out.extend_from_slice(format!("event: {name}\ndata: {data}\n\n").as_bytes());
}

/// Appends an event behind which a client may resume: its id is that of the agent's start, and these
/// numbers.
pub(super) fn event_with_id(
    out: &mut Vec<u8>,
    name: &str,
    instance: u64,
    numbers: &[u64],
    data: &Value,
) {
    let mut id = list::instance(instance);
    for number in numbers {
        id.push_str(&format!("-{number}"));
    }
    out.extend_from_slice(format!("event: {name}\nid: {id}\ndata: {data}\n\n").as_bytes());
}

/// Tells a client until it goes or the agent ends.
async fn tell(
    native: Arc<Native>,
    mut telling: impl Telling,
    pieces: mpsc::Sender<Bytes>,
    _place: StreamSlot,
) {
    let mut feed = native.caches.feed();
    if pieces.send(Bytes::from_static(RETRY.as_bytes())).await.is_err() {
        return;
    }
    let mut told = Instant::now();
    loop {
        // Whatever is published from here on wakes this stream again.
        feed.mark_unchanged();
        loop {
            let turn = tokio::select! {
                turn = Arc::clone(&native.stream_turn).acquire_owned() => turn,
                () = pieces.closed() => return,
            };
            let Ok(turn) = turn else { return };
            let native = Arc::clone(&native);
            let written = spawn_blocking(move || {
                let mut piece = Vec::new();
                let has_more = telling.write(native.caches.latest().update(), &mut piece);
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
