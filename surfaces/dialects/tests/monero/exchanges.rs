//! Every recorded exchange, replayed: status, words behind it, headers and body, byte by byte.

use bytes::Bytes;
use conns_dialects::monero::{Login, Node, Options, ReasonPhrase};
use http::{Request, Response};
use serde_json::Value;

use crate::sample::{ask, cache, options};

const RECORDED: &str = include_str!("../fixtures/monero/recorded.jsonl");

/// What differs on purpose or cannot be asked here, each with its reason.
const EXCLUDED: &[(&str, &str)] = &[
    ("path /json_rpc#x", "the http crate takes fragments off, as RFC 9112 has no room for them"),
    ("verb CONNECT", "the http crate refuses this target for it, and so does the shell"),
    ("verb CONNECT without a body", "likewise"),
];

/// ISO 8859-1, as the recorder writes bytes.
fn bytes(text: &Value) -> Option<Bytes> {
    let text = text.as_str()?;
    Some(text.chars().map(|c| u8::try_from(u32::from(c)).expect("ISO 8859-1")).collect())
}

fn request(exchange: &Value) -> Request<Bytes> {
    let text = |key: &str| exchange[key].as_str().expect("a text").to_owned();
    let mut request = Request::builder().method(text("verb").as_str()).uri(text("path"));
    request = request.header("Host", "node");
    for header in exchange["headers"].as_array().expect("an array") {
        let (name, value) =
            header.as_str().and_then(|line| line.split_once(": ")).expect("a header");
        request = request.header(name, value);
    }
    let is_announced = request.headers_ref().is_some_and(|headers| {
        headers.contains_key("content-length") || headers.contains_key("transfer-encoding")
    });
    let body = bytes(&exchange["body"]).unwrap_or_else(|| vec![b' '; 1 << 20].into());
    // A shell does not read a body that no header announces.
    request.body(if is_announced { body } else { Bytes::new() }).expect("a request")
}

/// The answer as text, its head one line each, names of headers in lower case. What differs from
/// time to time is replaced, and headers of the server are removed.
fn plain(status: &str, headers: Vec<(String, String)>, body: &[u8]) -> String {
    let mut text = format!("{status}\n");
    for (name, value) in headers {
        let name = name.to_ascii_lowercase();
        let value = match name.as_str() {
            "connection" => continue,
            "last-modified" => "now".to_owned(),
            "www-authenticate" => {
                let mut parts: Vec<&str> = value.split('"').collect();
                assert_eq!(parts[4], ",nonce=");
                parts[5] = "NONCE";
                parts.join("\"")
            }
            _ => value,
        };
        text += &format!("{name}: {value}\n");
    }
    text + "\n" + &body.escape_ascii().to_string()
}

fn ours(response: Option<Response<Bytes>>) -> Option<String> {
    let response = response?;
    let reason = response.extensions().get::<ReasonPhrase>().expect("words behind the status");
    let status = format!("HTTP/1.1 {} {}", response.status().as_u16(), reason.0);
    let headers = response
        .headers()
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_str().expect("ASCII").to_owned()));
    Some(plain(&status, headers.collect(), response.body()))
}

fn theirs(exchange: &Value) -> Option<String> {
    let answer = bytes(&exchange["answer"])?;
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
    let head = std::str::from_utf8(&answer[..end]).expect("ASCII");
    let mut lines = head.split("\r\n");
    let status = lines.next().expect("a status line");
    let headers = lines.map(|line| {
        let (name, value) = line.split_once(": ").expect("a header");
        (name.to_owned(), value.to_owned())
    });
    Some(plain(status, headers.collect(), &answer[end + 4..]))
}

#[test]
fn every_recorded_exchange_is_answered_alike() {
    let plain = Node::new(options());
    let restricted = Node::new(Options { restricted: true, ..options() });
    let login = Node::new(Options { login: Some(Login::new("user", "pass")), ..options() });
    let cache = cache(&[]);
    let (mut replayed, mut different) = (0, Vec::new());
    for line in RECORDED.lines() {
        let exchange: Value = serde_json::from_str(line).expect("a line of JSON");
        let name = exchange["name"].as_str().expect("a name");
        if EXCLUDED.iter().any(|(delegated, _)| *delegated == name) {
            continue;
        }
        let node = match exchange["node"].as_str() {
            Some("plain") => &plain,
            Some("restricted") => &restricted,
            Some("login") => &login,
            other => panic!("no node {other:?}"),
        };
        let (ours, theirs) = (ours(ask(node, &request(&exchange), &cache)), theirs(&exchange));
        if ours != theirs {
            different.push(format!("{name}: ours {ours:#?}\ntheirs {theirs:#?}"));
        }
        replayed += 1;
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
    assert_eq!(replayed, RECORDED.lines().count() - EXCLUDED.len());
}

#[test]
fn last_modified_is_the_time_of_the_sample() {
    let node = Node::new(options());
    let response = ask(&node, &crate::sample::post("{}"), &cache(&[])).expect("an answer");
    assert_eq!(response.headers()["last-modified"], "Thu, 20 Aug 2026 12:00:00 GMT");
    assert!(!response.headers().contains_key("date"));
}

/// As newer nodes do (0.18.5); the recorded one wrote each half by itself, which is no UTF-8.
#[test]
fn a_pair_of_escapes_is_one_character_and_half_a_pair_is_refused() {
    let node = Node::new(options());
    let id = |id: &str| {
        let body = format!("{{\"id\":{id},\"method\":\"get_connections\"}}");
        let response = ask(&node, &crate::sample::post(body), &cache(&[])).expect("an answer");
        let answer: Value = serde_json::from_slice(response.body()).expect("JSON");
        (answer["id"].clone(), answer["error"]["code"].as_i64())
    };
    assert_eq!(id(r#""\ud83d\ude00""#), ("😀".into(), None));
    for half in [r#""\ud83d""#, r#""\ude00""#, r#""\ud83dx""#, r#""\ud83d\ud83d""#, r#""\ud83d\n""#]
    {
        assert_eq!(id(half), (0.into(), Some(-32700)), "{half}");
    }
}

/// What only a proxy or a browser would notice.
#[test]
fn a_body_counts_with_its_head_and_more_than_one_mebibyte_is_hung_up_on() {
    let node = Node::new(options());
    let ask_of = |length: usize| ask(&node, &crate::sample::post(vec![b' '; length]), &cache(&[]));
    assert!(ask_of((1 << 20) - 200).is_some());
    assert!(ask_of((1 << 20) - 10).is_none());
}
