//! What is answered where there is no answer: one shape for all,
//! `{"error":{"code":…,"message":…,"hint":…}}`.

use axum::response::Response;
use conns_core::query::FilterError;
use http::{HeaderValue, StatusCode, header};
use serde_json::{Map, Value, json};

use super::answers;

/// A refusal, for programs (`code`) and for people (`message`, `hint`).
#[derive(Debug, Clone)]
pub(super) struct Problem {
    status: StatusCode,
    code: &'static str,
    message: String,
    hint: String,
    /// Where in the filter the fault is: first byte and the one behind the last.
    place: Option<(usize, usize)>,
    /// What stands beside `error`.
    beside: Map<String, Value>,
}

/// Longest piece of a request that is repeated in a message, characters.
const REPEATED: usize = 80;

/// The beginning of what a client sent, for a message.
pub(super) fn repeated(text: &str) -> String {
    let mut short: String = text.chars().take(REPEATED).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

impl Problem {
    pub(super) fn new(
        status: StatusCode,
        code: &'static str,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        let (message, hint) = (message.into(), hint.into());
        Self { status, code, message, hint, place: None, beside: Map::new() }
    }

    /// 400: the request is at fault.
    pub(super) fn bad(
        code: &'static str,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message, hint)
    }

    /// 400: the filter is none.
    pub(super) fn filter(error: &FilterError) -> Self {
        let hint = match error.fault().nearest() {
            Some(nearest) => format!("did you mean `{nearest}`? /api/v1/fields lists the fields"),
            None => "the language is described in docs/filter.md".to_owned(),
        };
        let span = error.span();
        let place = Some((span.start, span.end));
        Self { place, ..Self::bad("bad-filter", error.message(), hint) }
    }

    /// 404: no such path.
    pub(super) fn path(path: &str) -> Self {
        let message = format!("nothing is at {}", repeated(path));
        Self::new(StatusCode::NOT_FOUND, "no-such-path", message, "/ lists what there is")
    }

    /// 405: everything here is read only.
    pub(super) fn method() -> Self {
        let hint = "everything here is read with GET";
        let message = "this method does not work here";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", message, hint)
    }

    /// 503: the agent is about to end.
    pub(super) fn closed() -> Self {
        let (message, hint) = ("the agent is ending", "ask again when it is back");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "ending", message, hint)
    }

    /// 503: a bound is reached.
    pub(super) fn busy(code: &'static str, message: String) -> Self {
        let hint = "ask again in a second";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, message, hint)
    }

    /// The same with one more entry beside `error`.
    pub(super) fn beside(mut self, key: &str, value: Value) -> Self {
        self.beside.insert(key.to_owned(), value);
        self
    }

    /// The refusal as a response.
    pub(super) fn answer(self) -> Response {
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
        let mut response = answers::whole(answers::JSON, body.into());
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
