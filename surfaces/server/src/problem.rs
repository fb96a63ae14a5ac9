//! Errors of the agent's own API, in one shape: `{"error":{"code":…,"message":…,"hint":…}}`.

use axum::response::Response;
use conns_core::query::FilterError;
use http::{HeaderValue, StatusCode, header};
use serde_json::{Map, Value, json};

use crate::response::{JSON, whole};

/// An error, for programs (`code`) and for people (`message`, `hint`).
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    status: StatusCode,
    code: &'static str,
    message: String,
    hint: String,
    /// The span of the fault in the filter: first byte, and the one after the last.
    place: Option<(usize, usize)>,
    /// Entries beside `error`.
    beside: Map<String, Value>,
}

/// Maximum length of a quote from a request in a message, characters.
const MAX_REPEATED: usize = 80;

/// A quote from a request, shortened for a message.
pub(crate) fn repeated(text: &str) -> String {
    let mut short: String = text.chars().take(MAX_REPEATED).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

impl Problem {
    pub(crate) fn new(
        status: StatusCode,
        code: &'static str,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        let (message, hint) = (message.into(), hint.into());
        Self { status, code, message, hint, place: None, beside: Map::new() }
    }

    /// 400: the request is invalid.
    pub(crate) fn bad(
        code: &'static str,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message, hint)
    }

    /// 400: the filter does not parse.
    pub(crate) fn filter(error: &FilterError) -> Self {
        let hint = match error.fault().nearest() {
            Some(nearest) => format!("did you mean `{nearest}`? /api/v1/fields lists the fields"),
            None => "the language is described in docs/filter.md".to_owned(),
        };
        let span = error.span();
        let place = Some((span.start, span.end));
        Self { place, ..Self::bad("bad-filter", error.message(), hint) }
    }

    /// 404: no such path.
    pub(crate) fn path(path: &str) -> Self {
        let message = format!("there is no path {}", repeated(path));
        Self::new(StatusCode::NOT_FOUND, "no-such-path", message, "/ lists the paths")
    }

    /// 405: all paths are read only.
    pub(crate) fn method() -> Self {
        let hint = "use GET";
        let message = "this method is not supported";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", message, hint)
    }

    /// 503: the agent is shutting down.
    pub(crate) fn closed() -> Self {
        let (message, hint) = ("the agent is shutting down", "retry when it is back");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "shutting-down", message, hint)
    }

    /// 503: a limit is reached.
    pub(crate) fn busy(code: &'static str, message: String) -> Self {
        let hint = "retry in a second";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, message, hint)
    }

    /// The same with one more entry beside `error`.
    pub(crate) fn beside(mut self, key: &str, value: Value) -> Self {
        self.beside.insert(key.to_owned(), value);
        self
    }

    /// The error as a response.
    pub(crate) fn answer(self) -> Response {
        let mut error = json!({
            "code": self.code, "message": self.message, "hint": self.hint,
        });
        if let (Some((start, end)), Some(error)) = (self.place, error.as_object_mut()) {
            error.insert("place".to_owned(), json!({ "start": start, "end": end }));
        }
        let mut shape = self.beside;
        shape.insert("error".to_owned(), error);
        let mut body = Value::Object(shape).to_string().into_bytes();
        body.push(b'\n');
        let mut response = whole(JSON, body.into());
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        match self.status {
            StatusCode::METHOD_NOT_ALLOWED => {
                headers.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            }
            StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            _ => {}
        }
        response
    }
}
