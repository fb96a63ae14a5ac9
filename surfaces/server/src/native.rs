//! The agent's own API: connections, verdicts, processes, changes, events, health, metrics, and the
//! document that describes them (docs/api.md).
//!
//! Invariant: one table ([`routes::ROUTES`]) declares each route with its parameters and responses;
//! routing, parsing of parameters and the OpenAPI document all derive from it.

mod accept;
mod changes;
mod completion;
mod context;
mod cursor;
mod events;
mod health;
mod kept_orders;
mod list;
mod media;
mod metrics;
mod metrics_counts;
mod metrics_totals;
mod one;
mod openapi;
mod pages;
mod parameters;
mod past;
mod processes;
mod routes;
mod selection;
mod serial_index;
mod shapes;
mod sorted_orders;
mod sql;
mod streams;
#[cfg(test)]
mod tests;
mod totals;
mod window;
mod window_orders;

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::middleware::map_response;
use axum::response::Response;
use axum::routing::{get, post};
use bytes::Bytes;
use conns_core::model::Update;
use http::Uri;

use self::context::{Asked, Handler, Native, Respond, Route, Write, WriteBody};
use self::parameters::Query;
use self::routes::ROUTES;
use crate::blocking::Work;
use crate::problem::Problem;
use crate::response::{EVENTS, set_common_headers, whole};
use crate::routing::MAX_API_BODY;
use crate::snapshot;

/// The OpenAPI document, as `/api/v1/openapi.json` serves it.
#[must_use]
pub fn openapi_document() -> String {
    openapi::text(routes::ROUTES)
}

pub(crate) use self::context::Shared;
pub(crate) use self::metrics_counts::EventCounts;

/// The routes of the API, with its response to unknown paths and methods.
pub(crate) fn router(shared: Shared) -> Router {
    let mut router =
        snapshot::routes(Arc::clone(&shared.pool)).with_state(Arc::clone(&shared.caches));
    let native = Arc::new(Native::new(shared, ROUTES));
    for route in ROUTES.iter().filter(|route| !matches!(route.handler, Handler::Elsewhere)) {
        let native = Arc::clone(&native);
        let answer = move |request: Request| {
            let native = Arc::clone(&native);
            async move { answer(native, route, request).await.unwrap_or_else(Problem::answer) }
        };
        let method = match route.handler {
            Handler::Query(_) => post(answer),
            _ => get(answer),
        };
        router = router.route(route.path, method);
    }
    router
        .method_not_allowed_fallback(async |uri: Uri| method_not_allowed(uri.path()))
        .fallback(async |uri: Uri| Problem::path(uri.path()).answer())
        .layer(map_response(common_headers))
}

async fn answer(
    native: Arc<Native>,
    route: &'static Route,
    request: Request,
) -> Result<Response, Problem> {
    let is_stream = match route.handler {
        Handler::Either(..) => events::is_stream(request.headers()),
        _ => false,
    };
    // Metrics have two types, and choose.
    if !matches!(route.handler, Handler::Metrics(_)) {
        accept::accepted(request.headers(), if is_stream { EVENTS } else { route.media })?;
    }
    let asked = Asked {
        query: Query::read(route.parameters, request.uri())?,
        id: route.id_in(request.uri().path()).to_owned(),
        headers: request.headers().clone(),
    };
    match route.handler {
        Handler::Query(respond) => queried(native, respond, asked, request).await,
        Handler::Heavy(write) | Handler::Cached(write) if asked.is_past() => {
            of_update(native, (Work::Query, route.media), past::update, write, asked).await
        }
        Handler::Light(write) => write(&native, &asked),
        Handler::Either(_, open) if is_stream => open(&native, &asked),
        Handler::Stream(open) => open(&native, &asked),
        Handler::Elsewhere => Err(Problem::path(route.path)),
        Handler::Heavy(write) => {
            of_update(native, (Work::Answer, route.media), latest, write, asked).await
        }
        Handler::History(write) => blocking(native, Work::Query, write, asked).await,
        Handler::Either(write, _) => {
            let work = if asked.is_past() { Work::Query } else { Work::Answer };
            blocking(native, work, write, asked).await
        }
        Handler::Metrics(write) => blocking(native, Work::Metrics, write, asked).await,
        Handler::Cached(write) => cached(native, route, write, asked).await,
    }
}

/// The answer to the query in the body, which was read before.
async fn queried(
    native: Arc<Native>,
    respond: Respond,
    asked: Asked,
    request: Request,
) -> Result<Response, Problem> {
    let body = axum::body::to_bytes(request.into_body(), MAX_API_BODY).await;
    let body = body.map_err(|_| Problem::closed())?;
    let pool = Arc::clone(&native.pool);
    let work = move || respond(&native, &asked, &body);
    pool.run(Work::Query, work).await.map_err(|_| Problem::closed())?
}

/// The response to a request of a path with a method that it has not.
fn method_not_allowed(path: &str) -> Response {
    let is_query =
        ROUTES.iter().any(|route| route.path == path && matches!(route.handler, Handler::Query(_)));
    Problem::method(if is_query { "POST" } else { "GET, HEAD" })
}

async fn blocking(
    native: Arc<Native>,
    work: Work,
    write: Write,
    asked: Asked,
) -> Result<Response, Problem> {
    let pool = Arc::clone(&native.pool);
    pool.run(work, move || write(&native, &asked)).await.map_err(|_| Problem::closed())?
}

/// The body that `write` makes of the update that `find` gives, on a blocking thread.
async fn of_update(
    native: Arc<Native>,
    (work, media): (Work, &'static str),
    find: fn(&Native, &Asked) -> Result<Arc<Update>, Problem>,
    write: WriteBody,
    asked: Asked,
) -> Result<Response, Problem> {
    let pool = Arc::clone(&native.pool);
    let made = move || write(&native, &*find(&native, &asked)?, &asked);
    let body = pool.run(work, made).await.map_err(|_| Problem::closed())??;
    Ok(whole(media, body.into()))
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "as the update of a moment of the past, which may not be kept"
)]
fn latest(native: &Native, _: &Asked) -> Result<Arc<Update>, Problem> {
    Ok(Arc::clone(native.caches.latest().update()))
}

/// The body from the latest update; without parameters from the response cache.
async fn cached(
    native: Arc<Native>,
    route: &'static Route,
    write: WriteBody,
    asked: Asked,
) -> Result<Response, Problem> {
    let cache = native.caches.latest();
    let is_plain = asked.query.is_plain();
    let write = || {
        let (native, cache) = (Arc::clone(&native), Arc::clone(&cache));
        async move {
            let pool = Arc::clone(&native.pool);
            let written = pool.run(Work::Answer, move || write(&native, cache.update(), &asked));
            written.await.map_err(|_| Problem::closed())?.map(Bytes::from)
        }
    };
    let body = match is_plain {
        true => cache.list_once(route.path, write).await?,
        false => write().await?,
    };
    Ok(whole(route.media, body))
}

/// Headers of every response: not cached, not sniffed, not framed, without scripts.
async fn common_headers(mut response: Response) -> Response {
    set_common_headers(response.headers_mut());
    response
}
