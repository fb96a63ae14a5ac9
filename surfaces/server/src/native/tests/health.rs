//! Health: its content, and when it is 503.

use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;

use super::scene::{Machine, established};

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
