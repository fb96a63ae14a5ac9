use proptest::prelude::*;

use crate::decode::media::{Counted, Track};
use crate::model::Moment;

use super::{Format, Packet, Read, Receiver, read};

fn packet(sequence: u16, payload: &[u8]) -> Packet<'_> {
    let length = payload.len() as u64;
    let (is_marked, payload_type, timestamp, ssrc) = (false, 96, u32::from(sequence) * 3000, 1);
    Packet { is_marked, payload_type, sequence, timestamp, ssrc, payload, length }
}

fn counted(packets: u64, bytes: u64) -> Counted {
    Counted { packets, bytes }
}

fn count(format: Format, packets: &[(u16, &[u8])]) -> Track {
    let mut receiver = Receiver::new(format, 90_000);
    let mut track = Track::default();
    for (sequence, payload) in packets {
        receiver.packet(&packet(*sequence, payload), &mut track, Moment::default());
    }
    track
}

#[test]
fn units_of_video_are_counted_when_they_are_complete() {
    let track = count(
        Format::H264,
        &[
            (7, &[0x65, 1, 2, 3]),
            // A fragment of three packets: one byte of header, and what they carry.
            (8, &[0x7c, 0x85, 1, 2]),
            (9, &[0x7c, 0x05, 3]),
            (10, &[0x7c, 0x45, 4, 5, 6]),
            // Two units in one packet.
            (11, &[0x78, 0, 3, 0x68, 1, 2, 0, 2, 0x06, 9]),
        ],
    );
    assert_eq!(track.received, counted(4, 4 + 7 + 3 + 2));
    assert_eq!(track.sent, track.received);
    assert_eq!((track.frames, track.key_frames), (5, 4));
}

#[test]
fn the_packet_behind_a_gap_is_thrown_away_with_the_unit_under_way() {
    let track = count(
        Format::H264,
        &[
            (65_534, &[0x7c, 0x81, 1]),
            // 65 535 is missing; then the number is 0, behind which no gap is seen.
            (0, &[0x7c, 0x41, 2, 2]),
            (1, &[0x41, 1]),
            (9, &[0x41, 1, 1]),
            // The number thrown away is not kept.
            (20, &[0x41, 1, 1, 1]),
            (22, &[0x41, 1, 1, 1, 1]),
        ],
    );
    assert_eq!(track.dropped, counted(3, 4 + 3 + 5));
    assert_eq!(track.received, counted(2, 2 + 4));
}

#[test]
fn access_units_are_counted_without_their_headers() {
    let format = Format::AccessUnits { header_bits: 16 };
    // Two units of two and three bytes.
    let track =
        count(format, &[(1, &[0, 32, 0, 16, 0, 24, 1, 1, 2, 2, 2]), (2, &[0, 16, 0, 8, 9])]);
    assert_eq!(track.received, counted(3, 6));
    assert_eq!(track.frames, 3);
    let track = count(Format::Packets, &[(1, &[1; 160]), (9, &[1; 160])]);
    assert_eq!((track.received, track.dropped), (counted(2, 320), counted(0, 0)));
}

proptest! {
    #[test]
    fn any_packets_are_counted(
        format in prop::sample::select(vec![
            Format::H264, Format::H265, Format::AccessUnits { header_bits: 16 },
            Format::AccessUnits { header_bits: 0 }, Format::Packets,
        ]),
        packets in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..20),
        clock in prop::sample::select(vec![0, 8000, 90_000]),
    ) {
        let mut receiver = Receiver::new(format, clock);
        let mut track = Track::default();
        let mut payload = 0;
        for (sequence, bytes) in packets.iter().enumerate() {
            if let Read::Media(packet) = read(bytes, 0) {
                payload += packet.length;
                receiver.packet(&packet, &mut track, Moment::default());
            }
            receiver.packet(&packet(sequence as u16, bytes), &mut track, Moment::default());
            payload += bytes.len() as u64;
        }
        // Of a fragment, one byte of header is made.
        prop_assert!(track.sent.bytes <= payload + track.sent.packets * 2);
        prop_assert!(track.received.packets <= track.sent.packets + 1);
    }
}
