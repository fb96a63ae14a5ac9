use std::net::IpAddr;

use proptest::prelude::*;

use crate::decode::assembly::Segment;
use crate::decode::{Ends, Limits, Side, Streams, registry};
use crate::model::{Application, Certainty, Endpoint, Moment, Scalar};

const CLIENT: &str = "10.0.0.1";
const SERVER: &str = "10.0.0.2";

fn ends(client: u16, server: u16) -> Ends {
    let end = |address: &str, port| {
        let address: IpAddr = address.parse().expect("an address");
        Some(Endpoint { address, port })
    };
    Ends { local: end(CLIENT, client), remote: end(SERVER, server), opener: Some(Side::Sent) }
}

/// Connection 0 of a client, and the next sequence numbers of both sides.
struct Run {
    streams: Streams<u8>,
    next: [u32; 2],
}

impl Run {
    fn new(is_from_start: bool) -> Self {
        let protocols = registry().filter(|spec| ["rtsp", "rtp"].contains(&spec.name)).collect();
        let mut streams = Streams::new(protocols, Limits::default());
        assert!(streams.open(0, ends(40_000, 554)));
        let mut run = Self { streams, next: [100, 200] };
        if is_from_start {
            for side in Side::ALL {
                let next = run.next(side);
                let segment = Segment { sequence: *next, syn: true, ..Segment::default() };
                *next += 1;
                run.streams.segment(0, side, segment, Moment::default());
            }
        }
        run
    }

    fn next(&mut self, side: Side) -> &mut u32 {
        let [sent, received] = &mut self.next;
        if side == Side::Sent { sent } else { received }
    }

    fn send(&mut self, side: Side, bytes: &[u8]) {
        let next = self.next(side);
        let segment = Segment { sequence: *next, bytes, ..Segment::default() };
        *next += bytes.len() as u32;
        self.streams.segment(0, side, segment, Moment::default());
    }

    fn application(&self, key: u8) -> Option<std::sync::Arc<Application>> {
        self.streams.application(key, Side::Sent, Moment::default())
    }

    fn value(&self, key: u8, name: &str) -> Option<Scalar> {
        let application = self.application(key)?;
        let protocol = name.split('.').next()?;
        let layer = application.layers.iter().find(|layer| &*layer.protocol == protocol)?;
        let spec = registry().find(|spec| spec.name == protocol)?;
        let at = spec.fields.iter().position(|field| field.name == name)?;
        layer.values[at].value().cloned()
    }

    /// The numbers of packets that the only stream has of audio, and whether it is received.
    fn audio_packets(&self) -> Vec<(u64, String)> {
        let Some(Scalar::List(records)) = self.value(0, "rtsp.streams") else { return Vec::new() };
        let column = |name| {
            let columns = crate::decode::media::STREAMS.columns;
            columns.iter().position(|column| column.key == name).expect("a column")
        };
        let of = |record: &crate::model::Record| {
            let packets = record.values[column("audio_packets")].value();
            let direction = record.values[column("direction")].value();
            match (packets, direction) {
                (Some(Scalar::Count(packets)), Some(Scalar::Text(text))) => {
                    (*packets, text.to_string())
                }
                other => panic!("{other:?}"),
            }
        };
        records.iter().map(of).collect()
    }
}

const SDP: &str = "v=0\r\ns=radio\r\nm=audio 0 RTP/AVP 8\r\na=control:track\r\n";

fn describe(run: &mut Run) {
    run.send(
        Side::Sent,
        b"DESCRIBE rtsp://h/radio RTSP/1.0\r\nCSeq: 1\r\nUser-Agent: player\r\n\r\n",
    );
    let answer = format!(
        "RTSP/1.0 200 OK\r\nCSeq: 1\r\nServer: radio/1\r\nContent-Length: {}\r\n\r\n{SDP}",
        SDP.len()
    );
    run.send(Side::Received, answer.as_bytes());
}

fn set_up(run: &mut Run, transport: &str) {
    run.send(Side::Sent, b"SETUP rtsp://h/radio/track RTSP/1.0\r\nCSeq: 2\r\n\r\n");
    let answer = format!("RTSP/1.0 200 OK\r\nCSeq: 2\r\nTransport: {transport}\r\n\r\n");
    run.send(Side::Received, answer.as_bytes());
}

fn packet(sequence: u16) -> Vec<u8> {
    let mut packet = vec![0x80, 8];
    packet.extend(sequence.to_be_bytes());
    packet.extend([0, 0, 0, 1, 0, 0, 0, 7]);
    packet.extend([0xd5; 160]);
    packet
}

fn text(text: &str) -> Option<Scalar> {
    Some(Scalar::Text(text.into()))
}

