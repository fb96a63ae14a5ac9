//! Hostile bytes: answered within bounds and without a panic.

use std::time::{Duration, Instant};

use bytes::Bytes;
use conns_dialects::monero::{Login, Node, Options};
use http::{Method, Request};
use proptest::prelude::*;

use crate::sample::{Peer, ask, cache, options, post};

/// The most an answer without rows may take: a head, and an id.
const LONGEST: usize = 64 * 1024 + 1024;

fn length(body: impl Into<Bytes>) -> usize {
    let node = Node::new(options());
    ask(&node, &post(body), &cache(&[])).map_or(0, |response| response.body().len())
}

#[test]
fn an_id_is_echoed_up_to_its_limit_and_refused_beyond() {
    let id = |length: usize| {
        let body = format!("{{\"id\":\"{}\",\"method\":\"get_connections\"}}", "a".repeat(length));
        let node = Node::new(options());
        let response = ask(&node, &post(body), &cache(&[])).expect("an answer");
        (response.body().len(), response.body().windows(6).any(|six| six == b"-32700"))
    };
    assert_eq!(id(65_000), (65_000 + 103, false));
    assert!(id(65_536).1);
    // Each of these is written with two bytes.
    assert!(length(format!("{{\"id\":\"{}\",\"method\":\"x\"}}", "/".repeat(40_000))) < 200);
}

#[test]
fn nesting_and_repetition_stay_within_bounds() {
    let deep = "{\"id\":".repeat(170_000);
    let keys: String = (0..60_000).map(|n| format!("\"{n}\":{{}},")).collect();
    let nested = format!("{}{keys}", "{\"id\":".repeat(99));
    let ones = "1,".repeat(500_000);
    let empties = "{},".repeat(300_000);
    let spaces = "{\"id\":{ ".to_owned() + &" ".repeat(1_000_000);
    let bodies = [
        deep,
        nested,
        format!("{{\"id\":[{ones}1],\"method\":\"x\"}}"),
        format!("{{\"id\":[{empties}{{}}],\"method\":\"x\"}}"),
        format!("{{\"params\":[{empties}{{}}],\"method\":\"x\"}}"),
        format!("{{\"id\":{},\"method\":\"x\"}}", "9".repeat(1_000_000)),
        format!("{{\"id\":{}.5,\"method\":\"x\"}}", "9".repeat(1_000_000)),
        format!("{{\"id\":0.{}e-1,\"method\":\"x\"}}", "0".repeat(1_000_000)),
        format!("{{\"id\":1e{},\"method\":\"x\"}}", "9".repeat(1_000_000)),
        format!("{{\"id\":\"{}\"}}", "\\u00e9".repeat(170_000)),
        spaces,
        "[".repeat(1_000_000),
        "{".repeat(1_000_000),
    ];
    for body in bodies {
        let start: String = body.chars().take(40).collect();
        let began = Instant::now();
        let length = length(body);
        assert!(length > 0 && length < LONGEST, "{start}: {length}");
        assert!(began.elapsed() < Duration::from_secs(2), "{start}");
    }
}

/// Fragments of requests, so that generated ones reach deep.
fn fragments() -> impl Strategy<Value = Vec<u8>> {
    let words = [
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        " ",
        "\"",
        "\\",
        "\\u",
        "\\ud83d",
        "0041",
        "null",
        "true",
        "False",
        "1",
        "-",
        "1.5",
        "e",
        "99999999999999999999",
        "\"id\"",
        "\"id\":",
        "\"method\":",
        "\"get_connections\"",
        "\"jsonrpc\":",
        "\"2.0\"",
        "\"a\":",
        "\u{0}",
        "\u{e9}",
        "/",
    ];
    prop::collection::vec(prop::sample::select(words.to_vec()), 0..40)
        .prop_map(|words| words.concat().into_bytes())
}

proptest! {
    #[test]
    fn any_body_is_answered_as_json_with_the_keys_of_json_rpc(
        body in prop_oneof![fragments(), prop::collection::vec(any::<u8>(), 0..200)]
    ) {
        let node = Node::new(options());
        let response = ask(&node, &post(body), &cache(&[])).expect("an answer");
        let code = response.status().as_u16();
        prop_assert!(code == 200 || code == 500);
        if code == 200 {
            let body = response.body();
            let is_object = body.starts_with(b"{\r\n  \"") && body.ends_with(b"\r\n}");
            prop_assert!(is_object);
            let length = &response.headers()["content-length"];
            prop_assert_eq!(length.to_str().ok(), Some(&*body.len().to_string()));
        } else {
            prop_assert!(response.body().is_empty());
        }
    }

    /// What is JSON and has text for a method is never a parse error, unless it has what the node
    /// cannot read.
    #[test]
    fn plain_calls_are_echoed_their_id(
        id in prop_oneof![
            any::<u64>().prop_map(serde_json::Value::from),
            any::<i64>().prop_map(serde_json::Value::from),
            any::<bool>().prop_map(serde_json::Value::from),
            any::<String>().prop_map(serde_json::Value::from),
            prop::collection::btree_map("[a-z]{1,3}", any::<u64>(), 0..5)
                .prop_map(|map| serde_json::to_value(map).expect("JSON")),
            prop::collection::vec(any::<bool>(), 1..5).prop_map(serde_json::Value::from),
        ]
    ) {
        let call = serde_json::json!({"jsonrpc": "2.0", "id": id, "method": "get_connections"});
        let node = Node::new(options());
        let response = ask(&node, &post(call.to_string()), &cache(&[])).expect("an answer");
        // Control characters and vertical tabs are written raw or in a way only C knows.
        let text = String::from_utf8(response.into_body().into()).expect("UTF-8");
        prop_assert!(text.contains("\"status\": \"OK\""), "{}", text);
        if let Ok(answer) = serde_json::from_str::<serde_json::Value>(&text) {
            prop_assert_eq!(&answer["id"], &id);
        } else {
            prop_assert!(id.as_str().is_some_and(|id| id.chars().any(|c| c < ' ')));
        }
    }

    #[test]
    fn any_request_is_answered_or_hung_up_on(
        verb in "[A-Za-z]{1,8}",
        path in "/[a-z_?/#%]{0,12}",
        authorization in prop::collection::vec(32..127_u8, 0..80),
        is_digest in any::<bool>(),
        body in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let node = Node::new(Options { login: Some(Login::new("a", "b")), ..options() });
        let prefix: &[u8] = if is_digest { b"Digest username=\"a\"," } else { b"" };
        let Ok(verb) = Method::from_bytes(verb.as_bytes()) else { return Ok(()) };
        let request = Request::builder().method(verb).uri(path)
            .header("authorization", [prefix, &authorization].concat());
        let Ok(request) = request.body(Bytes::from(body)) else { return Ok(()) };
        if let Some(response) = ask(&node, &request, &cache(&[Peer::default()])) {
            prop_assert!([200, 401].contains(&response.status().as_u16()));
            prop_assert!(!response.body().windows(11).any(|part| part == b"connections"));
        }
    }
}
