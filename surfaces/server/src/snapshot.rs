//! `GET /api/v1/snapshot` and `/api/v1/snapshot/events`: updates and events for `conns --agent`, in a
//! versioned binary format.
//!
//! A client names what it has, its request waits for something newer, and the response has what
//! changed. Other programs find the same in `/api/v1/changes` and `/api/v1/events`.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use axum::routing::get;
use bytes::Bytes;
use conns_api::{
    AgentError, Ask, EVENTS_PATH, EVENTS_TYPE, EventsQuery, QueryError, SNAPSHOT_PATH,
    SNAPSHOT_TYPE, UpdateQuery, VersionRange, encode_events, encode_update,
};
use conns_core::model::Update;
use http::{HeaderValue, StatusCode, header};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::blocking::{BlockingPool, Work};
use crate::caches::ResponseCaches;
use crate::problem::Problem;

/// Longest wait for what is asked for; then the latest is sent, and the client asks again. Below the
/// time a request may take in all (`Limits::WORK_TIME`).
const MAX_WAIT: Duration = Duration::from_secs(20);

/// The routes.
pub(crate) fn routes(pool: Arc<BlockingPool>) -> Router<Arc<ResponseCaches>> {
    let also = Arc::clone(&pool);
    Router::new()
        .route(SNAPSHOT_PATH, get(|State(caches), RawQuery(query)| answer(caches, query, pool)))
        .route(
            EVENTS_PATH,
            get(|State(caches), RawQuery(query)| answer_events(caches, query, also)),
        )
}

async fn answer(
    caches: Arc<ResponseCaches>,
    query: Option<String>,
    pool: Arc<BlockingPool>,
) -> Response {
    let query = match UpdateQuery::from_query(query.as_deref().unwrap_or_default()) {
        Ok(query) => query,
        Err(error) => return bad_query(&error, "/api/v1/connections"),
    };
    if let Some(refusal) = no_common_version(query.versions) {
        return refusal;
    }
    // While sources fail there is no new snapshot, only the news of that.
    let is_due = |update: &Update, is_first: bool| {
        query.is_due(update) || !is_first && update.health.failing.is_some()
    };
    let update = newest(caches.updates(), MAX_WAIT, is_due).await;
    encoded(pool, SNAPSHOT_TYPE, move || update_body(&caches, &update, &query)).await
}

async fn answer_events(
    caches: Arc<ResponseCaches>,
    query: Option<String>,
    pool: Arc<BlockingPool>,
) -> Response {
    let query = match EventsQuery::from_query(query.as_deref().unwrap_or_default()) {
        Ok(query) => query,
        Err(error) => return bad_query(&error, "/api/v1/events"),
    };
    if let Some(refusal) = no_common_version(query.versions) {
        return refusal;
    }
    // `now` is when the request arrives, not when the wait ends.
    let latest = caches.event_log().last_serial();
    let wait = query.wait.min(MAX_WAIT);
    let log = newest(caches.events(), wait, |log, _| query.is_due(log, latest)).await;
    let work = move || {
        let cache = caches.latest();
        encode_events(&log, cache.update(), &query, latest).map(Into::into)
    };
    encoded(pool, EVENTS_TYPE, work).await
}

/// The refusal of a client that reads no version which this agent writes.
fn no_common_version(theirs: VersionRange) -> Option<Response> {
    let ours = VersionRange::SUPPORTED;
    if ours.newest_common(theirs).is_some() {
        return None;
    }
    let message =
        format!("the client reads version {theirs} of the format, the agent writes {ours}");
    let hint = "upgrade the older of the two";
    let status = StatusCode::NOT_ACCEPTABLE;
    Some(Problem::new(status, "no-common-version", message, hint).answer())
}

/// The response that `work` makes on a blocking thread.
async fn encoded(
    pool: Arc<BlockingPool>,
    media_type: &'static str,
    work: impl FnOnce() -> Result<Bytes, AgentError> + Send + 'static,
) -> Response {
    match pool.run(Work::Answer, work).await {
        Ok(Ok(body)) => {
            let mut response = Response::new(Body::from(body));
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            response
        }
        Ok(Err(AgentError::NotThere(message))) => {
            let hint = "name a namespace, its inode, or a process with sockets in it";
            Problem::new(StatusCode::NOT_FOUND, "no-such-namespace", message, hint).answer()
        }
        Ok(Err(AgentError::Unavailable(message))) => internal(&message),
        Err(_) => internal("the answer could not be made"),
    }
}

fn bad_query(error: &QueryError, json_path: &str) -> Response {
    let hint = format!("`conns --agent URL` asks in this way; for JSON see {json_path}");
    Problem::bad("bad-query", error.to_string(), hint).answer()
}

/// The first value that is due, or the latest when the wait or the agent ends. `is_due` is given
/// whether the value is the first.
async fn newest<T>(
    mut receiver: watch::Receiver<Arc<T>>,
    at_most: Duration,
    is_due: impl Fn(&T, bool) -> bool,
) -> Arc<T> {
    let wait = async {
        let mut is_first = true;
        loop {
            let value = Arc::clone(&receiver.borrow_and_update());
            if is_due(&value, is_first) || receiver.changed().await.is_err() {
                return;
            }
            is_first = false;
        }
    };
    let _ = timeout(at_most, wait).await;
    Arc::clone(&receiver.borrow())
}

/// The body; the whole state of a view is encoded once per update.
fn update_body(
    caches: &ResponseCaches,
    update: &Update,
    query: &UpdateQuery,
) -> Result<Bytes, AgentError> {
    let view = query.ask.view;
    let is_plain = query.after.is_none() && query.ask == Ask { view, ..Ask::default() };
    let cache = caches.latest();
    let last_serial = caches.event_log().last_serial();
    if !is_plain || !std::ptr::eq(&raw const **cache.update(), update) {
        return encode_update(update, last_serial, query).map(Into::into);
    }
    let mut failure = None;
    let name = format!("snapshot {view:?}");
    let body = cache.list(&name, |_| {
        encode_update(update, last_serial, query).unwrap_or_else(|error| {
            failure = Some(error);
            Vec::new()
        })
    });
    match failure {
        Some(error) => Err(error),
        // The error is that of the response that wrote it.
        None if body.is_empty() => Err(AgentError::Unavailable("cannot encode it".to_owned())),
        None => Ok(body),
    }
}

fn internal(message: &str) -> Response {
    let hint = "the agent's log and /health may have more";
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", message, hint).answer()
}

#[cfg(test)]
mod tests;
