//! HTTP/2 in clear (RFC 9113), by the preface that a client sends first. Its frames are not read.

use super::named::Named;
use super::{Opening, Probe, ProtocolSpec, Side, StreamProtocol};

/// The declaration of the protocol.
pub(super) static HTTP2: ProtocolSpec = ProtocolSpec {
    name: "http2",
    meaning: "HTTP/2 in clear",
    fields: &[],
    ports: &[],
    stream: Some(StreamProtocol { probe, decoder: |_| Box::new(Named), max_memory: 0 }),
    datagram: None,
};

/// What a client begins with (RFC 9113 section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

fn probe(opening: &Opening<'_>) -> Probe {
    let prefixes = [opening.of(Side::Sent).bytes, opening.of(Side::Received).bytes];
    if prefixes.iter().any(|bytes| bytes.starts_with(PREFACE)) {
        return Probe::Certain;
    }
    let first = opening.of(opening.first).bytes;
    // A server need not wait for the preface with its settings.
    if PREFACE.starts_with(first) || begins_settings(first) {
        Probe::NeedMore
    } else {
        Probe::NotMine
    }
}

/// Whether a frame SETTINGS of the connection begins here, or may (RFC 9113 sections 4.1 and 6.5).
fn begins_settings(bytes: &[u8]) -> bool {
    let is_expected = |(at, byte): (usize, &u8)| match at {
        0 | 4..9 => *byte == 0,
        3 => *byte == 4,
        _ => true,
    };
    bytes.iter().enumerate().take(9).all(is_expected)
}
