//! The recorded sessions of `corpus/`: capture files (pcap, microseconds, raw IPv4) of loopback.

use std::path::Path;

use anyhow::{Context, bail, ensure};

/// Bytes of the header of a file, and of that of a packet.
const FILE_HEADER: usize = 24;
const PACKET_HEADER: usize = 16;
/// Raw IP (`LINKTYPE_RAW`).
pub(crate) const RAW_IP: u32 = 101;
const TCP: u8 = 6;
const IPV4_HEADER: usize = 20;

/// A TCP segment, from its IP header on.
#[derive(Clone, Debug)]
pub(crate) struct Packet {
    /// Microseconds since the first one.
    pub(crate) after_us: u64,
    /// The bytes of the packet.
    pub(crate) bytes: Vec<u8>,
}

/// Payload of one end, as one segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    /// Whether the end that connected sent it.
    pub(crate) is_of_client: bool,
    /// The bytes.
    pub(crate) bytes: Vec<u8>,
}

/// The TCP segments of a file over IPv4 without options.
pub(crate) fn packets(path: &Path) -> anyhow::Result<Vec<Packet>> {
    let file = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let word = |at: usize| -> anyhow::Result<u32> {
        let bytes = file.get(at..at + 4).context("the file is cut")?;
        Ok(u32::from_le_bytes(bytes.try_into()?))
    };
    ensure!(word(0)? == 0xa1b2_c3d4, "{} is no pcap file of microseconds", path.display());
    ensure!(word(20)? == RAW_IP, "{} is not of raw IP", path.display());
    let (mut at, mut first, mut packets) = (FILE_HEADER, None, Vec::new());
    while at < file.len() {
        let time = u64::from(word(at)?) * 1_000_000 + u64::from(word(at + 4)?);
        let length = word(at + 8)? as usize;
        at += PACKET_HEADER;
        let bytes = file.get(at..at + length).context("the file is cut")?;
        at += length;
        let after_us = time.saturating_sub(*first.get_or_insert(time));
        if bytes.first() == Some(&0x45) && bytes.get(9) == Some(&TCP) && length >= 40 {
            packets.push(Packet { after_us, bytes: bytes.to_vec() });
        }
    }
    Ok(packets)
}

impl Packet {
    /// The ports: of the sender, of the receiver.
    pub(crate) fn ports(&self) -> (u16, u16) {
        let port = |at: usize| {
            let bytes = [0, 1].map(|byte| self.bytes.get(at + byte).copied().unwrap_or(0));
            u16::from_be_bytes(bytes)
        };
        (port(IPV4_HEADER), port(IPV4_HEADER + 2))
    }

    /// The port of its sender, if it opens a connection.
    pub(crate) fn opener(&self) -> Option<u16> {
        let flags = self.bytes.get(IPV4_HEADER + 13)?;
        (flags & 0x12 == 2).then_some(self.ports().0)
    }

    fn payload(&self) -> &[u8] {
        let header = self.bytes.get(IPV4_HEADER + 12).map_or(0, |byte| usize::from(byte >> 4) * 4);
        self.bytes.get(IPV4_HEADER + header..).unwrap_or_default()
    }

    /// Moves the end with this port to another address and port.
    pub(crate) fn move_end(&mut self, port: u16, address: [u8; 4], to: u16) {
        let (from, receiver) = self.ports();
        let (address_at, port_at) = match port {
            _ if from == port => (12, IPV4_HEADER),
            _ if receiver == port => (16, IPV4_HEADER + 2),
            _ => return,
        };
        for (at, bytes) in [(address_at, &address[..]), (port_at, &to.to_be_bytes())] {
            if let Some(place) = self.bytes.get_mut(at..at + bytes.len()) {
                place.copy_from_slice(bytes);
            }
        }
    }
}

/// What the ends of the first connection of a file send each other, in order; nothing is lost or repeated in it.
pub(crate) fn first_connection(path: &Path) -> anyhow::Result<Vec<Message>> {
    let packets = packets(path)?;
    let syn = packets.iter().find(|packet| packet.opener().is_some());
    let Some((client, server)) = syn.map(Packet::ports) else {
        bail!("{} has no connection from its begin", path.display())
    };
    let messages = packets.iter().filter_map(|packet| {
        let is_of_client = packet.ports() == (client, server);
        let is_ours = is_of_client || packet.ports() == (server, client);
        let bytes = packet.payload().to_vec();
        (is_ours && !bytes.is_empty()).then_some(Message { is_of_client, bytes })
    });
    Ok(messages.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_connection_of_the_recorded_tls_session_begins_with_the_hellos() {
        let path = Path::new("../corpus/tls/session.pcap");
        let messages = first_connection(path).expect("a recorded session");
        let begins: Vec<_> =
            messages.iter().take(2).map(|m| (m.is_of_client, m.bytes[5])).collect();
        assert_eq!(begins, [(true, 1), (false, 2)]);
    }

    #[test]
    fn an_end_is_moved_in_both_directions() {
        let path = Path::new("../corpus/tls/session.pcap");
        let mut packets = packets(path).expect("a recorded session");
        let (client, server) = packets[0].ports();
        for packet in &mut packets[..2] {
            packet.move_end(client, [10, 0, 0, 9], 7);
        }
        assert_eq!([packets[0].ports(), packets[1].ports()], [(7, server), (server, 7)]);
        assert_eq!(packets[0].bytes[12..16], [10, 0, 0, 9]);
        assert_eq!(packets[1].bytes[16..20], [10, 0, 0, 9]);
    }
}
