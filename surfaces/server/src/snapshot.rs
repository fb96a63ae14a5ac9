//! `GET /api/v1/snapshot` and `/api/v1/snapshot/events`: what `conns --agent` reads, in the format of one release.
//!
//! Not for other programs: `/api/v1/connections` and `/api/v1/events` say the same in JSON, and stay as they
//! are. The one idea: a client says what it has, waits here for the next, and is told what is new.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use axum::routing::get;
use bytes::Bytes;
use conns_api::{
    AgentError, Ask, EVENTS_PATH, EVENTS_TYPE, EventMark, EventsQuestion, Question, QuestionError,
    SNAPSHOT_PATH, SNAPSHOT_TYPE, UpdateReceiver, tell, tell_events,
};
use conns_core::model::Update;
use http::{HeaderValue, StatusCode, header};
use tokio::time::timeout;

use crate::blocking::{BlockingPool, Work};
use crate::caches::ResponseCaches;
use crate::problem::Problem;

/// Longest wait for the snapshot that is asked for; then the latest is told, and whoever wants to
/// wait on asks again. Below the time a request may take in all (`Limits::WORK_TIME`).
const LONGEST_WAIT: Duration = Duration::from_secs(20);

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
    let question = match Question::from_query(query.as_deref().unwrap_or_default()) {
        Ok(question) => question,
        Err(error) => return no_question(&error, "/api/v1/connections"),
    };
    let update = awaited(caches.feed(), LONGEST_WAIT, |update| question.is_due(update)).await;
    encoded(pool, SNAPSHOT_TYPE, move || told(&caches, &update, &question)).await
}

async fn answer_events(
    caches: Arc<ResponseCaches>,
    query: Option<String>,
    pool: Arc<BlockingPool>,
) -> Response {
    let question = match EventsQuestion::from_query(query.as_deref().unwrap_or_default()) {
        Ok(question) => question,
        Err(error) => return no_question(&error, "/api/v1/events"),
    };
    let feed = caches.feed();
    // From now on means from when it is asked, not from when the waiting ends.
    let latest = EventMark::of(&feed.borrow());
    let wait = question.wait.min(LONGEST_WAIT);
    let update = awaited(feed, wait, |update| question.is_due(update, latest)).await;
    let work = move || tell_events(&update, &question, latest).map(Into::into);
    encoded(pool, EVENTS_TYPE, work).await
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

fn no_question(error: &QuestionError, json_path: &str) -> Response {
    let hint = format!("`conns --agent URL` asks in this way; for JSON see {json_path}");
    Problem::bad("bad-question", error.to_string(), hint).answer()
}

/// The first beat that is what the question waits for, or the latest when waiting has an end.
async fn awaited(
    mut feed: UpdateReceiver,
    at_most: Duration,
    is_due: impl Fn(&Update) -> bool,
) -> Arc<Update> {
    let wait = async {
        loop {
            let update = Arc::clone(&feed.borrow_and_update());
            // An agent whose sources fail has no new snapshot, only news of that.
            let is_failing = update.health.failing.is_some();
            // The agent ends: there will be no other.
            let is_last = feed.has_changed().is_err();
            if is_due(&update) || is_last || feed.changed().await.is_err() || is_failing {
                return;
            }
        }
    };
    // Whether it is due or the time is up, the latest one is told.
    let _ = timeout(at_most, wait).await;
    Arc::clone(&feed.borrow())
}

/// The answer; the plain whole state is encoded once a beat, however many ask for it.
fn told(
    caches: &ResponseCaches,
    update: &Update,
    question: &Question,
) -> Result<Bytes, AgentError> {
    let view = question.ask.view;
    let is_plain = question.after.is_none() && question.ask == Ask { view, ..Ask::default() };
    let cache = caches.latest();
    if !is_plain || !std::ptr::eq(cache.update(), update) {
        return tell(update, question).map(Into::into);
    }
    let mut failure = None;
    let name = format!("snapshot {view:?}");
    let body = cache.list(&name, |_| {
        tell(update, question).unwrap_or_else(|error| {
            failure = Some(error);
            Vec::new()
        })
    });
    match failure {
        Some(error) => Err(error),
        // Somebody else was told of the failure.
        None if body.is_empty() => Err(AgentError::Unavailable("cannot encode it".to_owned())),
        None => Ok(body),
    }
}

fn internal(message: &str) -> Response {
    let hint = "the agent's log and /health may say more";
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", message, hint).answer()
}

#[cfg(test)]
mod tests;
