//! BitTorrent: the handshake between peers (BEP 3), and the messages of its distributed hash table (BEP 5). What
//! is transferred is not read.

use crate::model::FieldSpec;

use super::first_words::{FirstWords, MAX_MEMORY, text_field};
use super::named::Named;
use super::text::text;
use super::{Datagram, DatagramProtocol, Decoder, Opening, Probe, ProtocolSpec, StreamProtocol};

/// The declaration of the protocol.
pub(super) static BITTORRENT: ProtocolSpec = ProtocolSpec {
    name: "bittorrent",
    meaning: "BitTorrent between peers",
    fields: FIELDS,
    ports: &[],
    stream: Some(StreamProtocol { probe, decoder, max_memory: MAX_MEMORY }),
    datagram: None,
};

/// The declaration of the hash table, which is a protocol of its own.
pub(super) static DHT: ProtocolSpec = ProtocolSpec {
    name: "bittorrent-dht",
    meaning: "BitTorrent's distributed hash table",
    fields: &[],
    ports: &[],
    stream: None,
    datagram: Some(DatagramProtocol {
        probe: probe_dht,
        decoder: |_| Box::new(Named),
        max_memory: 0,
    }),
};

static FIELDS: &[FieldSpec] = &[
    text_field(
        "bittorrent.client",
        "Software of this end: two letters and a version.",
        "peer id of the handshake, BEP 20",
    ),
    text_field(
        "bittorrent.peer_client",
        "Software of the peer: two letters and a version.",
        "peer id of the handshake, BEP 20",
    ),
];

const BEGIN: &[u8] = b"\x13BitTorrent protocol";
/// Where the peer id is: behind eight reserved bytes and the hash of the torrent.
const PEER_ID: usize = BEGIN.len() + 8 + 20;

fn probe(opening: &Opening<'_>) -> Probe {
    let bytes = opening.of(opening.first).bytes;
    match bytes {
        _ if bytes.starts_with(BEGIN) => Probe::Certain,
        _ if BEGIN.starts_with(bytes) => Probe::NeedMore,
        _ => Probe::NotMine,
    }
}

/// The software out of a peer id such as `-TR3000-` and random bytes.
fn client(bytes: &[u8]) -> Option<String> {
    let id = bytes.get(PEER_ID..PEER_ID + 8)?;
    match id {
        [b'-', name @ .., b'-'] if name.iter().all(u8::is_ascii_alphanumeric) => Some(text(name)),
        _ => None,
    }
}

fn decoder(opening: &Opening<'_>) -> Box<dyn Decoder> {
    Box::new(FirstWords::new(opening.first, &[1, 0], |first, second| {
        let clients = vec![client(first), client(second)];
        let may_change = first.len().min(second.len()) < PEER_ID + 8;
        (clients, may_change)
    }))
}

/// A dictionary whose last key is the kind of message: query, response or error.
fn probe_dht(datagram: &Datagram<'_>) -> Probe {
    let bytes = datagram.bytes;
    let begins = [b"d1:ad2:id20:".as_slice(), b"d1:rd2:id20:", b"d1:el", b"d2:ip"]
        .iter()
        .any(|begin| bytes.starts_with(begin));
    let kind = [b"1:y1:qe".as_slice(), b"1:y1:re", b"1:y1:ee"];
    if begins && kind.iter().any(|kind| bytes.ends_with(kind)) {
        Probe::Certain
    } else {
        Probe::NotMine
    }
}
