//! Any bytes as segments of one direction: each position is handed over once, in order, with a byte
//! that some segment had there; and nothing stays held that is not accounted for.

#![no_main]

use std::sync::LazyLock;

use conns_core::decode::assembly::{Assembled, Assembler, MAX_PENDING_BYTES, Room, Segment};
use libfuzzer_sys::fuzz_target;

/// More segments find nothing more, and cost time.
const MAX_STEPS: usize = 256;
/// Less than what one direction may hold, so that both bounds are reached.
const ROOM: u64 = 1 << 19;

/// What repeats in the stream.
const PERIOD: usize = 1 << 16;
/// No segment is longer.
const MAX_LENGTH: usize = 1 << 13;

/// What each position of the stream has, and what a segment that differs has there: a period, and a segment more.
static BYTES: LazyLock<[Vec<u8>; 2]> = LazyLock::new(|| {
    [0, 1].map(|differs| {
        let byte = |sequence: usize| (sequence ^ sequence >> 8) as u8 & !1 | differs;
        (0..PERIOD + MAX_LENGTH).map(byte).collect()
    })
});

/// The bytes from this sequence number on.
fn stream(sequence: u32, length: usize, differs: bool) -> &'static [u8] {
    &BYTES[usize::from(differs)][sequence as usize % PERIOD..][..length]
}

/// Whether these are bytes of the stream from this sequence number on, or such that differ.
fn is_stream(mut sequence: u32, bytes: &[u8]) -> bool {
    bytes.chunks(MAX_LENGTH).all(|bytes| {
        let expected = stream(sequence, bytes.len(), false);
        sequence = sequence.wrapping_add(bytes.len() as u32);
        bytes.iter().zip(expected).fold(0, |differs, (one, other)| differs | (one ^ other)) & !1
            == 0
    })
}

fuzz_target!(|bytes: &[u8]| {
    let Some((&[first, ..], steps)) = bytes.split_first_chunk::<1>() else { return };
    // Close to the wrap, so that it is passed often.
    let initial = u32::MAX - u32::from(first) * 64;
    let mut assembler = Assembler::default();
    let mut room = Room::new(ROOM);
    let (mut at, mut ended) = (0, false);
    let mut start = None;
    let mut skip = 0;
    for step in steps.chunks_exact(6).take(MAX_STEPS) {
        let &[op, low, high, length, cut, more] = step else { continue };
        let far = if op & 0x40 == 0 { 0 } else { u32::from(more) << 24 };
        let sequence = initial.wrapping_add(u32::from(u16::from_le_bytes([low, high])) + far);
        let length = u32::from(length) << (op >> 4 & 3) << 2;
        let mut sink = |assembled: Assembled<'_>| {
            assert!(!ended, "something follows the end");
            match assembled {
                Assembled::Data { position, bytes } => {
                    assert_eq!(position, at);
                    let begin: u32 = start.expect("a segment came before");
                    assert!(is_stream(begin.wrapping_add(position as u32), bytes));
                    at += bytes.len() as u64;
                }
                Assembled::Gap { position, bytes } => {
                    assert_eq!(position, at);
                    at += bytes;
                }
                Assembled::End { position } => {
                    assert_eq!(position, at);
                    ended = true;
                }
            }
            0
        };
        match op & 7 {
            0 => assembler.give_up(&mut room, &mut sink),
            1 => assembler.give_up_before(sequence, &mut room, &mut sink),
            2 => {
                // What is skipped is passed before what follows is handed over: position by number.
                let wanted = u64::from(length);
                let before = *assembler.counts();
                let mut held = Vec::new();
                let mut ends = false;
                let passed = assembler.skip(wanted, &mut room, &mut |assembled| {
                    match assembled {
                        Assembled::Data { position, bytes } => {
                            held.push((position, bytes.len() as u64))
                        }
                        Assembled::Gap { position, bytes } => held.push((position, bytes)),
                        Assembled::End { .. } => ends = true,
                    }
                    0
                });
                assert!(passed <= wanted);
                assert_eq!(assembler.counts().skipped_bytes - before.skipped_bytes, passed);
                at += passed;
                for (position, bytes) in held {
                    assert_eq!(position, at);
                    at += bytes;
                }
                ended |= ends;
                skip += passed;
            }
            op => {
                let (syn, fin) = (op == 3, op == 4);
                let begin = sequence.wrapping_add(u32::from(syn));
                let bytes = stream(begin, length as usize, more & 1 != 0);
                let cut = if op == 5 { u32::from(cut) } else { 0 };
                let is_first = assembler.next_sequence().is_none();
                if is_first && (syn || fin || length + cut > 0) {
                    // A single byte is taken for a keep-alive, which the next one follows.
                    let is_keep_alive = !syn && !fin && length + cut == 1;
                    start = Some(begin.wrapping_add(u32::from(is_keep_alive)));
                }
                let mut data = |assembled: Assembled<'_>| match assembled {
                    Assembled::Data { position, bytes } => {
                        assert!(!ended && position == at);
                        let begin = start.expect("a segment came before");
                        assert!(is_stream(begin.wrapping_add(position as u32), bytes));
                        at += bytes.len() as u64;
                        // Now and then the consumer wants to skip.
                        let wanted = if op == 6 { 100 } else { 0 };
                        at += wanted;
                        wanted
                    }
                    Assembled::Gap { position, bytes } => {
                        assert!(!ended && position == at);
                        at += bytes;
                        0
                    }
                    Assembled::End { position } => {
                        // A skip goes no further than the end.
                        assert!(!ended && position <= at);
                        ended = true;
                        0
                    }
                };
                assembler.push(
                    Segment { sequence, syn, fin, ack: None, bytes, cut },
                    &mut room,
                    &mut data,
                );
                let next =
                    start.and_then(|start| Some(assembler.next_sequence()?.wrapping_sub(start)));
                // The number that a skip before the end was cut to.
                if let Some(next) = next {
                    at -= u64::from((at as u32).wrapping_sub(next));
                }
            }
        }
        assert_eq!(room.used(), assembler.pending_bytes());
        assert!(room.used() <= ROOM.min(MAX_PENDING_BYTES));
    }
    assert!(assembler.counts().skipped_bytes >= skip);
    assembler.clear(&mut room);
    assert_eq!(room.used(), 0);
});
