//! QUIC (RFC 9000, RFC 9369): the client's hello, out of its first packets, whose keys are known to all who see
//! them (RFC 9001 section 5.2). The rest is encrypted.

mod keys;
mod packet;
mod session;

use crate::model::{FieldSpec, Kind};

use super::{Datagram, DatagramProtocol, Probe, ProtocolSpec, field};
use keys::Keys;
use packet::{MIN_INITIAL, Packet, Version};
use session::{MAX_MEMORY, Session};

/// The declaration of the protocol.
pub(super) static QUIC: ProtocolSpec = ProtocolSpec {
    name: "quic",
    meaning: "QUIC, as HTTP/3 uses it",
    fields: FIELDS,
    ports: &[],
    stream: None,
    datagram: Some(DatagramProtocol {
        probe,
        decoder: |_| Box::new(Session::default()),
        max_memory: MAX_MEMORY,
    }),
};

/// In the order of [`Session::values`](super::Decoder::values).
static FIELDS: &[FieldSpec] = &[
    field(
        "quic.sni",
        Kind::Text,
        "Name of the server that the client asks for.",
        "server_name in the ClientHello",
    )
    .names_server(),
    field(
        "quic.version",
        Kind::Text,
        "Version that both use: 1, 2, or a number.",
        "long header, RFC 8999 section 5.1",
    ),
    field(
        "quic.alpn_offered",
        Kind::Text,
        "Application protocols that the client offers, with commas between.",
        "ClientHello, RFC 7301",
    ),
    field(
        "quic.hello_time",
        Kind::Duration,
        "From the client's first packet to the first one of the server.",
        "Initial packets",
    ),
    field(
        "quic.is_client",
        Kind::Bool,
        "Whether this end is the client, which sent the hello.",
        "Initial packets",
    ),
];

fn probe(datagram: &Datagram<'_>) -> Probe {
    let bytes = datagram.bytes;
    let Some((packet, _)) = Packet::read(bytes) else { return Probe::NotMine };
    let length = bytes.len() + datagram.cut as usize;
    match packet.version {
        // A client pads its first datagram (RFC 9000 section 14.1).
        _ if length < MIN_INITIAL => Probe::NotMine,
        Version::Other(_) => Probe::Maybe,
        _ if !packet.is_initial => Probe::NotMine,
        _ if Keys::of_client(packet.version, packet.destination)
            .is_some_and(|keys| keys.open(&packet).is_some()) =>
        {
            Probe::Certain
        }
        // Of a server, whose keys are those of the client's first packet; or cut.
        _ if datagram.cut > 0 => Probe::Maybe,
        _ => Probe::NotMine,
    }
}
