//! Messages made by hand, for what the recorded session does not have.

use conns_core::decode::{Ends, LEVIN, Limits, Side, Streams};
use conns_core::model::{Known, Moment, Scalar};
use proptest::prelude::*;

use super::capture::{Player, packets};
use super::{layer, value};

const REQUEST: u32 = 1;
const RESPONSE: u32 = 2;
const BEGIN: u32 = 4;
const END: u32 = 8;

/// A message; its flags in `flags`.
pub(crate) fn message(command: u32, flags: u32, body: &[u8]) -> Vec<u8> {
    header(command, flags, body.len() as u64).into_iter().chain(body.iter().copied()).collect()
}

fn header(command: u32, flags: u32, length: u64) -> Vec<u8> {
    let mut bytes = vec![1, 0x21, 1, 1, 1, 1, 1, 1];
    bytes.extend(length.to_le_bytes());
    bytes.push(u8::from(flags == REQUEST && command < 2000));
    bytes.extend(command.to_le_bytes());
    bytes.extend(i32::from(flags == RESPONSE).to_le_bytes());
    bytes.extend(flags.to_le_bytes());
    bytes.extend(1_u32.to_le_bytes());
    bytes
}

/// A storage with these entries in its root: name, type and value.
fn storage(entries: &[(&str, &[u8])]) -> Vec<u8> {
    [b"\x01\x11\x01\x01\x01\x01\x02\x01\x01".as_slice(), &section(entries)].concat()
}

fn section(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = vec![(entries.len() << 2) as u8];
    for (name, value) in entries {
        bytes.push(name.len() as u8);
        bytes.extend(name.as_bytes());
        bytes.extend(*value);
    }
    bytes
}

fn of_u64(number: u64) -> Vec<u8> {
    [[5].as_slice(), &number.to_le_bytes()].concat()
}

fn of_u32(number: u32) -> Vec<u8> {
    [[6].as_slice(), &number.to_le_bytes()].concat()
}

fn of_text(bytes: &[u8]) -> Vec<u8> {
    let length = (bytes.len() as u32) << 2 | 2;
    [[10].as_slice(), &length.to_le_bytes(), bytes].concat()
}

fn of_section(entries: &[(&str, &[u8])]) -> Vec<u8> {
    [[12].as_slice(), &section(entries)].concat()
}

fn sync(height: u64) -> Vec<u8> {
    of_section(&[("current_height", &of_u64(height)), ("top_id", &of_text(&[height as u8; 32]))])
}

fn handshake(peer_id: u64, port: u32, height: u64) -> Vec<u8> {
    let node = of_section(&[
        ("my_port", &of_u32(port)),
        (
            "network_id",
            &of_text(b"\x12\x30\xf1\x71\x61\x04\x41\x61\x17\x31\x00\x82\x16\xa1\xa1\x11"),
        ),
        ("peer_id", &of_u64(peer_id)),
    ]);
    storage(&[("node_data", &node), ("payload_data", &sync(height))])
}

/// One connection, from its begin, whose bytes are in order.
struct Run {
    streams: Streams<u8>,
    positions: [u64; 2],
    now: Moment,
}

impl Run {
    fn new() -> Self {
        let protocols = vec![&LEVIN];
        let mut streams = Streams::new(protocols, Limits::default());
        assert!(streams.open(0, Ends::default()));
        Self { streams, positions: [0; 2], now: Moment::default() }
    }

    /// After a handshake that this end began, at equal heights.
    fn shaken() -> Self {
        let mut run = Self::new();
        run.sent(&message(1001, REQUEST, &handshake(1, 18080, 10)));
        run.received(&message(1001, RESPONSE, &handshake(2, 28080, 10)));
        run
    }

    fn add(&mut self, side: Side, bytes: &[u8]) {
        let position = &mut self.positions[usize::from(side == Side::Received)];
        self.streams.chunk(0, side, *position, bytes, self.now);
        *position += bytes.len() as u64;
    }

