//! The JetStream dialect against JetStream's own page, JSON-RPC 2.0 and hostile requests.

#![allow(clippy::expect_used, reason = "a test that cannot continue fails with the reason")]

#[path = "jetstream/envelope.rs"]
mod envelope;
#[path = "jetstream/fake.rs"]
mod fake;
#[path = "jetstream/forward.rs"]
mod forward;
#[path = "jetstream/parameters.rs"]
mod parameters;
#[path = "jetstream/records.rs"]
mod records;
#[path = "jetstream/sample.rs"]
mod sample;
#[path = "jetstream/server.rs"]
mod server;
#[path = "jetstream/service.rs"]
mod service;
#[path = "jetstream/values.rs"]
mod values;

use std::collections::BTreeSet;

use conns_core::model::{EncryptionState, Transfer, TransferError};
use conns_dialects::LineDialect;
use serde_json::{Value, json};

const PAGE: &str = include_str!("fixtures/jetstream/connection-structure.txt");
const OURS: &str = include_str!("../../../docs/dialects/jetstream.md");

/// The fields of JetStream's page, in its order: each stands in a line of its own behind a dash,
/// but for where the page was cut badly.
fn fields_of_the_page() -> Vec<&'static str> {
    let is_field = |word: &&str| {
        word.starts_with(|c: char| c.is_ascii_lowercase())
            && word.chars().all(|c| c.is_ascii_alphanumeric())
            && !["disconnected", "negotiating", "connected"].contains(word)
    };
    PAGE.lines()
        .filter_map(|line| line.rsplit("- ").next())
        .map(str::trim)
        .filter(is_field)
        .collect()
}

fn call(server: &sample::Server, method: &str, params: &Value) -> Value {
    let sent = json!({"jsonrpc": "2.0", "method": method, "params": params, "id": 1});
    let mut answer: Value =
        serde_json::from_str(&sample::line(server, &sent.to_string())).expect("JSON");
    assert_eq!((&answer["jsonrpc"], &answer["id"]), (&json!("2.0"), &json!(1)));
    match answer.get_mut("result") {
        Some(result) => result.take(),
        None => answer["error"].take(),
    }
}

fn keys(record: &Value) -> Vec<&str> {
    record.as_object().expect("an object").keys().map(String::as_str).collect()
}

#[test]
fn the_page_has_28_fields() {
    let fields = fields_of_the_page();
    assert_eq!(fields.len(), 28, "{fields:?}");
    assert_eq!((fields[0], fields[27]), ("connectionId", "socketSendBufferSize"));
}

