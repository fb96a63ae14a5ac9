//! Frames: encoded and decoded again, cut off, and from any bytes.

#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "tests panic")]

use conns_transfer::frames::{
    ChunkHeader, Failure, FailureCode, Fault, Frame, FrameError, Hello, MAX_FRAME_BYTES,
    MAX_TEXT_BYTES, Modified, Offer, TransferId,
};
use conns_transfer::names::{NameError, RelativePath};
use conns_transfer::ranges::{Ranges, RangesError};
use conns_transfer::rate::BytesPerSecond;
use conns_transfer::tree::{CHUNK_BYTES, Hash};
use proptest::prelude::*;

const INTEGERS: std::ops::Range<u64> = 0..1 << 62;

fn transfers() -> impl Strategy<Value = TransferId> {
    INTEGERS.prop_map(TransferId)
}

fn hashes() -> impl Strategy<Value = Hash> {
    any::<[u8; 32]>().prop_map(Hash)
}

fn ranges() -> impl Strategy<Value = Ranges> {
    prop::collection::vec((0..1u64 << 40, 1..1u64 << 30), 0..20).prop_map(|list| {
        let mut ranges = Ranges::default();
        for (start, length) in list {
            ranges.insert(start..start + length).expect("few and short");
        }
        ranges
    })
}

fn offers() -> impl Strategy<Value = Frame> {
    let path = prop::collection::vec(any::<u8>(), 1..100)
        .prop_filter_map("not a path", |bytes| RelativePath::new(&bytes).ok());
    let modified = (any::<i64>(), 0..1_000_000_000u32)
        .prop_map(|(seconds, nanoseconds)| Modified { seconds, nanoseconds });
    (transfers(), path, INTEGERS, 0..=0o7777u32, modified, prop::option::of(hashes())).prop_map(
        |(transfer, path, bytes, mode, modified, hash)| {
            Frame::Offer(Offer { transfer, path, bytes, mode, modified, hash })
        },
    )
}

fn frames() -> impl Strategy<Value = Frame> {
    let failure = (INTEGERS, ".{0,50}")
        .prop_map(|(code, text)| Failure { code: FailureCode::from_number(code % 12), text });
    prop_oneof![
        (INTEGERS, any::<[u8; 16]>(), any::<[u8; 16]>()).prop_map(
            |(version, launch_id, server_uid)| {
                Frame::Hello(Hello { version, launch_id, server_uid })
            }
        ),
        offers(),
        (transfers(), ranges()).prop_map(|(transfer, ranges)| Frame::Accepted(transfer, ranges)),
        (transfers(), ranges()).prop_map(|(transfer, ranges)| Frame::Durable(transfer, ranges)),
        (transfers(), hashes()).prop_map(|(transfer, hash)| Frame::Done(transfer, hash)),
        transfers().prop_map(Frame::Committed),
        (transfers(), failure).prop_map(|(transfer, failure)| Frame::Failed(transfer, failure)),
        transfers().prop_map(Frame::Pause),
        transfers().prop_map(Frame::Resume),
        INTEGERS.prop_map(|rate| Frame::RateLimit(BytesPerSecond(rate))),
    ]
}

proptest! {
    #[test]
    fn a_frame_is_decoded_as_it_was(frame in frames(), behind in prop::collection::vec(any::<u8>(), 0..5)) {
        let mut bytes = Vec::new();
        frame.encode(&mut bytes);
        let length = bytes.len();
        for end in 0..length {
            prop_assert_eq!(Frame::decode(&bytes[..end]), Ok(None));
        }
        bytes.extend(behind);
        prop_assert_eq!(Frame::decode(&bytes), Ok(Some((frame, length))));
    }

    #[test]
    fn a_chunk_header_is_decoded_as_it_was(
        transfer in transfers(), offset in INTEGERS, length in 0..=CHUNK_BYTES, hash in hashes(),
    ) {
        let header = ChunkHeader { transfer, offset, length, hash };
        let mut bytes = Vec::new();
        header.encode(&mut bytes);
        for end in 0..bytes.len() {
            prop_assert_eq!(ChunkHeader::decode(&bytes[..end]), Ok(None));
        }
        prop_assert_eq!(ChunkHeader::decode(&bytes), Ok(Some((header, bytes.len()))));
    }

    /// What is decoded is the same when it is encoded and decoded again.
    #[test]
    fn any_bytes_are_decoded_or_refused(kind in 0..12u8, length in 0..64u8, rest in prop::collection::vec(any::<u8>(), 0..100)) {
        let bytes = [vec![kind, length.min(rest.len() as u8)], rest].concat();
        if let Ok(Some((frame, _))) = Frame::decode(&bytes) {
            let mut again = Vec::new();
            frame.encode(&mut again);
            prop_assert_eq!(Frame::decode(&again), Ok(Some((frame, again.len()))));
        }
        let _ = ChunkHeader::decode(&bytes);
    }
}

