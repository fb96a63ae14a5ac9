//! Reads the capture files of the corpus (pcap, microseconds, raw IPv4 without fragments), and hands
//! their segments and datagrams to decoders. Not for any other file.

use std::collections::HashMap;
use std::path::PathBuf;

use conns_core::decode::assembly::Segment;
use conns_core::decode::{Ends, Limits, ProtocolSpec, Side, Streams};
use conns_core::model::{Endpoint, Moment};

/// A TCP or UDP packet.
#[derive(Debug, Clone)]
pub(crate) struct Packet {
    pub(crate) at: Moment,
    pub(crate) is_udp: bool,
    pub(crate) from: Endpoint,
    pub(crate) to: Endpoint,
    pub(crate) sequence: u32,
    pub(crate) ack: u32,
    pub(crate) flags: u8,
    pub(crate) payload: Vec<u8>,
}

const UDP: u8 = 17;
const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const ACK: u8 = 16;

pub(crate) fn corpus(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../corpus").join(name)
}

/// The packets of a capture file, in its order.
pub(crate) fn packets(name: &str) -> Vec<Packet> {
    let file = std::fs::read(corpus(name)).expect("a capture file");
    assert_eq!(file[..4], 0xa1b2_c3d4_u32.to_le_bytes());
    let mut rest = &file[24..];
    let mut packets = Vec::new();
    while let Some((header, behind)) = rest.split_at_checked(16) {
        let number = |at| u32::from_le_bytes(header[at..at + 4].try_into().expect("four bytes"));
        let wall_us = i64::from(number(0)) * 1_000_000 + i64::from(number(4));
        let (packet, behind) = behind.split_at(number(8) as usize);
        rest = behind;
        let at = Moment { monotonic_us: wall_us as u64, wall_us };
        packets.push(read(packet, at));
    }
    packets
}

fn read(ip: &[u8], at: Moment) -> Packet {
    let short = |bytes: &[u8], at| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
    let length = usize::from(short(ip, 2));
    let (header, tcp) = ip[..length].split_at(usize::from(ip[0] & 15) * 4);
    let end = |address: usize, port| Endpoint {
        address: <[u8; 4]>::try_from(&header[address..address + 4]).expect("four bytes").into(),
        port: short(tcp, port),
    };
    if header[9] == UDP {
        let (from, to) = (end(12, 0), end(16, 2));
        let payload = tcp[8..].into();
        return Packet { at, is_udp: true, from, to, sequence: 0, ack: 0, flags: 0, payload };
    }
    let payload = &tcp[usize::from(tcp[12] >> 4) * 4..];
    Packet {
        at,
        is_udp: false,
        from: end(12, 0),
        to: end(16, 2),
        sequence: u32::from_be_bytes(tcp[4..8].try_into().expect("four bytes")),
        ack: u32::from_be_bytes(tcp[8..12].try_into().expect("four bytes")),
        flags: tcp[13],
        payload: payload.into(),
    }
}

/// A connection: the end that sent the first packet seen, and the other one.
pub(crate) type Key = (Endpoint, Endpoint);

/// Hands packets to decoders.
#[derive(Debug)]
pub(crate) struct Player {
    pub(crate) streams: Streams<Key>,
    /// The connections that are open, with the moment of their first packet.
    pub(crate) open: HashMap<Key, Moment>,
}

impl Player {
    /// Of these protocols.
    pub(crate) fn of(protocols: Vec<&'static ProtocolSpec>) -> Self {
        Self { streams: Streams::new(protocols, Limits::default()), open: HashMap::new() }
    }

    pub(crate) fn play(&mut self, packet: &Packet) {
        let Packet { at, is_udp, from, to, sequence, ack, flags, ref payload } = *packet;
        let (key, side) = if self.open.contains_key(&(to, from)) {
            ((to, from), Side::Received)
        } else {
            ((from, to), Side::Sent)
        };
        if !self.open.contains_key(&key) {
            if flags & (RST | FIN) != 0 {
                return;
            }
            let opener = (flags & (SYN | ACK) == SYN).then_some(Side::Sent);
            let ends = Ends { local: Some(from), remote: Some(to), opener };
            assert!(self.streams.open(key, ends));
            self.open.insert(key, at);
        }
        if is_udp {
            return self.streams.datagram(key, side, payload, 0, at);
        }
        if flags & RST != 0 {
            self.streams.close(key, at);
            self.open.remove(&key);
            return;
        }
        let (syn, fin) = (flags & SYN != 0, flags & FIN != 0);
        let ack = (flags & ACK != 0).then_some(ack);
        let segment = Segment { sequence, syn, fin, ack, bytes: payload, cut: 0 };
        self.streams.segment(key, side, segment, at);
    }
}
