//! Responses without an end: server-sent events (HTML standard, section 9.2), for as long as the client
//! reads.
//!
//! Invariant: nothing is queued for a client. Each stream keeps the place it has reached and, when its
//! client has taken the last chunk, writes the next one from the latest update and event log. So a slow
//! client gets many updates as one, keeps no old update in memory, and delays no other.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use conns_api::ResumeId;
use conns_core::model::{EventLog, Update};
use conns_dialects::ResponseCache;
use hyper::body::{Body as HttpBody, Frame};
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep_until};

use super::context::{Asked, Native};
use crate::problem::{Problem, repeated};
use crate::response::{EVENTS, json, with_body};
use crate::stream_slots::StreamSlot;

/// A chunk is sent when it has this many bytes; one record more may be in it.
pub(super) const CHUNK_BYTES: usize = 256 * 1024;

/// Interval of comments on a stream without events, which show the client and proxies that it lives.
/// Shorter than the idle timeout of most proxies, which is a minute.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(15);

/// The first lines of a stream: the client reconnects two seconds after it ends.
const RETRY: &str = "retry: 2000\n\n";

/// What a chunk is written from.
pub(super) struct Latest<'a> {
    /// The latest update, and what was written from it already.
    pub(super) cache: &'a ResponseCache,
    /// The latest events.
    pub(super) log: &'a EventLog,
}

impl Latest<'_> {
    pub(super) fn update(&self) -> &Update {
        self.cache.update()
    }
}

/// Which channels a stream is written from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Channels {
    pub(super) updates: bool,
    pub(super) events: bool,
}

/// The state of one client's stream. It does no input or output of its own.
pub(super) trait StreamEncoder: Send + 'static {
    /// The channels whose publications have something for it.
    fn channels(&self) -> Channels;

    /// Appends the next chunk, if there is anything to send; whether there is more after it.
    fn write(&mut self, latest: &Latest<'_>, out: &mut Vec<u8>) -> bool;
}

/// Begins a stream, if there is a slot for one.
pub(super) fn open(native: &Arc<Native>, encoder: impl StreamEncoder) -> Result<Response, Problem> {
    let slot = native.streams.take().map_err(|limit| {
        Problem::busy("too-many-streams", format!("all {limit} streams of limits.streams are open"))
    })?;
    let (chunks, body) = mpsc::channel(1);
    tokio::spawn(send(Arc::clone(native), encoder, chunks, slot));
    Ok(with_body(EVENTS, Body::new(ChunkBody(body))))
}

/// Where a client resumes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Resume {
    /// It has nothing.
    New,
    /// Behind this place.
    After(ResumeId),
    /// Behind an id that is none.
    Invalid,
}

/// The hint to what `since` is.
pub(super) const RESUME_HINT: &str = "give the `id` of an event of the stream, or `next_since` of a \
                                      list: instance, dash, sequence, dash, serial";

/// Where the client resumes, by its header or else the parameter `since`.
pub(super) fn resume(asked: &Asked) -> Result<Resume, Problem> {
    // A browser that reconnects repeats the query of the first request; its header is newer.
    if let Some(header) = asked.headers.get("last-event-id") {
        // A refusal would make a browser give up for good.
        let id = header.to_str().ok().and_then(|text| text.parse().ok());
        return Ok(id.map_or(Resume::Invalid, Resume::After));
    }
    Ok(since(asked)?.map_or(Resume::New, Resume::After))
}

/// The parameter `since`.
pub(super) fn since(asked: &Asked) -> Result<Option<ResumeId>, Problem> {
    let Some(since) = asked.query.get("since") else { return Ok(None) };
    since.parse().map(Some).map_err(|_| {
        let message = format!("`since` cannot be `{}`", repeated(since));
        Problem::bad("bad-parameter", message, RESUME_HINT)
    })
}

/// Appends an event without an id.
pub(super) fn event(out: &mut Vec<u8>, name: &str, data: &impl Serialize) {
    out.extend_from_slice(format!("event: {name}\ndata: ").as_bytes());
    append_data(out, data);
}

/// Appends an event at which a client may resume.
pub(super) fn event_with_id(out: &mut Vec<u8>, name: &str, id: ResumeId, data: &impl Serialize) {
    out.extend_from_slice(format!("event: {name}\nid: {id}\ndata: ").as_bytes());
    append_data(out, data);
}

fn append_data(out: &mut Vec<u8>, data: &impl Serialize) {
    // JSON has an end of line at its end; a second one ends the event.
    out.extend_from_slice(&json(data));
    out.push(b'\n');
}

/// Sends a client its chunks until it disconnects or the agent ends.
async fn send(
    native: Arc<Native>,
    mut encoder: impl StreamEncoder,
    chunks: mpsc::Sender<Bytes>,
    _slot: StreamSlot,
) {
    let channels = encoder.channels();
    let (mut updates, mut events) = (native.caches.updates(), native.caches.events());
    if chunks.send(Bytes::from_static(RETRY.as_bytes())).await.is_err() {
        return;
    }
    let mut sent = Instant::now();
    loop {
        // A publication from here on wakes this stream again.
        updates.mark_unchanged();
        events.mark_unchanged();
        loop {
            let turn = tokio::select! {
                turn = Arc::clone(&native.stream_threads).acquire_owned() => turn,
                () = chunks.closed() => return,
            };
            let Ok(turn) = turn else { return };
            let native = Arc::clone(&native);
            let written = spawn_blocking(move || {
                let mut chunk = Vec::new();
                // In this order, so that the log has every event that was published before the update.
                let cache = native.caches.latest();
                let log = native.caches.event_log();
                let has_more = encoder.write(&Latest { cache: &cache, log: &log }, &mut chunk);
                drop(turn);
                (encoder, Bytes::from(chunk), has_more)
            });
            let Ok((back, chunk, has_more)) = written.await else { return };
            encoder = back;
            if !chunk.is_empty() {
                if chunks.send(chunk).await.is_err() {
                    return;
                }
                sent = Instant::now();
            }
            if !has_more {
                break;
            }
        }
        loop {
            tokio::select! {
                changed = updates.changed() => match changed {
                    Ok(()) if channels.updates => break,
                    Ok(()) => {}
                    Err(_) => return,
                },
                changed = events.changed() => match changed {
                    Ok(()) if channels.events => break,
                    Ok(()) => {}
                    Err(_) => return,
                },
                // From the last chunk on: publications without anything to send do not delay it.
                () = sleep_until(sent + KEEP_ALIVE_INTERVAL) => {
                    if chunks.send(Bytes::from_static(b":\n\n")).await.is_err() {
                        return;
                    }
                    sent = Instant::now();
                }
                () = chunks.closed() => return,
            }
        }
    }
}

/// The body of a stream.
struct ChunkBody(mpsc::Receiver<Bytes>);

impl HttpBody for ChunkBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|chunk| chunk.map(|chunk| Ok(Frame::data(chunk))))
    }
}
