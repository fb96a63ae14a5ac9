//! Makes packets and capture files for tests, in every format that is read.

use std::io::Write;

/// A TCP segment over IPv4 without options.
#[derive(Debug, Clone)]
pub(crate) struct Tcp {
    pub(crate) from: (u8, u16),
    pub(crate) to: (u8, u16),
    pub(crate) sequence: u32,
    pub(crate) acknowledgement: u32,
    pub(crate) flags: u8,
    pub(crate) payload: Vec<u8>,
    pub(crate) ip_id: u16,
}

pub(crate) const FIN: u8 = 1;
pub(crate) const SYN: u8 = 2;
pub(crate) const RST: u8 = 4;
pub(crate) const ACK: u8 = 16;

/// The ends of all connections that are made: 10.0.0.1 connects to 10.0.0.2.
pub(crate) const CLIENT: (u8, u16) = (1, 40_000);
pub(crate) const SERVER: (u8, u16) = (2, 80);

impl Tcp {
    pub(crate) fn of_client(
        sequence: u32,
        acknowledgement: u32,
        flags: u8,
        payload: &[u8],
    ) -> Self {
        Self::new(CLIENT, SERVER, (sequence, acknowledgement), flags, payload)
    }

    pub(crate) fn of_server(
        sequence: u32,
        acknowledgement: u32,
        flags: u8,
        payload: &[u8],
    ) -> Self {
        Self::new(SERVER, CLIENT, (sequence, acknowledgement), flags, payload)
    }

    fn new(
        from: (u8, u16),
        to: (u8, u16),
        (sequence, acknowledgement): (u32, u32),
        flags: u8,
        payload: &[u8],
    ) -> Self {
        Self { from, to, sequence, acknowledgement, flags, payload: payload.into(), ip_id: 0 }
    }

    /// The segment alone.
    pub(crate) fn segment(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(self.from.1.to_be_bytes());
        bytes.extend(self.to.1.to_be_bytes());
        bytes.extend(self.sequence.to_be_bytes());
        bytes.extend(self.acknowledgement.to_be_bytes());
        bytes.extend([0x50, self.flags, 0x10, 0, 0, 0, 0, 0]);
        bytes.extend(&self.payload);
        bytes
    }

    /// The IPv4 packet.
    pub(crate) fn v4(&self) -> Vec<u8> {
        v4((self.from.0, self.to.0), 6, self.ip_id, 0x4000, &self.segment())
    }

    /// The IPv6 packet, with these extension headers: the number of the first, and all of them, which end with the
    /// number of TCP.
    pub(crate) fn v6(&self, first: u8, extensions: &[u8]) -> Vec<u8> {
        let segment = self.segment();
        let mut bytes = vec![0x60, 0, 0, 0];
        bytes.extend(((extensions.len() + segment.len()) as u16).to_be_bytes());
        bytes.extend([first, 64]);
        for host in [self.from.0, self.to.0] {
            bytes.extend([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, host]);
        }
        bytes.extend(extensions);
        bytes.extend(segment);
        bytes
    }
}

/// An IPv4 packet between two hosts of 10.0.0.0/24; `part` is what is in the place of flags and fragment offset.
pub(crate) fn v4(
    (from, to): (u8, u8),
    protocol: u8,
    id: u16,
    part: u16,
    payload: &[u8],
) -> Vec<u8> {
    let mut bytes = vec![0x45, 0];
    bytes.extend(((20 + payload.len()) as u16).to_be_bytes());
    bytes.extend(id.to_be_bytes());
    bytes.extend(part.to_be_bytes());
    bytes.extend([64, protocol, 0, 0, 10, 0, 0, from, 10, 0, 0, to]);
    bytes.extend(payload);
    bytes
}

/// A packet as it is captured.
#[derive(Debug, Clone)]
pub(crate) struct Captured {
    pub(crate) at_us: u64,
    pub(crate) bytes: Vec<u8>,
    /// Its length on the wire.
    pub(crate) length: usize,
}

/// Packets, one each millisecond from 2026-01-01 on.
pub(crate) fn each_ms(packets: impl IntoIterator<Item = Vec<u8>>) -> Vec<Captured> {
    let at = |index: usize| BEGIN_US + 1000 * index as u64;
    let packets = packets.into_iter().enumerate();
    packets.map(|(i, bytes)| Captured { at_us: at(i), length: bytes.len(), bytes }).collect()
}

