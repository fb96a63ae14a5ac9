//! What no real peer of RTMP sends: it takes a bounded amount of memory, and the connection stays one of RTMP.

#![allow(clippy::expect_used, reason = "a test that cannot continue fails with the reason")]

use conns_core::decode::assembly::Segment;
use conns_core::decode::{Ends, Limits, RTMP, Side, Streams};
use conns_core::model::Moment;

/// Version and 1536 bytes; an answer of 1536 bytes follows.
const HELLO: usize = 1 + 1536;
/// A segment is no longer.
const MAX_SEGMENT: usize = 60_000;

/// A connection behind its handshake.
struct Connection {
    streams: Streams<u8>,
    next: [u32; 2],
    /// The most that was held.
    peak: u64,
}

impl Connection {
    fn new() -> Self {
        let mut streams = Streams::new(vec![&RTMP], Limits::default());
        assert!(streams.open(0, Ends { opener: Some(Side::Sent), ..Ends::default() }));
        let mut new = Self { streams, next: [1; 2], peak: 0 };
        for side in Side::ALL {
            let segment = Segment { syn: true, ..Segment::default() };
            new.streams.segment(0, side, segment, Moment::default());
        }
        // A client waits for the server before it sends the second half.
        let mut hello = vec![0; HELLO];
        hello[..1].copy_from_slice(&[3]);
        new.send(Side::Sent, &hello);
        new.send(Side::Received, &hello);
        for side in [Side::Received, Side::Sent] {
            new.send(side, &[0; HELLO - 1]);
        }
        new
    }

    fn send(&mut self, side: Side, bytes: &[u8]) {
        for bytes in bytes.chunks(MAX_SEGMENT) {
            let [sent, received] = &mut self.next;
            let (next, ack) = match side {
                Side::Sent => (sent, *received),
                Side::Received => (received, *sent),
            };
            let segment = Segment { sequence: *next, ack: Some(ack), bytes, ..Segment::default() };
            *next = next.wrapping_add(bytes.len() as u32);
            self.streams.segment(0, side, segment, Moment::default());
            self.peak = self.peak.max(self.streams.decoding_memory());
        }
    }

    /// Fails unless it is still RTMP, and never took more than the protocol may.
    fn check(self, what: &str) {
        let most = RTMP.stream.as_ref().expect("a protocol over a stream").max_memory;
        assert!(self.peak <= most, "{what}: {} bytes", self.peak);
        let application = self.streams.application(0, Side::Sent, Moment::default());
        assert!(application.is_some_and(|one| one.layer("rtmp").is_some()), "{what}");
    }
}

/// A header of a message of this number of bytes on a chunk stream.
fn header(chunk_stream: u16, kind: u8, length: u32) -> Vec<u8> {
    let [low, high] = (chunk_stream - 64).to_le_bytes();
    let [_, first, second, third] = length.to_be_bytes();
    vec![1, low, high, 0, 0, 0, first, second, third, kind, 1, 0, 0, 0]
}

fn set_chunk_size(size: u32) -> Vec<u8> {
    [&header(64, 1, 4)[..], &size.to_be_bytes()].concat()
}

#[test]
fn sixty_five_thousand_chunk_streams() {
    for kind in [8, 9, 18, 20, 22] {
        let mut connection = Connection::new();
        connection.send(Side::Sent, &set_chunk_size(1500));
        for chunk_stream in 64..=u16::MAX {
            // A message that does not end.
            let chunk = [&header(chunk_stream, kind, 3000)[..], &[0x17; 1500]].concat();
            connection.send(Side::Sent, &chunk);
        }
        connection.check(&format!("messages of type {kind}"));
    }
}

#[test]
fn chunk_sizes_that_no_message_has() {
    for size in [0, 1, 0x00ff_ffff, 0x7fff_ffff, 0x8000_0000, u32::MAX] {
        let mut connection = Connection::new();
        connection.send(Side::Sent, &set_chunk_size(size));
        for kind in [20, 9, 18, 22] {
            connection.send(Side::Sent, &header(100, kind, 0x00ff_ffff));
            connection.send(Side::Sent, &vec![0; 4 << 20]);
        }
        connection.check(&format!("{size:#x}"));
    }
}

#[test]
fn values_inside_of_values() {
    // Objects, arrays with names, and strict arrays; AMF 3 in AMF 0, with its arrays and objects.
    let of_amf0: [&[u8]; 3] = [&[3, 0, 1, b'a'], &[8, 0, 0, 0, 1, 0, 1, b'a'], &[10, 0, 0, 0, 1]];
    let of_amf3: [&[u8]; 2] = [&[9, 3, 1], &[10, 11, 1, 3, b'a']];
    let nested = |begin: &[u8], one: &[u8]| {
        let name = [2, 0, 7, b'c', b'o', b'n', b'n', b'e', b'c', b't'];
        [&name, begin, &one.repeat(100_000 / one.len())].concat()
    };
    let bodies = of_amf0.map(|one| nested(&[], one)).into_iter();
    for body in bodies.chain(of_amf3.map(|one| nested(&[17], one))) {
        for kind in [20, 17, 18, 15] {
            let mut connection = Connection::new();
            connection.send(Side::Sent, &set_chunk_size(0x00ff_ffff));
            for _ in 0..10 {
                connection.send(Side::Sent, &header(100, kind, body.len() as u32));
                connection.send(Side::Sent, &body);
            }
            connection.check(&format!("type {kind}, {:?}", body.get(10..14)));
        }
    }
}

#[test]
fn more_publications_than_are_listed() {
    let mut connection = Connection::new();
    let publish =
        [&[2, 0, 7][..], b"publish", &[0, 0x40, 0, 0, 0, 0, 0, 0, 0, 5, 2, 3, 0xe8], &[b'n'; 1000]]
            .concat();
    connection.send(Side::Sent, &set_chunk_size(0x00ff_ffff));
    for stream in 0..5000_u32 {
        let mut message = header(100, 20, publish.len() as u32);
        message.splice(10..14, stream.to_le_bytes());
        message.extend(&publish);
        connection.send(Side::Sent, &message);
    }
    connection.check("publications");
}
