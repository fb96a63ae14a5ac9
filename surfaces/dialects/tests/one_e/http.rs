//! Calls over HTTP: the same tables, in JSON and CSV, and refusals with their place.

use std::sync::Arc;

use bytes::Bytes;
use conns_dialects::one_e::{MAX_BYTES, Method, OneE, answer};
use conns_dialects::{BodyChunks, HttpDialect, HttpOutcome, ResponseCache};
use conns_fixtures::{at, known, owner, snapshot, update};
use http::{Request, Response, StatusCode};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::sample;

fn cache() -> ResponseCache {
    ResponseCache::new(Arc::new(update(sample::machine())))
}

fn ask(request: Request<&[u8]>) -> Response<BodyChunks> {
    match OneE.answer(&request.map(Bytes::copy_from_slice), &cache()) {
        HttpOutcome::Answer(response) => response,
        HttpOutcome::Hangup => unreachable!("this dialect never hangs up"),
    }
}

fn text(response: &Response<BodyChunks>) -> String {
    String::from_utf8(response.body().concat()).expect("an answer is UTF-8")
}

fn post(call: &str) -> Response<BodyChunks> {
    ask(Request::post("/").body(call.as_bytes()).expect("a request"))
}

fn get(uri: &str) -> Response<BodyChunks> {
    ask(Request::get(uri).body(&b""[..]).expect("a request"))
}

#[test]
fn a_posted_call_is_answered_as_the_command_line_prints_it() {
    for method in Method::ALL {
        let response = post(&format!("{method}();"));
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "application/json");
        let table = answer(method, &sample::machine());
        let printed = serde_json::to_string_pretty(&table).expect("JSON") + "\n";
        assert_eq!(text(&response), printed);
    }
}

#[test]
fn a_call_may_stand_in_the_query() {
    let expected = text(&post("Network.GetConnections();"));
    for query in [
        "call=Network.GetConnections();",
        "call=Network.GetConnections",
        "x=1&call=Network%2eGetConnections%28%29%3B&call=no",
        "call=+Network+.%20GetConnections()",
    ] {
        let response = get(&format!("/?{query}"));
        assert_eq!((response.status(), text(&response)), (StatusCode::OK, expected.clone()));
    }
    for (query, expected) in [
        ("", "expected a module and a method, found the end"),
        ("?", "expected a module and a method, found the end"),
        ("?method=Network.GetConnections", "expected a module and a method, found the end"),
        ("?call=Network.GetConnections%", "expected `(`, `;` or the end, found `%`"),
        ("?call=Network.GetConnections%2", "expected `(`, `;` or the end, found `%`"),
        ("?call=Network.GetConnections%zz", "expected `(`, `;` or the end, found `%`"),
        ("?call=Network.GetConnections%ff", "expected `(`, `;` or the end, found `\u{fffd}`"),
    ] {
        let response = get(&format!("/{query}"));
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{query}");
        let refusal: Value = serde_json::from_str(&text(&response)).expect("JSON");
        assert_eq!(refusal["error"], expected, "{query}");
    }
}

#[test]
fn csv_is_answered_where_it_is_accepted() {
    for (accept, csv) in [
        ("text/csv", true),
        ("Text/CSV; charset=utf-8", true),
        ("text/csv, */*;q=0.1", true),
        ("text/csv, */*", true),
        ("text/html, text/csv;q=0.5", true),
        ("application/json;q=0.5, text/csv", true),
        ("application/json, text/csv", false),
        ("application/*, text/csv;q=0.9", false),
        ("text/csv;q=0.2, */*;q=0.3", false),
        ("text/csv;q=0", false),
        ("text/csv;q=7", false),
        ("text/csv;q=NaN", false),
        ("*/*", false),
        ("", false),
    ] {
        let call = &b"Network.GetConnections();"[..];
        let response = ask(Request::post("/").header("accept", accept).body(call).expect("one"));
        let ty = response.headers()["content-type"].to_str().expect("text");
        assert_eq!(ty.starts_with("text/csv"), csv, "{accept}: {ty}");
        assert_eq!(text(&response).starts_with("Class,LatencyMs,LocalAddress,"), csv, "{accept}");
        assert_eq!(response.headers()["vary"], "Accept");
    }
}

