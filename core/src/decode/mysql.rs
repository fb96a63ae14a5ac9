//! MySQL and MariaDB, by the handshake that a server sends first, and what a request for TLS begins. Logins and queries are not read.

use crate::model::FieldSpec;

use super::first_words::{FirstWords, text_field};
use super::starttls::{Chunk, MAX_MEMORY, StartTls};
use super::text::text;
use super::{Decoder, Opening, Probe, ProtocolSpec, StreamProtocol};

/// The declaration of the protocol.
pub(super) static MYSQL: ProtocolSpec = ProtocolSpec {
    name: "mysql",
    meaning: "MySQL or MariaDB",
    fields: FIELDS,
    ports: &[3306],
    stream: Some(StreamProtocol { probe, decoder, max_memory: MAX_MEMORY }),
    datagram: None,
};

static FIELDS: &[FieldSpec] = &[text_field(
    "mysql.server_version",
    "Version that the server states.",
    "Protocol::HandshakeV10",
)];

/// Bytes before each packet: its length and number.
const HEADER: usize = 4;
/// Number of the first packet, and version of the handshake (Protocol::HandshakeV10).
const BEGIN: [u8; 2] = [0, 10];

/// The version, which ends with a zero byte; `None` if these are no handshake, or too few bytes.
fn version(bytes: &[u8]) -> Option<&[u8]> {
    let (length, rest) = bytes.split_first_chunk::<3>()?;
    let rest = rest.strip_prefix(&BEGIN)?;
    let end = rest.iter().position(|byte| *byte == 0)?;
    let version = rest.get(..end)?;
    // A handshake is short.
    let is_plausible = length[2] == 0 && version.first().is_some_and(u8::is_ascii_digit);
    (is_plausible && version.iter().all(u8::is_ascii_graphic)).then_some(version)
}

fn probe(opening: &Opening<'_>) -> Probe {
    let prefix = opening.of(opening.first);
    match prefix.bytes {
        _ if !prefix.is_from_start => Probe::NotMine,
        bytes if version(bytes).is_some() => Probe::Certain,
        [_, _, _, 0, 10, rest @ ..] if rest.len() < 64 && !rest.contains(&0) => Probe::NeedMore,
        bytes if bytes.len() < 5 => Probe::NeedMore,
        _ => Probe::NotMine,
    }
}

fn decoder(opening: &Opening<'_>) -> Box<dyn Decoder> {
    let version = FirstWords::new(opening.first, &[0], |server, _| {
        let version = version(server).map(text);
        let may_change = version.is_none();
        (vec![version], may_change)
    });
    Box::new(StartTls::new(version, opening.first.other(), cut))
}

/// The handshake of the server, and the request for TLS, which has no other length (Protocol::SSLRequest).
fn cut(bytes: &[u8], is_client: bool) -> Chunk {
    let Some([low, middle, high, number]) = bytes.first_chunk() else { return Chunk::NeedMore };
    let length = u32::from_le_bytes([*low, *middle, *high, 0]) as usize;
    match (is_client, number, length) {
        (true, 1, 32) => Chunk::Bytes(HEADER + length),
        (false, 0, _) => Chunk::Bytes(HEADER + length),
        _ => Chunk::Other,
    }
}
