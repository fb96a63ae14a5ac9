//! Responses: bodies, their types, the headers all of them have, and what a client accepts.

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use super::problem::{Problem, repeated};

pub(super) const JSON: &str = "application/json";
pub(super) const HTML: &str = "text/html; charset=utf-8";
pub(super) const EVENTS: &str = "text/event-stream";
/// OpenMetrics 1.0, section "Content type".
pub(super) const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Most of an `Accept` header that is looked at, bytes; browsers send a hundred.
const ACCEPT_BYTES: usize = 4096;

/// 200 with this body.
pub(super) fn whole(media: &'static str, body: Bytes) -> Response {
    with_body(media, Body::from(body))
}

/// 200 with this body.
pub(super) fn with_body(media: &'static str, body: Body) -> Response {
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    response
}

/// Headers that are the same for every answer, where the answer has not set its own.
pub(super) fn guard(headers: &mut HeaderMap) {
    const FIXED: [(HeaderName, &str); 4] = [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    ];
    for (name, value) in FIXED {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
}

/// Refuses (406) if the client wants nothing of the type `media`. Preferences do not matter, as each
/// route has one type; only what is ruled out by `q=0` does (RFC 9110 section 12.5.1).
pub(super) fn accepted(headers: &HeaderMap, media: &str) -> Result<(), Problem> {
    let media = media.split(';').next().unwrap_or_default();
    let family = media.split('/').next().unwrap_or_default();
    let mut is_any = false;
    // The most specific range about this type decides.
    let mut best: Option<(u8, bool)> = None;
    for value in headers.get_all(header::ACCEPT) {
        let Ok(text) = value.to_str() else { continue };
        for range in text.get(..ACCEPT_BYTES).unwrap_or(text).split(',') {
            let mut parts = range.split(';').map(str::trim);
            let name = parts.next().unwrap_or_default();
            if name.is_empty() {
                continue;
            }
            is_any = true;
            let rank = if name.eq_ignore_ascii_case(media) {
                3
            } else if name.strip_suffix("/*").is_some_and(|of| of.eq_ignore_ascii_case(family)) {
                2
            } else if name == "*/*" {
                1
            } else {
                continue;
            };
            let weight = parts.find_map(|part| {
                let (key, value) = part.split_once('=')?;
                key.trim().eq_ignore_ascii_case("q").then(|| value.trim().parse::<f32>().ok())?
            });
            let is_wanted = weight != Some(0.0);
            if best.is_none_or(|(before, _)| rank > before) {
                best = Some((rank, is_wanted));
            }
        }
    }
    match best {
        Some((_, true)) => Ok(()),
        None if !is_any => Ok(()),
        _ => {
            let wanted = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
            Err(Problem::new(
                StatusCode::NOT_ACCEPTABLE,
                "not-acceptable",
                format!(
                    "this is {media}, and the client takes only {}",
                    repeated(wanted.unwrap_or("other types"))
                ),
                format!("send `Accept: {media}` or no Accept header"),
            ))
        }
    }
}
