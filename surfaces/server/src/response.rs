//! Responses of the agent's own API: media types, bodies, and the headers all of them have.

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use serde::Serialize;

pub(crate) const JSON: &str = "application/json";
pub(crate) const HTML: &str = "text/html; charset=utf-8";
pub(crate) const TEXT: &str = "text/plain";
pub(crate) const EVENTS: &str = "text/event-stream";
/// OpenMetrics 1.0, section "Content type".
pub(crate) const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// The text format of Prometheus, which clients without OpenMetrics read.
pub(crate) const METRICS_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// 200 with this body.
pub(crate) fn whole(media: &'static str, body: Bytes) -> Response {
    with_body(media, Body::from(body))
}

/// 200 with this body.
pub(crate) fn with_body(media: &'static str, body: Body) -> Response {
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    response
}

/// A body of one JSON value on one line.
pub(crate) fn json(value: &impl Serialize) -> Vec<u8> {
    // Shapes have keys that are text, and writing to memory does not fail.
    let mut body = serde_json::to_vec(value).unwrap_or_default();
    body.push(b'\n');
    body
}

/// Sets the headers that are the same for every response, where the response has not set its own.
pub(crate) fn set_common_headers(headers: &mut HeaderMap) {
    const COMMON: [(HeaderName, &str); 4] = [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    ];
    for (name, value) in COMMON {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
}
