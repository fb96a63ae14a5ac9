//! What recorded sessions do not have: losses, long bodies, answers to nothing, and what no real client sends.

#![allow(
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests panic and read files"
)]

#[path = "decode/capture.rs"]
mod capture;

use capture::{Player, packets};
use conns_core::decode::assembly::Segment;
use conns_core::decode::{Ends, Side, Steering, Streams, Want, registry};
use conns_core::model::{Endpoint, Known, Moment, Scalar};

/// A connection with both SYNs, key 1; this end is the client.
struct Run {
    streams: Streams<u8>,
    next: [u32; 2],
    now: Moment,
}

impl Run {
    fn new(port: u16) -> Self {
        let mut streams = Streams::default();
        let end = |port| Some(Endpoint { address: [127, 0, 0, 1].into(), port });
        let ends = Ends { local: end(40_000), remote: end(port), opener: Some(Side::Sent) };
        assert!(streams.open(1, ends));
        let mut run = Self { streams, next: [0; 2], now: Moment::default() };
        for side in Side::ALL {
            run.segment(side, Segment { syn: true, ..Segment::default() });
        }
        run
    }

    fn segment(&mut self, side: Side, segment: Segment<'_>) -> &mut Self {
        let place = usize::from(side == Side::Received);
        let ack = Some(self.next[1 - place]);
        let sequence = self.next[place];
        self.now.monotonic_us += 1000;
        self.streams.segment(1, side, Segment { sequence, ack, ..segment }, self.now);
        self.lose(side, segment.bytes.len() as u32 + u32::from(segment.syn))
    }

    fn sent(&mut self, bytes: &[u8]) -> &mut Self {
        self.segment(Side::Sent, Segment { bytes, ..Segment::default() })
    }

    fn received(&mut self, bytes: &[u8]) -> &mut Self {
        self.segment(Side::Received, Segment { bytes, ..Segment::default() })
    }

    fn lose(&mut self, side: Side, bytes: u32) -> &mut Self {
        let next = &mut self.next[usize::from(side == Side::Received)];
        *next = next.wrapping_add(bytes);
        self
    }

    /// What is new of it, but that everything is wanted.
    fn steering(&mut self) -> Vec<Steering<u8>> {
        let mut steering = self.streams.take_steering();
        steering.retain(|new| new.want != Want::Whole);
        steering
    }

    /// Both ends acknowledge everything, and time passes.
    fn wait(&mut self) -> &mut Self {
        for _ in 0..2 {
            for side in Side::ALL {
                self.segment(side, Segment::default());
            }
            self.now.monotonic_us += 2_000_000;
        }
        self
    }

    /// The values of these fields, with spaces between; unknown and not applicable is `-`.
    fn values(&self, protocol: &str, names: &[&str]) -> String {
        let application = self.streams.application(1, Side::Sent, self.now).expect("recognised");
        let layer = application.layer(protocol).expect(protocol);
        let spec = registry().find(|spec| spec.name == protocol).expect("registered");
        let text = |name: &&str| {
            let index = spec.fields.iter().position(|field| field.name == *name).expect(name);
            match &layer.values[index] {
                Known::Value(Scalar::Text(text), _) => text.to_string(),
                Known::Value(Scalar::Count(number) | Scalar::Micros(number), _) => {
                    number.to_string()
                }
                _ => "-".into(),
            }
        };
        names.iter().map(text).collect::<Vec<_>>().join(" ")
    }

