//! RTSP 1.0 (RFC 2326): what is published and played, with the media that is interleaved in the connection or
//! carried by flows that it sets up.

mod decoder;
mod fields;
mod framing;
mod head;
mod requests;
mod sdp;
mod session;
mod transport;

use super::{Decoder, Opening, Probe, ProtocolSpec, StreamProtocol};

use framing::find_frames;
use head::Begin;
use session::Session;

/// RTSP.
pub(super) static RTSP: ProtocolSpec = ProtocolSpec {
    name: "rtsp",
    meaning: "Real Time Streaming Protocol: media published and played over RTP",
    fields: fields::FIELDS,
    ports: &[554, 8554],
    stream: Some(StreamProtocol { probe, decoder, max_memory: MAX_MEMORY }),
    datagram: None,
};

/// A head and a body of each side, whose buffers may have grown to twice of what they need; a session.
const MAX_MEMORY: u64 = 384 * 1024;

/// A message begins; in a connection that is joined late, frames of media follow each other.
fn probe(opening: &Opening<'_>) -> Probe {
    let prefix = opening.of(opening.first);
    match head::begin(prefix.bytes) {
        Begin::Request | Begin::Answer => Probe::Certain,
        Begin::NeedMore => Probe::NeedMore,
        Begin::Other if prefix.is_from_start => Probe::NotMine,
        Begin::Other if find_frames(prefix.bytes).is_some() => Probe::Maybe,
        Begin::Other if prefix.is_complete => Probe::NotMine,
        Begin::Other => Probe::NeedMore,
    }
}

fn decoder(opening: &Opening<'_>) -> Box<dyn Decoder> {
    Box::new(Session::new(opening))
}

#[cfg(test)]
mod tests;
