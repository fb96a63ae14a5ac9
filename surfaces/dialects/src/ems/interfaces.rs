//! The three interfaces of a media server: each reads a command line in its own way, runs the same
//! commands, and frames the reply.

use std::sync::Arc;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use conns_core::model::Update;
use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, SERVER, USER_AGENT};
use http::{HeaderName, HeaderValue, Method, Request, Response};
use percent_encoding::percent_decode_str;

use super::command::{Reply, answer};
use super::line::{Call, LONGEST_LINE};
use super::print::{Form, LINE_END, escape};
use super::state::State;
use crate::cache::ResponseCache;
use crate::shell::{BodyChunks, HttpDialect, HttpOutcome, LineDialect, LineOutcome};

/// Ends an answer in JSON.
const TRAILER: &[u8] = b"\r\n\r\n";
/// Longest body read, bytes. The commands ignore it; a client may POST a form.
const LONGEST_BODY: usize = 16 * 1024;

const X_POWERED_BY: HeaderName = HeaderName::from_static("x-powered-by");

/// Decodes Base64 with or without padding, as OpenSSL does.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A line ends at CR and at LF; the LF of CR LF ends an empty line, which has no reply.
fn ends_line(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n')
}

/// RMS closes the connection on a line that is too long, without a reply.
fn line_too_long() -> LineOutcome {
    LineOutcome { chunks: Vec::new(), close: true }
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
        let mut chunks = json(reply, &call);
        if self.0.options.length_prefix {
            // A list is far from 4 GiB.
            let length = u32::try_from(length(&chunks)).unwrap_or(u32::MAX);
            chunks.insert(0, Bytes::copy_from_slice(&length.to_be_bytes()));
        }
        LineOutcome { chunks, close }
    }

    fn line_too_long(&self) -> LineOutcome {
        line_too_long()
    }

    fn on_update(&self, update: &Update) {
        self.0.counters(update, |_| ());
    }
}

/// The ASCII interface over TCP.
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
        LineOutcome { close: reply.closes, chunks: text(reply) }
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
        let is_supported = matches!(*request.method(), Method::GET | Method::POST);
        let line = command_line(request.uri());
        if !is_supported || line.len() > LONGEST_LINE {
            return HttpOutcome::Hangup;
        }
        let call = Call::parse(&line);
        let chunks = json(answer(&self.0, &call, cache, Form::Json), &call);
        let length = HeaderValue::from(length(&chunks));
        let mut response = Response::new(chunks);
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

/// The command line of a request: the last segment of its path, and the first argument of its query
/// decoded from Base64, up to the end of a line.
fn command_line(uri: &http::Uri) -> Vec<u8> {
    let command = uri.path().rsplit('/').next().unwrap_or_default();
    let mut line = command.as_bytes().to_vec();
    let query = uri.query().unwrap_or_default();
    let first = query.split('&').next().unwrap_or_default();
    if let Some((_, value)) = first.split_once('=') {
        // Not form decoding: `+` is a letter of Base64.
        let mut encoded: Vec<u8> = percent_decode_str(value).collect();
        // Some encoders break lines.
        encoded.retain(|byte| !byte.is_ascii_whitespace());
        let parameters = BASE64.decode(encoded).unwrap_or_default();
        line.push(b' ');
        line.extend(parameters.into_iter().take_while(|byte| !ends_line(*byte)));
    }
    line
}

/// A reply as JSON with its trailer; keys in ASCII order.
fn json(reply: Reply, call: &Call) -> BodyChunks {
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

/// A reply of the ASCII interface.
fn text(reply: Reply) -> BodyChunks {
    let result: &[u8] =
        if reply.is_success { b"Command entered successfully!" } else { b"Command failed!" };
    let head = [result, LINE_END, reply.description.as_bytes(), LINE_END].concat();
    if reply.is_success {
        // Not a pair of `LINE_END`: these are the bytes RMS sends.
        vec![head.into(), reply.data, Bytes::from_static(b"\n\r\n")]
    } else {
        vec![head.into(), Bytes::from_static(LINE_END)]
    }
}

fn length(chunks: &BodyChunks) -> usize {
    chunks.iter().map(Bytes::len).sum()
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
            // Padding is escaped, absent, or followed by the line end of an encoder.
            ("/x?p=aWQ9NzE%3D", "x id=71"),
            ("/x?p=aWQ9NzE", "x id=71"),
            ("/x?p=aWQ9%0ANzE=%0a", "x id=71"),
            // A plus is a letter.
            ("/x?p=aT1+fg==", "x i=~~"),
            // Only one command comes with a request.
            ("/x?p=aWQ9NzEKcXVpdA==", "x id=71"),
            // Invalid Base64 is no parameters.
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
}