fn field(frame: &'static str, field: &'static str, fault: Fault) -> FrameError {
    FrameError::Field { frame, field, fault }
}

#[test]
fn the_wrong_field_is_named() {
    let cases: [(&[u8], FrameError); 9] = [
        (&[10], FrameError::UnknownType(10)),
        (&[5, 0x80, 0x20, 0, 0], FrameError::TooLong(0x20_0000)),
        (&[5, 0], field("Committed", "transfer", Fault::Truncated)),
        (&[5, 2, 7, 7], FrameError::TrailingBytes("Committed")),
        (&[4, 2, 7, 7], field("Done", "hash", Fault::Truncated)),
        (
            &[1, 4, 7, 2, b'.', b'.'],
            field("Offer", "path", Fault::Path(NameError::DotComponent(1))),
        ),
        (&[1, 6, 7, 1, b'a', 5, 0x7f, 0xff], field("Offer", "mode", Fault::OutOfRange(0x3fff))),
        (&[3, 3, 7, 0, 0], field("Durable", "ranges", Fault::Ranges(RangesError::NotMerged))),
        (&[6, 4, 7, 1, 1, 0xff], field("Failed", "text", Fault::NotUtf8)),
    ];
    for (bytes, error) in cases {
        assert_eq!(Frame::decode(bytes), Err(error));
    }
    let error = field("Offer", "path", Fault::Path(NameError::DotComponent(1)));
    assert_eq!(error.to_string(), "Offer: path is refused: component 1 of the path is . or ..");
    let long = [&[7, 0, 0x80, 0x10, 0, 1][..], &[0; 32]].concat();
    let error = field("chunk header", "length", Fault::OutOfRange(CHUNK_BYTES + 1));
    assert_eq!(ChunkHeader::decode(&long), Err(error));
}

#[test]
fn a_long_text_is_cut_between_characters() {
    let failure = Failure { code: FailureCode::NoSpace, text: "ä".repeat(MAX_TEXT_BYTES) };
    let mut bytes = Vec::new();
    Frame::Failed(TransferId(1), failure).encode(&mut bytes);
    let Ok(Some((Frame::Failed(_, failure), _))) = Frame::decode(&bytes) else {
        panic!("not decoded");
    };
    assert_eq!(failure.text, "ä".repeat(MAX_TEXT_BYTES / 2));
}

#[test]
fn the_most_ranges_fit_a_frame() {
    let mut ranges = Ranges::default();
    for range in 0..65_536u64 {
        ranges.insert(range << 45..(range << 45) + (1 << 44)).expect("below the bound");
    }
    let mut bytes = Vec::new();
    Frame::Accepted(TransferId((1 << 62) - 1), ranges.clone()).encode(&mut bytes);
    assert!(bytes.len() <= MAX_FRAME_BYTES + 16);
    let frame = Frame::Accepted(TransferId((1 << 62) - 1), ranges);
    assert_eq!(Frame::decode(&bytes), Ok(Some((frame, bytes.len()))));
}

/// The bytes of three frames.
#[test]
fn a_recorded_stream_is_decoded() {
    let bytes = [
        &[5, 1, 7][..],
        &[9, 4, 0x80, 0xbe, 0xbc, 0x20],
        &[2, 12, 7, 0, 0x80, 0x10, 0, 0, 0x80, 0x20, 0, 0, 0x41, 0],
    ]
    .concat();
    let mut rest = &bytes[..];
    let mut frames = Vec::new();
    while let Ok(Some((frame, length))) = Frame::decode(rest) {
        frames.push(frame);
        rest = &rest[length..];
    }
    let mut ranges = Ranges::default();
    ranges.insert(0..1 << 20).expect("short");
    ranges.insert(3 << 20..(3 << 20) + 256).expect("short");
    let expected = [
        Frame::Committed(TransferId(7)),
        Frame::RateLimit(BytesPerSecond(12_500_000)),
        Frame::Accepted(TransferId(7), ranges),
    ];
    assert_eq!(frames, expected);
}
