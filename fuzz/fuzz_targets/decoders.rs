//! Any bytes as several connections and flows at a time: every protocol is recognised and decoded in any
//! cut, order and loss; nothing panics, and what is held stays within the bounds.
//!
//! An input is steps: what and of which connection, side and flags, length (two bytes, little endian), and
//! that many bytes.

#![no_main]

use conns_core::decode::assembly::Segment;
use conns_core::decode::{Ends, Limits, Side, Streams, Want, registry};
use conns_core::model::{Endpoint, Moment};
use libfuzzer_sys::fuzz_target;

/// Less than what one connection may hold, so that every bound is reached.
const LIMITS: Limits = Limits {
    streams: 6,
    pending_bytes: 16 * 1024,
    recognition_bytes: 12 * 1024,
    decoder_bytes: 96 * 1024,
};
const CONNECTIONS: u8 = 4;
/// More steps find nothing more, and cost time.
const MAX_STEPS: usize = 512;
/// Ports by which some protocols are recognised, by the number of the connection.
const PORTS: [u16; CONNECTIONS as usize] = [443, 53, 21, 8080];

fn ends(key: u8, opener: Option<Side>) -> Ends {
    let end = |port| Some(Endpoint { address: [127, 0, 0, 1].into(), port });
    Ends { local: end(40_000), remote: end(PORTS[usize::from(key) % PORTS.len()]), opener }
}

/// The layers as both ends have them have as many values as fields, and texts without control characters.
fn check_layers(streams: &Streams<u8>, key: u8, now: Moment) {
    for side in Side::ALL {
        let Some(application) = streams.application(key, side, now) else { continue };
        assert!(!application.layers.is_empty());
        for layer in &application.layers {
            let spec = registry().find(|spec| *spec.name == *layer.protocol).expect("registered");
            assert_eq!(spec.fields.len(), layer.values.len());
            for value in &layer.values {
                if let Some(conns_core::model::Scalar::Text(text)) = value.value() {
                    assert!(text.len() <= 1024 && !text.chars().any(char::is_control), "{text:?}");
                }
            }
        }
    }
}

fuzz_target!(|bytes: &[u8]| {
    let mut streams = Streams::new(registry().collect(), LIMITS);
    let mut next = [[u32::MAX - 1000; 2]; CONNECTIONS as usize];
    let mut no_more = [[false; 2]; CONNECTIONS as usize];
    let mut now = Moment::default();
    let mut rest = bytes;
    for key in 0..CONNECTIONS {
        assert!(streams.open(key, ends(key, (key > 1).then_some(Side::Sent))));
    }
    for _ in 0..MAX_STEPS {
        let Some((&[what, flags, low, high], behind)) = rest.split_first_chunk() else { break };
        let length = usize::from(u16::from_le_bytes([low, high]));
        let (bytes, behind) = behind.split_at(length.min(behind.len()));
        rest = behind;
        let key = what >> 4 & 3;
        let (side, place) = if flags & 1 == 0 { (Side::Sent, 0) } else { (Side::Received, 1) };
        now.monotonic_us += u64::from(flags >> 5) * 300_000;
        let [fin, acks] = [flags & 2 != 0, flags & 4 != 0];
        let numbers = &mut next[usize::from(key)];
        let ack = acks.then_some(numbers[1 - place]);
        let number = &mut numbers[place];
        let segment = |streams: &mut Streams<u8>, sequence: u32, bytes: &[u8], syn, fin| {
            let segment = Segment { sequence, syn, fin, ack, bytes, cut: 0 };
            streams.segment(key, side, segment, now);
        };
        match what & 15 {
            // In order, whole.
            0..=3 => {
                segment(&mut streams, *number, bytes, false, fin);
                *number = number.wrapping_add(bytes.len() as u32);
            }
            // In order, in parts of some length.
            4 | 5 => {
                for part in bytes.chunks(1 + usize::from(flags >> 3 & 3) * 7) {
                    segment(&mut streams, *number, part, false, false);
                    *number = number.wrapping_add(part.len() as u32);
                }
            }
            // The second half first.
            6 => {
                let (first, second) = bytes.split_at(bytes.len() / 2);
                let middle = number.wrapping_add(first.len() as u32);
                segment(&mut streams, middle, second, false, fin);
                segment(&mut streams, *number, first, false, false);
                *number = middle.wrapping_add(second.len() as u32);
            }
            7 => {
                segment(&mut streams, *number, &[], true, false);
                *number = number.wrapping_add(1);
            }
            // Lost, or not captured.
            8 => *number = number.wrapping_add(length as u32),
            9 => {
                *number = number.wrapping_add(length as u32);
                streams.lost(key, side, acks.then_some(*number), now);
            }
            // Far away.
            10 => *number = number.wrapping_add((length as u32) << 16),
            11..=13 => {
                let cut = if fin { u32::from(flags) } else { 0 };
                streams.datagram(key, side, bytes, cut, now);
            }
            14 => streams.close(key, now),
            _ => {
                assert!(streams.open(key, ends(key, None)));
                no_more[usize::from(key)] = [false; 2];
                for (place, side) in Side::ALL.into_iter().enumerate() {
                    let number = next[usize::from(key)][place];
                    let syn = Segment { sequence: number, syn: true, ..Segment::default() };
                    streams.segment(key, side, syn, now);
                    next[usize::from(key)][place] = number.wrapping_add(1);
                }
            }
        }
        let pending = streams.memory() - streams.decoding_memory();
        assert!(pending <= LIMITS.pending_bytes);
        assert!(streams.decoding_memory() <= LIMITS.recognition_bytes + LIMITS.decoder_bytes);
        for steering in streams.take_steering() {
            let place = usize::from(steering.side == Side::Received);
            let ended = &mut no_more[usize::from(steering.key)][place];
            assert!(!*ended, "nothing is wanted after nothing more was");
            *ended = steering.want == Want::NoMore;
            assert!(!matches!(steering.want, Want::Skip(0)));
        }
        check_layers(&streams, key, now);
    }
    for key in 0..CONNECTIONS {
        streams.close(key, now);
        check_layers(&streams, key, now);
    }
    streams.take_changed();
    for (_, name) in streams.take_names() {
        assert!(name.name.len() <= 255);
    }
    for key in 0..CONNECTIONS {
        streams.remove(key);
    }
    assert_eq!((streams.memory(), streams.len()), (0, 0));
});
