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
mod pending;
mod playback;
mod reader;
mod search;
mod session;
mod stream;
mod tunnel;

use super::{Decoder, Opening, Probe, ProtocolSpec, Side, StreamProtocol};

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

/// Messages that are read, of both sides; chunk streams and streams, and the latest messages of what is published.
const MAX_MEMORY: u64 = 4 << 20;

/// The client sends a version and 1536 bytes, then the server the same. The version alone is one byte; zeros
/// or the version of a player follow behind a time.
fn probe(opening: &Opening<'_>) -> Probe {
    let client = opening.of(opening.first);
    let server = opening.of(opening.first.other());
    if !client.is_from_start {
        return probe_late(opening);
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

/// In the middle of a connection the begin of a chunk is guessed; at the port of RTMP the decoder does that with more
/// bytes than are shown here.
fn probe_late(opening: &Opening<'_>) -> Probe {
    let sides = || Side::ALL.iter().map(|side| opening.of(*side));
    let is_found = || sides().any(|prefix| search::find(prefix.bytes, None).is_some());
    let ends = [opening.ends.local, opening.ends.remote];
    let is_at_port = ends.iter().flatten().any(|end| RTMP.ports.contains(&end.port));
    let is_full = sides().any(|prefix| prefix.bytes.len() >= super::MAX_PREFIX_BYTES);
    match () {
        () if is_at_port => Probe::Maybe,
        () if !is_full => Probe::NeedMore,
        () if is_found() => Probe::Maybe,
        () => Probe::NotMine,
    }
}

fn decoder(opening: &Opening<'_>) -> Box<dyn Decoder> {
    Box::new(Session::new(opening))
}
