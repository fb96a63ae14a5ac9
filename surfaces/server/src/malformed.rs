//! A body for hyper's refusal of what is no HTTP/1.1: hyper answers 400 without one, before any code of this crate sees a
//! request. The stream between hyper and the socket keeps the first line of each request, and puts a response that
//! states what is wrong in place of hyper's.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::str;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::problem::Problem;

/// Longest part of a first line that is kept, bytes.
const MAX_LINE_BYTES: usize = 256;

/// What hyper's refusal begins with, and its length of a body. All other responses with this status have a body.
const REFUSAL: &str = "HTTP/1.1 400 Bad Request\r\n";
const NO_BODY: &str = "content-length: 0\r\n";

/// The stream of a client to hyper, with refusals explained if `explains`.
#[derive(Debug)]
pub(crate) struct Explained<I> {
    io: I,
    explains: bool,
    /// The first line of the request, as far as it was read.
    line: Vec<u8>,
    is_line_whole: bool,
    /// What is still to be written of the response in place of hyper's.
    reply: Option<Bytes>,
}

impl<I> Explained<I> {
    pub(crate) fn new(io: I, explains: bool) -> Self {
        Self { io, explains, line: Vec::new(), is_line_whole: !explains, reply: None }
    }

    pub(crate) fn into_inner(self) -> I {
        self.io
    }

    /// Keeps the first line.
    fn note_read(&mut self, bytes: &[u8]) {
        if self.is_line_whole {
            return;
        }
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let part = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default();
        let room = MAX_LINE_BYTES.saturating_sub(self.line.len());
        self.line.extend_from_slice(part.get(..room).unwrap_or(part));
        self.is_line_whole = end.is_some() || self.line.len() >= MAX_LINE_BYTES;
    }

    /// Whether `bytes` are replaced by another response. What is read after a response is another request.
    fn is_replaced(&mut self, bytes: &[u8]) -> bool {
        if self.reply.is_none() && self.explains {
            self.reply = explained(bytes, &self.line);
            self.line = Vec::new();
            self.is_line_whole = false;
        }
        self.reply.is_some()
    }
}

impl<I: AsyncWrite + Unpin> Explained<I> {
    /// Writes the response, and pretends that hyper's `length` bytes were written.
    fn poll_reply(&mut self, cx: &mut Context<'_>, length: usize) -> Poll<io::Result<usize>> {
        while let Some(reply) = self.reply.as_mut().filter(|reply| reply.has_remaining()) {
            match ready!(Pin::new(&mut self.io).poll_write(cx, reply))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => reply.advance(written),
            }
        }
        self.reply = None;
        Poll::Ready(Ok(length))
    }
}

/// The response in place of `written`, if that is hyper's refusal of a request with this first line.
fn explained(written: &[u8], line: &[u8]) -> Option<Bytes> {
    let headers = written.strip_prefix(REFUSAL.as_bytes())?;
    let (start, end) = str::from_utf8(headers).ok()?.split_once(NO_BODY)?;
    let (headers, body) = problem(line).answer_in_text();
    Some(format!("{REFUSAL}{start}{headers}{end}{body}").into())
}

/// What is wrong with a request that begins with this line.
fn problem(line: &[u8]) -> Problem {
    let line = String::from_utf8_lossy(line);
    let (message, hint) = match line.trim_end().split(' ').collect::<Vec<_>>().as_slice() {
        // RFC 9112 section 3: method, target and version, with one space between them.
        [_, _, _, .., version] if version.starts_with("HTTP/") => (
            "the address in the request line has a space",
            "write %20 for a space; `curl -G URL --data-urlencode 'filter=rtt > 50ms'` does",
        ),
        [_, target, version] if version.starts_with("HTTP/1.") && !is_target(target) => (
            "the address in the request line has a character that is not allowed in it",
            "write %XX for each byte of it in UTF-8; `curl -G URL --data-urlencode` does",
        ),
        // Pipelined requests are read together.
        [""] | [_, _, "HTTP/1.0" | "HTTP/1.1"] => (
            "the headers of the request break the format",
            "RFC 9112 section 5: a name, a colon and a value in each line",
        ),
        _ => (
            "the request does not begin with a line of HTTP/1.1",
            "this port answers HTTP/1.1, and HTTPS if it is configured",
        ),
    };
    Problem::bad("malformed-request", message, hint)
}

/// Whether it has only characters of RFC 3986 section 2, and those that `curl` and browsers leave as they are.
fn is_target(target: &str) -> bool {
    target.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"<>^`".contains(&byte))
}

impl<I: AsyncRead + Unpin> AsyncRead for Explained<I> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.io).poll_read(cx, buf))?;
        this.note_read(buf.filled().get(before..).unwrap_or_default());
        Poll::Ready(Ok(()))
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Explained<I> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.is_replaced(bytes) {
            return this.poll_reply(cx, bytes.len());
        }
        Pin::new(&mut this.io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let first = parts.iter().find(|part| !part.is_empty());
        if this.is_replaced(first.map_or(&[], |first| first)) {
            return this.poll_reply(cx, parts.iter().map(|part| part.len()).sum());
        }
        Pin::new(&mut this.io).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_shows_what_is_wrong() {
        let message = |line: &[u8]| {
            let (_, body) = problem(line).answer_in_text();
            body
        };
        for (line, part) in [
            (&b"GET /api/v1/connections?filter=rtt > 50ms HTTP/1.1\r"[..], "has a space"),
            (b"GET /?filter=a<b HTTP/1.1\r", "not allowed in it"),
            ("GET /?filter=\u{e9} HTTP/1.1".as_bytes(), "not allowed in it"),
            (b"GET / HTTP/1.1\r", "headers of the request"),
            (b"", "headers of the request"),
            (b"GET", "does not begin with"),
            (b"\x16\x03\x01", "does not begin with"),
            (b"GET / HTTP/9.1", "does not begin with"),
        ] {
            let body = message(line);
            assert!(body.contains(part), "{line:?}: {body}");
            assert!(body.contains(r#""code":"malformed-request""#), "{body}");
        }
    }

    #[test]
    fn only_a_refusal_without_a_body_is_replaced() {
        let hypers = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\ndate: x\r\n\r\n";
        let written = explained(hypers, b"GET /a b HTTP/1.1").unwrap();
        let text = str::from_utf8(&written).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}\r\n", body.len())), "{head}");
        assert!(head.contains("connection: close") && head.contains("date: x"), "{head}");
        assert!(
            explained(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 5\r\n\r\nabcd\n", b"")
                .is_none()
        );
        assert!(explained(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", b"").is_none());
    }
}
