//! What else may answer at an address, and what is said of it.

use conns_api::{Agent, AgentError, FORMAT, SNAPSHOT_TYPE};
use conns_client::{Remote, RemoteError, Target};

use crate::stage::{Act, Stage, answer, told};
use crate::{all, looks, target};

/// What is said of these answers.
fn said(act: Act, token: Option<&str>) -> String {
    // What breaks a connection is tried twice.
    let stage = Stage::open(vec![act.clone(), act]);
    let token = token.map(str::to_owned);
    let mut remote = Remote::connect(&Target { token, ..target(stage.url()) }).unwrap();
    match remote.look(&all().ask) {
        Err(AgentError::Unavailable(message)) => {
            assert!(message.contains(&stage.url()), "names the agent: {message}");
            message
        }
        other => panic!("{other:?}"),
    }
}

fn said_of(status: &str, media_type: &str, body: &str) -> String {
    said(Act::Answer(vec![answer(status, media_type, body.as_bytes())]), None)
}

#[test]
fn nobody_there() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = Remote::connect(&target(format!("{free}"))).err().unwrap();
    assert!(!error.is_usage());
    let message = error.to_string();
    assert!(message.contains(&format!("cannot reach the agent http://{free}")), "{message}");
    assert!(message.contains("refused"), "{message}");
    assert!(message.ends_with("Is it running? Start it there with `conns serve`"), "{message}");

    let error = Remote::connect(&target("no-such-host.invalid:1")).err().unwrap().to_string();
    assert!(error.ends_with("Is the name right, and does it resolve?"), "{error}");
}

#[test]
fn a_refusal_is_explained() {
    let json = |message: &str| {
        format!(r#"{{"error":{{"code":"x","message":{}}}}}"#, serde_json::json!(message))
    };
    for (status, body, parts) in [
        ("401 Unauthorized", json("show a token"), vec!["--token-file", "It says: show a token"]),
        ("403 Forbidden", json("host"), vec!["not known by that name", "the agent's hosts"]),
        ("421 Misdirected Request", String::new(), vec!["not known by that name"]),
        ("404 Not Found", "nothing".to_owned(), vec!["is no conns agent", "/api/v1/snapshot"]),
        ("404 Not Found", json("nothing is at"), vec!["use the same release"]),
        ("400 Bad Request", json("no parameter"), vec!["use the same release", "no parameter"]),
        ("503 Service Unavailable", json("full"), vec!["busy", "full"]),
        ("500 Internal Server Error", String::new(), vec!["(500)", "log"]),
        ("302 Found", String::new(), vec!["sends elsewhere", "not followed"]),
        // Its words go to a terminal.
        ("503 Service Unavailable", json("a\u{1b}[31mb\nc"), vec!["It says: a [31mb c"]),
    ] {
        let message = said_of(status, "application/json", &body);
        for part in parts {
            assert!(message.contains(part), "{status}: {message}");
        }
    }
}

#[test]
fn a_token_that_is_not_known_is_told_from_none() {
    let refusal = answer("401 Unauthorized", "application/json", b"{}");
    let message = said(Act::Answer(vec![refusal]), Some("conns_other"));
    assert!(message.contains("it does not know this token"), "{message}");
    assert!(!message.contains("conns_other"), "{message}");
}

#[test]
fn a_redirect_is_not_followed() {
    let elsewhere = Stage::open(vec![Act::Silence]);
    let redirect = format!(
        "HTTP/1.1 307 Temporary Redirect\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n",
        elsewhere.url()
    );
    said(Act::Answer(vec![redirect.into_bytes()]), Some("conns_x"));
    assert!(elsewhere.was_asked_no_more());
}

#[test]
fn something_else_answers() {
    let message = said_of("200 OK", "text/html; charset=utf-8", "<html>");
    assert!(message.contains("is no conns agent: it answers with `text/html`"), "{message}");
    let message = said(Act::Say(b"220 mail.example ESMTP\r\n".to_vec()), None);
    assert!(message.contains("not HTTP; if it serves TLS, use https://"), "{message}");
    // An alert of TLS 1.2: "unexpected message".
    let message = said(Act::Say(vec![0x15, 3, 3, 0, 2, 2, 10]), None);
    assert!(message.contains("use https://"), "{message}");
}

#[test]
fn an_answer_that_is_none() {
    let [one, ..] = looks();
    let whole = told(&one, &all());
    let broken = said(Act::Answer(vec![whole[..whole.len() - 1].to_vec()]), None);
    assert!(broken.contains("broke off"), "{broken}");

    let message = said_of("200 OK", SNAPSHOT_TYPE, "");
    assert!(message.contains("breaks the format"), "{message}");
    let message = said_of("200 OK", SNAPSHOT_TYPE, "\u{1}and then anything");
    let expected = format!("speaks format 1, this conns {FORMAT}; use the same release");
    assert!(message.contains(&expected), "{message}");

    // A terabyte is announced; nothing of it is waited for.
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {SNAPSHOT_TYPE}\r\ncontent-length: 1000000000000\r\n\r\n"
    );
    let message = said(Act::Answer(vec![head.into_bytes()]), None);
    assert!(message.contains("above the bound of 536870912"), "{message}");

    // A head without an end.
    let mut head = b"HTTP/1.1 200 OK\r\n".to_vec();
    head.extend(b"x: y\r\n".repeat(1_000_000));
    said(Act::Say(head), None);
}

#[test]
fn a_long_refusal_is_cut() {
    let words = "x".repeat(3000);
    let body = format!(r#"{{"error":{{"message":"{words}"}}}}"#);
    assert!(said_of("503 Service Unavailable", "application/json", &body).len() < 1000);
    let endless = "x".repeat(5_000_000);
    assert!(said_of("503 Service Unavailable", "text/plain", &endless).len() < 1000);
}

#[test]
fn a_token_is_not_sent_in_clear_text_over_a_network() {
    // TEST-NET-1 (RFC 5737): nothing is sent there, so nothing has to answer.
    for url in ["http://192.0.2.1:9", "192.0.2.1:9", "[2001:db8::1]:9"] {
        let token = Some("conns_x".to_owned());
        let error = Remote::connect(&Target { token, ..target(url) }).err().unwrap();
        assert!(matches!(error, RemoteError::TokenInClear { .. }) && error.is_usage(), "{error}");
    }
}

#[test]
fn what_is_no_address_or_token_is_a_wrong_question() {
    for (url, token) in [("ftp://x:1", None), ("127.0.0.1:1", Some("two words"))] {
        let token = token.map(str::to_owned);
        let error = Remote::connect(&Target { token, ..target(url) }).err().unwrap();
        assert!(error.is_usage(), "{error}");
    }
}
