//! MPEG transport streams (ISO/IEC 13818-1) over TCP and UDP: programs, and the video and audio of each.
//!
//! Payload is scanned and counted, not kept.

mod adts;
mod decoder;
mod elementary;
mod fields;
mod nal_units;
mod packet;
mod pes;
mod program;
mod sections;
mod session;
mod sync;

use super::{
    Datagram, DatagramProtocol, Decoder, Opening, Probe, ProtocolSpec, Side, StreamProtocol,
};

use packet::{PACKET, is_header};
use session::Session;
use sync::Layout;

/// MPEG-TS.
pub(super) static TS: ProtocolSpec = ProtocolSpec {
    name: "ts",
    meaning: "MPEG transport stream: programs of audio and video",
    fields: fields::FIELDS,
    ports: &[],
    stream: Some(StreamProtocol { probe, decoder, max_memory: MAX_MEMORY }),
    datagram: Some(DatagramProtocol {
        probe: probe_datagram,
        decoder: decoder_of_datagrams,
        max_memory: MAX_MEMORY,
    }),
};

/// Sections of the tables of all programs, and their elementary streams.
pub(super) const MAX_MEMORY: u64 = 192 * 1024;

/// Packets follow each other; in a connection that is joined late, from anywhere on.
fn probe(opening: &Opening<'_>) -> Probe {
    let prefix = opening.of(opening.first);
    if prefix.is_from_start {
        let is_possible = Layout::ALL.iter().any(|layout| layout.could_begin(prefix.bytes));
        return match Layout::at_begin(prefix.bytes) {
            Some(_) => Probe::Certain,
            None if is_possible && !prefix.is_complete => Probe::NeedMore,
            None => Probe::NotMine,
        };
    }
    match Layout::find(prefix.bytes) {
        Some(_) => Probe::Maybe,
        None if prefix.is_complete => Probe::NotMine,
        None => Probe::NeedMore,
    }
}

fn decoder(opening: &Opening<'_>) -> Box<dyn Decoder> {
    Box::new(Session::over_stream(opening.first, opening.ends))
}

/// Most encoders send seven whole packets; ffmpeg sends datagrams of 1472 bytes by default, in which packets are cut.
fn probe_datagram(datagram: &Datagram<'_>) -> Probe {
    let length = datagram.bytes.len() + datagram.cut as usize;
    if has_cut_packets(datagram.bytes, length) {
        return Probe::Certain;
    }
    let are_packets = datagram.bytes.chunks(PACKET).all(is_header);
    match length / PACKET {
        _ if !length.is_multiple_of(PACKET) || !are_packets => Probe::NotMine,
        0 => Probe::NotMine,
        1 => Probe::Maybe,
        _ => Probe::Certain,
    }
}

/// Headers of this many packets at their distance are no accident.
const MIN_HEADERS: usize = 4;

/// Whether packets follow each other from somewhere on, the last of which continues in the next datagram. One that ends with a whole
/// packet has another header before them, such as that of RTP.
fn has_cut_packets(bytes: &[u8], length: usize) -> bool {
    (0..PACKET.min(bytes.len())).any(|at| {
        let mut packets = bytes.get(at..).unwrap_or_default().chunks(PACKET);
        let are_cut = !(length - at).is_multiple_of(PACKET);
        are_cut && packets.len() >= MIN_HEADERS && packets.all(is_header)
    })
}

fn decoder_of_datagrams(datagram: &Datagram<'_>) -> Box<dyn Decoder> {
    Box::new(Session::over_datagrams(datagram.side, datagram.ends))
}

/// A decoder for a transport stream inside of another protocol, which `sender` sends.
pub(super) fn inner(sender: Side, ends: super::Ends) -> Box<dyn Decoder> {
    Box::new(Session::over_stream(sender, ends))
}

#[cfg(test)]
mod tests;
