//! Calls that another process answers.

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use conns_transfer::record::ServerFacts;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::control::Forward;
use super::fault::Fault;
use super::rpc::even_null;
use crate::shell::BodyChunks;

/// Numbers the requests, so that a late answer to an earlier one is recognized.
#[derive(Debug, Default)]
pub(super) struct Forwarder {
    last_id: AtomicU64,
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow, default, deserialize_with = "even_null")]
    result: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
    #[serde(default)]
    id: Option<u64>,
}

impl Forwarder {
    /// The result or error that the other process answers, unchanged.
    pub(super) fn call(
        &self,
        to: &dyn Forward,
        method: &str,
        params: Option<&RawValue>,
    ) -> Result<BodyChunks, Fault> {
        let id = self.last_id.fetch_add(1, Ordering::Relaxed) + 1;
        // A line end in JSON is white space between values; within strings it is escaped.
        let params = params.map_or("{}", RawValue::get).replace(['\n', '\r'], " ");
        let request =
            format!(r#"{{"jsonrpc":"2.0","method":"{method}","params":{params},"id":{id}}}"#);
        let line = to.call(&request).map_err(|reason| {
            Fault::Unavailable(format!("the transfer service does not answer: {reason}"))
        })?;
        let unreadable =
            |reason: &str| Fault::Unavailable(format!("the transfer service answers {reason}"));
        let line = line.trim();
        if line.contains(['\n', '\r']) {
            return Err(unreadable("more than a line"));
        }
        let answer: Answer<'_> =
            serde_json::from_str(line).map_err(|_| unreadable("what is not JSON-RPC"))?;
        match (answer.result, answer.error) {
            // An error may lack the id, but not be that of another request.
            (_, Some(error)) if answer.id.is_none_or(|of| of == id) => {
                let is_object = error.get().starts_with('{');
                let error = is_object.then(|| Fault::Forwarded(error.get().to_owned()));
                Err(error.unwrap_or_else(|| unreadable("an error that is no object")))
            }
            (Some(result), None) if answer.id == Some(id) => {
                Ok(vec![Bytes::copy_from_slice(result.get().as_bytes())])
            }
            (None, None) => Err(unreadable("neither a result nor an error")),
            _ => Err(unreadable("another request")),
        }
    }

    /// What the other process reports about itself; `None` if it does not answer.
    pub(super) fn server(&self, to: &dyn Forward) -> Option<ServerFacts> {
        let result = self.call(to, "getServerInfo", None).ok()?.concat();
        serde_json::from_slice(&result).ok()
    }
}
