//! Files of every format, link type and kind of damage, made here packet by packet.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests panic where they cannot go on"
)]

#[path = "files/packets.rs"]
mod packets;
#[path = "files/played.rs"]
mod played;

use conns_capture::{Capture, CaptureError};
use conns_core::model::CaptureFault;
use packets::{ACK, Captured, FIN, RST, SYN, Tcp, compressed, each_ms, framed, pcap, pcapng, v4};
use played::play;

const RAW: u32 = 101;

/// A handshake with the sequence numbers 100 and 500.
fn handshake() -> Vec<Tcp> {
    vec![
        Tcp::of_client(100, 0, SYN, b""),
        Tcp::of_server(500, 101, SYN | ACK, b""),
        Tcp::of_client(101, 501, ACK, b""),
    ]
}

/// A request of 5 bytes and an answer of 7.
fn exchange() -> Vec<Tcp> {
    let mut packets = handshake();
    packets.extend([
        Tcp::of_client(101, 501, ACK, b"hello"),
        Tcp::of_server(501, 106, ACK, b"answer!"),
        Tcp::of_client(106, 508, ACK, b""),
    ]);
    packets
}

const EXCHANGED: [&str; 2] = ["1:40000>2:80 ESTAB 5/7 again 0", "2:80>1:40000 ESTAB 7/5 again 0"];

fn raw(packets: &[Tcp]) -> Vec<u8> {
    pcap(RAW, false, false, &each_ms(packets.iter().map(Tcp::v4)))
}

fn rows(file: Vec<u8>) -> Vec<String> {
    let played = play(file).expect("a capture");
    assert_eq!(played.losses(), []);
    played.rows()
}

#[test]
fn every_format_shows_the_same() {
    let packets = each_ms(exchange().iter().map(Tcp::v4));
    for is_big in [false, true] {
        for has_nanoseconds in [false, true] {
            assert_eq!(rows(pcap(RAW, is_big, has_nanoseconds, &packets)), EXCHANGED);
        }
        // Micro- and nanoseconds, seconds in 2^-20 and 2^-32.
        for resolution in [6, 9, 0x80 | 20, 0x80 | 30] {
            let file = pcapng(RAW as u16, is_big, resolution, 0, &packets);
            let capture = Capture::read(std::io::Cursor::new(file.clone())).unwrap();
            assert_eq!(capture.begin().wall_us, packets::BEGIN_US.cast_signed(), "{resolution}");
            assert_eq!(rows(file), EXCHANGED);
        }
    }
    let file = pcap(RAW, false, false, &packets);
    assert_eq!(rows(compressed("gzip", &file)), EXCHANGED);
    assert_eq!(rows(compressed("zstd", &file)), EXCHANGED);
    // Two sections, the second of the other byte order.
    let (first, second) = packets.split_at(3);
    let two = [pcapng(101, false, 6, 0, first), pcapng(101, true, 9, 0, second)].concat();
    assert_eq!(rows(two), EXCHANGED);
}

#[test]
fn every_link_type_is_read() {
    let packets = each_ms(exchange().iter().map(Tcp::v4));
    let ethernet = [&[0; 12][..], &[8, 0]].concat();
    let tagged = [&[0; 12][..], &[0x88, 0xa8, 0, 5, 0x81, 0, 0, 7, 8, 0]].concat();
    let cooked = [&[0; 14][..], &[8, 0]].concat();
    let cooked_2 = [&[8, 0][..], &[0; 18]].concat();
    for (link, header) in [
        (1, &ethernet[..]),
        (1, &tagged),
        (113, &cooked),
        (276, &cooked_2),
        (101, &[]),
        (228, &[]),
        (0, &[2, 0, 0, 0]),
        (108, &[0, 0, 0, 2]),
    ] {
        assert_eq!(rows(pcap(link, false, false, &framed(&packets, header))), EXCHANGED, "{link}");
    }
    let v6 = each_ms(exchange().iter().map(|tcp| tcp.v6(6, &[])));
    for link in [101, 229] {
        assert_eq!(rows(pcap(link, false, false, &v6)), EXCHANGED, "{link}");
    }
}