    fn sent(&mut self, bytes: &[u8]) -> &mut Self {
        self.add(Side::Sent, bytes);
        self
    }

    fn received(&mut self, bytes: &[u8]) -> &mut Self {
        self.add(Side::Received, bytes);
        self
    }

    fn lose_received(&mut self, bytes: u64) -> &mut Self {
        self.positions[1] += bytes;
        self
    }

    fn moved(&mut self, side: Side, bytes_total: u64) -> &mut Self {
        self.streams.moved_by_process(0, side, bytes_total, self.now);
        self
    }

    fn wait(&mut self, us: u64) -> &mut Self {
        self.now.monotonic_us += us;
        self
    }

    fn value(&self, name: &str) -> Known<Scalar> {
        let application = self.streams.application(0, Side::Sent, self.now).expect("recognised");
        value(layer(&application), name)
    }

    fn count(&self, name: &str) -> Option<u64> {
        match self.value(name) {
            Known::Value(Scalar::Count(number), _) => Some(number),
            Known::Unknown(_) => None,
            other => panic!("{name}: {other:?}"),
        }
    }

    fn text(&self, name: &str) -> String {
        match self.value(name) {
            Known::Value(Scalar::Text(text), _) => text.to_string(),
            other => panic!("{name}: {other:?}"),
        }
    }
}

#[test]
fn a_handshake_is_known_step_by_step() {
    let mut run = Run::new();
    run.sent(&message(1001, REQUEST, &handshake(0xab, 18080, 10)));
    assert_eq!(run.text("levin.state"), "before_handshake");
    assert_eq!(run.count("levin.height"), None);
    assert_eq!(run.value("levin.node_port").value(), Some(&Scalar::Port(18080)));
    assert!(matches!(run.value("levin.peer_id"), Known::Unknown(_)));
    run.received(&message(1001, RESPONSE, &handshake(0xcd, 28080, 10)));
    assert_eq!((run.text("levin.state").as_str(), run.count("levin.height")), ("normal", Some(10)));
    assert_eq!(run.text("levin.peer_id"), "00000000000000cd");
    assert_eq!(run.value("levin.peer_port").value(), Some(&Scalar::Port(28080)));
    assert_eq!(run.text("levin.network"), "testnet");
    assert_eq!(run.count("levin.support_flags"), Some(0), "absent is 0");
    run.sent(&message(1007, REQUEST, &storage(&[])));
    run.received(&message(1007, RESPONSE, &storage(&[("support_flags", &of_u32(1))])));
    assert_eq!(run.count("levin.support_flags"), Some(1));
}

/// A node whose rate is limited reads late what has arrived.
#[test]
fn a_node_knows_what_it_has_read() {
    let mut run = Run::new();
    run.sent(&message(1001, REQUEST, &handshake(0xab, 18080, 10)));
    run.moved(Side::Sent, run.positions[0]);
    run.received(&message(1001, RESPONSE, &handshake(0xcd, 28080, 10)));
    let end = run.positions[1];
    run.received(&message(1007, RESPONSE, &storage(&[("support_flags", &of_u32(1))])));
    for read in [0, end - 1] {
        run.moved(Side::Received, read);
        assert_eq!(run.text("levin.state"), "before_handshake", "{read} bytes are read");
        assert!(matches!(run.value("levin.peer_id"), Known::Unknown(_)));
    }
    run.moved(Side::Received, end);
    assert_eq!((run.text("levin.state").as_str(), run.count("levin.height")), ("normal", Some(10)));
    assert_eq!(run.count("levin.support_flags"), Some(0));
    run.moved(Side::Received, run.positions[1]);
    assert_eq!(run.count("levin.support_flags"), Some(1));
    // Of more messages than may wait the oldest are taken for read.
    for flags in 0..100 {
        run.received(&message(1007, RESPONSE, &storage(&[("support_flags", &of_u32(flags))])));
    }
    assert_eq!(run.count("levin.support_flags"), Some(100 - 8 - 1));
}

