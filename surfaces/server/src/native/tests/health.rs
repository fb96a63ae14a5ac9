//! Health: its content, and when it is 503.

use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;

use conns_core::model::{Health, Loss, LossCause, Moment, Source};

use super::scene::{Machine, established};
use crate::native::health::loses;

#[tokio::test]
async fn it_has_abilities_losses_cost_and_readers() {
    let mut machine = Machine::new();
    machine.open(established(1000, 10, "nginx"));
    machine.update();
    let client = machine.client();
    let stream = client.ask(Request::get("/api/v1/changes").body(Body::empty()).unwrap()).await;
    let health = client.json("/api/v1/health").await;
    assert_eq!(health["status"], "degraded");
    assert_eq!(health["failing"], serde_json::Value::Null);
    assert_eq!(health["version"], "1.2.3-test");
    assert_eq!(health["snapshot"]["sequence"], 2);
    assert_eq!(health["snapshot"]["instance"], "feed000000000001");
    assert_eq!(health["samples"]["done"], 2);
    assert_eq!(health["samples"]["lateness_max_us"], 2500);
    assert_eq!(health["abilities"][0]["missing"], "no CAP_NET_ADMIN");
    assert_eq!(health["losses"]["agent"][0]["kind"], "bound-reached");
    assert_eq!(health["losses"]["snapshot"], serde_json::json!([]));
    assert_eq!(health["cost"]["resident_bytes"], 30_000_000);
    assert_eq!(health["readers"]["clients"], 5);
    assert_eq!(health["readers"]["streams"], 1);
    assert_eq!(health["privileges"]["uid"], 65534);
    drop(stream);
    assert_eq!(client.json("/health").await["sockets"], 1);
}

#[test]
fn a_loss_of_events_a_minute_ago_is_no_present_one() {
    let at = |seconds: u64| Moment { monotonic_us: seconds * 1_000_000, wall_us: 0 };
    let lost = |cause| vec![Loss { source: Source::Ebpf, cause, count: 3 }];
    let full = LossCause::EventsNotPublished { capacity: 1 };
    let mut health = Health { losses: lost(full), lost_at: Some(at(1)), ..Health::default() };
    assert_eq!([1, 60, 61].map(|now| loses(&health, at(now))), [true, true, false]);
    let reason = "no BTF".into();
    health.losses = lost(LossCause::PollingFallback { interval_us: 1_000_000, reason });
    assert!(loses(&health, at(1000)));
    assert!(!loses(&Health::default(), at(0)));
}

#[tokio::test]
async fn it_is_503_if_the_sources_fail_or_the_last_sample_is_old() {
    let mut machine = Machine::new();
    let client = machine.client();
    machine.pass(Duration::from_secs(3));
    assert_eq!(client.get("/health").await.status, 200);
    machine.pass(Duration::from_millis(1));
    let answer = client.get("/health").await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.json()["status"], "failing");
    assert_eq!(answer.json()["failing"], "the last sample began 3001 ms ago");
    machine.update();
    assert_eq!(client.get("/api/v1/health").await.status, 200);
    machine.failing = Some("sock_diag: permission denied".into());
    machine.publish();
    let answer = client.get("/api/v1/health").await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.json()["failing"], "sock_diag: permission denied");
    // The last snapshot is still served.
    assert_eq!(client.get("/api/v1/connections").await.status, 200);
    assert!(client.get("/metrics").await.text().contains("\nconns_agent_failing 1.0\n"));
}
