//! RTMP (Adobe, RTMP 1.0 of December 2012; Enhanced RTMP 2): publications and playbacks, their tracks and
//! counters.
//!
//! Payload of audio and video is counted, not kept. Of RTMPE only the handshake can be read.

pub(super) mod amf;
mod chunks;
mod commands;
mod decoder;
mod fields;
mod handshake;
mod playback;
mod session;
mod stream;
mod tunnel;

use super::{Decoder, Opening, Probe, ProtocolSpec, StreamProtocol};

use handshake::{HELLO_BYTES, Version};
use session::Session;
pub(in crate::decode) use tunnel::RTMPT;

/// RTMP.
pub static RTMP: ProtocolSpec = ProtocolSpec {
    name: "rtmp",
    meaning: "Real-Time Messaging Protocol: media published and played",
    fields: fields::FIELDS,
    ports: &[1935],
    stream: Some(StreamProtocol { probe, decoder, max_memory: MAX_MEMORY }),
    datagram: None,
};

/// Messages that are read, of both sides; chunk streams and streams.
const MAX_MEMORY: u64 = 1 << 20;

/// The client sends a version and 1536 bytes, then the server the same. The version alone is one byte; zeros
/// or the version of a player follow behind a time.
fn probe(opening: &Opening<'_>) -> Probe {
    let client = opening.of(opening.first);
    let server = opening.of(opening.first.other());
    if !client.is_from_start {
        return Probe::NotMine;
    }
    let of = |prefix: &super::Prefix<'_>| prefix.bytes.first().map(|byte| Version::of(*byte));
    match (of(client), of(server)) {
        (Some(None), _) | (_, Some(None)) => Probe::NotMine,
        (Some(Some(_)), Some(Some(_))) if client.bytes.len() >= HELLO_BYTES => Probe::Certain,
        (Some(Some(Version::Plain)), None) if client.bytes.len() >= HELLO_BYTES => {
            if client.is_complete || client.bytes.len() > HELLO_BYTES {
                Probe::NotMine
            } else {
                Probe::Maybe
            }
        }
        _ if client.is_complete => Probe::NotMine,
        _ => Probe::NeedMore,
    }
}

fn decoder(opening: &Opening<'_>) -> Box<dyn Decoder> {
    Box::new(Session::new(opening))
}