#[test]
fn csv_has_the_cells_of_the_table_and_quotes_what_would_break_it() {
    let mut connection = sample::established("10.0.0.5:443", "192.0.2.7:51000");
    connection.owners = known([owner(7, "a \"b\", c\nd", 3), owner(8, "=1+1", 3)].into());
    let mut blind = sample::established("[fe80::1]:179", "[fe80::2]:33333");
    blind.socket.tcp = sample::tcp_info(80_400, 1000, 20, 0, 232);
    let snapshot = snapshot(1, at(0), vec![connection, blind]);
    let cache = ResponseCache::new(Arc::new(update(snapshot)));
    let request = Request::post("/").header("accept", "text/csv");
    let request = request.body(Bytes::from_static(b"Network.GetConnections")).expect("a request");
    let HttpOutcome::Answer(response) = OneE.answer(&request, &cache) else {
        unreachable!("this dialect never hangs up")
    };
    let expected = "Class,LatencyMs,LocalAddress,LocalPort,PacketLossPercent,ProcessId,ProcessName,\
                    RemoteAddress,RemotePort\n\
                    IPv4,,10.0.0.5,443,,7,\"a \"\"b\"\", c\\nd\",192.0.2.7,51000\n\
                    IPv4,,10.0.0.5,443,,8,'=1+1,192.0.2.7,51000\n\
                    IPv6,80,fe80::1,179,2,,,fe80::2,33333\n";
    assert_eq!(text(&response), expected);
}

#[test]
fn a_refusal_has_a_status_a_place_and_a_way_out() {
    for (call, status, expected) in [
        (
            "Network.GetConections();",
            404,
            json!({
                "error": "unknown method `GetConections` of module `Network`",
                "hint": "did you mean `GetConnections`? known are GetConnections GetListeningEndpoints",
                "call": "Network.GetConections();", "column": 9, "length": 13,
            }),
        ),
        (
            "network.GetConnections();",
            404,
            json!({
                "error": "unknown module `network`",
                "hint": "did you mean `Network`? names are case-sensitive; known is Network",
                "call": "network.GetConnections();", "column": 1, "length": 7,
            }),
        ),
        (
            "Network.GetConnections(\"é\");",
            400,
            json!({
                "error": "`Network.GetConnections` takes no arguments, found `\"é\"`",
                "hint": "write `Network.GetConnections();`",
                "call": "Network.GetConnections(\"é\");", "column": 24, "length": 3,
            }),
        ),
        (
            "GetConnections();",
            400,
            json!({
                "error": "method `GetConnections` without its module",
                "hint": "write `Network.GetConnections();`",
                "call": "GetConnections();", "column": 1, "length": 14,
            }),
        ),
        (
            "Network",
            400,
            json!({
                "error": "expected `.` and a method, found the end",
                "hint": "a call is written `Network.GetConnections();`",
                "call": "Network", "column": 8, "length": 0,
            }),
        ),
    ] {
        let response = post(call);
        assert_eq!(response.status(), status, "{call}");
        assert_eq!(response.headers()["content-type"], "application/json");
        let refusal: Value = serde_json::from_str(&text(&response)).expect("JSON");
        assert_eq!(refusal, expected);
    }
}

#[test]
fn what_is_too_long_is_refused_by_body_and_by_query() {
    let expected = json!({
        "error": "call longer than 256 bytes",
        "hint": "a call is written `Network.GetConnections();`",
    });
    assert_eq!(OneE.longest_body(), MAX_BYTES);
    let HttpOutcome::Answer(response) = OneE.body_too_long() else {
        unreachable!("this dialect never hangs up")
    };
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(serde_json::from_str::<Value>(&text(&response)).expect("JSON"), expected);
    let response = get(&format!("/?call={}", "x".repeat(MAX_BYTES + 1)));
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    assert_eq!(serde_json::from_str::<Value>(&text(&response)).expect("JSON"), expected);
}

#[test]
fn other_verbs_and_paths_are_refused() {
    for verb in ["PUT", "DELETE", "OPTIONS", "HEAD"] {
        let call = &b"Network.GetConnections();"[..];
        let response = ask(Request::builder().method(verb).uri("/").body(call).expect("one"));
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED, "{verb}");
        assert_eq!(response.headers()["allow"], "GET, POST");
    }
    assert_eq!(get("/Network/GetConnections").status(), StatusCode::NOT_FOUND);
}

#[test]
fn a_table_is_written_once_per_update() {
    let cache = cache();
    let place = || {
        let request = Request::post("/").body(Bytes::from_static(b"Network.GetConnections"));
        match OneE.answer(&request.expect("a request"), &cache) {
            HttpOutcome::Answer(response) => response.body()[0].as_ptr(),
            HttpOutcome::Hangup => unreachable!("this dialect never hangs up"),
        }
    };
    assert_eq!(place(), place());
}

proptest! {
    #[test]
    fn whatever_is_called_is_answered_with_json(
        body in prop::collection::vec(any::<u8>(), 0..64), query in "[ -\"$-;=?-~]{0,40}"
    ) {
        let mut answers = vec![ask(Request::post("/").body(body.as_slice()).expect("a request"))];
        let uri = format!("/?call={}", query.replace(['#', ' ', '"', '<', '>', '\\', '^', '`', '{', '|', '}'], "%"));
        answers.extend(Request::get(uri).body(&b""[..]).ok().map(ask));
        for answer in answers {
            prop_assert!(serde_json::from_str::<Value>(&text(&answer)).is_ok());
        }
    }
}
