//! SRT (draft-sharabayko-srt-01): the handshake of both ends. What follows is counted, not read.

mod handshake;
mod session;

use super::{Datagram, DatagramProtocol, Probe, ProtocolSpec};

use handshake::{Handshake, Phase};
use session::Session;

/// SRT.
pub(super) static SRT: ProtocolSpec = ProtocolSpec {
    name: "srt",
    meaning: "Secure Reliable Transport: media over UDP",
    fields: session::FIELDS,
    ports: &[],
    stream: None,
    datagram: Some(DatagramProtocol {
        probe,
        decoder: |_| Box::new(Session::default()),
        max_memory: MAX_MEMORY,
    }),
};

/// A session and its stream id.
const MAX_MEMORY: u64 = 2048;

/// The first datagram of a caller is the same in UDT; the answer to it, and the second one, are not.
fn probe(datagram: &Datagram<'_>) -> Probe {
    match Handshake::read(datagram.bytes) {
        Some(handshake) if handshake.is_of_srt() => Probe::Certain,
        Some(Handshake { phase: Phase::Induction, .. }) => Probe::NeedMore,
        _ => Probe::NotMine,
    }
}

#[cfg(test)]
mod tests;
