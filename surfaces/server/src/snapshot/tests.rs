//! What `conns --agent` is answered: when it waits, for what, and what it is refused.

use conns_api::{Happened, Interned, Mark, SnapshotDelta};
use conns_core::model::{Health, Moment, Snapshot};
use http::Request;
use http_body_util::BodyExt as _;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use tokio::sync::watch;

use super::*;

/// The beat of this second; snapshots are numbered after it.
fn update(second: u64, failing: Option<&str>) -> Arc<Update> {
    let at = Moment { monotonic_us: second * 1_000_000, wall_us: 0 };
    let snapshot = Snapshot { sequence: second, at, ..Snapshot::default() };
    let health = Health {
        started: Moment { monotonic_us: 1_000_000, wall_us: 0 },
        samples: second,
        failing: failing.map(Into::into),
        ..Health::default()
    };
    Arc::new(Update {
        instance: 7,
        snapshot: Arc::new(snapshot),
        closed: Arc::default(),
        closed_complete_since: 0,
        events: Arc::default(),
        events_complete_since: 0,
        health,
        ..Update::default()
    })
}

struct Agent {
    router: Router,
    updates: watch::Sender<Arc<Update>>,
}

impl Agent {
    fn new() -> Self {
        let (updates, feed) = watch::channel(update(1, None));
        Self {
            router: routes(Arc::default()).with_state(Arc::new(ResponseCaches::new(feed))),
            updates,
        }
    }

    async fn ask(&self, query: &str) -> Response<Body> {
        self.ask_at(SNAPSHOT_PATH, query).await
    }

    async fn ask_at(&self, path: &str, query: &str) -> Response<Body> {
        let uri = format!("{path}?{query}");
        let request = Request::get(uri).body(Body::empty()).unwrap();
        let service = TowerToHyperService::new(self.router.clone());
        timeout(Duration::from_secs(10), service.call(request)).await.unwrap().unwrap()
    }

    async fn told(&self, query: &str) -> SnapshotDelta {
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
        agent.updates.send_replace(update(2, None));
        assert_eq!(agent.told("").await.mark.sequence, 2);
    });
}

#[test]
fn with_a_mark_the_next_snapshot_is_waited_for() {
    run(async {
        let agent = Agent::new();
        let (update, ()) = tokio::join!(agent.told("after=7-1"), async {
            // The question waits by now: this runs only when it does.
            agent.updates.send_replace(update(2, None));
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
                agent.updates.send_replace(update(second, None));
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
        agent.updates.send_replace(update(1, Some("no netlink")));
        let (update, ()) = tokio::join!(agent.told("after=7-1"), async {
            agent.updates.send_replace(update(1, Some("no netlink")));
        });
        assert_eq!((update.mark.sequence, update.since), (1, Some(1)));
        assert!(update.losses[0].to_string().contains("no netlink"));
    });
}

#[test]
fn an_ending_agent_keeps_nobody_waiting() {
    run(async {
        let Agent { router, updates } = Agent::new();
        drop(updates);
        let agent = Agent { router, updates: watch::channel(update(9, None)).0 };
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

/// The beat of this second, with so many events of which none is about a connection in the snapshot.
fn eventful(second: u64, events: u64) -> Arc<Update> {
    let mut update = Update::clone(&update(second, None));
    update.events_complete_since = events;
    Arc::new(update)
}

async fn happened(agent: &Agent, query: &str) -> Happened {
    let response = agent.ask_at(EVENTS_PATH, query).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()[header::CONTENT_TYPE], EVENTS_TYPE);
    let body = response.into_body().collect().await.unwrap().to_bytes();
    Interned::default().decode_events(&body).unwrap()
}

#[test]
fn events_are_waited_for_as_long_as_asked() {
    run(async {
        let agent = Agent::new();
        agent.updates.send_replace(eventful(1, 5));
        // At once, whatever there is.
        assert_eq!(happened(&agent, "").await.mark.to_string(), "7-5");
        assert_eq!(happened(&agent, "after=kept&wait_us=10000000").await.mark.serial, 5);
        assert_eq!(happened(&agent, "after=7-4&wait_us=10000000").await.losses[0].count, 1);
        // A beat without events is not it.
        for query in ["wait_us=10000000", "after=7-5&wait_us=10000000"] {
            agent.updates.send_replace(eventful(1, 5));
            let (answer, ()) = tokio::join!(happened(&agent, query), async {
                agent.updates.send_replace(eventful(2, 5));
                tokio::task::yield_now().await;
                agent.updates.send_replace(eventful(3, 9));
            });
            assert_eq!(answer.mark.serial, 9, "{query}");
        }
        // Nothing comes: the answer is that.
        assert_eq!(happened(&agent, "after=7-9&wait_us=1000").await.mark.serial, 9);
    });
}

#[test]
fn a_question_for_events_that_is_none_is_refused() {
    run(async {
        let agent = Agent::new();
        for (query, part) in [
            ("after=x", "after is now, kept or INSTANCE-SERIAL"),
            ("wait_us=1s", "whole numbers of microseconds"),
            ("span_us=1", "no parameter `span_us`"),
        ] {
            let response = agent.ask_at(EVENTS_PATH, query).await;
            assert_eq!(response.status(), 400, "{query}");
            let body = response.into_body().collect().await.unwrap().to_bytes();
            let shape: serde_json::Value = serde_json::from_slice(&body).unwrap();
            assert!(shape["error"]["message"].as_str().unwrap().contains(part), "{shape}");
        }
    });
}
