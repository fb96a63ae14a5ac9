//! The three interfaces: what stands before, around and after an answer.

use conns_core::model::{Known, Source};
use conns_dialects::ems::{DEFAULT_STREAMS, LONGEST_LINE, Server};
use conns_dialects::{HttpDialect, LineDialect, LineOutcome};

use crate::sample::{asked, cache, json, options, printed, reply, server, stream};

#[test]
fn lines_end_at_cr_and_at_lf_and_empty_ones_ask_nothing() {
    fn check(dialect: &impl LineDialect) {
        let ends: Vec<u8> = (0..=255).filter(|byte| dialect.ends_line(*byte)).collect();
        assert_eq!(ends, *b"\n\r");
        assert_eq!(dialect.answer(b"", &cache(vec![])), LineOutcome::default());
        assert_eq!(dialect.longest_line(), LONGEST_LINE);
        assert_eq!(dialect.line_too_long(), LineOutcome { chunks: vec![], close: true });
    }
    check(&server().json_cli());
    check(&server().ascii_cli());
}

#[test]
fn the_length_counts_the_answer_and_its_trailer() {
    let padded = Server::new(options(DEFAULT_STREAMS, true)).json_cli();
    let cache = cache(vec![]);
    // The empty list of a real server is preceded by 74 here.
    let answer = padded.answer(b"listConnections", &cache).chunks.concat();
    assert_eq!(answer[..4], [0, 0, 0, 0x4A]);
    assert_eq!(answer[4..], *json("listConnections", &cache).as_bytes());
    assert_eq!(answer.len(), 4 + 74);
}

#[test]
fn quit_replies_and_closes() {
    let cache = cache(vec![]);
    let (answer, close) = reply(&server().json_cli(), "quit", &cache);
    assert_eq!(answer, "{\"data\":null,\"description\":\"Bye!\",\"status\":\"SUCCESS\"}\r\n\r\n");
    assert!(close);
    let (answer, close) = reply(&server().ascii_cli(), "QUIT commandId=3", &cache);
    assert_eq!(answer, "Command entered successfully!\n\rBye!\n\r\n\r\n\r\n");
    assert!(close);
    assert!(!reply(&server().json_cli(), "listConnections", &cache).1);
    assert!(!reply(&server().ascii_cli(), "nonsense", &cache).1);
}

#[test]
fn the_ascii_interface_answers_in_lines() {
    let mut publisher = stream(46, "127.0.0.1:1935", "127.0.0.1:37442", (2_755_898, 37_079));
    publisher.stats.age_us = Known::Value(78_918_451, Source::Derived);
    let expected = "Command entered successfully!\n\r\
        Available connections\n\r\
        \n\r    -- \n\r      \
        carrier: \n\r        \
        farIP: 127.0.0.1\n\r        farPort: 37442\n\r        id: 46\n\r        \
        nearIP: 127.0.0.1\n\r        nearPort: 1935\n\r        rx: 2755898\n\r        \
        tx: 37079\n\r        type: IOHT_TCP_CARRIER\n\r      \
        stack: \n\r        -- \n\r          \
        applicationId: 0\n\r          creationTimestamp: 1795314146501.2870\n\r          \
        id: 368\n\r          isEnqueueForDelete: false\n\r          \
        queryTimestamp: 1795314225419.7380\n\r          type: TCP\n\r        \
        -- \n\r          \
        applicationId: 1\n\r          creationTimestamp: 1795314146501.2870\n\r          \
        id: 369\n\r          isEnqueueForDelete: false\n\r          \
        queryTimestamp: 1795314225419.7380\n\r          rxInvokes: 0\n\r          \
        txInvokes: 0\n\r          type: IR\n\r\n\r\n";
    assert_eq!(printed("listConnections", &cache(vec![publisher])), expected);
    assert_eq!(
        printed("getConnectionInfo id=1 commandId=9", &cache(vec![])),
        "Command failed!\n\rConnection 0:1 not found\n\r\n\r"
    );
}

