//! The messages of the handshake of one side (RFC 8446 section 4), out of the bytes of its records.

use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use crate::decode::text::text;

use super::hello::{self, Hello, MAX_HELLO};

const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;
const CERTIFICATE: u8 = 11;
const HEADER: usize = 4;
/// Before the first certificate: the header, the length of the list, the length of the certificate.
const BEFORE_CERTIFICATE: usize = HEADER + 3 + 3;

/// What the messages are read from.
#[derive(Debug, Default)]
pub(super) struct Messages {
    /// The message so far, as far as it is read.
    bytes: Vec<u8>,
    /// Bytes of it that are passed over.
    passed: usize,
}

/// A message.
#[derive(Debug)]
pub(super) enum Message {
    Hello(Hello),
    /// The subject of the first certificate.
    Certificate(String),
    /// Another one, or one that cannot be read.
    Other,
}

impl Messages {
    /// Takes bytes up to the end of the next message; `None` if that is not in them.
    pub(super) fn next(&mut self, bytes: &mut &[u8]) -> Option<Message> {
        loop {
            if self.passed > 0 {
                let passed = self.passed.min(bytes.len());
                *bytes = bytes.get(passed..).unwrap_or_default();
                self.passed -= passed;
            }
            if bytes.is_empty() {
                return None;
            }
            let wanted = self.wanted();
            let missing = wanted - self.bytes.len();
            let (new, rest) = bytes.split_at(missing.min(bytes.len()));
            self.bytes.extend_from_slice(new);
            *bytes = rest;
            if self.bytes.len() < wanted || self.wanted() > wanted {
                continue;
            }
            let message = std::mem::take(&mut self.bytes);
            self.passed = (HEADER + length_at(&message, 1)).saturating_sub(message.len());
            return Some(read(&message));
        }
    }

    /// How many bytes of the message are read, as far as is known yet.
    fn wanted(&self) -> usize {
        let Some(kind) = self.bytes.first().filter(|_| self.bytes.len() >= HEADER) else {
            return HEADER;
        };
        let whole = HEADER + length_at(&self.bytes, 1);
        let wanted = match *kind {
            CLIENT_HELLO | SERVER_HELLO => whole,
            CERTIFICATE if self.bytes.len() < BEFORE_CERTIFICATE => BEFORE_CERTIFICATE,
            CERTIFICATE => BEFORE_CERTIFICATE + length_at(&self.bytes, HEADER + 3),
            _ => HEADER,
        };
        // What is longer is cut: it is not parsed then, and its rest is passed over.
        wanted.min(whole).min(MAX_HELLO)
    }

    pub(super) fn memory(&self) -> usize {
        self.bytes.capacity()
    }
}

/// A length of three bytes.
fn length_at(bytes: &[u8], at: usize) -> usize {
    let of = |at| bytes.get(at).copied().map_or(0, usize::from);
    of(at) << 16 | of(at + 1) << 8 | of(at + 2)
}

fn read(message: &[u8]) -> Message {
    match message {
        [CLIENT_HELLO | SERVER_HELLO, ..] => Message::Hello(hello::parse(message)),
        [CERTIFICATE, ..] => {
            let certificate = message.get(BEFORE_CERTIFICATE..).unwrap_or_default();
            match X509Certificate::from_der(certificate) {
                Ok((_, certificate)) => {
                    Message::Certificate(text(certificate.subject().to_string().as_bytes()))
                }
                Err(_) => Message::Other,
            }
        }
        _ => Message::Other,
    }
}
