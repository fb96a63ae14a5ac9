//! Redis and what speaks its protocol, RESP, by the command that a client sends first. Keys and values are not
//! read.

use crate::model::FieldSpec;

use super::first_words::{FirstWords, MAX_MEMORY, text_field};
use super::text::text;
use super::{Decoder, Opening, Probe, ProtocolSpec, StreamProtocol};

/// The declaration of the protocol.
pub(super) static REDIS: ProtocolSpec = ProtocolSpec {
    name: "redis",
    meaning: "Redis",
    fields: FIELDS,
    ports: &[6379],
    stream: Some(StreamProtocol { probe, decoder, max_memory: MAX_MEMORY }),
    datagram: None,
};

static FIELDS: &[FieldSpec] = &[text_field(
    "redis.server_version",
    "Version that the server states in its answer to HELLO.",
    "HELLO, RESP3",
)];

/// Whether a command begins with these bytes: an array, a bulk string, and a word in it. `Err` if they
/// are too few.
fn is_command(bytes: &[u8]) -> Result<bool, ()> {
    let line = |bytes: &[u8], kind| -> Result<Option<usize>, ()> {
        let [first, rest @ ..] = bytes else { return Err(()) };
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        match rest.get(digits..) {
            _ if *first != kind || digits > 7 => Ok(None),
            Some([b'\r', b'\n', ..]) if digits > 0 => Ok(Some(1 + digits + 2)),
            Some([] | [b'\r']) => Err(()),
            _ => Ok(None),
        }
    };
    let Some(array) = line(bytes, b'*')? else { return Ok(false) };
    let behind = bytes.get(array..).unwrap_or_default();
    let Some(bulk) = line(behind, b'$')? else { return Ok(false) };
    match behind.get(bulk..).unwrap_or_default() {
        [] => Err(()),
        [first, ..] => Ok(first.is_ascii_alphabetic()),
    }
}

fn probe(opening: &Opening<'_>) -> Probe {
    match is_command(opening.of(opening.first).bytes) {
        Ok(true) => Probe::Certain,
        Ok(false) => Probe::NotMine,
        Err(()) => Probe::NeedMore,
    }
}

/// The value behind the key `version` in a map of bulk strings.
fn version(bytes: &[u8]) -> Option<&[u8]> {
    const KEY: &[u8] = b"$7\r\nversion\r\n$";
    let at = bytes.windows(KEY.len()).position(|key| key == KEY)?;
    let value = bytes.get(at + KEY.len()..)?;
    let mut lines = value.split(|byte| *byte == b'\n').skip(1);
    let version = lines.next()?.strip_suffix(b"\r")?;
    version.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.').then_some(version)
}

fn decoder(opening: &Opening<'_>) -> Box<dyn Decoder> {
    Box::new(FirstWords::new(opening.first, &[0], |client, server| {
        let asks = client.windows(5).any(|word| word.eq_ignore_ascii_case(b"HELLO"));
        let version = version(server).map(text);
        // Clients that do not ask for it first seldom do later.
        let may_change = version.is_none() && (asks || client.len() < 32);
        (vec![version], may_change)
    }))
}
