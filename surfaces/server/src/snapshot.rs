//! `GET /api/v1/snapshot`: what `conns --agent` reads, in the format of one release.
//!
//! Not for other programs: `/api/v1/connections` says the same in JSON, and stays as it is. The one
//! idea: a client says which snapshot it has, waits here for the next, and is told what changed.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use axum::routing::get;
use conns_api::{Ask, FaceError, Feed, Question, SNAPSHOT_PATH, SNAPSHOT_TYPE, tell};
use conns_core::model::Beat;
use http::{HeaderValue, StatusCode, header};
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::shelves::Shelves;

/// Longest wait for the snapshot that is asked for; then the latest is told, and whoever wants to
/// wait on asks again. Below the time a request may take in all (`Limits::WORK_TIME`).
const LONGEST_WAIT: Duration = Duration::from_secs(20);

/// Answers that are encoded at once; each is a copy of the whole state, and takes a core for a while.
const ENCODED_AT_ONCE: usize = 4;

/// Longest wait for one's turn to be among them.
const LONGEST_QUEUE: Duration = Duration::from_secs(5);

/// The route.
pub(crate) fn routes() -> Router<Arc<Shelves>> {
    let turns = Arc::new(Semaphore::new(ENCODED_AT_ONCE));
    let answer = |State(shelves), RawQuery(query)| answer(shelves, query, turns);
    Router::new().route(SNAPSHOT_PATH, get(answer))
}

async fn answer(shelves: Arc<Shelves>, query: Option<String>, turns: Arc<Semaphore>) -> Response {
    let question = match Question::from_query(query.as_deref().unwrap_or_default()) {
        Ok(question) => question,
        Err(error) => {
            let hint = "`conns --agent URL` asks in this way; for JSON see /api/v1/connections";
            return refusal(StatusCode::BAD_REQUEST, "bad-question", &error.to_string(), hint);
        }
    };
    let beat = awaited(shelves.feed(), &question).await;
    let Ok(Ok(turn)) = timeout(LONGEST_QUEUE, turns.acquire_owned()).await else {
        let message = "too many clients ask for whole snapshots at once";
        return refusal(StatusCode::SERVICE_UNAVAILABLE, "busy", message, "ask again in a second");
    };
    // Long enough to keep other answers waiting, were it done here.
    let told = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        told(&shelves, &beat, &question)
    });
    match told.await {
        Ok(Ok(body)) => {
            let mut response = Response::new(Body::from(body));
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(SNAPSHOT_TYPE));
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            response
        }
        Ok(Err(FaceError::NotThere(message))) => {
            let hint = "name a namespace, its inode, or a process with sockets in it";
            refusal(StatusCode::NOT_FOUND, "no-such-namespace", &message, hint)
        }
        Ok(Err(FaceError::Unavailable(message))) => internal(&message),
        Err(_) => internal("the answer could not be made"),
    }
}

/// The first beat that is what the question waits for, or the latest when waiting has an end.
async fn awaited(mut feed: Feed, question: &Question) -> Arc<Beat> {
    let wait = async {
        loop {
            let beat = Arc::clone(&feed.borrow_and_update());
            // An agent whose sources fail has no new snapshot, only news of that.
            let is_failing = beat.health.failing.is_some();
            // The agent ends: there will be no other.
            let is_last = feed.has_changed().is_err();
            if question.is_due(&beat) || is_last || feed.changed().await.is_err() || is_failing {
                return;
            }
        }
    };
    // Whether it is due or the time is up, the latest one is told.
    let _ = timeout(LONGEST_WAIT, wait).await;
    Arc::clone(&feed.borrow())
}

/// The answer; the plain whole state is encoded once a beat, however many ask for it.
fn told(shelves: &Shelves, beat: &Beat, question: &Question) -> Result<bytes::Bytes, FaceError> {
    let view = question.ask.view;
    let is_plain = question.after.is_none() && question.ask == Ask { view, ..Ask::default() };
    let shelf = shelves.latest();
    if !is_plain || !std::ptr::eq(shelf.beat(), beat) {
        return tell(beat, question).map(Into::into);
    }
    let mut failure = None;
    let name = format!("snapshot {view:?}");
    let body = shelf.list(&name, |_| {
        tell(beat, question).unwrap_or_else(|error| {
            failure = Some(error);
            Vec::new()
        })
    });
    match failure {
        Some(error) => Err(error),
        // Somebody else was told of the failure.
        None if body.is_empty() => Err(FaceError::Unavailable("cannot encode it".to_owned())),
        None => Ok(body),
    }
}

fn internal(message: &str) -> Response {
    let hint = "the agent's log and /health may say more";
    refusal(StatusCode::INTERNAL_SERVER_ERROR, "internal", message, hint)
}

