//! Refusals: one shape, the right status, and a hint that helps.

use axum::body::Body;
use axum::extract::Request;
use http::{Method, StatusCode};

use super::scene::{Machine, escaped, established};

/// Asks and expects this refusal; returns message and hint.
async fn refused(machine: &Machine, path: &str, status: u16, code: &str) -> (String, String) {
    let answer = machine.client().get(path).await;
    let shown = &path[..path.len().min(100)];
    assert_eq!(answer.status.as_u16(), status, "{shown}: {}", answer.text());
    assert_eq!(answer.header("content-type"), "application/json");
    let error = &answer.json()["error"];
    assert_eq!(error["code"], code, "{shown}: {error}");
    let text = |key: &str| error[key].as_str().unwrap().to_owned();
    assert!(!text("message").is_empty() && !text("hint").is_empty());
    (text("message"), text("hint"))
}

#[tokio::test]
async fn a_bad_filter_is_refused_with_its_place() {
    let machine = Machine::new();
    let filter = "process == nginx and rtx > 50ms";
    let path = format!("/api/v1/connections?filter={}", escaped(filter));
    let (message, hint) = refused(&machine, &path, 400, "bad-filter").await;
    assert!(message.contains("unknown field `rtx`") && message.contains("column 22"), "{message}");
    assert!(hint.contains("`rtt`"), "{hint}");
    let error = machine.client().get(&path).await.json();
    assert_eq!(error["error"]["place"]["start"], 21);
    assert_eq!(error["error"]["place"]["end"], 24);
    for route in ["listeners", "verdicts", "processes", "changes"] {
        let path = format!("/api/v1/{route}?filter=%28");
        refused(&machine, &path, 400, "bad-filter").await;
    }
}

#[tokio::test]
async fn an_unknown_parameter_is_refused_with_the_nearest() {
    let machine = Machine::new();
    for (query, nearest) in
        [("filtre=nginx", "`filter`"), ("Limit=3", "`limit`"), ("group-by=pid", "`group_by`")]
    {
        let path = format!("/api/v1/connections?{query}");
        let (_, hint) = refused(&machine, &path, 400, "unknown-parameter").await;
        assert!(hint.contains(nearest), "{query}: {hint}");
    }
    let (_, hint) = refused(&machine, "/api/v1/connections?zzz=1", 400, "unknown-parameter").await;
    assert!(hint.contains("cursor"), "{hint}");
    for path in ["/health?x=1", "/metrics?x=1", "/?x=1", "/docs?x=1", "/openapi.json?x=1"] {
        let (_, hint) = refused(&machine, path, 400, "unknown-parameter").await;
        assert!(hint.contains("no parameters"), "{hint}");
    }
}

