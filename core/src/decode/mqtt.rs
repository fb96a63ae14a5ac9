//! MQTT, by the packet with which a client connects. Topics and messages are not read.

use crate::model::FieldSpec;

use super::first_words::{FirstWords, MAX_MEMORY, text_field};
use super::{Decoder, Opening, Probe, ProtocolSpec, StreamProtocol};

/// The declaration of the protocol.
pub(super) static MQTT: ProtocolSpec = ProtocolSpec {
    name: "mqtt",
    meaning: "message queue telemetry transport",
    fields: FIELDS,
    ports: &[1883],
    stream: Some(StreamProtocol { probe, decoder, max_memory: MAX_MEMORY }),
    datagram: None,
};

static FIELDS: &[FieldSpec] = &[text_field(
    "mqtt.version",
    "Version of the protocol: 3.1, 3.1.1 or 5.",
    "CONNECT, MQTT 5.0 section 3.1.2.2",
)];

/// The level of the protocol out of a CONNECT packet; `Err` if more bytes are needed.
fn level(bytes: &[u8]) -> Result<Option<u8>, ()> {
    let [16, rest @ ..] = bytes else { return if bytes.is_empty() { Err(()) } else { Ok(None) } };
    // The length has one to four bytes; the last one has the highest bit clear.
    let Some(last) = rest.iter().take(4).position(|byte| byte & 0x80 == 0) else {
        return if rest.len() < 4 { Err(()) } else { Ok(None) };
    };
    let behind = rest.get(last + 1..).unwrap_or_default();
    for name in [b"\0\x04MQTT".as_slice(), b"\0\x06MQIsdp"] {
        match behind.strip_prefix(name) {
            Some([level, ..]) => return Ok(Some(*level)),
            Some([]) => return Err(()),
            None if name.starts_with(behind) => return Err(()),
            None => {}
        }
    }
    Ok(None)
}

fn probe(opening: &Opening<'_>) -> Probe {
    let prefix = opening.of(opening.first);
    match level(prefix.bytes) {
        _ if !prefix.is_from_start => Probe::NotMine,
        Ok(Some(3..=5)) => Probe::Certain,
        Ok(_) => Probe::NotMine,
        Err(()) => Probe::NeedMore,
    }
}

fn decoder(opening: &Opening<'_>) -> Box<dyn Decoder> {
    Box::new(FirstWords::new(opening.first, &[0], |client, _| {
        let version = match level(client) {
            Ok(Some(3)) => "3.1",
            Ok(Some(4)) => "3.1.1",
            Ok(Some(5)) => "5",
            other => return (vec![None], other.is_err()),
        };
        (vec![Some(version.into())], false)
    }))
}
