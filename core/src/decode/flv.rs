//! FLV (Adobe Flash Video File Format 10.1, annex E) as a stream: over TCP as it is, or in the body of an answer of
//! HTTP.

mod decoder;
mod fields;
mod session;
mod tags;

use super::{Decoder, Ends, Opening, Probe, ProtocolSpec, Side, StreamProtocol};

use session::Session;
use tags::{SIGNATURE, find_tag};

/// FLV.
pub(super) static FLV: ProtocolSpec = ProtocolSpec {
    name: "flv",
    meaning: "Flash Video: tags of audio and video",
    fields: fields::FIELDS,
    ports: &[],
    stream: Some(StreamProtocol {
        probe,
        decoder: |opening| {
            let is_from_start = opening.of(opening.first).is_from_start;
            let publications = opening.publications.clone();
            Box::new(Session::new(opening.first, opening.ends, is_from_start, publications))
        },
        max_memory: MAX_MEMORY,
    }),
    datagram: None,
};

/// A tag that is read, whose buffer may have grown to twice of what it needs, and what is searched for one.
pub(super) const MAX_MEMORY: u64 = 96 * 1024;

/// A stream begins with its header. In one that is joined late a tag is found, if it is short.
fn probe(opening: &Opening<'_>) -> Probe {
    let prefix = opening.of(opening.first);
    match prefix.bytes.first_chunk::<9>() {
        Some([b'F', b'L', b'V', 1, flags, 0, 0, 0, 9]) if flags & 0xfa == 0 => Probe::Certain,
        None if SIGNATURE.starts_with(prefix.bytes) || prefix.bytes.starts_with(SIGNATURE) => {
            if prefix.is_complete {
                Probe::NotMine
            } else {
                Probe::NeedMore
            }
        }
        _ if prefix.is_from_start => Probe::NotMine,
        _ if find_tag(prefix.bytes).is_some() => Probe::Maybe,
        _ if prefix.is_complete => Probe::NotMine,
        _ => Probe::NeedMore,
    }
}

/// A decoder for a stream inside of another protocol, which `sender` sends.
pub(super) fn inner(
    sender: Side,
    ends: Ends,
    publications: super::media::Publications,
) -> Box<dyn Decoder> {
    Box::new(Session::new(sender, ends, true, publications))
}

#[cfg(test)]
mod tests;