#[test]
fn a_ping_states_an_id() {
    let mut run = Run::new();
    run.sent(&message(1003, REQUEST, &storage(&[])));
    let answer = storage(&[("peer_id", &of_u64(7)), ("status", &of_text(b"OK"))]);
    run.received(&message(1003, RESPONSE, &answer));
    assert_eq!(run.text("levin.peer_id"), "0000000000000007");
    assert_eq!(run.text("levin.state"), "before_handshake");
}

#[test]
fn a_failed_handshake_changes_nothing() {
    let mut run = Run::new();
    run.sent(&message(1001, REQUEST, &handshake(1, 18080, 10)));
    run.received(&message(1001, RESPONSE, b""));
    assert_eq!(
        (run.text("levin.state").as_str(), run.count("levin.height")),
        ("before_handshake", None)
    );
}

#[test]
fn a_node_that_is_behind_synchronizes_until_it_has_the_last_block() {
    let mut run = Run::shaken();
    run.received(&message(1002, REQUEST, &storage(&[("payload_data", &sync(12))])));
    assert_eq!(run.text("levin.state"), "synchronizing");
    run.sent(&message(2006, REQUEST, &storage(&[("block_ids", &of_text(&[0; 64]))])));
    run.received(&message(1002, REQUEST, &storage(&[("payload_data", &sync(11))])));
    assert_eq!(run.count("levin.height"), Some(12), "ignored while it synchronizes");
    let chain = [
        ("m_block_ids", of_text(&[[1; 32], [2; 32], [3; 32]].concat())),
        ("start_height", of_u64(9)),
        ("total_height", of_u64(12)),
    ];
    let chain: Vec<(&str, &[u8])> =
        chain.iter().map(|(name, value)| (*name, value.as_slice())).collect();
    run.received(&message(2007, REQUEST, &storage(&chain)));
    run.wait(60_000_000);
    run.sent(&message(
        2003,
        REQUEST,
        &storage(&[("blocks", &of_text(&[[2; 32], [3; 32]].concat()))]),
    ));
    assert_eq!(run.text("levin.state"), "synchronizing");
    let objects =
        storage(&[("blocks", &of_text(&[9; 100_000])), ("current_blockchain_height", &of_u64(12))]);
    run.received(&message(2004, REQUEST, &objects));
    assert_eq!(
        (run.text("levin.state").as_str(), run.count("levin.own_height")),
        ("normal", Some(12))
    );
}

#[test]
fn a_node_that_requests_nothing_has_the_block_from_another_peer() {
    let mut run = Run::shaken();
    run.received(&message(1002, REQUEST, &storage(&[("payload_data", &sync(12))])));
    run.wait(999_999);
    assert_eq!(run.text("levin.state"), "synchronizing");
    run.wait(1);
    assert_eq!(run.text("levin.state"), "normal");
}

#[test]
fn a_node_that_has_sent_blocks_synchronizes_without_a_request() {
    let mut run = Run::shaken();
    run.sent(&message(2004, REQUEST, &storage(&[("current_blockchain_height", &of_u64(10))])));
    run.received(&message(1002, REQUEST, &storage(&[("payload_data", &sync(12))])));
    run.wait(100_000_000);
    assert_eq!(run.text("levin.state"), "synchronizing");
}

#[test]
fn blocks_are_skipped_by_their_length() {
    let mut run = Run::shaken();
    let body =
        storage(&[("b", &of_text(&[7; 1_000_000])), ("current_blockchain_height", &of_u64(11))]);
    let block = message(2001, REQUEST, &body);
    run.received(&block[..1000]);
    let skipped = block.len() - 1000 - 35;
    run.lose_received(skipped as u64).received(&block[1000 + skipped..]);
    assert_eq!(run.count("levin.own_height"), Some(11));
    assert_eq!(run.count("levin.messages_received"), Some(2));
    let application = run.streams.application(0, Side::Sent, run.now).expect("recognised");
    assert_eq!(layer(&application).gap_bytes, 0);
    assert!(run.streams.memory() < 10_000);
}

