//! The end of a large file, which its last bytes show, is that to which it is played.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests panic where they cannot go on"
)]

#[allow(dead_code, reason = "shared with the tests of formats")]
#[path = "files/packets.rs"]
mod packets;

use std::path::PathBuf;

use conns_capture::Capture;
use conns_core::model::Moment;
use packets::{BEGIN_US, Captured, compressed, pcap, pcapng, v4};
use proptest::prelude::*;

const RAW: u32 = 101;
/// Files of twice the size of what is read at their end are large.
const LARGE: usize = 9 << 20;
const SECOND_US: u64 = 1_000_000;

/// A file that is removed in the end.
struct File(PathBuf);

impl File {
    fn of(bytes: &[u8]) -> Self {
        let name = format!("end-{:?}-{}", std::thread::current().id(), std::process::id());
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::write(&path, bytes).unwrap();
        Self(path)
    }

    fn end(&self, until_us: Option<i64>) -> Option<Moment> {
        Capture::end_of(&self.0, until_us)
    }

    fn played_to(&self, until_us: Option<i64>) -> Moment {
        let capture = Capture::open(&self.0, until_us).unwrap();
        while capture.step(None) {}
        capture.now()
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// A datagram, one each millisecond, with this payload.
fn packet(index: usize, payload: &[u8]) -> Captured {
    let bytes = v4((1, 2), 17, index as u16, 0x4000, payload);
    Captured { at_us: BEGIN_US + 1000 * index as u64, length: bytes.len(), bytes }
}

/// As many packets as a large file has, whose payloads are these in turn.
fn packets_of(payloads: &[Vec<u8>]) -> Vec<Captured> {
    let (mut all, mut bytes) = (Vec::new(), 0);
    for (index, payload) in payloads.iter().cycle().enumerate() {
        bytes += payload.len() + 64;
        all.push(packet(index, payload));
        if bytes > LARGE {
            break;
        }
    }
    all
}

#[derive(Debug, Clone, Copy)]
enum Format {
    Pcap { is_big: bool, has_nanoseconds: bool },
    Pcapng { is_big: bool, resolution: u8 },
}

impl Format {
    fn write(self, packets: &[Captured]) -> Vec<u8> {
        match self {
            Self::Pcap { is_big, has_nanoseconds } => pcap(RAW, is_big, has_nanoseconds, packets),
            Self::Pcapng { is_big, resolution } => {
                pcapng(RAW as u16, is_big, resolution, 0, packets)
            }
        }
    }
}

fn format() -> impl Strategy<Value = Format> {
    let pcap = any::<(bool, bool)>()
        .prop_map(|(is_big, has_nanoseconds)| Format::Pcap { is_big, has_nanoseconds });
    let resolution = prop::sample::select(vec![3, 6, 9, 0x80 | 20, 0x80 | 30]);
    let pcapng = (any::<bool>(), resolution)
        .prop_map(|(is_big, resolution)| Format::Pcapng { is_big, resolution });
    prop_oneof![pcap, pcapng]
}

/// Noise, zeros, or a capture file whose packets are of other times.
fn payload() -> impl Strategy<Value = Vec<u8>> {
    let length = prop_oneof![10..100_usize, 100..1500_usize, 1500..60_000_usize];
    let noise = (length.clone(), any::<u64>()).prop_map(|(length, seed)| {
        let next = |n: &u64| Some(n.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(99));
        let numbers = std::iter::successors(Some(seed), next);
        numbers.map(|n| (n >> 56) as u8).take(length).collect()
    });
    let zeros = length.prop_map(|length| vec![0; length]);
    let file = (format(), 1..40_usize, 0..1000_usize, 0..200_000_u64);
    let file = file.prop_map(|(format, count, length, minutes)| {
        let payload = vec![7; length];
        let later = |index| Captured {
            at_us: BEGIN_US + 60 * minutes * SECOND_US,
            ..packet(index, &payload)
        };
        format.write(&(0..count).map(later).collect::<Vec<_>>())
    });
    prop_oneof![noise, zeros, file]
}

/// What happens to a file.
#[derive(Debug, Clone, Copy)]
enum Damage {
    None,
    /// The last bytes are missing.
    Cut(usize),
    /// A byte has another value, counted from the end.
    Byte(usize),
    /// The clock is set back, that many packets before the end, by that many seconds.
    ClockBack(usize, u64),
}

fn damage() -> impl Strategy<Value = Damage> {
    let clock = (1..60_usize, 2..100_000_u64);
    prop_oneof![
        3 => Just(Damage::None),
        1 => (1..100_000_usize).prop_map(Damage::Cut),
        1 => (1..1_000_000_usize).prop_map(Damage::Byte),
        1 => clock.prop_map(|(packets, seconds)| Damage::ClockBack(packets, seconds)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn the_end_is_that_to_which_the_file_is_played(
        format in format(),
        payloads in prop::collection::vec(payload(), 1..20),
        late_us in prop::collection::vec(0..30_000_u64, 1..50),
        damage in damage(),
        until_ms in prop::option::of(0..20_000_u64),
    ) {
        let mut packets = packets_of(&payloads);
        // Out of order by 30 packets at most.
        for (packet, late_us) in packets.iter_mut().zip(late_us.iter().cycle()) {
            packet.at_us += late_us;
        }
        if let Damage::ClockBack(count, seconds) = damage {
            let begin = packets.len().saturating_sub(count);
            packets[begin..].iter_mut().for_each(|packet| packet.at_us -= seconds * SECOND_US);
        }
        let mut bytes = format.write(&packets);
        match damage {
            Damage::Cut(count) => bytes.truncate(bytes.len() - count),
            Damage::Byte(from_end) => {
                let at = bytes.len() - from_end;
                bytes[at] ^= 0x55;
            }
            Damage::None | Damage::ClockBack(..) => {}
        }
        let file = File::of(&bytes);
        let until_us = until_ms.map(|ms| (BEGIN_US + 1000 * ms).cast_signed());
        prop_assert_eq!(file.end(until_us), Some(file.played_to(until_us)));
    }
}

/// A file with a packet in its begin that is dated a minute later than all others.
fn misdated(format: Format) -> (Vec<u8>, Moment) {
    let mut packets = packets_of(&[vec![1; 1000]]);
    let last_us = packets.last().unwrap().at_us;
    packets[5].at_us += 60 * SECOND_US;
    (format.write(&packets), Moment { monotonic_us: last_us, wall_us: last_us.cast_signed() })
}

#[test]
fn the_begin_of_a_large_file_is_not_read_for_its_end() {
    for format in [
        Format::Pcap { is_big: false, has_nanoseconds: false },
        Format::Pcap { is_big: true, has_nanoseconds: true },
        Format::Pcapng { is_big: false, resolution: 6 },
        Format::Pcapng { is_big: true, resolution: 9 },
    ] {
        let (bytes, last) = misdated(format);
        let file = File::of(&bytes);
        assert_eq!(file.end(None), Some(last), "{format:?}");
        assert_ne!(file.played_to(None), last, "{format:?}");
    }
}

#[test]
fn all_of_a_compressed_file_is_read_for_its_end() {
    let (bytes, last) = misdated(Format::Pcap { is_big: false, has_nanoseconds: false });
    let file = File::of(&compressed("gzip", &bytes));
    assert_ne!(file.end(None), Some(last));
    assert_eq!(file.end(None), Some(file.played_to(None)));
}

#[test]
fn the_end_of_a_file_with_several_sections_is_found() {
    let packets = packets_of(&[vec![1; 1000]]);
    let section = |packets: &[Captured], is_big| pcapng(RAW as u16, is_big, 6, 0, packets);
    for begin in [10, packets.len() / 2, packets.len() - 1000, packets.len() - 10] {
        let (first, second) = packets.split_at(begin);
        let bytes = [section(first, false), section(second, false)].concat();
        let file = File::of(&bytes);
        assert_eq!(file.end(None), Some(file.played_to(None)), "{begin}");
        let bytes = [section(first, false), section(second, true)].concat();
        let file = File::of(&bytes);
        assert_eq!(file.end(None), Some(file.played_to(None)), "{begin}");
    }
}