#[test]
fn http_answers_as_the_real_server_does() {
    let cache = cache(vec![stream(46, "127.0.0.1:1935", "127.0.0.1:37442", (1, 2))]);
    // id=368
    for uri in
        ["/getConnectionInfo?params=aWQ9MzY4", "/a/b/GETCONNECTIONINFO?x=aWQ9MzY4&params=eA=="]
    {
        for method in ["GET", "POST"] {
            let response = asked(method, uri, &cache).expect("an answer");
            assert_eq!(response.status(), 200);
            let headers: Vec<(&str, &str)> = response
                .headers()
                .iter()
                .map(|(name, value)| (name.as_str(), value.to_str().expect("text")))
                .collect();
            let body = response.body();
            let length = body.len().to_string();
            let expected = [
                ("connection", "close"),
                ("content-length", &*length),
                ("content-type", "text/plain"),
                ("server", "conns 0.1"),
                ("user-agent", "conns 0.1"),
                ("x-powered-by", "conns 0.1"),
            ];
            assert_eq!(headers, expected);
            assert_eq!(*body, json("getConnectionInfo id=368", &cache));
        }
    }
}

#[test]
fn http_failures_are_200_and_what_is_no_call_is_hung_up_on() {
    let cache = cache(vec![]);
    let cases = [
        ("/", "command  not known. Type help for list of commands"),
        ("/listConnections/", "command  not known. Type help for list of commands"),
        ("/%2e%2e", "command %2e%2e not known. Type help for list of commands"),
        ("/getConnectionInfo", "Syntax error. No parameters provided"),
        ("/getConnectionInfo?params=id=71", "Syntax error. No parameters provided"),
        ("/getConnectionInfo?params=aWQ9NzE=", "Connection 0:71 not found"),
    ];
    for (uri, description) in cases {
        let response = asked("GET", uri, &cache).expect("an answer");
        assert_eq!(response.status(), 200);
        let value: serde_json::Value = serde_json::from_str(response.body()).expect("JSON");
        assert_eq!(value["status"], "FAIL");
        assert_eq!(value["description"], description, "{uri}");
    }
    for method in ["HEAD", "PUT", "DELETE", "OPTIONS"] {
        assert!(asked(method, "/listConnections", &cache).is_none(), "{method}");
    }
    let long = format!("/{}", "x".repeat(LONGEST_LINE + 1));
    assert!(asked("GET", &long, &cache).is_none());
    assert!(server().http().longest_body() <= 16 * 1024);
}

#[test]
fn a_brand_that_cannot_stand_in_a_header_does_no_harm() {
    for (brand, expected) in [("EMS\r\nX: y", "EMSX: y"), ("", ""), ("é", "")] {
        let server = Server::new(conns_dialects::ems::Options {
            brand: brand.to_owned(),
            ..options(DEFAULT_STREAMS, false)
        });
        let request = http::Request::get("/help").body(bytes::Bytes::new()).expect("a request");
        let conns_dialects::HttpOutcome::Answer(response) =
            server.http().answer(&request, &cache(vec![]))
        else {
            panic!("no answer")
        };
        assert_eq!(response.headers()["server"], expected);
    }
}

#[test]
fn the_three_interfaces_are_of_one_server_and_outlive_its_handle() {
    fn put<T: Send + Sync + 'static>(dialect: T) -> std::sync::Arc<T> {
        std::sync::Arc::new(dialect)
    }
    let (http, json, ascii) = {
        let server = server();
        (put(server.http()), put(server.json_cli()), put(server.ascii_cli()))
    };
    let two = cache(vec![
        stream(1, "192.0.2.1:1935", "192.0.2.2:1", (0, 0)),
        stream(2, "192.0.2.1:1935", "192.0.2.2:2", (0, 0)),
    ]);
    let later = std::sync::Arc::new(crate::sample::update(2, vec![]));
    http.on_update(two.update());
    ascii.on_update(&later);
    let later = conns_dialects::ResponseCache::new(later);
    let max = "\"max\":2,\"outBytes\":0,\"outSpeed\":0.0000,\"total\":2}";
    assert!(reply(&*json, "getExtendedConnectionCounters", &later).0.contains(max));
    reply(&*ascii, "resetMaxFdCounters", &later);
    let reset = max.replace("\"max\":2", "\"max\":0");
    assert!(reply(&*json, "getExtendedConnectionCounters", &later).0.contains(&reset));
    let request = http::Request::post("/x/resetTotalFdCounters").body(bytes::Bytes::new());
    http.answer(&request.expect("a request"), &later);
    let reset = reset.replace("\"total\":2", "\"total\":0");
    assert!(reply(&*json, "getExtendedConnectionCounters", &later).0.contains(&reset));
}