#[test]
fn extension_headers_are_passed_over() {
    let hop_by_hop = [60, 0, 0, 0, 0, 0, 0, 0];
    let destination = [44, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let atomic = [51, 0, 0, 0, 0, 0, 0, 7];
    let authentication = [6, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let all = [&hop_by_hop[..], &destination, &atomic, &authentication].concat();
    let packets = each_ms(exchange().iter().map(|tcp| tcp.v6(0, &all)));
    assert_eq!(rows(pcap(RAW, false, false, &packets)), EXCHANGED);
}

#[test]
fn fragments_are_put_together_in_any_order() {
    let mut packets = Vec::new();
    for (id, tcp) in (1..).zip(exchange()) {
        let segment = tcp.segment();
        let (from, to) = (tcp.from.0, tcp.to.0);
        let (first, rest) = segment.split_at(16);
        packets.push(v4((from, to), 6, id, 2, rest));
        // Once more, which changes nothing.
        packets.push(v4((from, to), 6, id, 2, rest));
        packets.push(v4((from, to), 6, id, 0x2000, first));
    }
    assert_eq!(rows(pcap(RAW, false, false, &each_ms(packets))), EXCHANGED);
    // Without its other fragments, one is a loss.
    let lonely = v4((1, 2), 6, 9, 0x2000, &[0; 16]);
    let played = play(pcap(RAW, false, false, &each_ms([lonely]))).unwrap();
    assert_eq!(played.losses(), [(CaptureFault::FragmentsIncomplete, 1)]);
}

#[test]
fn a_close_by_fin_leaves_time_wait_on_the_end_that_closed_first() {
    let mut packets = exchange();
    packets.extend([
        Tcp::of_server(508, 106, FIN | ACK, b""),
        Tcp::of_client(106, 509, ACK, b""),
        Tcp::of_client(106, 509, FIN | ACK, b""),
    ]);
    let states = |count: usize| {
        let rows = play(raw(&packets[..count])).unwrap().rows();
        let state = |row: &String| row.split(' ').nth(1).unwrap().to_owned();
        rows.iter().map(state).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(states(7), "CLOSE-WAIT FIN-WAIT-1");
    assert_eq!(states(8), "CLOSE-WAIT FIN-WAIT-2");
    assert_eq!(states(9), "LAST-ACK TIME-WAIT");
    packets.push(Tcp::of_server(509, 107, ACK, b""));
    let played = play(raw(&packets)).unwrap();
    assert_eq!(played.rows(), ["2:80>1:40000 TIME-WAIT ?/? again ?"]);
    let expected = [
        "opened outbound   1:40000>2:80 ESTAB 0/0 again 0",
        "opened inbound   2:80>1:40000 ESTAB 0/0 again 0",
        "closed outbound fin remote 1:40000>2:80 UNCONN 5/8 again 0",
        "closed inbound fin local 2:80>1:40000 UNCONN 7/6 again 0",
    ];
    assert_eq!(played.events(), expected);
}

#[test]
fn resets_refusals_and_attempts_end_as_they_did() {
    let closed = |packets: &[Tcp]| {
        let played = play(raw(packets)).unwrap();
        let events = played.events();
        let ends = events.iter().filter(|line| !line.starts_with("opened"));
        let words = |line: &String| line.split(' ').take(5).collect::<Vec<_>>().join(" ");
        (ends.map(words).collect::<Vec<_>>(), played.rows())
    };
    let mut reset = exchange();
    reset.push(Tcp::of_server(508, 106, RST, b""));
    // What was on its way then begins no connection.
    reset.push(Tcp::of_client(106, 508, ACK, b"late"));
    let expected =
        ["closed outbound rst-in remote 1:40000>2:80", "closed inbound rst-out local 2:80>1:40000"];
    let (ends, rows) = closed(&reset);
    assert_eq!((&ends[..], rows.len()), (&expected.map(String::from)[..], 0));
    let refused = [handshake()[0].clone(), Tcp::of_server(0, 101, RST | ACK, b"")];
    let (ends, rows) = closed(&refused);
    assert_eq!(
        (&ends[..], rows.len()),
        (&["failed outbound refused remote 1:40000>2:80".to_owned()][..], 0)
    );
    let (ends, rows) = closed(&handshake()[..1]);
    assert_eq!((ends.len(), &rows[..]), (0, &["1:40000>2:80 SYN-SENT 0/0 again 0".to_owned()][..]));
    // Another SYN with these ends is another connection.
    let mut reused = exchange();
    reused.push(Tcp::of_client(90_000, 0, SYN, b""));
    let played = play(raw(&reused)).unwrap();
    assert_eq!(played.rows(), ["1:40000>2:80 SYN-SENT 0/0 again 0"]);
    assert_eq!(played.events().len(), 4);
}

#[test]
fn segments_sent_again_reordered_and_copied_are_distinguished() {
    let mut packets = handshake();
    let data = |sequence, payload| Tcp::of_client(sequence, 501, ACK, payload);
    packets.extend([
        data(101, b"one"),
        data(107, b"three"),
        // A millisecond late: reordered.
        data(104, b"two"),
        data(112, b"four"),
        // Sent again.
        data(104, b"two"),
        data(112, b"four"),
        Tcp::of_server(501, 116, ACK, b""),
        // A keep-alive is no data.
        data(115, b"r"),
    ]);
    let played = play(raw(&packets)).unwrap();
    let expected = ["1:40000>2:80 ESTAB 15/0 again 2", "2:80>1:40000 ESTAB 0/15 again 0"];
    assert_eq!(played.rows(), expected);
    assert_eq!(played.losses(), [(CaptureFault::PacketsReordered, 1)]);

    // Every packet on two interfaces, of which the second is a little later.
    let identified = (1..).zip(exchange()).map(|(ip_id, tcp)| Tcp { ip_id, ..tcp });
    let once = each_ms(identified.map(|tcp| tcp.v4()));
    let later = |packet: &Captured| Captured { at_us: packet.at_us + 40, ..packet.clone() };
    let twice: Vec<Captured> =
        once.iter().flat_map(|packet| [packet.clone(), later(packet)]).collect();
    let played = play(pcap(RAW, false, false, &twice)).unwrap();
    assert_eq!(played.rows(), EXCHANGED);
    assert_eq!(played.losses(), [(CaptureFault::PacketsRepeated, once.len() as u64)]);
}

#[test]
fn bytes_that_were_acknowledged_and_not_captured_are_missing() {
    let mut packets = handshake();
    packets.extend([
        Tcp::of_client(101, 501, ACK, b"one"),
        // 50 bytes are not there.
        Tcp::of_client(154, 501, ACK, b"three"),
        Tcp::of_server(501, 159, ACK, b""),
    ]);
    let played = play(raw(&packets)).unwrap();
    assert_eq!(played.losses(), [(CaptureFault::BytesMissing, 50)]);
    let expected = ["1:40000>2:80 ESTAB 58/0 again 0", "2:80>1:40000 ESTAB 0/58 again 0"];
    assert_eq!(played.rows(), expected);
}

#[test]
fn a_connection_that_began_before_the_capture_is_shown_from_there() {
    let played = play(raw(&exchange()[3..])).unwrap();
    assert_eq!(played.losses(), [(CaptureFault::ConnectionsBeganBefore, 1)]);
    assert_eq!(played.rows(), EXCHANGED);
    assert_eq!(played.events(), [""; 0]);
}

#[test]
fn cut_packets_count_with_the_bytes_they_had() {
    let cut = |packet: Captured| Captured { bytes: packet.bytes[..42].to_vec(), ..packet };
    let mut packets = each_ms(exchange().iter().map(Tcp::v4));
    for packet in packets.iter_mut().filter(|packet| packet.length > 42) {
        *packet = cut(packet.clone());
    }
    let played = play(pcap(RAW, false, false, &packets)).unwrap();
    assert_eq!(played.losses(), [(CaptureFault::PacketsCut, 2)]);
    assert_eq!(played.rows(), EXCHANGED);
}

#[test]
fn a_file_that_is_cut_anywhere_is_read_to_there() {
    let packets = each_ms(exchange().iter().map(Tcp::v4));
    for file in [pcap(RAW, false, false, &packets), pcapng(101, true, 9, 3, &packets)] {
        let mut seen = Vec::new();
        for length in 0..file.len() {
            match play(file[..length].to_vec()) {
                Ok(played) => {
                    let faults: Vec<_> = played.losses().iter().map(|(fault, _)| *fault).collect();
                    let is_within = faults.contains(&CaptureFault::FileCut);
                    seen.push(is_within);
                    assert!(played.rows().len() <= 2, "{length}");
                }
                Err(CaptureError::Empty { .. }) => assert_eq!(length, 0),
                Err(CaptureError::NotACapture { .. }) => assert!(length < 24, "{length}"),
                Err(CaptureError::NoPackets { path: _, why }) => {
                    assert!(length < 150, "{length}: {why}");
                }
                Err(other) => panic!("{length}: {other}"),
            }
        }
        // Between two records it ends whole.
        assert!(seen.contains(&true) && seen.contains(&false));
    }
    let gzip = compressed("gzip", &raw(&exchange()));
    let played = play(gzip[..gzip.len() - 20].to_vec());
    assert!(matches!(played, Ok(_) | Err(CaptureError::NoPackets { .. })));
}

#[test]
fn a_file_that_breaks_its_format_is_read_to_there() {
    let mut file = raw(&exchange());
    let second = 24 + 16 + 40;
    file[second + 8..second + 12].copy_from_slice(&u32::MAX.to_le_bytes());
    let played = play(file).unwrap();
    assert_eq!(played.losses(), [(CaptureFault::FileCorrupt, 1)]);
    assert_eq!(played.rows(), ["1:40000>2:80 SYN-SENT 0/0 again 0"]);
}

#[test]
fn what_is_no_capture_is_refused_with_its_reason() {
    let message = |bytes: &[u8]| play(bytes.to_vec()).err().expect("refused").to_string();
    assert!(message(b"").contains("is empty"));
    assert!(message(b"\x7fELF and more bytes than a header has").contains("is not a capture file"));
    assert!(message(&pcap(RAW, false, false, &[])).contains("has no packets"));
    let unknown = pcap(147, false, false, &each_ms([vec![0; 60]]));
    assert!(message(&unknown).contains("link type 147, which is not supported"));
    let gzip = compressed("gzip", b"a text that is no capture file");
    assert!(message(&gzip).contains("is not a capture file"));
}

#[test]
fn packets_of_unsupported_interfaces_and_malformed_ones_are_counted() {
    let packets = each_ms(exchange().iter().map(Tcp::v4));
    let other = pcapng(147, false, 6, 0, &each_ms([vec![0; 60]]));
    let file = [other, pcapng(101, false, 6, 5, &packets)].concat();
    let played = play(file).unwrap();
    let expected = [(CaptureFault::PacketsDropped, 5), (CaptureFault::LinkTypeUnsupported, 1)];
    assert_eq!(played.losses(), expected);
    assert_eq!(played.rows(), EXCHANGED);
    // An IPv4 header that is shorter than a header, and a TCP header that is longer than the packet.
    let mut short_tcp = exchange()[0].v4();
    short_tcp.truncate(30);
    let malformed = each_ms([vec![0x44; 40], short_tcp]);
    let played = play(pcap(RAW, false, false, &malformed)).unwrap();
    assert_eq!(played.losses(), [(CaptureFault::PacketsMalformed, 2)]);
}

#[test]
fn datagrams_make_two_rows_with_their_bytes() {
    let datagram = |from: u8, to: u8, ports: [u16; 2], bytes: &[u8]| {
        let length = (8 + bytes.len()) as u16;
        let head = [ports[0], ports[1], length, 0].map(u16::to_be_bytes);
        v4((from, to), 17, 7, 0, &[head.as_flattened(), bytes].concat())
    };
    let packets = each_ms([
        datagram(1, 2, [5000, 53], b"question"),
        datagram(2, 1, [53, 5000], b"a longer answer"),
    ]);
    let expected = ["1:5000>2:53 ESTAB 8/15 again ?", "2:53>1:5000 ESTAB 15/8 again ?"];
    assert_eq!(rows(pcap(RAW, false, false, &packets)), expected);
}

#[test]
fn a_connection_that_ends_unrecognised_does_not_end_the_reading_of_others() {
    let mut packets = handshake();
    // What this begins is open until it ends.
    packets.push(Tcp::of_client(101, 501, ACK, b"GE"));
    packets.push(Tcp::of_server(501, 103, RST, b""));
    let request = Tcp::of_client(101, 501, ACK, b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n");
    for mut packet in handshake().into_iter().chain([request]) {
        for end in [&mut packet.from, &mut packet.to] {
            end.1 += u16::from(end.1 == 40_000);
        }
        packets.push(packet);
    }
    let played = play(raw(&packets)).unwrap();
    let protocols = played.end.applications.iter().flat_map(|(_, one)| one.layers.iter());
    let protocols: Vec<&str> = protocols.map(|layer| &*layer.protocol).collect();
    assert_eq!(protocols, ["http", "http"]);
}
