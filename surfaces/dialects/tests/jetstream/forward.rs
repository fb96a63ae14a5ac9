//! Answers of a transfer service in another process.

use std::sync::Arc;

use conns_dialects::jetstream::{Backend, Forward};
use serde_json::{Value, json};

use crate::call;
use crate::sample;
use crate::service::{forwarding, with_backend};

/// A service that answers each request with a text; `$ID` stands for the id of the request.
struct Answering(Result<&'static str, &'static str>);

impl Forward for Answering {
    fn call(&self, request: &str) -> Result<String, String> {
        let request: Value = serde_json::from_str(request).expect("JSON");
        let answer = self.0.map_err(str::to_owned)?;
        Ok(answer.replace("$ID", &request["id"].to_string()))
    }
}

#[test]
fn a_forwarded_answer_is_returned_unchanged() {
    for (answer, expected) in [
        (r#"{"jsonrpc":"2.0","result":{"a": [1.50]},"id":$ID}"#, r#""result":{"a": [1.50]}"#),
        (r#"{"jsonrpc":"2.0","result":null,"id":$ID}"#, r#""result":null"#),
        (r#"{"id":$ID,"error":{ "code":-1, "x":2 }}"#, r#""error":{ "code":-1, "x":2 }"#),
        (r#"{"error":{"code":-32700},"id":null}"#, r#""error":{"code":-32700}"#),
        ("{\"result\":[],\"id\":$ID}\r\n", r#""result":[]"#),
    ] {
        let server = with_backend(Backend::Forward(Arc::new(Answering(Ok(answer)))));
        let sent = r#"{"jsonrpc":"2.0","method":"getTransfers","id":"x"}"#;
        let expected = format!(r#"{{"jsonrpc":"2.0",{expected},"id":"x"}}"#);
        assert_eq!(sample::line(&server, sent), expected);
    }
}

#[test]
fn a_forwarded_answer_that_is_none_is_reported() {
    for (answer, expected) in [
        (Err("connection refused"), "the transfer service does not answer: connection refused"),
        (Ok(""), "the transfer service answers what is not JSON-RPC"),
        (Ok("[] []"), "the transfer service answers what is not JSON-RPC"),
        (Ok(r#"{"id":$ID}"#), "the transfer service answers neither a result nor an error"),
        (Ok(r#"{"result":1,"id":99}"#), "the transfer service answers another request"),
        (Ok(r#"{"result":1}"#), "the transfer service answers another request"),
        (Ok(r#"{"error":{},"id":99}"#), "the transfer service answers another request"),
        (Ok(r#"{"error":5,"id":$ID}"#), "the transfer service answers an error that is no object"),
        (Ok("{\"result\":\n1,\"id\":$ID}"), "the transfer service answers more than a line"),
    ] {
        let server = with_backend(Backend::Forward(Arc::new(Answering(answer))));
        let error = call(&server, "getTransfers", &json!({}));
        assert_eq!((&error["code"], &error["data"]), (&json!(-32004), &json!(expected)));
        // The agent's own fields do not need the service.
        let server = call(&server, "getServerInfo", &json!({}));
        assert_eq!((&server["publicKey"], &server["serverName"]), (&Value::Null, &json!("host7")));
    }
}

#[test]
fn a_request_with_line_ends_is_forwarded_as_a_line() {
    let sent = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"getDestination\",\"params\":{\r\n\"destinationId\":\n\"a\\nb\"}}";
    let request = http::Request::post("/").body(sent).expect("a request");
    let answer = sample::joined(sample::http(&forwarding(), request).body());
    assert!(answer.contains("no destination has the id `a\\nb`"), "{answer}");
}
