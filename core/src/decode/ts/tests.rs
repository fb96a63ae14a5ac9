use proptest::prelude::*;

use crate::decode::media::Counted;
use crate::decode::{Datagram, Decoder, Ends, Probe, Side};
use crate::model::Moment;

use super::session::Session;
use super::{MAX_MEMORY, PACKET, probe_datagram};

/// Packets of one number, with counters that follow each other.
struct Pid {
    number: u16,
    counter: u8,
}

impl Pid {
    fn new(number: u16) -> Self {
        Self { number, counter: 0 }
    }

    /// A packet; what its payload does not fill is an adaptation field.
    fn packet(&mut self, is_start: bool, payload: &[u8]) -> Vec<u8> {
        let [high, low] = self.number.to_be_bytes();
        let start = if is_start { 0x40 } else { 0 };
        let mut packet = vec![0x47, high | start, low, 0x30 | self.counter];
        self.counter = (self.counter + 1) & 15;
        let stuffing = PACKET - 5 - payload.len();
        packet.push(stuffing as u8);
        packet.resize(5 + stuffing, 0xff);
        if stuffing > 0 {
            packet[5] = 0;
        }
        packet.extend(payload);
        packet
    }
}

const PROGRAMS: &[u8] = &[0, 0, 0xb0, 13, 0, 1, 0xc1, 0, 0, 0, 1, 0xf0, 0, 1, 2, 3, 4];
const STREAMS: &[u8] = &[
    0, 2, 0xb0, 23, 0, 1, 0xc1, 0, 0, 0xe1, 0, 0xf0, 0, 0x1b, 0xe1, 0, 0xf0, 0, 0x0f, 0xe1, 1,
    0xf0, 0, 1, 2, 3, 4,
];

fn pes(ticks: u64, payload: &[u8]) -> Vec<u8> {
    let mut pes = vec![0, 0, 1, 0xe0, 0, 0, 0x80, 0x80, 5];
    pes.push(0x21 | ((ticks >> 29) as u8 & 0xe));
    pes.push((ticks >> 22) as u8);
    pes.push(1 | ((ticks >> 14) as u8 & 0xfe));
    pes.push((ticks >> 7) as u8);
    pes.push(1 | (ticks << 1) as u8);
    pes.extend(payload);
    pes
}

const PARAMETERS: &[u8] = b"\0\0\0\x01\x67\x42\xc0\x0b\xda\x05\x06\x7e\x7c\x04\x40\0\0\x03\0\x40\0\0\x05\x03\xc5\x0a\xa8\0\0\0\x01\x68\xce\x3c\x80";
const SPS_AND_PPS: Counted = Counted { packets: 2, bytes: 23 + 4 };

/// Tables, and packets of video with a picture of ten bytes each, the first one with parameter sets.
fn video(pictures: usize) -> Vec<Vec<u8>> {
    let mut packets =
        vec![Pid::new(0).packet(true, PROGRAMS), Pid::new(0x1000).packet(true, STREAMS)];
    let mut pid = Pid::new(256);
    for number in 0..pictures {
        let parameters = if number == 0 { PARAMETERS } else { &[] };
        let payload = [parameters, b"\0\0\x01\x65", &[7; 9]].concat();
        packets.push(pid.packet(true, &pes(3600 * number as u64, &payload)));
    }
    packets
}

/// A frame of AAC in a packet for each.
fn audio(frames: usize) -> Vec<Vec<u8>> {
    let mut pid = Pid::new(257);
    let frame = [&[0xff, 0xf1, 0x50, 0x80, 2, 0x80][..], &[1; 14]].concat();
    (0..frames).map(|number| pid.packet(true, &pes(90 * number as u64, &frame))).collect()
}

fn read(session: &mut Session, packets: &[Vec<u8>], chunk: usize) {
    let bytes = packets.concat();
    bytes.chunks(chunk).for_each(|chunk| session.data(Side::Sent, chunk, Moment::default()));
}

fn session() -> Session {
    Session::over_stream(Side::Sent, Ends::default())
}

#[test]
fn units_count_once_all_codecs_are_known() {
    for chunk in [1, 100, 188, 10_000] {
        let mut session = session();
        read(&mut session, &video(3), chunk);
        let stream = session.programs[0].stream.clone().expect("a stream");
        // Two are complete, and audio was not seen.
        let dropped = Counted { packets: 2 + 2, bytes: SPS_AND_PPS.bytes + 2 * 10 };
        assert_eq!(
            (stream.tracks.video.dropped, stream.tracks.video.received.packets),
            (dropped, 0)
        );
        assert_eq!(stream.tracks.video.format.map(|format| format.height), Some(180));
        assert_eq!(stream.tracks.video.key_frames, 2);
        read(&mut session, &audio(3), chunk);
        read(
            &mut session,
            &[Pid { number: 256, counter: 3 }.packet(true, &pes(9, b"\0\0\x01\x41"))],
            chunk,
        );
        let stream = session.programs[0].stream.clone().expect("a stream");
        assert_eq!(stream.tracks.audio.received, Counted { packets: 2, bytes: 40 });
        assert_eq!(stream.tracks.video.received, Counted { packets: 1, bytes: 10 });
        assert_eq!(stream.tracks.video.frames, 3);
    }
}