#[test]
fn connections_equal_the_golden_file() {
    let server = sample::server(&[sample::full("a"), sample::bare("b")]);
    let answer = sample::line(&server, r#"{"jsonrpc":"2.0","method":"getConnections","id":1}"#);
    let written = include_str!("fixtures/jetstream/connections.json");
    // The fixture has a field a line; no value has a line end or a double space in it.
    let compact: String = written.lines().map(str::trim).collect();
    let compact = compact.replace("\": ", "\":");
    assert_eq!(answer, format!(r#"{{"jsonrpc":"2.0","result":{compact},"id":1}}"#));
}

#[test]
fn a_connection_has_the_fields_of_the_page_in_its_order() {
    let record = sample::record(sample::full("a"));
    let mut rest = record.as_str();
    for field in fields_of_the_page() {
        let (_, after) = rest.split_once(&format!("\"{field}\":")).expect(field);
        rest = after;
    }
    let record: Value = serde_json::from_str(&record).expect("JSON");
    assert_eq!(
        keys(&record).into_iter().collect::<BTreeSet<_>>(),
        fields_of_the_page().into_iter().collect()
    );
}

#[test]
fn the_words_of_the_state_are_those_of_the_page() {
    for state in EncryptionState::ALL {
        let transfer = Transfer { encrypted_connection_state: state, ..sample::full("a") };
        let record: Value = serde_json::from_str(&sample::record(transfer)).expect("JSON");
        let word = record["encryptedConnectionState"].as_str().expect("a word");
        assert!(
            PAGE.lines()
                .any(|line| line.trim_start_matches(" - ").trim_start_matches("- ").trim() == word),
            "{word}"
        );
    }
}

/// Our page has a line for each field with its type and whether it may be null; a full and an empty
/// record are of those types.
#[test]
fn the_documentation_has_every_field_with_its_type_and_nulls() {
    let lines: Vec<Vec<&str>> = section("## The Connection structure")
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| line.split('|').map(str::trim).collect())
        .collect();
    let names: Vec<&str> = lines.iter().map(|line| line[1].trim_matches('`')).collect();
    assert_eq!(names, fields_of_the_page());
    let read = |transfer| serde_json::from_str(&sample::record(transfer)).expect("JSON");
    let (full, bare): (Value, Value) = (read(sample::full("a")), read(sample::bare("a")));
    for (line, name) in lines.iter().zip(names) {
        let (ty, null) = (line[2], line[3]);
        assert_eq!(bare[name].is_null(), null == "yes", "{name}");
        let fits = match ty {
            "string" | "IP" | "enum" => full[name].is_string(),
            "int" | "port" => full[name].is_u64(),
            "number" => full[name].is_f64(),
            "bool" => full[name].is_boolean(),
            "time" => full[name].is_i64(),
            other => panic!("{name}: a type {other}"),
        };
        assert!(fits, "{name} of type {ty} is {}", full[name]);
    }
}

#[test]
fn the_documentation_has_every_error_word() {
    for error in TransferError::ALL {
        let transfer = Transfer { last_error: Some(error), ..sample::full("a") };
        let record: Value = serde_json::from_str(&sample::record(transfer)).expect("JSON");
        let word = record["lastError"].as_str().expect("a word");
        assert!(OURS.contains(&format!("`{word}`")), "{word}");
    }
    for code in [-32700, -32600, -32601, -32602, -32603, -32001, -32002, -32003, -32004, -32005] {
        assert!(section("## Errors").contains(&format!("| {code} |")), "{code}");
    }
}

fn section(heading: &str) -> &'static str {
    let (_, section) = OURS.split_once(heading).expect("a section");
    section.split("\n## ").next().expect("its text")
}

#[test]
fn there_are_no_connections_until_there_are_transfers() {
    let server = sample::server(&[]);
    for method in ["getConnections", "send.getConnections"] {
        assert_eq!(call(&server, method, &json!({})), json!([]));
    }
    let error = call(&server, "getConnection", &json!({"connectionId": "a"}));
    assert_eq!(error["code"], -32001);
}

#[test]
fn one_connection_is_its_record_of_the_list() {
    let connections: Vec<_> = ["", "a", "b\"\n", "é"].map(sample::full).into();
    let server = sample::server(&connections);
    let all = call(&server, "getConnections", &json!({}));
    for (place, id) in ["", "a", "b\"\n", "é"].into_iter().enumerate() {
        for (method, params) in [
            ("getConnection", json!({"connectionId": id})),
            ("send.getConnection", json!({"connectionId": id})),
            ("getConnection", json!([id])),
        ] {
            let one = call(&server, method, &params);
            assert_eq!(one, all[place]);
            assert_eq!(one["connectionId"], id);
        }
    }
    for id in ["A", "aa", "z", "\u{0}"] {
        let error = call(&server, "getConnection", &json!([id]));
        assert_eq!(error["code"], -32001, "{id:?}");
        assert_eq!(error["message"], "Connection not found");
    }
}

#[test]
fn all_pages_together_are_the_list() {
    let ids: Vec<String> = (0..25).map(|n| format!("{n:02}")).collect();
    let connections: Vec<_> = ids.iter().map(|id| sample::full(id)).collect();
    let server = sample::server(&connections);
    let all = call(&server, "getConnections", &json!({}));
    assert_eq!(all.as_array().map(Vec::len), Some(25));
    for limit in [1, 2, 7, 24, 25, 26, usize::MAX] {
        let mut found = Vec::new();
        let mut params = json!({ "limit": limit });
        // One more than there can be pages.
        for _ in 0..=26 {
            let page = call(&server, "send.getConnections", &params);
            let page = page.as_array().expect("a list");
            assert!(page.len() <= limit);
            let Some(last) = page.last() else { break };
            params = json!({ "limit": limit, "after": last["connectionId"] });
            found.extend(page.iter().cloned());
        }
        assert_eq!(Value::from(found), all, "{limit}");
    }
    // The record before the page may be removed meanwhile.
    let page = call(&server, "getConnections", &json!({"after": "03x", "limit": 1}));
    assert_eq!(page[0]["connectionId"], "04");
    assert_eq!(call(&server, "getConnections", &json!(["23"])).as_array().map(Vec::len), Some(1));
    assert_eq!(call(&server, "getConnections", &json!(["24", 3])), json!([]));
}

#[test]
fn wrong_parameters_are_refused_with_the_reason() {
    let server = sample::server(&[sample::full("a")]);
    for (method, params, expected) in [
        ("getConnection", json!({}), "missing field `connectionId`"),
        ("getConnection", json!([]), "the parameter connectionId"),
        (
            "getConnection",
            json!({"connectionId": 5}),
            "invalid type: integer `5`, expected a string",
        ),
        (
            "getConnection",
            json!({"connectionID": "a"}),
            "unknown field `connectionID`, expected `connectionId`",
        ),
        ("getConnection", json!(["a", "b"]), "trailing"),
        (
            "getConnections",
            json!({"offset": 5}),
            "unknown field `offset`, expected `after` or `limit`",
        ),
        ("getConnections", json!({"limit": 0}), "nonzero"),
        ("getConnections", json!({"limit": -1}), "invalid value"),
        ("getConnections", json!({"limit": 1.5}), "invalid type"),
        ("getConnections", json!(["a", 1, 2]), "trailing"),
        ("getServerInfo", json!({"x": 1}), "unknown field `x`"),
        ("getServerInfo", json!([1]), "trailing"),
    ] {
        let error = call(&server, method, &params);
        assert_eq!(error["code"], -32602, "{method} {params}");
        let data = error["data"].as_str().expect("a text");
        assert!(data.contains(expected), "{method} {params}: {data}");
    }
    let missing = r#"{"jsonrpc":"2.0","method":"getConnection","id":1}"#;
    assert!(sample::line(&server, missing).contains("missing field `connectionId`"));
}

#[test]
fn the_nearest_method_is_suggested() {
    let server = sample::server(&[]);
    for (method, expected) in [
        ("getconnections", "did you mean `getConnections`?"),
        ("send.GetConnection", "did you mean `send.getConnection`?"),
        ("getServerInfos", "did you mean `getServerInfo`?"),
        ("send.gettransfer", "did you mean `send.getTransfer`?"),
        ("recv.getSource", "did you mean `recv.getSources`?"),
        ("send.frobnicate", "no method `send.frobnicate`; known are getServerInfo"),
        ("rpc.discover", "no method `rpc.discover`; known are"),
        (&"x".repeat(65), "known are"),
    ] {
        let error = call(&server, method, &json!({}));
        assert_eq!(error["code"], -32601);
        let data = error["data"].as_str().expect("a text");
        assert!(data.starts_with(expected) || data.contains(&format!("; {expected}")), "{data}");
    }
}

/// The list is written once per update, and a page is a slice of it: the same bytes in memory.
#[test]
fn pages_are_slices_of_one_list() {
    let connections: Vec<_> = ["a", "b", "c"].map(sample::full).into();
    let server = sample::server(&connections);
    let rows = |params: &str| {
        let sent =
            format!(r#"{{"jsonrpc":"2.0","method":"getConnections","params":{params},"id":1}}"#);
        let chunks = server.service.lines().answer(sent.as_bytes(), &server.cache).chunks;
        chunks.into_iter().max_by_key(bytes::Bytes::len).expect("rows")
    };
    let all = rows("{}");
    let second = rows(r#"{"after":"a","limit":1}"#);
    let within = all.as_ptr_range();
    assert!(within.contains(&second.as_ptr()), "not the same memory");
    assert!(second.starts_with(br#"{"connectionId":"b""#) && second.ends_with(b"}"));
}
