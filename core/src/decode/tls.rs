//! TLS (RFC 8446, RFC 5246): what the handshake has in clear. The rest is not read.

mod handshake;
pub(super) mod hello;
mod records;
mod session;

use crate::model::{FieldSpec, Kind};

use super::{Decoder, Opening, Probe, ProtocolSpec, StreamProtocol, field};
use hello::{Begin, MAX_HELLO};
use session::Session;

/// What one decoder holds at most: a message of each side, whose buffer may have grown to twice of what it
/// needs, and what they state.
pub(super) const MAX_MEMORY: u64 = 4 * MAX_HELLO as u64 + 8192;

/// The declaration of the protocol.
pub(super) static TLS: ProtocolSpec = ProtocolSpec {
    name: "tls",
    meaning: "transport layer security",
    fields: FIELDS,
    ports: &[443, 465, 636, 853, 993, 995],
    stream: Some(StreamProtocol {
        probe,
        decoder: |opening| Box::new(Session::new(opening)),
        max_memory: MAX_MEMORY,
    }),
    datagram: None,
};

/// In the order of [`Session::values`](Decoder::values).
static FIELDS: &[FieldSpec] = &[
    field(
        "tls.sni",
        Kind::Text,
        "Name of the server that the client asks for.",
        "server_name, RFC 6066 section 3",
    )
    .names_server(),
    field("tls.version", Kind::Text, "Version that the server chose.", "ServerHello"),
    field(
        "tls.cipher",
        Kind::Text,
        "Cipher suite that the server chose, by its IANA name.",
        "ServerHello",
    ),
    field(
        "tls.alpn",
        Kind::Text,
        "Application protocol that the server chose; encrypted in TLS 1.3.",
        "ServerHello, RFC 7301",
    ),
    field(
        "tls.alpn_offered",
        Kind::Text,
        "Application protocols that the client offers, with commas between.",
        "ClientHello, RFC 7301",
    ),
    field(
        "tls.hello_time",
        Kind::Duration,
        "From the client's hello to the answer of the server.",
        "ClientHello, ServerHello",
    ),
    field(
        "tls.alert",
        Kind::Count,
        "Number of the first alert in clear.",
        "Alert, RFC 8446 section 6",
    ),
    field(
        "tls.certificate_subject",
        Kind::Text,
        "Subject of the server's certificate; encrypted in TLS 1.3.",
        "Certificate, RFC 5246 section 7.4.2",
    ),
    field(
        "tls.handshake_time",
        Kind::Duration,
        "From the client's hello to the last message of the handshake.",
        "ClientHello, Finished",
    ),
];

fn probe(opening: &Opening<'_>) -> Probe {
    let prefix = opening.of(opening.first);
    if !prefix.is_from_start {
        return Probe::NotMine;
    }
    match hello::begin(prefix.bytes) {
        Begin::ClientHello => Probe::Certain,
        Begin::NeedMore => Probe::NeedMore,
        Begin::Other => Probe::NotMine,
    }
}

/// Whether a client begins with these bytes; false if they are too few.
pub(super) fn begins(bytes: &[u8]) -> bool {
    matches!(hello::begin(bytes), Begin::ClientHello)
}

/// A decoder for a connection inside of another protocol.
pub(super) fn decoder() -> Box<dyn Decoder> {
    Box::new(Session::default())
}
