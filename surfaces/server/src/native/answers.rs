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

/// How exactly a range of an `Accept` header names a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Exactness {
    Anything,
    Family,
    Type,
}

/// What `Accept` headers say of one type.
struct Wish {
    /// Whether they say anything at all.
    is_any: bool,
    /// The most exact range about it, and whether it is wanted: a weight of 0 rules it out.
    best: Option<(Exactness, bool)>,
}

impl Wish {
    fn about(headers: &HeaderMap, media: &str) -> Self {
        let media = media.split(';').next().unwrap_or_default();
        let family = media.split('/').next().unwrap_or_default();
        let mut wish = Self { is_any: false, best: None };
        for value in headers.get_all(header::ACCEPT) {
            let Ok(text) = value.to_str() else { continue };
            for range in text.get(..ACCEPT_BYTES).unwrap_or(text).split(',') {
                let mut parts = range.split(';').map(str::trim);
                let name = parts.next().unwrap_or_default();
                wish.is_any |= !name.is_empty();
                let is_of_family =
                    name.strip_suffix("/*").is_some_and(|of| of.eq_ignore_ascii_case(family));
                let exactness = match name {
                    name if name.eq_ignore_ascii_case(media) => Exactness::Type,
                    "*/*" => Exactness::Anything,
                    _ if is_of_family => Exactness::Family,
                    _ => continue,
                };
                let is_wanted = parts.find_map(weight) != Some(0.0);
                if wish.best.is_none_or(|(before, _)| exactness > before) {
                    wish.best = Some((exactness, is_wanted));
                }
            }
        }
        wish
    }
}

/// The weight that a parameter of a range is, if it is one.
fn weight(parameter: &str) -> Option<f32> {
    let (key, value) = parameter.split_once('=')?;
    key.trim().eq_ignore_ascii_case("q").then(|| value.trim().parse().ok())?
}

/// Whether the client asks for the type `media` by its name.
pub(super) fn is_named(headers: &HeaderMap, media: &str) -> bool {
    Wish::about(headers, media).best == Some((Exactness::Type, true))
}

/// Refuses (406) if the client wants nothing of the type `media`. Preferences do not matter; only what
/// is ruled out by `q=0` does (RFC 9110 section 12.5.1).
pub(super) fn accepted(headers: &HeaderMap, media: &str) -> Result<(), Problem> {
    let Wish { is_any, best } = Wish::about(headers, media);
    if best.map_or(!is_any, |(_, is_wanted)| is_wanted) {
        return Ok(());
    }
    let media = media.split(';').next().unwrap_or_default();
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
