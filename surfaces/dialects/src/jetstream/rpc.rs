//! The envelope of JSON-RPC 2.0 (<https://www.jsonrpc.org/specification>): reads requests and
//! batches, and writes results and errors. The caller passes the function that runs a method.
//!
//! Invariant: an id is echoed as the text received, so that no number loses a digit.

use std::borrow::Cow;

use bytes::Bytes;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::fault::Fault;
use crate::shell::BodyChunks;

/// Longest request without a transfer service, bytes: an HTTP body or a line. A full batch of the longest
/// calls about connections has a quarter of it.
pub const MAX_BYTES: usize = 64 * 1024;

/// Longest request with a transfer service, bytes: a manifest names thousands of files.
pub const MAX_TRANSFER_BYTES: usize = 1024 * 1024;

/// Most requests in a batch, which bounds the work of one small request.
pub const MAX_BATCH: usize = 100;

/// Runs a method with its parameters.
type Dispatch<'d> = dyn Fn(&str, Option<&RawValue>) -> Result<BodyChunks, Fault> + 'd;

/// The answer to a message; empty if it has only notifications.
pub(super) fn answer(message: &[u8], dispatch: &Dispatch<'_>) -> BodyChunks {
    let message = match serde_json::from_slice::<&RawValue>(message) {
        Ok(message) => message,
        Err(error) => return failed("null", &Fault::Parse(error.to_string())),
    };
    match message.get().as_bytes().first() {
        Some(b'{') => one(message, dispatch),
        Some(b'[') => batch(message, dispatch),
        _ => failed("null", &invalid("expected an object or an array of them")),
    }
}

/// The answer to a body or line that is too long.
pub(super) fn too_long(max_bytes: usize) -> BodyChunks {
    failed("null", &invalid(format!("longer than {max_bytes} bytes; send smaller batches")))
}

/// The answer to a request that is refused unread.
pub(super) fn refused(reason: &str) -> BodyChunks {
    failed("null", &invalid(reason))
}

fn invalid(reason: impl Into<String>) -> Fault {
    Fault::InvalidRequest(reason.into())
}

fn batch(message: &RawValue, dispatch: &Dispatch<'_>) -> BodyChunks {
    let requests: Vec<&RawValue> = match serde_json::from_str(message.get()) {
        Ok(requests) => requests,
        Err(error) => return failed("null", &Fault::Parse(error.to_string())),
    };
    if requests.is_empty() {
        return failed("null", &invalid("the batch is empty"));
    }
    if requests.len() > MAX_BATCH {
        let reason = format!("{} requests in a batch, at most {MAX_BATCH}", requests.len());
        return failed("null", &invalid(reason));
    }
    let mut chunks = BodyChunks::new();
    for request in requests {
        let answer = one(request, dispatch);
        if !answer.is_empty() {
            let before: &[u8] = if chunks.is_empty() { b"[" } else { b"," };
            chunks.push(Bytes::from_static(before));
            chunks.extend(answer);
        }
    }
    if !chunks.is_empty() {
        chunks.push(Bytes::from_static(b"]"));
    }
    chunks
}

fn one(request: &RawValue, dispatch: &Dispatch<'_>) -> BodyChunks {
    let call = match Call::read(request) {
        Ok(call) => call,
        Err((id, reason)) => return failed(id, &invalid(reason)),
    };
    let result = dispatch(&call.method, call.params);
    match (call.id, result) {
        // A notification is not answered, not even that it failed (section 4.1).
        (None, _) => BodyChunks::new(),
        (Some(id), Ok(result)) => succeeded(id, result),
        (Some(id), Err(fault)) => failed(id, &fault),
    }
}

/// A valid request.
struct Call<'a> {
    method: Cow<'a, str>,
    params: Option<&'a RawValue>,
    /// As received; `None` for a notification.
    id: Option<&'a str>,
}

/// The members of a request, of any type; others are ignored.
#[derive(Deserialize)]
struct Members<'a> {
    #[serde(borrow, default)]
    jsonrpc: Option<&'a RawValue>,
    #[serde(borrow, default)]
    method: Option<&'a RawValue>,
    /// Null counts as absent: clients that always write all members send it.
    #[serde(borrow, default)]
    params: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "even_null")]
    id: Option<&'a RawValue>,
}

/// A null is an id, and not its absence.
pub(super) fn even_null<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(from).map(Some)
}

impl<'a> Call<'a> {
    /// Reads a request; the error has the id to answer to, and the reason.
    fn read(request: &'a RawValue) -> Result<Self, (&'a str, String)> {
        if !request.get().starts_with('{') {
            return Err(("null", "a request is an object".to_owned()));
        }
        let members: Members<'a> =
            serde_json::from_str(request.get()).map_err(|error| ("null", error.to_string()))?;
        let id = members.id.map(RawValue::get);
        if !id.is_none_or(is_id) {
            return Err(("null", "an id is a string, a number or null".to_owned()));
        }
        let refuse = |reason: &str| Err((id.unwrap_or("null"), reason.to_owned()));
        if text(members.jsonrpc).as_deref() != Some("2.0") {
            return refuse("`jsonrpc` must be \"2.0\"");
        }
        let Some(method) = text(members.method) else {
            return refuse("`method` must be a string");
        };
        if members.params.is_some_and(|params| !params.get().starts_with(['{', '['])) {
            return refuse("`params` must be an object or an array");
        }
        Ok(Self { method, params: members.params, id })
    }
}

/// The text of a JSON string; `None` for any other value.
fn text(value: Option<&RawValue>) -> Option<Cow<'_, str>> {
    #[derive(Deserialize)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
    serde_json::from_str::<Text<'_>>(value?.get()).ok().map(|text| text.0)
}

fn is_id(id: &str) -> bool {
    match id.as_bytes().first() {
        Some(b'"') => serde_json::from_str::<Cow<'_, str>>(id).is_ok(),
        Some(b'-' | b'0'..=b'9' | b'n') => true,
        _ => false,
    }
}

fn succeeded(id: &str, result: BodyChunks) -> BodyChunks {
    let mut chunks = vec![Bytes::from_static(br#"{"jsonrpc":"2.0","result":"#)];
    chunks.extend(result);
    chunks.push(format!(r#","id":{id}}}"#).into());
    chunks
}

fn failed(id: &str, fault: &Fault) -> BodyChunks {
    let error = fault.error_object();
    vec![format!(r#"{{"jsonrpc":"2.0","error":{error},"id":{id}}}"#).into()]
}