#[test]
fn flows_that_a_connection_sets_up_are_part_of_it_until_it_ends() {
    let mut run = Run::new(true);
    let at = Moment::default();
    // The flow is there before it is known whose it is.
    assert!(run.streams.open(1, ends(5000, 6000)));
    run.streams.datagram(1, Side::Received, &packet(1), 0, at);
    describe(&mut run);
    set_up(&mut run, "RTP/AVP;unicast;client_port=5000-5001;server_port=6000-6001");
    for sequence in [2, 3, 5] {
        run.streams.datagram(1, Side::Received, &packet(sequence), 0, at);
    }
    // The other way around, as a capture may have it that saw the server first.
    let Ends { local, remote, opener } = ends(5000, 6000);
    assert!(run.streams.open(2, Ends { local: remote, remote: local, opener }));
    run.streams.datagram(2, Side::Sent, &packet(6), 0, at);
    // Of another server port.
    assert!(run.streams.open(3, ends(5000, 6002)));
    run.streams.datagram(3, Side::Received, &packet(7), 0, at);
    assert_eq!(run.audio_packets(), [(4, "in".into())]);
    assert_eq!(run.value(0, "rtsp.transport"), text("udp"));
    assert_eq!(run.value(0, "rtsp.client_ports"), text("5000"));
    assert_eq!(run.value(0, "rtsp.media_packets_received"), Some(Scalar::Count(4)));
    assert_eq!(run.value(1, "rtp.packets_received"), Some(Scalar::Count(3)));
    assert_eq!(run.value(1, "rtp.lost_received"), Some(Scalar::Count(1)));
    assert_eq!(run.value(1, "rtp.payload_type"), Some(Scalar::Count(8)));
    assert!(run.application(3).is_none());
    run.streams.remove(0);
    assert!(run.streams.open(4, ends(5000, 6000)));
    run.streams.datagram(4, Side::Received, &packet(8), 0, at);
    assert!(run.application(4).is_none());
}

#[test]
fn interleaved_media_ends_with_the_session() {
    let mut run = Run::new(true);
    describe(&mut run);
    set_up(&mut run, "RTP/AVP/TCP;interleaved=4-5");
    assert_eq!(run.value(0, "rtsp.stream"), text("radio"));
    assert_eq!(run.value(0, "rtsp.server"), text("radio/1"));
    assert_eq!(run.value(0, "rtsp.user_agent"), text("player"));
    let frame = |channel| [&[b'$', channel, 0, 172][..], &packet(1)].concat();
    run.send(Side::Received, &[frame(4), frame(6), frame(4)].concat());
    assert_eq!(run.audio_packets(), [(2, "in".into())]);
    run.send(Side::Sent, b"TEARDOWN rtsp://h/radio RTSP/1.0\r\nCSeq: 3\r\n\r\n");
    assert_eq!(run.audio_packets(), []);
}

#[test]
fn a_connection_that_is_joined_late_is_likely_one_by_its_frames() {
    let mut run = Run::new(false);
    let frame = [&[b'$', 0, 0, 172][..], &packet(1)].concat();
    let mut bytes = frame[50..].to_vec();
    (0..40).for_each(|_| bytes.extend(&frame));
    bytes.chunks(700).for_each(|chunk| run.send(Side::Received, chunk));
    let application = run.application(0).expect("a protocol");
    assert_eq!(application.layers[0].certainty, Certainty::Likely);
    let count = run.value(0, "rtsp.media_packets_received");
    assert!(matches!(count, Some(Scalar::Count(30..=40))), "{count:?}");
}

proptest! {
    #[test]
    fn any_messages_are_read(
        mutations in prop::collection::vec((any::<bool>(), any::<prop::sample::Index>(), any::<u8>()), 0..6),
    ) {
        let mut run = Run::new(true);
        let mut sides = [
            b"ANNOUNCE rtsp://h/p RTSP/1.0\r\nCSeq: 1\r\nContent-Length: 62\r\n\r\n".to_vec(),
            b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nTransport: a;interleaved=0-1\r\n\r\n".to_vec(),
        ];
        sides[0].extend(SDP.as_bytes());
        sides[0].extend(b"SETUP rtsp://h/p RTSP/1.0\r\nCSeq: 1\r\n\r\nRECORD * RTSP/1.0\r\nCSeq: 1\r\n\r\n");
        (0..3).for_each(|number| {
            sides[0].extend([b'$', 0, 0, 172]);
            sides[0].extend(packet(number));
        });
        for (is_client, at, byte) in mutations {
            let side = &mut sides[usize::from(is_client)];
            let at = at.index(side.len());
            side[at] = byte;
        }
        run.send(Side::Sent, &sides[0]);
        run.send(Side::Received, &sides[1]);
        prop_assert!(run.streams.decoding_memory() <= super::MAX_MEMORY);
        run.streams.remove(0);
        prop_assert_eq!(run.streams.memory(), 0);
    }
}