#[tokio::test]
async fn bad_values_are_refused() {
    let machine = Machine::new();
    for (query, code) in [
        ("limit=0", "bad-parameter"),
        ("limit=10001", "bad-parameter"),
        ("limit=-1", "bad-parameter"),
        ("limit=99999999999999999999", "bad-parameter"),
        ("view=some", "bad-parameter"),
        ("proto=sctp", "bad-parameter"),
        ("family=4", "bad-parameter"),
        ("limit=1&limit=2", "parameter-twice"),
        ("sort=rtx", "bad-sort"),
        ("sort=", "bad-sort"),
        ("fields=pid,,rtt", "bad-fields"),
        ("fields=nothing", "bad-fields"),
        ("group_by=nothing", "bad-group-by"),
        ("group_by=pid&sort=pid", "conflicting-parameters"),
        ("group_by=pid&fields=pid", "conflicting-parameters"),
        ("cursor=abc", "bad-cursor"),
        ("cursor=%FF%FE", "bad-cursor"),
        ("cursor=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "bad-cursor"),
    ] {
        refused(&machine, &format!("/api/v1/connections?{query}"), 400, code).await;
    }
    refused(&machine, "/api/v1/changes?updates=no", 400, "bad-parameter").await;
    refused(&machine, "/api/v1/changes?since=5", 400, "bad-parameter").await;
    let long = format!("/api/v1/connections?filter={}", "a".repeat(33_000));
    let (message, _) = refused(&machine, &long, 400, "query-too-long").await;
    assert!(message.len() < 200);
}

#[tokio::test]
async fn unknown_paths_are_404_and_other_methods_are_405() {
    let machine = Machine::new();
    for path in ["/api/v1/nothing", "/api/v2/connections", "/api/v1/connections/", "/API/v1/fields"]
    {
        refused(&machine, path, 404, "no-such-path").await;
    }
    let ids = ["1-2", "x", "1", "-1-2", "1--2", "+1-2", "1-99999999999999999999", "%31-2", "1-2-3"];
    for id in ids {
        refused(&machine, &format!("/api/v1/connections/{id}"), 404, "no-such-connection").await;
        let path = format!("/api/v1/connections/{id}/verdict");
        refused(&machine, &path, 404, "no-such-connection").await;
    }
    for method in [Method::POST, Method::DELETE, Method::OPTIONS] {
        let request = Request::builder().method(&method).uri("/api/v1/connections");
        let answer = machine.client().whole(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(answer.header("allow"), "GET, HEAD");
        assert_eq!(answer.json()["error"]["code"], "method-not-allowed");
    }
}

#[tokio::test]
async fn a_closed_connection_is_410_with_what_was_last_seen() {
    let mut machine = Machine::new();
    let cookie = machine.open(established(1000, 10, "nginx"));
    machine.update();
    let path = format!("/api/v1/connections/{}", Machine::id(cookie));
    let one = machine.client().json(&path).await;
    assert_eq!(one["connection"]["local_port"], 1000);
    assert!(one["connection"]["why"].as_str().unwrap().contains("No limit found"));
    machine.close(cookie);
    machine.update();
    refused(&machine, &path, 410, "closed").await;
    let closed = machine.client().get(&path).await.json();
    assert_eq!(closed["connection"]["process"], "nginx");
    assert_eq!(closed["closed"]["sequence"], 3);
    let closed = machine.client().get(&format!("{path}/verdict")).await.json();
    assert_eq!(closed["verdict"]["verdict"], "healthy");
    machine.closed_kept = 0;
    let next = machine.open(established(1001, 10, "nginx"));
    machine.update();
    machine.close(next);
    machine.update();
    refused(&machine, &path, 404, "no-such-connection").await;
}

#[tokio::test]
async fn a_client_that_wants_another_type_is_refused() {
    let machine = Machine::new();
    let client = machine.client();
    for (path, accept, status) in [
        ("/health", "application/json", 200),
        ("/health", "text/html, */*;q=0.1", 200),
        ("/health", "application/*", 200),
        ("/health", "APPLICATION/JSON; q=0.5", 200),
        ("/health", "text/html", 406),
        ("/health", "*/*, application/json;q=0", 406),
        ("/health", "", 200),
        ("/metrics", "application/openmetrics-text;version=1.0.0,text/plain;q=0.5", 200),
        ("/metrics", "text/plain", 200),
        ("/metrics", "*/*", 200),
        ("/metrics", "application/json", 406),
        ("/api/v1/changes", "text/event-stream", 200),
        ("/docs", "application/json", 406),
    ] {
        let request = Request::get(path).header("accept", accept).body(Body::empty()).unwrap();
        let response = client.ask(request).await;
        assert_eq!(response.status().as_u16(), status, "{path} with {accept:?}");
    }
}

#[tokio::test]
async fn every_answer_has_the_headers_and_none_lets_other_pages_read() {
    let machine = Machine::new();
    let client = machine.client();
    for path in ["/", "/docs", "/health", "/metrics", "/nothing", "/api/v1/connections?x=1"] {
        let request = Request::get(path).header("origin", "http://elsewhere.example");
        let answer = client.whole(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.header("cache-control"), "no-store", "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert!(answer.header("content-security-policy").starts_with("default-src 'none'"));
        assert!(answer.headers.keys().all(|name| !name.as_str().starts_with("access-control")));
    }
}
