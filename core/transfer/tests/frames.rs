//! Frames: encoded and decoded again, cut off, and from any bytes.

#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "tests panic")]

use conns_transfer::frames::{
    ChunkHeader, Content, Failure, FailureCode, Fault, Frame, FrameError, Hello, MAX_FRAME_BYTES,
    MAX_STREAM_HEADER_BYTES, MAX_TEXT_BYTES, Offer, Overwrite, StreamHeader, TransferId,
    TransferUid,
};
use conns_transfer::manifest::MAX_MANIFEST_BYTES;
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

fn uids() -> impl Strategy<Value = TransferUid> {
    any::<[u8; 16]>().prop_map(TransferUid)
}

fn offers() -> impl Strategy<Value = Frame> {
    let overwrite =
        prop::sample::select(vec![Overwrite::Never, Overwrite::Same, Overwrite::Always]);
    let bytes = 0..=MAX_MANIFEST_BYTES;
    (transfers(), uids(), hashes(), bytes, overwrite, any::<bool>(), any::<i64>()).prop_map(
        |(transfer, uid, manifest, manifest_bytes, overwrite, manifest_follows, priority)| {
            Frame::Offer(Offer {
                transfer,
                uid,
                manifest,
                manifest_bytes,
                overwrite,
                manifest_follows,
                priority,
            })
        },
    )
}

fn headers() -> impl Strategy<Value = StreamHeader> {
    let content = prop::sample::select(vec![Content::Data, Content::Zeros]);
    prop_oneof![
        (transfers(), 0..=MAX_MANIFEST_BYTES)
            .prop_map(|(transfer, bytes)| StreamHeader::Manifest { transfer, bytes }),
        (transfers(), INTEGERS, 0..=CHUNK_BYTES, content, hashes()).prop_map(
            |(transfer, chunk, bytes, content, hash)| {
                StreamHeader::Chunk(ChunkHeader { transfer, chunk, bytes, content, hash })
            }
        ),
        transfers().prop_map(|transfer| StreamHeader::Roots { transfer }),
    ]
}

fn frames() -> impl Strategy<Value = Frame> {
    let failure = (INTEGERS, ".{0,50}")
        .prop_map(|(code, text)| Failure { code: FailureCode::from_number(code % 14), text });
    prop_oneof![
        (INTEGERS, any::<[u8; 16]>(), any::<[u8; 16]>()).prop_map(
            |(version, launch_id, server_uid)| {
                Frame::Hello(Hello { version, launch_id, server_uid })
            }
        ),
        offers(),
        (transfers(), ranges()).prop_map(|(transfer, ranges)| Frame::Accepted(transfer, ranges)),
        (transfers(), ranges()).prop_map(|(transfer, ranges)| Frame::Durable(transfer, ranges)),
        (transfers(), ranges()).prop_map(|(transfer, ranges)| Frame::Resend(transfer, ranges)),
        transfers().prop_map(Frame::ManifestWanted),
        transfers().prop_map(Frame::Committed),
        (transfers(), failure).prop_map(|(transfer, failure)| Frame::Failed(transfer, failure)),
        uids().prop_map(Frame::Withdraw),
        uids().prop_map(Frame::Withdrawn),
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
    fn a_stream_header_is_decoded_as_it_was(header in headers(), behind in prop::collection::vec(any::<u8>(), 0..5)) {
        let mut bytes = Vec::new();
        header.encode(&mut bytes);
        let length = bytes.len();
        prop_assert!(length <= MAX_STREAM_HEADER_BYTES);
        for end in 0..length {
            prop_assert_eq!(StreamHeader::decode(&bytes[..end]), Ok(None));
        }
        bytes.extend(behind);
        prop_assert_eq!(StreamHeader::decode(&bytes), Ok(Some((header, length))));
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
        let _ = StreamHeader::decode(&bytes);
    }
}

fn field(frame: &'static str, field: &'static str, fault: Fault) -> FrameError {
    FrameError::Field { frame, field, fault }
}

#[test]
fn the_wrong_field_is_named() {
    let long = FrameError::TooLong { frame: "Committed", bytes: 0x20_0000, most: MAX_FRAME_BYTES };
    let offer = |rest: &[u8]| {
        let fields = [&[7][..], &[0; 48], rest].concat();
        [&[1, 0x40, fields.len() as u8][..], &fields].concat()
    };
    let cases: [(&[u8], FrameError); 9] = [
        (&[11], FrameError::UnknownType(11)),
        (&[6, 0x80, 0x20, 0, 0], long),
        (&[6, 0], field("Committed", "transfer", Fault::Truncated)),
        (&[6, 2, 7, 7], FrameError::TrailingBytes("Committed")),
        (&[8, 2, 7, 7], field("Withdraw", "uid", Fault::Truncated)),
        (
            &offer(&[0x90, 0, 0, 1]),
            field("Offer", "manifest bytes", Fault::OutOfRange(MAX_MANIFEST_BYTES + 1)),
        ),
        (&offer(&[1, 3]), field("Offer", "overwrite", Fault::OutOfRange(3))),
        (&[4, 3, 7, 0, 0], field("Durable", "chunks", Fault::Ranges(RangesError::NotMerged))),
        (&[7, 4, 7, 1, 1, 0xff], field("Failed", "text", Fault::NotUtf8)),
    ];
    for (bytes, error) in cases {
        assert_eq!(Frame::decode(bytes), Err(error));
    }
    let error = field("Offer", "overwrite", Fault::OutOfRange(3));
    assert_eq!(error.to_string(), "Offer: overwrite is 3, which is out of range");
}

#[test]
fn a_wrong_stream_header_is_refused() {
    let error = |name, value| Err(field("stream header", name, Fault::OutOfRange(value)));
    assert_eq!(StreamHeader::decode(&[3]), Err(FrameError::UnknownType(3)));
    assert_eq!(StreamHeader::decode(&[1, 7, 0, 0x80, 0x10, 0, 1]), error("bytes", CHUNK_BYTES + 1));
    assert_eq!(StreamHeader::decode(&[1, 7, 0, 1, 2]), error("content", 2));
    let long = error("bytes", MAX_MANIFEST_BYTES + 1);
    assert_eq!(StreamHeader::decode(&[0, 7, 0x90, 0, 0, 1]), long);
    // The longest header has each integer in its longest form.
    let longest =
        [&[0xc0, 0, 0, 0, 0, 0, 0, 1][..], &[0xc0, 0, 0, 0, 0, 0, 0, 0].repeat(4), &[9; 32]];
    let longest = longest.concat();
    assert_eq!(longest.len(), MAX_STREAM_HEADER_BYTES);
    let decoded = StreamHeader::decode(&longest).expect("in range");
    assert_eq!(decoded.map(|(_, length)| length), Some(MAX_STREAM_HEADER_BYTES));
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
        &[6, 1, 7][..],
        &[10, 4, 0x80, 0xbe, 0xbc, 0x20],
        &[3, 12, 7, 0, 0x80, 0x10, 0, 0, 0x80, 0x20, 0, 0, 0x41, 0],
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
