//! What else may answer at an address, and the message about it.

use conns_api::{AgentError, SNAPSHOT_TYPE, sample_once};
use conns_client::{Remote, RemoteError, Target};

use crate::fixture::{Act, Fixture, answer, answered};
use crate::{all, samples, target};

/// The message about these answers.
fn message_of(act: Act, token: Option<&str>) -> String {
    // A request on a broken connection is sent twice.
    let fixture = Fixture::open(vec![act.clone(), act]);
    let token = token.map(str::to_owned);
    let mut remote = Remote::connect(&Target { token, ..target(fixture.url()) }).unwrap();
    match sample_once(&mut remote, &all().ask) {
        Err(AgentError::Unavailable(message)) => {
            assert!(message.contains(&fixture.url()), "names the agent: {message}");
            message
        }
        other => panic!("{other:?}"),
    }
}

fn message_for(status: &str, media_type: &str, body: &str) -> String {
    message_of(Act::Answer(vec![answer(status, media_type, body.as_bytes())]), None)
}

#[test]
fn nothing_listens() {
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
        (
            "401 Unauthorized",
            json("show a token"),
            vec!["--token-file", "Its message: show a token"],
        ),
        ("403 Forbidden", json("host"), vec!["not known by that name", "the agent's hosts"]),
        ("421 Misdirected Request", String::new(), vec!["not known by that name"]),
        ("404 Not Found", "nothing".to_owned(), vec!["is no conns agent", "/api/v1/snapshot"]),
        ("404 Not Found", json("nothing is at"), vec!["upgrade the older"]),
        ("400 Bad Request", json("no parameter"), vec!["upgrade the older", "no parameter"]),
        (
            "406 Not Acceptable",
            r#"{"error":{"code":"no-common-version","message":"1"}}"#.to_owned(),
            vec!["no version of the format in common"],
        ),
        ("503 Service Unavailable", json("full"), vec!["busy", "full"]),
        ("500 Internal Server Error", String::new(), vec!["(500)", "log"]),
        ("302 Found", String::new(), vec!["redirects", "not followed"]),
        // Its words go to a terminal.
        ("503 Service Unavailable", json("a\u{1b}[31mb\nc"), vec!["Its message: a [31mb c"]),
    ] {
        let message = message_for(status, "application/json", &body);
        for part in parts {
            assert!(message.contains(part), "{status}: {message}");
        }
    }
}

#[test]
fn an_unknown_token_and_a_missing_one_have_different_messages() {
    let refusal = answer("401 Unauthorized", "application/json", b"{}");
    let message = message_of(Act::Answer(vec![refusal]), Some("conns_other"));
    assert!(message.contains("it does not accept this token"), "{message}");
    assert!(!message.contains("conns_other"), "{message}");
}

#[test]
fn a_redirect_is_not_followed() {
    let elsewhere = Fixture::open(vec![Act::Silence]);
    let redirect = format!(
        "HTTP/1.1 307 Temporary Redirect\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n",
        elsewhere.url()
    );
    message_of(Act::Answer(vec![redirect.into_bytes()]), Some("conns_x"));
    assert!(elsewhere.was_asked_no_more());
}

#[test]
fn something_else_answers() {
    let message = message_for("200 OK", "text/html; charset=utf-8", "<html>");
    assert!(message.contains("is no conns agent: it answers with `text/html`"), "{message}");
    let message = message_of(Act::Send(b"220 mail.example ESMTP\r\n".to_vec()), None);
    assert!(message.contains("not HTTP; if it serves TLS, use https://"), "{message}");
    // An alert of TLS 1.2: "unexpected message".
    let message = message_of(Act::Send(vec![0x15, 3, 3, 0, 2, 2, 10]), None);
    assert!(message.contains("use https://"), "{message}");
}

#[test]
fn an_answer_that_cannot_be_read() {
    let [one, ..] = samples();
    let whole = answered(&one, &all());
    let broken = message_of(Act::Answer(vec![whole[..whole.len() - 1].to_vec()]), None);
    assert!(broken.contains("broke off"), "{broken}");

    let message = message_for("200 OK", SNAPSHOT_TYPE, "");
    assert!(message.contains("breaks the format"), "{message}");
    let message = message_for("200 OK", SNAPSHOT_TYPE, "\u{9}and then anything");
    assert!(message.contains("is in version 9 of the format, and this conns reads 1"), "{message}");

    // A terabyte is announced; nothing of it is waited for.
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {SNAPSHOT_TYPE}\r\ncontent-length: 1000000000000\r\n\r\n"
    );
    let message = message_of(Act::Answer(vec![head.into_bytes()]), None);
    assert!(message.contains("above the bound of 536870912"), "{message}");

    // A head without an end.
    let mut head = b"HTTP/1.1 200 OK\r\n".to_vec();
    head.extend(b"x: y\r\n".repeat(1_000_000));
    message_of(Act::Send(head), None);
}

#[test]
fn a_long_refusal_is_cut() {
    let words = "x".repeat(3000);
    let body = format!(r#"{{"error":{{"message":"{words}"}}}}"#);
    assert!(message_for("503 Service Unavailable", "application/json", &body).len() < 1000);
    let endless = "x".repeat(5_000_000);
    assert!(message_for("503 Service Unavailable", "text/plain", &endless).len() < 1000);
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
fn a_wrong_address_or_token_is_a_usage_error() {
    for (url, token) in [("ftp://x:1", None), ("127.0.0.1:1", Some("two words"))] {
        let token = token.map(str::to_owned);
        let error = Remote::connect(&Target { token, ..target(url) }).err().unwrap();
        assert!(error.is_usage(), "{error}");
    }
}
