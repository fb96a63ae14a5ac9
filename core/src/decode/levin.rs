//! Levin, the protocol between Monero nodes (`contrib/epee/include/net/levin_base.h` and
//! `src/p2p/p2p_protocol_defs.h` of monero-project/monero).
//!
//! A message is a header and a body. Bodies that state something of the peer are read as they come,
//! blocks and transactions are skipped by their length. Everything is a claim of the peer.

mod decoder;
mod epee;
mod facts;
mod fields;
mod frames;
mod header;
mod reported;
mod session;
mod traffic;
mod view;

use super::{Opening, Prefix, Probe, ProtocolSpec, Side, StreamProtocol};
pub use header::SIGNATURE;
use header::{HEADER_BYTES, Header};
pub use reported::{ReportedPeer, is_handshake_missing};

/// The declaration of the protocol.
pub static LEVIN: ProtocolSpec = ProtocolSpec {
    name: "levin",
    meaning: "peers of Monero nodes",
    fields: fields::FIELDS,
    ports: &[],
    stream: Some(StreamProtocol {
        probe,
        decoder: |opening| Box::new(session::Session::new(opening)),
        max_memory: MAX_MEMORY,
    }),
    datagram: None,
};

/// A decoder has a fixed size: both sides within a storage within fragments.
const MAX_MEMORY: u64 = 16 * 1024;

fn probe(opening: &Opening<'_>) -> Probe {
    let sides = Side::ALL.map(|side| opening.of(side));
    let results =
        sides.map(|prefix| if prefix.bytes.is_empty() { None } else { Some(probe_side(prefix)) });
    let results = || results.iter().flatten();
    if results().any(|result| *result == Probe::Certain) {
        Probe::Certain
    } else if results().any(|result| *result == Probe::NotMine) {
        Probe::NotMine
    } else {
        Probe::NeedMore
    }
}

fn probe_side(prefix: &Prefix<'_>) -> Probe {
    if prefix.is_from_start {
        let Some(bytes) = prefix.bytes.first_chunk() else {
            let begin = SIGNATURE.iter().zip(prefix.bytes);
            let is_possible = begin.into_iter().all(|(expected, byte)| expected == byte);
            return if is_possible { Probe::NeedMore } else { Probe::NotMine };
        };
        return if is_header(bytes, true) { Probe::Certain } else { Probe::NotMine };
    }
    let headers = prefix.bytes.windows(HEADER_BYTES).filter_map(<[u8]>::first_chunk);
    let mut headers = headers.filter(|bytes| bytes.starts_with(&SIGNATURE));
    if headers.any(|bytes| is_header(bytes, false)) { Probe::Certain } else { Probe::NeedMore }
}

fn is_header(bytes: &[u8; HEADER_BYTES], is_first: bool) -> bool {
    Header::read(bytes).is_some_and(|header| header.is_valid(is_first))
}
