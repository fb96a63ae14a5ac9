//! JSON-RPC 2.0 itself: what is sent, what comes back, to the letter.

use conns_dialects::jetstream::{MAX_BATCH, MAX_BYTES};
use conns_dialects::{HttpDialect, HttpOutcome, LineDialect};
use http::{Method, Request, StatusCode};
use proptest::prelude::*;
use serde_json::value::RawValue;

use crate::sample;

/// What is sent, and the start of what comes back: the detail behind it is for people.
const ANSWERED: &[(&str, &str)] = &[
    // An id comes back as it was written.
    (
        r#"{"jsonrpc":"2.0","method":"getConnections","id":1}"#,
        r#"{"jsonrpc":"2.0","result":[],"id":1}"#,
    ),
    (
        r#" { "id" : "\u0061\"é" , "method":"\u0067etConnections", "jsonrpc":"2.0" } "#,
        r#"{"jsonrpc":"2.0","result":[],"id":"\u0061\"é"}"#,
    ),
    (
        r#"{"jsonrpc":"2.0","method":"getConnections","id":123456789012345678901234567890.50}"#,
        r#"{"jsonrpc":"2.0","result":[],"id":123456789012345678901234567890.50}"#,
    ),
    (
        r#"{"jsonrpc":"2.0","method":"getConnections","id":-1e999}"#,
        r#"{"jsonrpc":"2.0","result":[],"id":-1e999}"#,
    ),
    // A null is an id, its absence a notification.
    (
        r#"{"jsonrpc":"2.0","method":"getConnections","id":null}"#,
        r#"{"jsonrpc":"2.0","result":[],"id":null}"#,
    ),
    (r#"{"jsonrpc":"2.0","method":"getConnections"}"#, ""),
    (r#"{"jsonrpc":"2.0","method":"nothing like it"}"#, ""),
    (r#"{"jsonrpc":"2.0","method":"getConnections","params":[1,2,3]}"#, ""),
    // Unknown members are ignored, a null of params counts as absent.
    (
        r#"{"jsonrpc":"2.0","method":"getConnections","params":null,"id":1,"auth":{"a":[]}}"#,
        r#"{"jsonrpc":"2.0","result":[],"id":1}"#,
    ),
    // The examples of the specification, section 7.
    (
        r#"{"jsonrpc": "2.0", "method": "foobar", "id": "1"}"#,
        r#"{"jsonrpc":"2.0","error":{"code":-32601,"message":"Method not found","data":"no method `foobar`; known are getServerInfo "#,
    ),
    (
        r#"{"jsonrpc": "2.0", "method": "foobar, "params": "bar", "baz]"#,
        r#"{"jsonrpc":"2.0","error":{"code":-32700,"message":"Parse error","data":"expected `,` or `}` at line 1 column"#,
    ),
    (
        r#"{"jsonrpc": "2.0", "method": 1, "params": "bar"}"#,
        r#"{"jsonrpc":"2.0","error":{"code":-32600,"message":"Invalid Request","data":"`method` must be a string"},"id":null}"#,
    ),
    (
        r#"[{"jsonrpc": "2.0", "method": "sum", "params": [1,2,4], "id": "1"},{"jsonrpc": "2.0", "method"]"#,
        r#"{"jsonrpc":"2.0","error":{"code":-32700,"#,
    ),
    (
        "[]",
        r#"{"jsonrpc":"2.0","error":{"code":-32600,"message":"Invalid Request","data":"the batch is empty"},"id":null}"#,
    ),
    (
        "[1]",
        r#"[{"jsonrpc":"2.0","error":{"code":-32600,"message":"Invalid Request","data":"a request is an object"},"id":null}]"#,
    ),
    (
        "[1,[],\"x\"]",
        r#"[{"jsonrpc":"2.0","error":{"code":-32600,"message":"Invalid Request","data":"a request is an object"},"id":null},{"jsonrpc":"2.0","#,
    ),
    (r#"[{"jsonrpc":"2.0","method":"a"},{"jsonrpc":"2.0","method":"getServerInfo"}]"#, ""),
    (
        r#"[{"jsonrpc":"2.0","method":"getConnections","id":2},{"jsonrpc":"2.0","method":"x"},{"jsonrpc":"2.0","method":"send.getConnections","id":"1"}]"#,
        r#"[{"jsonrpc":"2.0","result":[],"id":2},{"jsonrpc":"2.0","result":[],"id":"1"}]"#,
    ),
    // No request: the error has the id if there is one.
    (
        r#"{"method":"getConnections","id":5}"#,
        r#"{"jsonrpc":"2.0","error":{"code":-32600,"message":"Invalid Request","data":"`jsonrpc` must be \"2.0\""},"id":5}"#,
    ),
    (
        r#"{"jsonrpc":2.0,"method":"getConnections","id":5}"#,
        r#"{"jsonrpc":"2.0","error":{"code":-32600,"message":"Invalid Request","data":"`jsonrpc` must be \"2.0\""},"id":5}"#,
    ),
    (
        r#"{"jsonrpc":"2.0","method":"getConnections","params":"bar","id":5}"#,
        r#"{"jsonrpc":"2.0","error":{"code":-32600,"message":"Invalid Request","data":"`params` must be an object or an array"},"id":5}"#,
    ),
    (
        r#"{"jsonrpc":"2.0","method":"getConnections","id":[5]}"#,
        r#"{"jsonrpc":"2.0","error":{"code":-32600,"message":"Invalid Request","data":"an id is a string, a number or null"},"id":null}"#,
    ),
    (
        r#"{"jsonrpc":"2.0","method":"getConnections","id":"\ud800"}"#,
        r#"{"jsonrpc":"2.0","error":{"code":-32600,"message":"Invalid Request","data":"an id is a string, a number or null"},"id":null}"#,
    ),
    (
        r#"{"jsonrpc":"2.0","method":"getConnections","id":1,"id":2}"#,
        r#"{"jsonrpc":"2.0","error":{"code":-32600,"message":"Invalid Request","data":"duplicate field `id`"#,
    ),
    ("5", r#"{"jsonrpc":"2.0","error":{"code":-32600,"message":"Invalid Request","#),
    (r#""getConnections""#, r#"{"jsonrpc":"2.0","error":{"code":-32600,"#),
    ("{}", r#"{"jsonrpc":"2.0","error":{"code":-32600,"message":"Invalid Request","#),
    ("{} {}", r#"{"jsonrpc":"2.0","error":{"code":-32700,"message":"Parse error","#),
    (
        "{\"jsonrpc\":\"2.0\",\"method\":\"getConnections\",\"id\":1}\r",
        r#"{"jsonrpc":"2.0","result":[],"id":1}"#,
    ),
    ("", ""),
    (" \t\r", ""),
];

#[test]
fn requests_are_answered_as_specified() {
    let server = sample::server(&[]);
    for (sent, expected) in ANSWERED {
        let answer = sample::line(&server, sent);
        assert!(answer.starts_with(expected), "{sent}\n{answer}\n{expected}");
        assert_eq!(answer.is_empty(), expected.is_empty(), "{sent}\n{answer}");
        if !answer.is_empty() {
            serde_json::from_str::<&RawValue>(&answer).expect("an answer is JSON");
        }
    }
}

#[test]
fn http_carries_the_same_answers() {
    let server = sample::server(&[]);
    for (sent, _) in ANSWERED.iter().filter(|(sent, _)| !sent.trim().is_empty()) {
        let response = sample::http(&server, post("/", sent));
        let answer = sample::joined(response.body());
        assert_eq!(answer, sample::line(&server, sent));
        let status = if answer.is_empty() { StatusCode::NO_CONTENT } else { StatusCode::OK };
        assert_eq!(response.status(), status, "{sent}");
        let json =
            response.headers().get("content-type").is_some_and(|ty| ty == "application/json");
        assert_eq!(json, !answer.is_empty(), "{sent}");
    }
    // A body is a message, and nothing is none.
    let response = sample::http(&server, post("", ""));
    assert_eq!(response.status(), StatusCode::OK);
    assert!(sample::joined(response.body()).contains("-32700"));
}

#[test]
fn http_takes_posts_to_the_root_only() {
    let server = sample::server(&[]);
    let call = r#"{"jsonrpc":"2.0","method":"getConnections","id":1}"#;
    for method in [Method::GET, Method::PUT, Method::DELETE, Method::OPTIONS, Method::HEAD] {
        let request = Request::builder().method(&method).uri("/").body(call).expect("a request");
        let response = sample::http(&server, request);
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED, "{method}");
        assert_eq!(response.headers()["allow"], "POST");
    }
    let response = sample::http(&server, post("/getConnections", call));
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
}

fn post<'a>(uri: &str, body: &'a str) -> Request<&'a str> {
    let uri = if uri.is_empty() { "/?" } else { uri };
    Request::post(uri).body(body).expect("a request")
}

#[test]
fn a_batch_has_its_bound() {
    let server = sample::server(&[]);
    let call = r#"{"jsonrpc":"2.0","method":"getConnections","id":1}"#;
    let batch = |length: usize| format!("[{}]", vec![call; length].join(","));
    let answer: Vec<serde_json::Value> =
        serde_json::from_str(&sample::line(&server, &batch(MAX_BATCH))).expect("an array");
    assert_eq!(answer.len(), MAX_BATCH);
    let answer = sample::line(&server, &batch(MAX_BATCH + 1));
    assert!(answer.starts_with(r#"{"jsonrpc":"2.0","error":{"code":-32600,"#), "{answer}");
    assert!(answer.contains("101 requests in a batch, at most 100"), "{answer}");
}

#[test]
fn a_message_that_is_too_long_is_refused() {
    let server = sample::server(&[]);
    assert_eq!(
        (server.service.lines().longest_line(), server.service.http().longest_body()),
        (65_536, 65_536)
    );
    assert_eq!(MAX_BYTES, 65_536);
    let outcome = server.service.lines().line_too_long();
    assert!(outcome.close);
    let expected = "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32600,\"message\":\"Invalid Request\",\
                    \"data\":\"longer than 65536 bytes; send smaller batches\"},\"id\":null}\n";
    assert_eq!(sample::joined(&outcome.chunks), expected);
    let HttpOutcome::Answer(response) = server.service.http().body_too_long() else {
        unreachable!("this dialect never hangs up")
    };
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(sample::joined(response.body()), expected.trim_end());
}

#[test]
fn the_deepest_nesting_of_a_line_is_answered() {
    let server = sample::server(&[]);
    let half = MAX_BYTES / 2 - 40;
    let nest = format!("{}{}", "[".repeat(half), "]".repeat(half));
    let calls = [
        nest.clone(),
        format!(r#"{{"jsonrpc":"2.0","method":"getConnections","params":{nest},"id":1}}"#),
        format!(r#"{{"jsonrpc":"2.0","method":"getConnections","id":{nest}}}"#),
        format!(r#"{{"x":{nest}}}"#),
        "[".repeat(MAX_BYTES),
        "{\"a\":".repeat(MAX_BYTES / 5),
    ];
    for call in calls {
        let answer = sample::line(&server, &call);
        assert!(answer.contains(r#""code":-32"#), "{answer}");
    }
}

#[test]
fn bytes_that_are_no_text_are_no_json() {
    let server = sample::server(&[]);
    let outcome = server.service.lines().answer(b"{\"jsonrpc\":\"\xff\"}", &server.cache);
    assert!(sample::joined(&outcome.chunks).contains("-32700"));
}

proptest! {
    #[test]
    fn whatever_is_sent_the_answer_is_nothing_or_one_line_of_json(
        sent in r#"[\[{]?("(jsonrpc|method|params|id)":("2.0"|"getConnection"|1|null|\[|\{|\]|\}|,){0,2},?){0,5}[\]}]?"#
    ) {
        let answer = sample::line(&sample::server(&[]), &sent);
        if !answer.is_empty() {
            prop_assert!(serde_json::from_str::<&RawValue>(&answer).is_ok(), "{}", answer);
        }
    }

    #[test]
    fn any_id_that_is_one_comes_back(id in any::<String>(), number in any::<i128>()) {
        for id in [serde_json::Value::from(id).to_string(), number.to_string()] {
            let sent = format!(r#"{{"jsonrpc":"2.0","method":"getConnections","id":{id}}}"#);
            let expected = format!(r#"{{"jsonrpc":"2.0","result":[],"id":{id}}}"#);
            prop_assert_eq!(sample::line(&sample::server(&[]), &sent), expected);
        }
    }
}
