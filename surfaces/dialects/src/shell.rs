//! What a serving shell needs to know of a dialect, so that the shell knows no dialect.
//!
//! The one idea: an answer is pieces of bytes, the large one of them shared with every other
//! answer of the same second; nothing is copied on the way to the socket.

use bytes::Bytes;
use conns_core::model::Update;
use http::{Request, Response};

use crate::cache::ResponseCache;

/// A body in pieces, sent one after the other.
pub type Pieces = Vec<Bytes>;

/// What becomes of a request.
#[derive(Debug)]
pub enum HttpOutcome {
    /// This answer. `Content-Length` is the shell's business unless the dialect sets it.
    Answer(Response<Pieces>),
    /// The connection is closed without a word, as the real system does.
    Hangup,
}

/// A dialect spoken over HTTP. The path of a request is the one the real system would see: whatever
/// prefix it has on the agent's own port is taken off.
pub trait HttpDialect: Send + Sync {
    /// Answers one request. Must not block and must not panic, whatever it is sent.
    fn answer(&self, request: &Request<Bytes>, cache: &ResponseCache) -> HttpOutcome;

    /// Longest body read, bytes; of a longer one [`HttpDialect::body_too_long`] decides.
    fn longest_body(&self) -> usize;

    /// What becomes of a request whose body is longer than that.
    fn body_too_long(&self) -> HttpOutcome {
        HttpOutcome::Hangup
    }

    /// Told each beat, also when nobody asks; for dialects that keep marks of their own.
    fn on_update(&self, _update: &Update) {}
}

/// What becomes of a line.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct LineOutcome {
    /// Bytes to send; nothing is sent if empty.
    pub pieces: Pieces,
    /// Whether the connection is closed after that.
    pub close: bool,
}

/// A dialect spoken in lines over TCP.
pub trait LineDialect: Send + Sync {
    /// Whether this byte ends a line.
    fn ends_line(&self, byte: u8) -> bool;

    /// Longest line read, bytes, without its end.
    fn longest_line(&self) -> usize;

    /// Answers one line, given without the byte that ended it; empty lines are given too. Must not
    /// block and must not panic, whatever it is sent.
    fn answer(&self, line: &[u8], cache: &ResponseCache) -> LineOutcome;

    /// What becomes of a line that is longer than that.
    fn line_too_long(&self) -> LineOutcome;

    /// Told each beat, also when nobody asks; for dialects that keep marks of their own.
    fn on_update(&self, _update: &Update) {}
}
