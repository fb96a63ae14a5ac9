//! Reads the body of a request, and writes the answer around the connections.
//!
//! The order of the checks is visible to clients: the method is checked before the version, and an
//! error before the id is read has the id 0.

use bytes::Bytes;

use super::entry::Entry;
use super::options::Era;
use super::reader;

/// The outcome of a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The connections.
    Connections {
        /// The id as written in the answer.
        id: Vec<u8>,
    },
    /// An error of JSON-RPC with this body; its HTTP status is 200.
    Error(Vec<u8>),
    /// An error the node does not handle: HTTP status 500.
    Failure,
}

/// The only method.
pub const METHOD: &str = "get_connections";

/// Reads the body of a request.
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
    if method != METHOD.as_bytes() || restricted {
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

/// The answer with these serialized connections.
pub(super) fn result(id: &[u8], connections: Bytes, era: Era) -> Vec<Bytes> {
    let head = [b"{\r\n  \"id\": ", id, b",\r\n  \"jsonrpc\": \"2.0\",\r\n  \"result\": {\r\n"];
    let tail: &[u8] = match era {
        Era::Current => b"    \"status\": \"OK\",\r\n    \"untrusted\": false\r\n  }\r\n}",
        Era::V0_11 => b"    \"status\": \"OK\"\r\n  }\r\n}",
    };
    vec![head.concat().into(), connections, Bytes::from_static(tail)]
}