    fn http(&self) -> String {
        self.values("http", &["http.method", "http.status", "http.requests", "http.answers"])
    }
}

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: Www.Example:80\r\n\r\n";
const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[test]
fn bodies_are_not_asked_for() {
    let mut run = Run::new(80);
    run.sent(GET).received(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nfirst");
    let steering = run.steering();
    let [Steering { side: Side::Received, want: Want::Skip(bytes), .. }] = steering[..] else {
        panic!("{steering:?}")
    };
    assert_eq!(bytes, 999_995);
    run.lose(Side::Received, 999_995).sent(GET).received(OK);
    assert_eq!(run.http(), "GET 200 2 2");
    // In chunks.
    run.sent(GET)
        .received(b"HTTP/1.1 404 No\r\nTransfer-Encoding: gzip, Chunked\r\n\r\n186A0;x=y\r\n");
    run.lose(Side::Received, 100_000).received(b"\r\n1\r").received(b"\nx\r\n0\r\na: b\r\n\r\n");
    run.sent(GET).received(OK);
    assert_eq!(run.http(), "GET 200 4 4");
    let wants: Vec<Want> = run.steering().iter().map(|new| new.want).collect();
    assert_eq!(wants, [Want::Skip(100_002)]);
    // Up to the close.
    run.sent(GET).received(b"HTTP/1.0 200 OK\r\n\r\nwhat follows");
    let steering = run.steering();
    let [Steering { side: Side::Received, want: Want::NoMore, .. }] = steering[..] else {
        panic!("{steering:?}")
    };
    assert_eq!(run.streams.counts().assembly.gap_bytes, 0);
}

#[test]
fn answers_without_body_and_interim_answers() {
    let mut run = Run::new(80);
    run.sent(b"HEAD / HTTP/1.1\r\nhost: x.example\r\n\r\n");
    run.received(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n");
    run.sent(b"PUT / HTTP/1.1\r\nHost: x.example\r\nContent-Length: 4\r\n\r\nbody");
    run.received(b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n");
    run.sent(GET)
        .received(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n")
        .sent(GET)
        .received(OK);
    assert_eq!(run.http(), "GET 200 4 4");
    assert_eq!(run.values("http", &["http.host", "http.first_byte_time"]), "www.example 1000");
}

#[test]
fn http_goes_on_behind_a_loss() {
    let mut run = Run::new(80);
    run.sent(GET).received(OK).sent(&GET[..10]).lose(Side::Sent, 50).sent(GET).wait();
    run.received(OK).received(OK).sent(GET).received(OK).wait();
    assert_eq!(run.http(), "GET 200 3 4");
    let application = run.streams.application(1, Side::Sent, run.now).expect("recognised");
    assert_eq!(application.layers[0].gap_bytes, 50);
}

#[test]
fn malformed_and_endless_heads_are_bounded() {
    for bytes in [
        &b"GET / HTTP/1.1\r\nno colon\r\n\r\n"[..],
        b"HTTP/1.1 2x0 OK\r\n\r\n",
        &[b"GET / HTTP/1.1\r\n", b"x: y\r\n".repeat(200).as_slice(), b"\r\n"].concat(),
        &[b"GET / HTTP/1.1\r\nx: ", b"y".repeat(100_000).as_slice()].concat(),
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        &[
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;",
            b"y".repeat(100_000).as_slice(),
        ]
        .concat(),
        b"POST / HTTP/1.1\r\nContent-Length: 18446744073709551615\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\nx",
    ] {
        let mut run = Run::new(80);
        for part in bytes.chunks(1400) {
            run.sent(part);
            assert!(run.streams.memory() < 100_000);
        }
        assert!(run.streams.application(1, Side::Sent, run.now).is_some());
    }
    // The answers of more requests than are awaited are not joined with them.
    let mut run = Run::new(80);
    for _ in 0..100 {
        run.sent(GET);
    }
    for _ in 0..100 {
        run.received(OK);
    }
    assert_eq!(run.http(), "GET 200 100 100");
}

#[test]
fn answers_of_dns_to_nothing_name_nothing() {
    let packets = packets("dns/session.pcap");
    let udp: Vec<_> = packets.iter().filter(|packet| packet.is_udp).collect();
    let (query, answer) = (udp[0], udp[1]);
    let mut player = Player::of(registry().collect());
    player.play(answer);
    assert!(player.streams.take_names().is_empty());
    // Another id, another name.
    for at in [1, 14] {
        let mut player = Player::of(registry().collect());
        player.play(query);
        let mut forged = answer.clone();
        forged.payload[at] ^= 1;
        player.play(&forged);
        assert!(player.streams.take_names().is_empty());
        player.play(answer);
        assert_eq!(player.streams.take_names().len(), 2);
    }
    // More entries than there is room for.
    for count in [5, 7, 9, 11] {
        let mut player = Player::of(registry().collect());
        let mut forged = query.clone();
        forged.payload[count - 1] = 0xff;
        player.play(&forged);
        assert!(player.streams.application((query.from, query.to), Side::Sent, query.at).is_none());
    }
}

#[test]
fn a_hello_of_quic_is_read_in_any_order_of_its_datagrams() {
    let packets = packets("quic/session.pcap");
    // The third client, whose hello has several datagrams.
    let mut clients: Vec<_> = packets.iter().map(|packet| packet.from).collect();
    clients.dedup();
    let mut seen = Vec::new();
    clients.retain(|client| {
        client.port != 8444 && !seen.contains(client) && {
            seen.push(*client);
            true
        }
    });
    let client = clients[2];
    let hello: Vec<_> = packets.iter().filter(|packet| packet.from == client).take(3).collect();
    let key = (client, hello[0].to);
    let mut player = Player::of(registry().collect());
    for packet in hello.iter().rev() {
        player.play(packet);
    }
    let sni = |player: &Player| {
        let application = player.streams.application(key, Side::Sent, hello[1].at)?;
        match &application.layer("quic")?.values[0] {
            Known::Value(Scalar::Text(sni), _) => Some(sni.to_string()),
            _ => None,
        }
    };
    assert_eq!(sni(&player).as_deref(), Some("long.example"));
    // Half of it, a changed byte, and cut.
    let mut player = Player::of(registry().collect());
    player.play(hello[1]);
    assert_eq!(sni(&player), None);
    let mut player = Player::of(registry().collect());
    let mut forged = hello[0].clone();
    forged.payload[600] ^= 1;
    player.play(&forged);
    assert!(player.streams.application(key, Side::Sent, hello[1].at).is_none());
    let end = |packet: &capture::Packet| (packet.from, packet.to);
    let mut streams = Streams::<u8>::default();
    streams.open(
        1,
        Ends { local: Some(end(hello[0]).0), remote: Some(end(hello[0]).1), opener: None },
    );
    streams.datagram(1, Side::Sent, &hello[0].payload[..100], 1100, hello[0].at);
    let layers = streams.application(1, Side::Sent, hello[0].at);
    assert!(layers.is_none(), "a packet that was cut cannot be decrypted");
}