/// 2026-01-01T00:00:00Z.
pub(crate) const BEGIN_US: u64 = 1_767_225_600_000_000;

/// The same packets with a header before each.
pub(crate) fn framed(packets: &[Captured], header: &[u8]) -> Vec<Captured> {
    let framed = |packet: &Captured| Captured {
        bytes: [header, &packet.bytes].concat(),
        length: packet.length + header.len(),
        ..packet.clone()
    };
    packets.iter().map(framed).collect()
}

/// A pcap file: `is_big`endian, with nanoseconds.
pub(crate) fn pcap(
    link: u32,
    is_big: bool,
    has_nanoseconds: bool,
    packets: &[Captured],
) -> Vec<u8> {
    let number = |n: u32| if is_big { n.to_be_bytes() } else { n.to_le_bytes() };
    let mut file = Vec::new();
    file.extend(number(if has_nanoseconds { 0xa1b2_3c4d } else { 0xa1b2_c3d4 }));
    file.extend(if is_big { [0, 2, 0, 4] } else { [2, 0, 4, 0] });
    for field in [0, 0, 262_144, link] {
        file.extend(number(field));
    }
    for packet in packets {
        let fraction = (packet.at_us % 1_000_000) as u32 * if has_nanoseconds { 1000 } else { 1 };
        file.extend(number((packet.at_us / 1_000_000) as u32));
        file.extend(number(fraction));
        file.extend(number(packet.bytes.len() as u32));
        file.extend(number(packet.length as u32));
        file.extend(&packet.bytes);
    }
    file
}

/// A pcapng file with one section and one interface, whose times have the unit of `resolution` (`if_tsresol`), and
/// which dropped some packets by its statistics.
pub(crate) fn pcapng(
    link: u16,
    is_big: bool,
    resolution: u8,
    dropped: u64,
    packets: &[Captured],
) -> Vec<u8> {
    let number = |n: u32| if is_big { n.to_be_bytes() } else { n.to_le_bytes() };
    let short = |n: u16| if is_big { n.to_be_bytes() } else { n.to_le_bytes() };
    let long = |n: u64| if is_big { n.to_be_bytes() } else { n.to_le_bytes() };
    let block = |kind: u32, body: &[u8]| {
        let padded = body.len().next_multiple_of(4);
        let length = number(padded as u32 + 12);
        let padding = vec![0; padded - body.len()];
        [&number(kind)[..], &length, body, &padding, &length].concat()
    };
    let section = [&number(0x1a2b_3c4d)[..], &short(1), &short(0), &long(u64::MAX)].concat();
    let mut file = block(0x0a0d_0d0a, &section);
    // A block of a kind that is not read.
    file.extend(block(0x0bad, &[1, 2, 3]));
    let option = [&short(9)[..], &short(1), &[resolution, 0, 0, 0], &short(0), &short(0)].concat();
    file.extend(block(1, &[&short(link)[..], &short(0), &number(0), &option].concat()));
    for packet in packets {
        let ticks = match (resolution & 0x80, u32::from(resolution & 0x7f)) {
            (0, power @ 6..) => u128::from(packet.at_us) * 10_u128.pow(power - 6),
            (0, power) => u128::from(packet.at_us) / 10_u128.pow(6 - power),
            (_, power) => (u128::from(packet.at_us) << power).div_ceil(1_000_000),
        } as u64;
        let (length, original) = (packet.bytes.len() as u32, packet.length as u32);
        let head = [0, (ticks >> 32) as u32, ticks as u32, length, original].map(number);
        file.extend(block(6, &[head.as_flattened(), &packet.bytes].concat()));
    }
    let statistics =
        [&number(0)[..], &long(0), &short(5), &short(8), &long(dropped), &long(0)].concat();
    file.extend(block(5, &statistics));
    file
}

/// The bytes compressed by the program `name`, which reads standard input.
pub(crate) fn compressed(name: &str, bytes: &[u8]) -> Vec<u8> {
    use std::process::{Command, Stdio};
    let mut child = Command::new(name)
        .arg("-c")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("cannot start {name}: {error}; install it"));
    let mut stdin = child.stdin.take().expect("piped");
    let bytes = bytes.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&bytes).expect("written"));
    let output = child.wait_with_output().expect("it ends");
    writer.join().expect("written");
    output.stdout
}