#[test]
fn a_message_in_fragments_is_one_message() {
    let mut run = Run::shaken();
    let mut inner = message(1002, REQUEST, &storage(&[("payload_data", &sync(33))]));
    inner.resize(600, 0);
    run.received(&message(0, BEGIN, &inner[..100]));
    run.received(&message(0, 0, &inner[100..200]));
    assert_eq!(run.count("levin.refused"), Some(1), "a fragment has a flag");
    let mut run = Run::shaken();
    run.received(&message(0, BEGIN | END, &[0; 1024]));
    run.received(&message(0, BEGIN, &inner[..100]));
    run.received(&message(0, END, &inner[100..]));
    assert_eq!((run.count("levin.height"), run.count("levin.refused")), (Some(33), Some(0)));
    assert_eq!(run.count("levin.messages_received"), Some(2));
    let nested = message(0, BEGIN, &message(0, BEGIN, &inner));
    run.received(&nested).received(&message(0, END, b""));
    assert_eq!(run.count("levin.refused"), Some(1));
    run.received(&message(1002, REQUEST, &storage(&[("payload_data", &sync(34))])));
    assert_eq!(run.count("levin.messages_received"), Some(3));
}

#[test]
fn hostile_lengths_are_refused_and_counted() {
    for (command, flags, length) in [
        (1001, REQUEST, u64::MAX),
        (1002, REQUEST, 65_537),
        (1003, RESPONSE, 4097),
        (2008, REQUEST, (4 << 20) + 1),
        (4_000_000_000, REQUEST, 100_000_001),
        (0, BEGIN, u64::MAX / 2),
        (1002, 16, 0),
    ] {
        let mut run = Run::shaken();
        run.received(&header(command, flags, length));
        assert_eq!(run.count("levin.refused"), Some(1), "{command}");
        run.received(b"garbage").received(&message(
            1002,
            RESPONSE,
            &storage(&[("payload_data", &sync(11))]),
        ));
        assert_eq!(run.count("levin.height"), Some(11), "the next message is found");
    }
    // Before the handshake bodies are short.
    let mut run = Run::new();
    run.sent(&header(2008, REQUEST, 262_145));
    assert!(run.streams.application(0, Side::Sent, run.now).is_none());
}

#[test]
fn malformed_bodies_are_refused_and_counted() {
    let deep = (0..20).fold(vec![5, 0], |inner, _| of_section(&[("x", &inner)]));
    for body in [
        b"no storage".to_vec(),
        storage(&[("x", &[13])]),
        storage(&[("x", &[0x80 | 13, 4])]),
        storage(&[("x", &[0])]),
        storage(&[("", &[8, 1])]),
        storage(&[("x", &deep)]),
        // An array of 2^62 - 1 numbers of 8 bytes.
        storage(&[("x", &[0x80 | 5, 255, 255, 255, 255, 255, 255, 255, 255])]),
    ] {
        let mut run = Run::shaken();
        run.received(&message(1002, RESPONSE, &body));
        assert_eq!(
            (run.count("levin.refused"), run.count("levin.height")),
            (Some(1), Some(10)),
            "{body:?}"
        );
        run.received(&message(1002, RESPONSE, &storage(&[("payload_data", &sync(11))])));
        assert_eq!(run.count("levin.height"), Some(11), "the next message follows");
    }
    // A text longer than its body is cut, and states nothing.
    let mut run = Run::shaken();
    let body = [&storage(&[("payload_data", &sync(99))])[..], b""].concat();
    run.received(&message(1002, RESPONSE, &body[..body.len() - 1]));
    assert_eq!(run.count("levin.height"), Some(10));
}

