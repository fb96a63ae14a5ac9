//! The three interfaces of a media server, and how each frames an answer.
//!
//! The one idea: each reads a command line, however it came, and asks the same commands.

use std::sync::Arc;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use conns_core::model::Update;
use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, SERVER, USER_AGENT};
use http::{HeaderName, HeaderValue, Method, Request, Response};

use super::State;
use super::command::{Reply, answer};
use super::line::{Call, LONGEST_LINE};
use super::print::{Form, LINE_END, escape};
use crate::{HttpDialect, HttpOutcome, LineDialect, LineOutcome, Pieces, ResponseCache};

/// Ends an answer in JSON.
const TRAILER: &[u8] = b"\r\n\r\n";
/// Longest body read, bytes. No command reads it; a client that posts may send a form.
const LONGEST_BODY: usize = 16 * 1024;

const X_POWERED_BY: HeaderName = HeaderName::from_static("x-powered-by");

/// Reads Base64 with or without the `=` at its end, as OpenSSL's reader and its callers do.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A line ends at CR and at LF; of CR LF the second ends an empty line, which asks nothing.
fn ends_line(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n')
}

/// Closing without a word is what RMS does with a line too long.
fn line_too_long() -> LineOutcome {
    LineOutcome { pieces: Vec::new(), close: true }
}

/// The JSON interface over TCP.
#[derive(Debug)]
pub(super) struct JsonCli(pub(super) Arc<State>);

impl LineDialect for JsonCli {
    fn ends_line(&self, byte: u8) -> bool {
        ends_line(byte)
    }

    fn longest_line(&self) -> usize {
        LONGEST_LINE
    }

    fn answer(&self, line: &[u8], cache: &ResponseCache) -> LineOutcome {
        if line.is_empty() {
            return LineOutcome::default();
        }
        let call = Call::parse(line);
        let reply = answer(&self.0, &call, cache, Form::Json);
        let close = reply.closes;
        let mut pieces = json(reply, &call);
        if self.0.options.length_prefix {
            // Beyond what four bytes can say nothing helps; a list is far from it.
            let length = u32::try_from(length(&pieces)).unwrap_or(u32::MAX);
            pieces.insert(0, Bytes::copy_from_slice(&length.to_be_bytes()));
        }
        LineOutcome { pieces, close }
    }

    fn line_too_long(&self) -> LineOutcome {
        line_too_long()
    }

    fn on_update(&self, update: &Update) {
        self.0.counters(update, |_| ());
    }
}

/// The interface for people, over TCP.
#[derive(Debug)]
pub(super) struct AsciiCli(pub(super) Arc<State>);

impl LineDialect for AsciiCli {
    fn ends_line(&self, byte: u8) -> bool {
        ends_line(byte)
    }

    fn longest_line(&self) -> usize {
        LONGEST_LINE
    }

    fn answer(&self, line: &[u8], cache: &ResponseCache) -> LineOutcome {
        if line.is_empty() {
            return LineOutcome::default();
        }
        let reply = answer(&self.0, &Call::parse(line), cache, Form::Dump);
        LineOutcome { close: reply.closes, pieces: text(reply) }
    }

    fn line_too_long(&self) -> LineOutcome {
        line_too_long()
    }

    fn on_update(&self, update: &Update) {
        self.0.counters(update, |_| ());
    }
}

/// The JSON interface over HTTP.
#[derive(Debug)]
pub(super) struct Http(pub(super) Arc<State>);

impl HttpDialect for Http {
    fn answer(&self, request: &Request<Bytes>, cache: &ResponseCache) -> HttpOutcome {
        let is_read = matches!(*request.method(), Method::GET | Method::POST);
        let line = command_line(request.uri());
        if !is_read || line.len() > LONGEST_LINE {
            return HttpOutcome::Hangup;
        }
        let call = Call::parse(&line);
        let pieces = json(answer(&self.0, &call, cache, Form::Json), &call);
        let length = HeaderValue::from(length(&pieces));
        let mut response = Response::new(pieces);
        let banner = &self.0.banner;
        for (name, value) in [
            (CONNECTION, HeaderValue::from_static("close")),
            (CONTENT_LENGTH, length),
            (CONTENT_TYPE, HeaderValue::from_static("text/plain")),
            (SERVER, banner.clone()),
            (USER_AGENT, banner.clone()),
            (X_POWERED_BY, banner.clone()),
        ] {
            response.headers_mut().insert(name, value);
        }
        HttpOutcome::Answer(response)
    }

