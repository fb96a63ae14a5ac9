//! Any bytes as a control stream, and as the begin of a chunk stream: they are refused with a message, or what is decoded
//! is the same when it is encoded and decoded again.

#![no_main]

use conns_transfer::frames::{ChunkHeader, Frame};
use conns_transfer::names::RelativePath;
use conns_transfer::ranges::Ranges;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut rest = bytes;
    loop {
        match Frame::decode(rest) {
            Ok(Some((frame, length))) => {
                let mut again = Vec::new();
                frame.encode(&mut again);
                assert!(again.len() <= length);
                assert_eq!(Frame::decode(&again), Ok(Some((frame, again.len()))));
                rest = &rest[length..];
            }
            Ok(None) => break,
            Err(error) => {
                assert!(!error.to_string().is_empty());
                break;
            }
        }
    }
    if let Ok(Some((header, length))) = ChunkHeader::decode(bytes) {
        let mut again = Vec::new();
        header.encode(&mut again);
        assert!(again.len() <= length);
        assert_eq!(ChunkHeader::decode(&again), Ok(Some((header, again.len()))));
    }
    if let Ok(ranges) = Ranges::decode(bytes) {
        let durable = ranges.iter().last().map_or(0, |range| range.end);
        let missing: u64 = ranges.missing(durable).map(|gap| gap.end - gap.start).sum();
        assert_eq!(missing + ranges.bytes(), durable);
    }
    if let Ok(path) = RelativePath::new(bytes) {
        assert!(path.components().all(|name| !name.is_empty() && name != b".." && name != b"."));
    }
});
