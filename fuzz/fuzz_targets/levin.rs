//! Any bytes as both sides of a connection of Monero nodes: it is recognised and decoded, with gaps,
//! within its memory.
//!
//! An input is a byte (whether the begin is seen), then steps: side and kind, length (two bytes,
//! little endian), and that many bytes.

#![no_main]

use conns_core::decode::assembly::Segment;
use conns_core::decode::{Ends, Limits, Side, Streams, registry};
use conns_core::model::Moment;
use libfuzzer_sys::fuzz_target;

/// What one connection may hold: a decoder, or first bytes.
const MAX_MEMORY: u64 = 16 * 1024;

fuzz_target!(|bytes: &[u8]| {
    let Some((first, mut rest)) = bytes.split_first() else { return };
    let levin = registry().filter(|protocol| protocol.name == "levin");
    let mut streams = Streams::new(levin.collect(), Limits::default());
    assert!(streams.open(0, Ends::default()));
    let mut now = Moment::default();
    let mut next = [u32::MAX - 1000; 2];
    if first & 1 != 0 {
        for (side, next) in Side::ALL.into_iter().zip(&mut next) {
            let segment = Segment { sequence: *next, syn: true, ..Segment::default() };
            streams.segment(0, side, segment, now);
            *next = next.wrapping_add(1);
        }
    }
    while let Some((&[kind, low, high], behind)) = rest.split_first_chunk() {
        let length = usize::from(u16::from_le_bytes([low, high]));
        let side = if kind & 1 == 0 { Side::Sent } else { Side::Received };
        let [sent, received] = &mut next;
        let next = if kind & 1 == 0 { sent } else { received };
        rest = behind;
        now.monotonic_us += u64::from(kind >> 4) * 500_000;
        match kind >> 1 & 7 {
            5 => {
                *next = next.wrapping_add(length as u32);
                streams.lost(0, side, Some(*next), now);
            }
            6 => *next = next.wrapping_add(length as u32),
            7 => streams.lost(0, side, None, now),
            of => {
                let (bytes, behind) = rest.split_at(length.min(rest.len()));
                rest = behind;
                let cut = if of == 4 { 9 } else { 0 };
                let segment = Segment { sequence: *next, bytes, cut, ..Segment::default() };
                streams.segment(0, side, segment, now);
                *next = next.wrapping_add(bytes.len() as u32 + cut);
            }
        }
        let pending = streams.memory() - streams.decoding_memory();
        assert!(streams.decoding_memory() <= MAX_MEMORY && pending <= 2 << 20);
    }
    streams.close(0, now);
    for side in Side::ALL {
        if let Some(application) = streams.application(0, side, now) {
            for layer in &application.layers {
                let spec =
                    registry().find(|spec| *spec.name == *layer.protocol).expect("registered");
                assert_eq!(spec.fields.len(), layer.values.len());
            }
        }
    }
    streams.take_changed();
    for steering in streams.take_steering() {
        assert_eq!(steering.key, 0);
    }
    streams.remove(0);
    assert_eq!(streams.memory(), 0);
});
