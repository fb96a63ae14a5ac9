//! PostgreSQL, by the message with which a client starts. Users, databases and queries are not read.

use crate::model::FieldSpec;

use super::first_words::{FirstWords, MAX_MEMORY, text_field};
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

/// Version 3.0, 3.2, and the codes by which TLS and GSSAPI are asked for.
const CODES: [u32; 4] = [0x0003_0000, 0x0003_0002, 80_877_103, 80_877_104];
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
        Some(code) if CODES.contains(&u32::from_be_bytes(*code)) => Probe::Certain,
        Some(_) => Probe::NotMine,
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
    Box::new(FirstWords::new(opening.first, &[0], |_, server| {
        let version = version(server).map(text);
        // After S or G everything is encrypted.
        let may_change = version.is_none() && !matches!(server, [b'S' | b'G', ..]);
        (vec![version], may_change)
    }))
}