#[test]
fn a_missing_packet_drops_what_came_of_its_picture() {
    let mut session = session();
    let mut packets = [video(2), audio(2)].concat();
    let mut pid = Pid { number: 256, counter: 2 };
    let third = pid.packet(true, &pes(7200, b"\0\0\x01\x41\x01\x02\0\0\x01\x41\x01"));
    let missing = pid.packet(false, &[1; 20]);
    let behind = pid.packet(false, &[2; 20]);
    let fourth = pid.packet(true, &pes(10_800, b"\0\0\x01\x41\x01"));
    drop(missing);
    packets.extend([third, behind, fourth]);
    read(&mut session, &packets, 188);
    assert_eq!(session.programs[0].discontinuities(), 1);
    let stream = session.programs[0].stream.clone().expect("a stream");
    // The second picture is complete with the third one.
    assert_eq!(stream.tracks.video.received, Counted { packets: 1, bytes: 10 });
}

#[test]
fn packets_are_found_behind_a_gap_and_in_every_layout() {
    let packets = video(20);
    for (before, behind) in [(0, 0), (4, 0), (0, 16)] {
        let mut session = session();
        let padded: Vec<_> = packets
            .iter()
            .map(|packet| [&vec![9; before][..], packet, &vec![9; behind]].concat())
            .collect();
        read(&mut session, &padded, 500);
        assert_eq!(session.packets, 22);
        session.gap(Side::Sent, 1000, Moment::default());
        let bytes = padded.concat();
        session.data(Side::Sent, &bytes[77..], Moment::default());
        assert_eq!(session.packets, 22 + 21);
    }
}

#[test]
fn datagrams_have_whole_packets() {
    let packets = video(5).concat();
    let shown = |bytes| {
        probe_datagram(&Datagram { bytes, cut: 0, side: Side::Sent, ends: Ends::default() })
    };
    assert_eq!(shown(&packets), Probe::Certain);
    assert_eq!(shown(&packets[..PACKET]), Probe::Maybe);
    assert_eq!(shown(&packets[1..]), Probe::NotMine);
    assert_eq!(shown(&[]), Probe::NotMine);
}

#[test]
fn datagrams_may_cut_packets() {
    let packets = video(40);
    let bytes = packets.concat();
    // As ffmpeg sends them by default, and from the second one on.
    for skipped in [0, 1472] {
        let mut session = Session::over_datagrams(Side::Sent, Ends::default());
        for datagram in bytes[skipped..].chunks(1472) {
            let ends = Ends::default();
            let probe =
                probe_datagram(&Datagram { bytes: datagram, cut: 0, side: Side::Sent, ends });
            assert!(probe == Probe::Certain || datagram.len() < 4 * PACKET, "{}", datagram.len());
            session.data(Side::Sent, datagram, Moment::default());
        }
        assert_eq!(
            session.packets,
            packets.len() as u64 - (skipped as u64).div_ceil(PACKET as u64)
        );
    }
    // RTP has a header of its own.
    let of_rtp = [&[0x80; 12][..], &bytes[..7 * PACKET]].concat();
    let of_rtp = Datagram { bytes: &of_rtp, cut: 0, side: Side::Sent, ends: Ends::default() };
    assert_eq!(probe_datagram(&of_rtp), Probe::NotMine);
}

#[test]
fn all_numbers_at_once_hold_no_more_than_the_bound() {
    let mut session = session();
    // Sections with as many programs as are in them, each of which lists as many streams.
    for number in 0..=0x1fff_u16 {
        let mut programs = vec![0, 0, 0xb0, 13 + 80, 0, 1, 0xc1, 0, 0];
        (0..21).for_each(|program: u16| {
            programs.extend((number ^ program << 5).to_be_bytes());
            programs.extend((number.wrapping_add(program) | 0xe000).to_be_bytes());
        });
        read(&mut session, &[Pid::new(0).packet(true, &programs)], 188);
        let mut streams = STREAMS.to_vec();
        streams[4..6].copy_from_slice(&number.to_be_bytes());
        read(&mut session, &[Pid::new(number).packet(true, &streams)], 188);
        read(&mut session, &[Pid::new(number).packet(true, &pes(0, PARAMETERS))], 188);
        assert!(Session::memory(&session) <= MAX_MEMORY);
    }
    assert_eq!(session.pids_seen(), 8192);
}

proptest! {
    #[test]
    fn any_packets_are_read(
        mutations in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..20),
        chunk in 1..400_usize,
    ) {
        let mut bytes = [video(6), audio(6)].concat().concat();
        for (at, byte) in mutations {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let mut session = session();
        bytes.chunks(chunk).for_each(|chunk| session.data(Side::Sent, chunk, Moment::default()));
        prop_assert!(Session::memory(&session) <= MAX_MEMORY);
        prop_assert!(session.packets <= 14);
    }
}
