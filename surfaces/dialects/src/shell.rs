//! The traits by which a server runs a dialect without knowing which one it is.
//!
//! An answer is a list of byte chunks. The large chunk is shared with every other answer from the
//! same update; nothing is copied on the way to the socket.

use bytes::Bytes;
use conns_core::model::Update;
use http::{Request, Response};

use crate::cache::ResponseCache;

/// A body in chunks, sent in order.
pub type BodyChunks = Vec<Bytes>;

/// The result of a request.
#[derive(Debug)]
pub enum HttpOutcome {
    /// A response. The server sets `Content-Length` unless the dialect does.
    Answer(Response<BodyChunks>),
    /// The connection is closed without a response, as the real system does.
    Hangup,
}

/// A dialect over HTTP. The request's path is the one the real system would see: its prefix on the
/// agent's own port is removed.
pub trait HttpDialect: Send + Sync {
    /// Answers one request. The server calls it on a blocking thread, one answer per dialect at a
    /// time, unless it [is brief](HttpDialect::is_brief). Must not wait for other requests and must not
    /// panic on any input.
    fn answer(&self, request: &Request<Bytes>, cache: &ResponseCache) -> HttpOutcome;

    /// Whether the answer to any request with a body of this length takes microseconds with this update. The
    /// server then calls [`HttpDialect::answer`] on a serving thread, which saves two changes of the thread.
    fn is_brief(&self, _body_bytes: usize, _update: &Update) -> bool {
        false
    }

    /// Maximum body length, bytes; [`HttpDialect::body_too_long`] answers longer ones.
    fn longest_body(&self) -> usize;

    /// The result of a request whose body is too long.
    fn body_too_long(&self) -> HttpOutcome {
        HttpOutcome::Hangup
    }

    /// Called for each update, also without clients; for dialects that keep counters.
    fn on_update(&self, _update: &Update) {}
}

/// The result of a line.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct LineOutcome {
    /// Bytes to send; nothing is sent if empty.
    pub chunks: BodyChunks,
    /// Whether the connection is closed after that.
    pub close: bool,
}

/// A dialect in lines over TCP.
pub trait LineDialect: Send + Sync {
    /// Whether this byte ends a line.
    fn ends_line(&self, byte: u8) -> bool;

    /// Maximum line length, bytes, without its terminator.
    fn longest_line(&self) -> usize;

    /// Answers one line, without its terminator; empty lines are passed too. The server calls it on
    /// a blocking thread, one answer per dialect at a time, unless it is brief. Must not wait for other
    /// requests and must not panic on any input.
    fn answer(&self, line: &[u8], cache: &ResponseCache) -> LineOutcome;

    /// As [`HttpDialect::is_brief`], of a line of this length.
    fn is_brief(&self, _line_bytes: usize, _update: &Update) -> bool {
        false
    }

    /// The result of a line that is too long.
    fn line_too_long(&self) -> LineOutcome;

    /// Called for each update, also without clients; for dialects that keep counters.
    fn on_update(&self, _update: &Update) {}
}
