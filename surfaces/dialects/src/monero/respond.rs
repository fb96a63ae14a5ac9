//! Heads of answers, with the node's headers in its order: `Last-Modified` is always now, and there is
//! no `Date`.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use conns_core::model::Moment;
use http::header::{
    ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_TYPE, LAST_MODIFIED, SERVER, WWW_AUTHENTICATE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};

use crate::shell::{BodyChunks, HttpOutcome};

/// The reason phrase of the status line, in the extensions of an answer. It differs from
/// [`StatusCode::canonical_reason`]; a server that can send it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReasonPhrase(pub &'static str);

const OK: (StatusCode, ReasonPhrase) = (StatusCode::OK, ReasonPhrase("Ok"));

/// Length of a request on the wire without optional white space, bytes.
pub(super) fn request_length(request: &Request<Bytes>) -> usize {
    let target =
        request.uri().path().len() + request.uri().query().map_or(0, |query| query.len() + 1);
    let line = request.method().as_str().len() + target + "  HTTP/1.1\r\n\r\n".len();
    let headers = request.headers().iter();
    let headers = headers.map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len());
    line + headers.sum::<usize>() + request.body().len()
}

/// A JSON answer; to a HEAD only its head.
pub(super) fn json(at: Moment, is_head: bool, chunks: BodyChunks) -> HttpOutcome {
    let length = chunks.iter().map(Bytes::len).sum();
    let body = if is_head { BodyChunks::new() } else { chunks };
    answer(OK, Some("application/json"), at, length, body)
}

/// The answer to OPTIONS on any path.
pub(super) fn options(at: Moment) -> HttpOutcome {
    answer((StatusCode::OK, ReasonPhrase("OK")), None, at, 0, BodyChunks::new())
}

/// The answer on an unknown path.
pub(super) fn not_found(at: Moment) -> HttpOutcome {
    let status = (StatusCode::NOT_FOUND, ReasonPhrase("Not found"));
    answer(status, Some("text/plain"), at, 0, BodyChunks::new())
}

/// The answer to an error the node does not handle.
pub(super) fn failure(at: Moment) -> HttpOutcome {
    let status = (StatusCode::INTERNAL_SERVER_ERROR, ReasonPhrase("Internal Server Error"));
    answer(status, Some("application/json"), at, 0, BodyChunks::new())
}

/// The answer without a valid login, with one challenge for each algorithm.
pub(super) fn unauthorized(at: Moment, is_head: bool, challenges: &[String; 2]) -> HttpOutcome {
    const BODY: &[u8] = b"<html><head><title>Unauthorized Access</title></head><body>\
        <h1>401 Unauthorized</h1></body></html>";
    let body = if is_head { BodyChunks::new() } else { vec![Bytes::from_static(BODY)] };
    let status = (StatusCode::UNAUTHORIZED, ReasonPhrase("Unauthorized"));
    let mut outcome = answer(status, Some("text/html"), at, BODY.len(), body);
    if let HttpOutcome::Answer(response) = &mut outcome {
        for challenge in challenges {
            push(response.headers_mut(), WWW_AUTHENTICATE, challenge);
        }
    }
    outcome
}

fn answer(
    (status, reason): (StatusCode, ReasonPhrase),
    content_type: Option<&'static str>,
    at: Moment,
    length: usize,
    body: BodyChunks,
) -> HttpOutcome {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.extensions_mut().insert(reason);
    let headers = response.headers_mut();
    headers.insert(SERVER, HeaderValue::from_static("Epee-based"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    if let Some(content_type) = content_type {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    push(headers, LAST_MODIFIED, &httpdate::fmt_http_date(date(at)));
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    HttpOutcome::Answer(response)
}

/// The wall clock of the sample, clamped to the years of an HTTP date.
fn date(at: Moment) -> SystemTime {
    const LAST: u64 = 253_402_300_799; // 9999-12-31T23:59:59Z
    let seconds = u64::try_from(at.wall_us).unwrap_or(0) / 1_000_000;
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.min(LAST))
}

/// Adds a header with an ASCII value.
fn push(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.append(name, value);
    }
}
