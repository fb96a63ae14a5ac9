//! The OpenAPI document: checked in, complete, and true.

use std::collections::BTreeSet;

use axum::body::Body;
use axum::extract::Request;
use conns_core::model::Class;
use conns_core::model::{
    EventKind, Known, Loss, LossCause, Protocol, Source, UdpPeer, UdpTraffic, Unknown,
};
use conns_core::query::{Value as FieldValue, catalogue};
use conns_fixtures::{endpoint, known};
use http::StatusCode;
use serde_json::Value;

use super::scene::{Machine, escaped, established, listener};
use super::schema::faults;
use crate::native::context::{Handler, Route};
use crate::native::openapi;
use crate::native::routes::ROUTES;

const KEPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json");

fn text() -> String {
    openapi::text(ROUTES)
}

#[test]
fn the_document_is_the_one_checked_in() {
    let made = text();
    if std::env::var_os("CONNS_UPDATE_GOLDEN").is_some_and(|value| value == "1") {
        std::fs::write(KEPT, &made).unwrap();
    }
    let kept = std::fs::read_to_string(KEPT).unwrap_or_default();
    let differs = made.lines().zip(kept.lines()).position(|(made, kept)| made != kept);
    assert!(
        made == kept,
        "docs/openapi.json differs from line {differs:?} on; CONNS_UPDATE_GOLDEN=1 rewrites it"
    );
}