/// In the shape of all refusals of the native API.
fn refusal(status: StatusCode, code: &str, message: &str, hint: &str) -> Response {
    let shape = json!({ "error": { "code": code, "message": message, "hint": hint } });
    let mut response = Response::new(Body::from(format!("{shape}\n")));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

#[cfg(test)]
mod tests {
    use conns_api::{Interned, Mark, Update};
    use conns_core::model::{Health, Moment, Snapshot};
    use http::Request;
    use http_body_util::BodyExt as _;
    use hyper::service::Service as _;
    use hyper_util::service::TowerToHyperService;
    use tokio::sync::watch;

    use super::*;

    /// The beat of this second; snapshots are numbered after it.
    fn beat(second: u64, failing: Option<&str>) -> Arc<Beat> {
        let at = Moment { monotonic_us: second * 1_000_000, wall_us: 0 };
        let snapshot = Snapshot { sequence: second, at, ..Snapshot::default() };
        let health = Health {
            started: Moment { monotonic_us: 1_000_000, wall_us: 0 },
            beats: second,
            failing: failing.map(Into::into),
            ..Health::default()
        };
        Arc::new(Beat {
            instance: 7,
            snapshot: Arc::new(snapshot),
            closed: Arc::default(),
            closed_complete_since: 0,
            events: Arc::default(),
            events_complete_since: 0,
            health,
        })
    }

    struct Agent {
        router: Router,
        beats: watch::Sender<Arc<Beat>>,
    }

    impl Agent {
        fn new() -> Self {
            let (beats, feed) = watch::channel(beat(1, None));
            Self { router: routes().with_state(Arc::new(Shelves::new(feed))), beats }
        }

        async fn ask(&self, query: &str) -> Response<Body> {
            let uri = format!("{SNAPSHOT_PATH}?{query}");
            let request = Request::get(uri).body(Body::empty()).unwrap();
            let service = TowerToHyperService::new(self.router.clone());
            timeout(Duration::from_secs(10), service.call(request)).await.unwrap().unwrap()
        }

        async fn told(&self, query: &str) -> Update {
            let response = self.ask(query).await;
            assert_eq!(response.status(), StatusCode::OK);
            assert_eq!(response.headers()[header::CONTENT_TYPE], SNAPSHOT_TYPE);
            let body = response.into_body().collect().await.unwrap().to_bytes();
            Interned::default().decode(&body).unwrap()
        }
    }

    fn run(test: impl Future<Output = ()>) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
    }

    #[test]
    fn without_a_mark_everything_is_told_at_once() {
        run(async {
            let agent = Agent::new();
            for query in ["", "view=all", "view=listening&udp=0"] {
                let update = agent.told(query).await;
                assert_eq!((update.mark.to_string(), update.since), ("7-1".to_owned(), None));
            }
            agent.beats.send_replace(beat(2, None));
            assert_eq!(agent.told("").await.mark.sequence, 2);
        });
    }

    #[test]
    fn with_a_mark_the_next_snapshot_is_waited_for() {
        run(async {
            let agent = Agent::new();
            let (update, ()) = tokio::join!(agent.told("after=7-1"), async {
                // The question waits by now: this runs only when it does.
                agent.beats.send_replace(beat(2, None));
            });
            assert_eq!((update.mark, update.since), (Mark { instance: 7, sequence: 2 }, Some(1)));
            // It is there already.
            let update = agent.told("after=7-1").await;
            assert_eq!(update.since, Some(1));
            // Another start of the agent.
            assert_eq!(agent.told("after=6-2").await.since, None);
        });
    }

    #[test]
    fn a_span_is_waited_for() {
        run(async {
            let agent = Agent::new();
            let (update, ()) = tokio::join!(agent.told("span_us=2000000"), async {
                for second in [2, 3] {
                    agent.beats.send_replace(beat(second, None));
                    tokio::task::yield_now().await;
                }
            });
            assert_eq!((update.mark.sequence, update.watched.as_secs()), (3, 2));
        });
    }

    #[test]
    fn a_failing_agent_answers_with_its_next_beat() {
        run(async {
            let agent = Agent::new();
            agent.beats.send_replace(beat(1, Some("no netlink")));
            let (update, ()) = tokio::join!(agent.told("after=7-1"), async {
                agent.beats.send_replace(beat(1, Some("no netlink")));
            });
            assert_eq!((update.mark.sequence, update.since), (1, Some(1)));
            assert!(update.losses[0].sentence.contains("no netlink"));
        });
    }

    #[test]
    fn an_ending_agent_keeps_nobody_waiting() {
        run(async {
            let Agent { router, beats } = Agent::new();
            drop(beats);
            let agent = Agent { router, beats: watch::channel(beat(9, None)).0 };
            assert_eq!(agent.told("after=7-1").await.mark.sequence, 1);
        });
    }

    #[test]
    fn refusals_say_why() {
        run(async {
            let agent = Agent::new();
            for (query, status, code, part) in [
                ("view=some", 400, "bad-question", "view is connections, listening or all"),
                ("after=x", 400, "bad-question", "after is INSTANCE-SEQUENCE"),
                ("netns=%", 400, "bad-question", "percent encoding"),
                ("netns=red", 404, "no-such-namespace", "no network namespace `red`"),
            ] {
                let response = agent.ask(query).await;
                assert_eq!(response.status(), status, "{query}");
                let body = response.into_body().collect().await.unwrap().to_bytes();
                let shape: serde_json::Value = serde_json::from_slice(&body).unwrap();
                assert_eq!(shape["error"]["code"], code, "{query}");
                let message = shape["error"]["message"].as_str().unwrap();
                assert!(message.contains(part), "{message}");
            }
        });
    }
}