#[test]
fn arrays_are_passed_over() {
    let peers =
        [&[0x80 | 12, 2 << 2][..], &section(&[("ip", &[6, 1, 2, 3, 4])]), &section(&[])].concat();
    let texts = [&[0x80 | 10, 2 << 2][..], &of_text(b"ab")[1..], &of_text(b"")[1..]].concat();
    let numbers = [&[0x80 | 6, 2 << 2][..], &[0; 8]].concat();
    let mut run = Run::shaken();
    run.received(&message(
        1002,
        RESPONSE,
        &storage(&[
            ("local_peerlist_new", &peers),
            ("none", &[0x80 | 12, 0]),
            ("numbers", &numbers),
            ("payload_data", &sync(77)),
            ("texts", &texts),
        ]),
    ));
    assert_eq!((run.count("levin.refused"), run.count("levin.height")), (Some(0), Some(77)));
}

#[test]
fn after_a_gap_the_next_header_is_found() {
    let next = message(1002, RESPONSE, &storage(&[("payload_data", &sync(11))]));
    let block = message(2008, REQUEST, &storage(&[("b", &of_text(&[7; 1000]))]));
    // The rest of the block, and then the begin of the next message too.
    for lost in [block.len() - 500, block.len() - 500 + 20] {
        let mut run = Run::shaken();
        run.received(&block[..500]).lose_received(lost as u64);
        run.received(&next[(500 + lost).saturating_sub(block.len())..]).received(&next);
        assert_eq!((run.count("levin.height"), run.count("levin.refused")), (Some(11), Some(0)));
        let application = run.streams.application(0, Side::Sent, run.now).expect("recognised");
        // What would have been skipped is no gap.
        assert!(layer(&application).gap_bytes < 100);
    }
    // The signature across two chunks, behind bytes that begin like it.
    let mut run = Run::shaken();
    run.received(&next[..10]).lose_received(3);
    for byte in [&[1, 0x21, 1, 0x21, 1, 1, 0x21, 1, 1, 1][..], &next].concat() {
        run.received(&[byte]);
    }
    assert_eq!(run.count("levin.height"), Some(11));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// However the session is cut into segments, the values are the same; and with segments lost it
    /// neither fails nor exceeds its memory.
    #[test]
    fn segments_of_any_length_give_the_same_values(cuts in prop::collection::vec(1_usize..200, 1..20), loss in 0_usize..20) {
        let packets = packets("levin/session.pcap");
        let now = packets[packets.len() - 1].at;
        let whole = play(&packets, now);
        let mut cut = Vec::new();
        let mut lengths = cuts.iter().cycle();
        for packet in &packets {
            let mut rest = packet.clone();
            while rest.payload.len() > 1 {
                let length = (*lengths.next().unwrap_or(&1)).min(rest.payload.len());
                let behind = rest.payload.split_off(length);
                let mut first = rest.clone();
                rest.payload = behind;
                rest.sequence = rest.sequence.wrapping_add(length as u32);
                // A FIN follows the last byte.
                first.flags &= if rest.payload.is_empty() { 255 } else { !1 };
                let is_last = rest.payload.is_empty();
                cut.push(first);
                if is_last { break }
            }
            if packet.payload.len() <= 1 || !rest.payload.is_empty() {
                cut.push(rest);
            }
        }
        prop_assert_eq!(play(&cut, now), whole);
        let mut number = 0;
        cut.retain(|packet| {
            number += 1;
            packet.payload.is_empty() || number % (loss + 2) != 0
        });
        play(&cut, now);
    }
}

/// Every value of every connection of the session, seen from both ends.
fn play(packets: &[super::capture::Packet], now: Moment) -> Vec<String> {
    let mut player = Player::of(vec![&LEVIN]);
    packets.iter().for_each(|packet| player.play(packet));
    let keys: Vec<_> = player.open.keys().copied().collect();
    for key in &keys {
        player.streams.close(*key, now);
    }
    assert!(player.streams.memory() <= 16 * 1024 * keys.len() as u64);
    let mut values = Vec::new();
    for (key, side) in keys.iter().flat_map(|key| Side::ALL.map(|side| (key, side))) {
        if let Some(application) = player.streams.application(*key, side, now) {
            values.push(format!("{key:?} {:?}", layer(&application).values));
        }
    }
    values.sort();
    values
}
