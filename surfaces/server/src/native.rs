//! The agent's own API: connections, verdicts, processes, changes, events, health, metrics, and the document
//! that describes them (docs/api.md). Not: listening, TLS, tokens, limits on clients; that is the
//! shell's.
//!
//! The one idea: one table ([`routes::ROUTES`]) declares each route with its parameters and answers;
//! routing, checking of parameters and the OpenAPI document all come from it.

mod answers;
mod changes;
mod cursor;
mod events;
mod health;
mod list;
mod metrics;
mod one;
mod openapi;
mod pages;
mod parameters;
mod problem;
mod processes;
mod routes;
mod selection;
mod streams;
#[cfg(test)]
mod tests;
mod walks;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use axum::Router;
use axum::extract::Request;
use axum::middleware::map_response;
use axum::response::Response;
use axum::routing::get;
use conns_core::model::Moment;
use http::{HeaderMap, Uri};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

pub(crate) use self::metrics::EventCounts;
use self::parameters::Query;
use self::problem::Problem;
use self::routes::{ROUTES, Route, Work};
use self::walks::Walks;
use crate::caches::ResponseCaches;
use crate::refusals::Refusals;
use crate::snapshot;

/// So many answers are written at once; the others wait for their turn. The watcher and the dialects
/// need the machine too, and two keep two cores busy.
const WRITTEN_AT_ONCE: usize = 2;

/// Most streams of changes and events at once. Each costs a pass over all connections a beat, and if its client is
/// slow three pieces of [`streams::PIECE_BYTES`]: one being sent, one waiting, one being written.
const STREAMS: usize = 32;

/// What the API tells of the agent it is part of.
#[derive(Clone)]
pub(crate) struct About {
    /// Version of the program, for `/api/v1/health` and `/metrics`.
    pub(crate) version: String,
    /// How many processes and listeners have metrics of their own; the others are summed as `other`.
    /// At most [`metrics::TOP_MAX`].
    pub(crate) metrics_top: usize,
    /// Which privileges the agent holds and which it dropped; told by `/api/v1/health` as it is.
    pub(crate) privileges: serde_json::Value,
    /// The clock by which snapshots are dated: the engine's.
    pub(crate) now: Arc<dyn Fn() -> Moment + Send + Sync>,
    /// Clients connected just now, over all ports; counted by the shell.
    pub(crate) clients: Arc<AtomicUsize>,
    /// What the shell refused to clients.
    pub(crate) refusals: Arc<Refusals>,
    /// How many events there were since the start; told of each beat by the shell.
    pub(crate) counts: Arc<EventCounts>,
}

impl fmt::Debug for About {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("About").field("version", &self.version).finish_non_exhaustive()
    }
}

/// What all routes share.
#[derive(Debug)]
struct Native {
    caches: Arc<ResponseCaches>,
    about: About,
    written: Arc<Semaphore>,
    /// The turn of the streams, so that lists do not keep them waiting.
    told: Arc<Semaphore>,
    streams: Arc<Semaphore>,
    walks: Walks,
}

/// One request, checked against its route's declaration.
#[derive(Debug)]
struct Asked {
    query: Query,
    /// What stands for `{id}` in the path; empty where the path has none.
    id: String,
    headers: HeaderMap,
}

/// The routes of the native API, with its answer to paths and methods that nothing answers.
pub(crate) fn router(caches: Arc<ResponseCaches>, about: About) -> Router {
    let native = Arc::new(Native {
        caches: Arc::clone(&caches),
        about,
        written: Arc::new(Semaphore::new(WRITTEN_AT_ONCE)),
        told: Arc::new(Semaphore::new(1)),
        streams: Arc::new(Semaphore::new(STREAMS)),
        walks: Walks::default(),
    });
    let mut router = snapshot::routes().with_state(caches);
    for route in ROUTES.iter().filter(|route| !matches!(route.work, Work::Elsewhere)) {
        let native = Arc::clone(&native);
        let answer = move |request: Request| {
            let native = Arc::clone(&native);
            async move { answer(native, route, request).await.unwrap_or_else(Problem::answer) }
        };
        router = router.route(route.path, get(answer));
    }
    router
        .method_not_allowed_fallback(async || Problem::method().answer())
        .fallback(async |uri: Uri| Problem::path(uri.path()).answer())
        .layer(map_response(guarded))
}

async fn answer(
    native: Arc<Native>,
    route: &'static Route,
    request: Request,
) -> Result<Response, Problem> {
    let is_stream = match route.work {
        Work::Either(..) => events::is_stream(request.headers()),
        _ => false,
    };
    answers::accepted(request.headers(), if is_stream { answers::EVENTS } else { route.media })?;
    let asked = Asked {
        query: Query::read(route.parameters, request.uri())?,
        id: route.id_in(request.uri().path()).to_owned(),
        headers: request.headers().clone(),
    };
    match route.work {
        Work::Light(write) => write(&native, &asked),
        Work::Either(_, open) if is_stream => open(&native, &asked),
        Work::Stream(open) => open(&native, &asked),
        Work::Elsewhere => Err(Problem::path(route.path)),
        Work::Heavy(write) | Work::Either(write, _) => {
            let turn = Arc::clone(&native.written).acquire_owned().await;
            let turn = turn.map_err(|_| Problem::closed())?;
            let written = spawn_blocking(move || {
                let answer = write(&native, &asked);
                drop(turn);
                answer
            });
            // Only a panic or the end of the runtime ends it without an answer.
            written.await.map_err(|_| Problem::closed())?
        }
    }
}

/// Headers every answer has: nothing is kept by anybody, guessed, framed or run.
async fn guarded(mut response: Response) -> Response {
    answers::guard(response.headers_mut());
    response
}
