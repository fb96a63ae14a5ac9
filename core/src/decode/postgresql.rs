//! PostgreSQL, by the message with which a client starts, and what a request for TLS begins. Users, databases and queries are not read.

use crate::model::FieldSpec;

use super::first_words::{FirstWords, text_field};
use super::starttls::{Chunk, MAX_MEMORY, StartTls};
use super::text::text;
use super::{Decoder, Opening, Probe, ProtocolSpec, StreamProtocol};

/// The declaration of the protocol.
pub(super) static POSTGRESQL: ProtocolSpec = ProtocolSpec {
    name: "postgresql",
    meaning: "PostgreSQL",
    fields: FIELDS,
    ports: &[5432],
    stream: Some(StreamProtocol { probe, decoder, max_memory: MAX_MEMORY }),
    datagram: None,
};

static FIELDS: &[FieldSpec] = &[text_field(
    "postgresql.server_version",
    "Version that the server states.",
    "ParameterStatus server_version",
)];

/// Version 3.0 and 3.2.
const VERSIONS: [u32; 2] = [0x0003_0000, 0x0003_0002];
/// The codes by which TLS and GSSAPI are asked for.
const REQUESTS: [u32; 2] = [80_877_103, 80_877_104];
/// Longest message that begins a session.
const MAX_START: u32 = 10_000;

fn probe(opening: &Opening<'_>) -> Probe {
    let prefix = opening.of(opening.first);
    let Some((length, rest)) = prefix.bytes.split_first_chunk::<4>() else {
        return if prefix.is_from_start { Probe::NeedMore } else { Probe::NotMine };
    };
    let is_plausible = (8..=MAX_START).contains(&u32::from_be_bytes(*length));
    match rest.first_chunk::<4>() {
        _ if !prefix.is_from_start || !is_plausible => Probe::NotMine,
        Some(code) => {
            let code = u32::from_be_bytes(*code);
            let is_known = VERSIONS.contains(&code) || REQUESTS.contains(&code);
            if is_known { Probe::Certain } else { Probe::NotMine }
        }
        None => Probe::NeedMore,
    }
}

/// The version, which follows the name of the parameter.
fn version(bytes: &[u8]) -> Option<&[u8]> {
    const NAME: &[u8] = b"server_version\0";
    let at = bytes.windows(NAME.len()).position(|name| name == NAME)?;
    let value = bytes.get(at + NAME.len()..)?;
    let end = value.iter().position(|byte| *byte == 0)?;
    value.get(..end)
}

fn decoder(opening: &Opening<'_>) -> Box<dyn Decoder> {
    let version = FirstWords::new(opening.first, &[0], |_, server| {
        let version = version(server).map(text);
        // After S or G everything is encrypted.
        let may_change = version.is_none() && !matches!(server, [b'S' | b'G', ..]);
        (vec![version], may_change)
    });
    Box::new(StartTls::new(version, opening.first, cut))
}

/// Requests of encryption, and the byte that answers each.
fn cut(bytes: &[u8], is_client: bool) -> Chunk {
    if !is_client {
        return if matches!(bytes, [b'S' | b'N', ..]) { Chunk::Bytes(1) } else { Chunk::Other };
    }
    match bytes.first_chunk::<8>() {
        None => Chunk::NeedMore,
        Some([0, 0, 0, 8, code @ ..]) if REQUESTS.contains(&u32::from_be_bytes(*code)) => {
            Chunk::Bytes(8)
        }
        Some(_) => Chunk::Other,
    }
}