#[tokio::test]
async fn the_served_document_is_the_checked_in_one() {
    let machine = Machine::new();
    let answer = machine.client().get("/openapi.json").await;
    assert_eq!(answer.text(), text());
    let document = answer.json();
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn every_route_is_documented_and_nothing_else() {
    let document: Value = serde_json::from_str(&text()).unwrap();
    let documented: BTreeSet<&str> =
        document["paths"].as_object().unwrap().keys().map(|key| &**key).collect();
    let routes: BTreeSet<&str> = ROUTES.iter().map(|route| route.path).collect();
    assert_eq!(documented, routes);
    assert_eq!(routes.len(), ROUTES.len());
    let names: BTreeSet<&str> = ROUTES.iter().map(|route| route.name).collect();
    assert_eq!(names.len(), ROUTES.len());
}

#[test]
fn every_reference_leads_somewhere_and_every_schema_is_used() {
    fn references(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(object) => {
                found.extend(object.get("$ref").and_then(Value::as_str).map(str::to_owned));
                object.values().for_each(|value| references(value, found));
            }
            Value::Array(values) => values.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }
    let document: Value = serde_json::from_str(&text()).unwrap();
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    for reference in &found {
        let target = document.pointer(reference.trim_start_matches('#'));
        assert!(target.is_some(), "{reference} leads nowhere");
    }
    for name in document["components"]["schemas"].as_object().unwrap().keys() {
        let reference = format!("#/components/schemas/{name}");
        assert!(found.contains(&reference), "{name} is not used");
    }
}

#[test]
fn every_object_declares_all_its_keys_and_describes_each() {
    fn check(value: &Value, at: &str) -> usize {
        let children = match value {
            Value::Object(object) => {
                object.iter().map(|(key, value)| (key.clone(), value)).collect()
            }
            Value::Array(values) => values.iter().map(|value| ("[]".to_owned(), value)).collect(),
            _ => Vec::new(),
        };
        let mut objects = 0;
        if let Some(properties) = value.get("properties").and_then(Value::as_object) {
            assert!(value.get("additionalProperties").is_some(), "{at} is open");
            for (key, property) in properties {
                let is_described = property.get("description").is_some();
                assert!(is_described, "{at}.{key} has no description");
            }
            objects += 1;
        }
        let inside = children.iter().map(|(key, value)| check(value, &format!("{at}.{key}")));
        objects + inside.sum::<usize>()
    }
    let document: Value = serde_json::from_str(&text()).unwrap();
    let objects = check(&document["components"]["schemas"], "schemas");
    assert!(objects > 30, "only {objects} objects");
    let group = &document["components"]["schemas"]["Group"]["additionalProperties"];
    assert_eq!(group["type"], serde_json::json!(["string", "null"]));
}

/// A machine with something of every kind, and much unknown.
fn full() -> (Machine, u64) {
    let mut machine = Machine::new();
    let closing = machine.open(established(1000, 10, "nginx"));
    machine.open(established(1001, 10, "nginx"));
    let mut blind = established(1002, 11, "curl");
    (blind.sent, blind.rates, blind.class) = (None, None, Class::Unknown);
    blind.owners = Known::Unknown(Unknown::NotPrivileged);
    machine.open(blind);
    let mut shared = established(1003, 11, "curl");
    shared.owners = Known::Value(
        vec![(11, "curl".to_owned()), (12, "a \"hi\"\\\n".to_owned())],
        Source::Procfs,
    );
    machine.open(shared);
    machine.open(listener("[::]:443", (3, 128, 9), 10, "nginx"));
    let mut udp = established(1006, 12, "resolved");
    (udp.protocol, udp.sent) = (Protocol::Udp, None);
    machine.open(udp);
    let peer = UdpPeer {
        remote: endpoint("192.0.2.53:53"),
        bytes_out: 40,
        bytes_in: 400,
        datagrams_out: 1,
        datagrams_in: 2,
    };
    if let Some((_, connection)) = machine.there.last_mut() {
        let traffic =
            UdpTraffic { bytes_out: 40, bytes_in: 400, peers: [peer].into(), peers_omitted: 0 };
        connection.socket.udp = known(traffic);
    }
    machine.losses.push(Loss {
        source: Source::Procfs,
        cause: LossCause::ProcessesNotPermitted,
        count: 2,
    });
    machine.update();
    machine.close(closing);
    machine.happen(EventKind::Opened, &established(1004, 11, "curl"));
    machine.happen(EventKind::Failed, &established(1005, 11, "curl"));
    machine.update();
    (machine, closing)
}

#[tokio::test]
async fn every_documented_path_answers_as_documented() {
    let (machine, closed) = full();
    let document: Value = serde_json::from_str(&text()).unwrap();
    let client = machine.client();
    let there = machine.there[0].1.socket.id.cookie;
    let mut queries = 0;
    for route in ROUTES {
        let mut asked = Vec::new();
        for id in [Machine::id(there), Machine::id(closed), Machine::id(1)] {
            let path = route.path.replace("{id}", &id);
            asked.push(path.clone());
            // Each example of the document is accepted, and answered in the same shape.
            for parameter in route.parameters.iter().filter(|p| !p.example.is_empty()) {
                asked.push(format!("{path}?{}={}", parameter.name, escaped(parameter.example)));
            }
            if !route.path.contains("{id}") {
                break;
            }
        }
        for path in asked {
            queries += 1;
            let (request, method) = match route.handler {
                Handler::Query(_) => (Request::post(&path).body("select 1 as one".into()), "post"),
                _ => (Request::get(&path).body(Body::empty()), "get"),
            };
            let response = client.ask(request.unwrap()).await;
            let status = response.status();
            let documented = &document["paths"][route.path][method]["responses"];
            let documented = &documented[status.as_str()];
            assert!(documented.is_object(), "{path} answers {status}, which is not documented");
            let (media, content) =
                documented["content"].as_object().unwrap().iter().next().unwrap();
            let found = response.headers()["content-type"].to_str().unwrap().to_owned();
            assert!(found.starts_with(media), "{path} is {found}");
            if matches!(route.handler, Handler::Stream(_) | Handler::Elsewhere) {
                continue;
            }
            if let Some(reference) = content["schema"]["$ref"].as_str() {
                let body = http_body_util::BodyExt::collect(response.into_body()).await.unwrap();
                let value: Value = serde_json::from_slice(&body.to_bytes()).unwrap();
                let name = reference.rsplit('/').next().unwrap();
                assert_eq!(faults(&document, name, &value), [""; 0], "{path}");
            }
        }
    }
    assert!(queries > 40, "only {queries} asked");
}

#[tokio::test]
async fn peers_of_udp_are_as_documented() {
    let (machine, _) = full();
    let list = machine.client().json("/api/v1/connections?proto=udp&fields=peers,bytes_in").await;
    let record = &list["connections"][0];
    let peer = serde_json::json!({
        "remote_addr": "192.0.2.53", "remote_port": 53, "bytes_out": 40, "bytes_in": 400,
        "datagrams_out": 1, "datagrams_in": 2,
    });
    assert_eq!((&record["peers"][0], &record["bytes_in"]), (&peer, &400.into()));
    let document: Value = serde_json::from_str(&text()).unwrap();
    assert_eq!(faults(&document, "Connections", &list), [""; 0]);
}

#[tokio::test]
async fn an_answer_that_is_not_documented_is_noticed() {
    let (machine, _) = full();
    let document: Value = serde_json::from_str(&text()).unwrap();
    let mut list = machine.client().json("/api/v1/connections").await;
    assert_eq!(faults(&document, "Connections", &list), [""; 0]);
    list["connections"][0]["surprise"] = 1.into();
    list["connections"][1]["local_port"] = "443".into();
    list["snapshot"].as_object_mut().unwrap().remove("sequence");
    assert_eq!(faults(&document, "Connections", &list).len(), 3);
}

#[test]
fn fields_documented_as_never_null_are_never_unknown() {
    let (machine, _) = full();
    for (_, connection) in &machine.there {
        for field in catalogue().iter().filter(|field| field.is_always_known) {
            let value = field.value(connection);
            assert!(!matches!(value, FieldValue::Unknown(_)), "{} is unknown", field.name);
        }
    }
    assert!(catalogue().iter().filter(|field| field.is_always_known).count() >= 15);
}

#[tokio::test]
async fn head_is_answered_without_a_body() {
    let (machine, _) = full();
    let client = machine.client();
    // This machine keeps no history.
    let is_read =
        |route: &&Route| !matches!(route.handler, Handler::Query(_) | Handler::History(_));
    for route in ROUTES.iter().filter(is_read).filter(|route| !route.path.contains('{')) {
        let request = Request::head(route.path).body(Body::empty()).unwrap();
        let answer = client.whole(request).await;
        assert_eq!((answer.status, answer.body.len()), (StatusCode::OK, 0), "{}", route.path);
    }
}
