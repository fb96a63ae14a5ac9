//! Responses to `conns --agent`: when a request waits, for what, and what is refused.

use conns_api::{Decoder, EventsAnswer, ResumeId, UpdateDelta};
use conns_core::model::{EventLog, Health};
use conns_fixtures::{at, snapshot};
use http::Request;
use http_body_util::BodyExt as _;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use tokio::sync::watch;

use super::*;

/// The update of this second, which is its sequence number.
fn update(second: u64, failing: Option<&str>) -> Arc<Update> {
    let health = Health {
        started: at(1),
        samples: second,
        failing: failing.map(Into::into),
        ..Health::default()
    };
    Arc::new(Update {
        instance: 7,
        health,
        ..conns_fixtures::update(snapshot(second, at(second), Vec::new()))
    })
}

struct Agent {
    router: Router,
    updates: watch::Sender<Arc<Update>>,
    events: watch::Sender<Arc<EventLog>>,
}

impl Agent {
    fn new() -> Self {
        let (updates, update_receiver) = watch::channel(update(1, None));
        let (events, event_receiver) = watch::channel(log(0));
        let caches = Arc::new(ResponseCaches::new(update_receiver, event_receiver));
        Self { router: routes(Arc::default()).with_state(caches), updates, events }
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

    async fn updated(&self, query: &str) -> UpdateDelta {
        let response = self.ask(query).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()[header::CONTENT_TYPE], SNAPSHOT_TYPE);
        let body = response.into_body().collect().await.unwrap().to_bytes();
        Decoder::default().decode_update(&body).unwrap()
    }
}

fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
}

#[test]
fn without_an_id_everything_is_sent_at_once() {
    run(async {
        let agent = Agent::new();
        for query in ["", "view=all", "view=listening&udp=0"] {
            let update = agent.updated(query).await;
            assert_eq!((update.id.to_string(), update.since), (id(1, 0), None));
        }
        agent.updates.send_replace(update(2, None));
        assert_eq!(agent.updated("").await.id.sequence, 2);
    });
}

#[test]
fn with_an_id_the_next_snapshot_is_waited_for() {
    run(async {
        let agent = Agent::new();
        let (update, ()) = tokio::join!(agent.updated("after=0000000000000007-1-0"), async {
            // The question waits by now: this runs only when it does.
            agent.updates.send_replace(update(2, None));
        });
        assert_eq!(
            (update.id, update.since),
            (ResumeId { instance: 7, sequence: 2, serial: 0 }, Some(1))
        );
        // It is there already.
        let update = agent.updated("after=0000000000000007-1-0").await;
        assert_eq!(update.since, Some(1));
        // Another start of the agent.
        assert_eq!(agent.updated("after=0000000000000006-2-0").await.since, None);
    });
}

#[test]
fn a_failing_agent_answers_with_its_next_update() {
    run(async {
        let agent = Agent::new();
        agent.updates.send_replace(update(1, Some("no netlink")));
        let (update, ()) = tokio::join!(agent.updated("after=0000000000000007-1-0"), async {
            agent.updates.send_replace(update(1, Some("no netlink")));
        });
        assert_eq!((update.id.sequence, update.since), (1, Some(1)));
        assert!(update.losses[0].to_string().contains("no netlink"));
    });
}

#[test]
fn a_request_does_not_wait_for_an_agent_that_ends() {
    run(async {
        let Agent { router, updates, events } = Agent::new();
        drop(updates);
        let agent = Agent { router, updates: watch::channel(update(9, None)).0, events };
        assert_eq!(agent.updated("after=0000000000000007-1-0").await.id.sequence, 1);
    });
}

#[test]
fn refusals_have_a_reason() {
    run(async {
        let agent = Agent::new();
        for (query, status, code, part) in [
            ("view=some", 400, "bad-query", "view is connections, listening or all"),
            ("after=x", 400, "bad-query", "after is INSTANCE-SEQUENCE-SERIAL"),
            ("netns=%", 400, "bad-query", "percent encoding"),
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

/// A log in which the last event has this serial number, and none is buffered.
fn log(serial: u64) -> Arc<EventLog> {
    Arc::new(EventLog::after(7, serial))
}

fn id(sequence: u64, serial: u64) -> String {
    ResumeId { instance: 7, sequence, serial }.to_string()
}

async fn events(agent: &Agent, query: &str) -> EventsAnswer {
    let response = agent.ask_at(EVENTS_PATH, query).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()[header::CONTENT_TYPE], EVENTS_TYPE);
    let body = response.into_body().collect().await.unwrap().to_bytes();
    Decoder::default().decode_events(&body).unwrap()
}

#[test]
fn events_are_waited_for_as_long_as_asked() {
    run(async {
        let agent = Agent::new();
        agent.events.send_replace(log(5));
        // At once, even if there is none.
        assert_eq!(events(&agent, "").await.id.to_string(), id(1, 5));
        assert_eq!(events(&agent, "after=oldest&wait_us=10000000").await.id.serial, 5);
        assert_eq!(
            events(&agent, &format!("after={}&wait_us=10000000", id(0, 4))).await.losses[0].count,
            1
        );
        // An update, or a log without new events, does not end the wait.
        for query in ["wait_us=10000000".to_owned(), format!("after={}&wait_us=10000000", id(1, 5))]
        {
            agent.events.send_replace(log(5));
            let (answer, ()) = tokio::join!(events(&agent, &query), async {
                agent.updates.send_replace(update(2, None));
                agent.events.send_replace(log(5));
                tokio::task::yield_now().await;
                agent.events.send_replace(log(9));
            });
            assert_eq!(answer.id.serial, 9, "{query}");
        }
        // The wait is over without an event.
        let query = format!("after={}&wait_us=1000", id(1, 9));
        assert_eq!(events(&agent, &query).await.id.serial, 9);
    });
}

#[test]
fn a_client_without_a_common_version_is_refused() {
    run(async {
        let agent = Agent::new();
        assert_eq!(agent.ask("versions=1-9").await.status(), 200);
        for path in [SNAPSHOT_PATH, EVENTS_PATH] {
            let response = agent.ask_at(path, "versions=2-9").await;
            assert_eq!(response.status(), 406);
            let body = response.into_body().collect().await.unwrap().to_bytes();
            let shape: serde_json::Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(shape["error"]["code"], "no-common-version");
        }
    });
}

#[test]
fn a_bad_query_for_events_is_refused() {
    run(async {
        let agent = Agent::new();
        for (query, part) in [
            ("after=x", "after is now, oldest or INSTANCE-SEQUENCE-SERIAL"),
            ("wait_us=1s", "whole number of microseconds"),
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
