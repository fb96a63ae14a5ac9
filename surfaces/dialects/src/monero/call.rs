//! A request's body, and what is answered to it but for the connections themselves.
//!
//! The one idea: the order of the checks shows. A method is looked for before the version is
//! looked at, and an error that comes before the id is read has the id 0.

use bytes::Bytes;

use super::Era;
use super::entry::Entry;
use super::reader;

/// What a body asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The connections.
    Connections {
        /// The id as it is written in the answer.
        id: Vec<u8>,
    },
    /// This body: an error of JSON-RPC, which is no error of HTTP.
    Error(Vec<u8>),
    /// The node does not catch it and says that it failed.
    Failure,
}

/// The only method there is.
const METHOD: &[u8] = b"get_connections";

/// Reads a body.
pub(super) fn read(bytes: &[u8], restricted: bool) -> Outcome {
    let Ok(body) = reader::read(bytes) else { return parse_error() };
    let method = match body.method {
        Some(Entry::Text(method)) => method,
        Some(_) => return Outcome::Failure,
        None => return error(-32600, "Invalid Request", b"0"),
    };
    let (given, id) = match body.id.map(|id| id.written(1)) {
        Some(Some(id)) => (true, id),
        Some(None) => return parse_error(),
        None => (false, b"0".to_vec()),
    };
    if method != METHOD || restricted {
        return error(-32601, "Method not found", if given { &id } else { b"\"\"" });
    }
    match body.jsonrpc {
        Some(Entry::Text(_)) | None => Outcome::Connections { id },
        Some(_) => error(-32602, "Invalid params", b"0"),
    }
}

fn parse_error() -> Outcome {
    error(-32700, "Parse error", b"0")
}

fn error(code: i32, message: &str, id: &[u8]) -> Outcome {
    let mut body = format!(
        "{{\r\n  \"error\": {{\r\n    \"code\": {code},\r\n    \"message\": \"{message}\"\r\n  }},\r\n  \
         \"id\": "
    )
    .into_bytes();
    body.extend_from_slice(id);
    body.extend_from_slice(b",\r\n  \"jsonrpc\": \"2.0\"\r\n}");
    Outcome::Error(body)
}

/// The answer with these connections, already written.
pub(super) fn result(id: &[u8], connections: Bytes, era: Era) -> Vec<Bytes> {
    let head = [b"{\r\n  \"id\": ", id, b",\r\n  \"jsonrpc\": \"2.0\",\r\n  \"result\": {\r\n"];
    let tail: &[u8] = match era {
        Era::Current => b"    \"status\": \"OK\",\r\n    \"untrusted\": false\r\n  }\r\n}",
        Era::V0_11 => b"    \"status\": \"OK\"\r\n  }\r\n}",
    };
    vec![head.concat().into(), connections, Bytes::from_static(tail)]
}