    fn longest_body(&self) -> usize {
        LONGEST_BODY
    }

    fn on_update(&self, update: &Update) {
        self.0.counters(update, |_| ());
    }
}

/// The command line a request means: the last segment of its path, and what the first argument of
/// its query says in Base64, up to the end of a line.
fn command_line(uri: &http::Uri) -> Vec<u8> {
    let command = uri.path().rsplit('/').next().unwrap_or_default();
    let mut line = command.as_bytes().to_vec();
    let query = uri.query().unwrap_or_default();
    let first = query.split('&').next().unwrap_or_default();
    if let Some((_, value)) = first.split_once('=') {
        let mut encoded = percent_decoded(value);
        // Some encoders break lines.
        encoded.retain(|byte| !byte.is_ascii_whitespace());
        let parameters = BASE64.decode(encoded).unwrap_or_default();
        line.push(b' ');
        line.extend(parameters.into_iter().take_while(|byte| !ends_line(*byte)));
    }
    line
}

/// `text` with each `%XX` (RFC 3986 section 2.1) read; `+` is no space, for it is a letter of Base64.
fn percent_decoded(text: &str) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let escaped = after
            .first_chunk::<2>()
            .filter(|_| *first == b'%')
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        decoded.push(escaped.unwrap_or(*first));
        rest = match escaped {
            Some(_) => after.get(2..).unwrap_or_default(),
            None => after,
        };
    }
    decoded
}

/// An answer in JSON with its trailer; keys in ASCII order.
fn json(reply: Reply, call: &Call) -> Pieces {
    let mut tail = Vec::with_capacity(128);
    tail.extend_from_slice(b",\"description\":\"");
    escape(&reply.description, &mut tail);
    if let Some(id) = &call.response_id {
        tail.extend_from_slice(b"\",\"responseId\":\"");
        escape(id, &mut tail);
    }
    tail.extend_from_slice(b"\",\"status\":\"");
    tail.extend_from_slice(if reply.is_success { b"SUCCESS" } else { b"FAIL" });
    tail.extend_from_slice(b"\"}");
    tail.extend_from_slice(TRAILER);
    vec![Bytes::from_static(b"{\"data\":"), reply.data, tail.into()]
}

/// An answer for people.
fn text(reply: Reply) -> Pieces {
    let said: &[u8] =
        if reply.is_success { b"Command entered successfully!" } else { b"Command failed!" };
    let head = [said, LINE_END, reply.description.as_bytes(), LINE_END].concat();
    if reply.is_success {
        // Not a pair of line ends: this is what the server sends.
        vec![head.into(), reply.data, Bytes::from_static(b"\n\r\n")]
    } else {
        vec![head.into(), Bytes::from_static(LINE_END)]
    }
}

fn length(pieces: &Pieces) -> usize {
    pieces.iter().map(Bytes::len).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(uri: &str) -> String {
        let uri = uri.parse().expect("a URI");
        String::from_utf8_lossy(&command_line(&uri)).into_owned()
    }

    #[test]
    fn the_last_segment_is_the_command_and_the_first_argument_its_parameters() {
        let cases = [
            ("/getConnectionInfo?params=aWQ9NzE=", "getConnectionInfo id=71"),
            ("/a/b/getConnectionInfo?anything=aWQ9NzE=&params=aWQ9NzI=", "getConnectionInfo id=71"),
            // Padding is escaped, left out, or followed by the line end of an encoder.
            ("/x?p=aWQ9NzE%3D", "x id=71"),
            ("/x?p=aWQ9NzE", "x id=71"),
            ("/x?p=aWQ9%0ANzE=%0a", "x id=71"),
            // A plus is a letter.
            ("/x?p=aT1+fg==", "x i=~~"),
            // Only one command comes with a request.
            ("/x?p=aWQ9NzEKcXVpdA==", "x id=71"),
            // What is not Base64 says nothing.
            ("/x?p=id=71", "x "),
            ("/x?p", "x"),
            ("/x?", "x"),
            ("/x/", ""),
            ("/", ""),
            ("/%6celp", "%6celp"),
        ];
        for (uri, expected) in cases {
            assert_eq!(line(uri), expected, "{uri}");
        }
    }

    #[test]
    fn a_percent_sign_without_two_digits_is_itself() {
        for (text, expected) in [("%41%4a", "AJ"), ("%", "%"), ("%4", "%4"), ("%+1%zz", "%+1%zz")] {
            assert_eq!(percent_decoded(text), expected.as_bytes(), "{text}");
        }
    }
}
