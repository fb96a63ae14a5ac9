//! Errors of the agent's own API, in one shape: `{"error":{"code":…,"message":…,"hint":…}}`.

use axum::response::Response;
use conns_core::query::FilterError;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;

use crate::response::{JSON, json, set_common_headers, whole};

/// An error, and its response.
#[derive(Debug, Clone)]
pub(crate) struct Problem {
    status: StatusCode,
    error: ErrorShape,
    /// The body, if it has more than the error.
    body: Option<Vec<u8>>,
}

/// What is wrong with a request.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Error)]
pub(crate) struct ErrorShape {
    /// For programs: lower case with dashes.
    code: &'static str,
    /// For people: what is wrong.
    message: String,
    /// What to do about it.
    hint: String,
    /// Where it is, if it is in the filter.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = PlaceShape, required = false)]
    place: Option<PlaceShape>,
}

/// A span of bytes.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[schema(as = Place)]
pub(crate) struct PlaceShape {
    /// First byte of the fault in the filter.
    start: usize,
    /// The byte behind it.
    end: usize,
}

/// A response to a request that is refused.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemShape {
    /// What is wrong.
    error: ErrorShape,
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
        let error = ErrorShape { code, message: message.into(), hint: hint.into(), place: None };
        Self { status, error, body: None }
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
        let mut problem = Self::bad("bad-filter", error.message(), hint);
        problem.error.place = Some(PlaceShape { start: span.start, end: span.end });
        problem
    }

    /// 404: no such path.
    pub(crate) fn path(path: &str) -> Self {
        let message = format!("there is no path {}", repeated(path));
        Self::new(StatusCode::NOT_FOUND, "no-such-path", message, "/api lists the paths")
    }

    /// The response 405, to a request of a path that has only the methods `allowed`.
    pub(crate) fn method(allowed: &'static str) -> Response {
        let hint = format!("use {}", allowed.split(',').next().unwrap_or(allowed));
        let message = "this method is not supported";
        let code = "method-not-allowed";
        let mut response = Self::new(StatusCode::METHOD_NOT_ALLOWED, code, message, hint).answer();
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allowed));
        response
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

    /// The same with a body that has more than the error: the shape that `body` makes of it.
    pub(crate) fn within<T: Serialize>(mut self, body: impl FnOnce(ErrorShape) -> T) -> Self {
        self.body = Some(json(&body(self.error.clone())));
        self
    }

    /// The error as headers of a response, each with its line end, and as its body.
    pub(crate) fn answer_in_text(self) -> (String, String) {
        let body = String::from_utf8_lossy(&json(&ProblemShape { error: self.error })).into_owned();
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(JSON));
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
        set_common_headers(&mut headers);
        let line = |(name, value): (&HeaderName, &HeaderValue)| {
            format!("{name}: {}\r\n", value.to_str().unwrap_or_default())
        };
        (headers.iter().map(line).collect(), body)
    }

    /// The error as a response.
    pub(crate) fn answer(self) -> Response {
        let body = self.body.unwrap_or_else(|| json(&ProblemShape { error: self.error }));
        let mut response = whole(JSON, body.into());
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
