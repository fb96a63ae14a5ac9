//! Any bytes as a control stream of a transfer and of a relay, as the begin of a stream, as a manifest, and as the
//! datagrams of a relay's flow: they are refused with a message, or what is decoded is the same when it is encoded and
//! decoded again.

#![no_main]

use std::net::SocketAddr;

use conns_transfer::chunks::{Chunk, Chunks};
use conns_transfer::frames::{Frame, FrameError, StreamHeader};
use conns_transfer::manifest::Manifest;
use conns_transfer::names::RelativePath;
use conns_transfer::ranges::Ranges;
use conns_transfer::rate::BytesPerSecond;
use conns_transfer::relay::{Action, Flow, FlowToken, RelayFrame, SharedRate, Side};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    decode_all(bytes, Frame::decode, Frame::encode);
    decode_all(bytes, RelayFrame::decode, RelayFrame::encode);
    decode_all(bytes, StreamHeader::decode, StreamHeader::encode);
    manifest(bytes);
    flow(bytes);
    if let Ok(ranges) = Ranges::decode(bytes) {
        let durable = ranges.iter().last().map_or(0, |range| range.end);
        let missing: u64 = ranges.missing(durable).map(|gap| gap.end - gap.start).sum();
        assert_eq!(missing + ranges.bytes(), durable);
    }
    if let Ok(path) = RelativePath::new(bytes) {
        assert!(path.components().all(|name| !name.is_empty() && name != b".." && name != b"."));
    }
});

/// Decodes one frame after the other.
fn decode_all<T: PartialEq + std::fmt::Debug>(
    mut bytes: &[u8],
    decode: fn(&[u8]) -> Result<Option<(T, usize)>, FrameError>,
    encode: fn(&T, &mut Vec<u8>),
) {
    loop {
        match decode(bytes) {
            Ok(Some((frame, length))) => {
                let mut again = Vec::new();
                encode(&frame, &mut again);
                assert!(again.len() <= length);
                assert_eq!(decode(&again), Ok(Some((frame, again.len()))));
                bytes = &bytes[length..];
            }
            Ok(None) => break,
            Err(error) => {
                assert!(!error.to_string().is_empty());
                break;
            }
        }
    }
}

/// A manifest has one encoding, and its chunks have the bytes of its files.
fn manifest(bytes: &[u8]) {
    match Manifest::decode(bytes) {
        Ok(manifest) => {
            assert_eq!(manifest.encode(), bytes);
            let chunks = Chunks::new(&manifest);
            let mut all = Ranges::default();
            assert_eq!(all.insert(0..chunks.count()), Ok(()));
            assert_eq!(chunks.bytes_of(&all), manifest.total_bytes());
            assert_eq!(chunks.get(chunks.count()), None);
            if chunks.count() < 1000 {
                let of = |index| chunks.get(index).map_or(0, Chunk::bytes);
                assert_eq!((0..chunks.count()).map(of).sum::<u64>(), manifest.total_bytes());
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// Each datagram is two bytes, and as many as they state: the first one has the side, the source and whether it is the token.
fn flow(bytes: &[u8]) {
    let token = FlowToken([7; 16]);
    let Some((rate, mut rest)) = bytes.split_first() else { return };
    let rate = (rate % 2 == 1).then_some(BytesPerSecond(u64::from(*rate) * 1000));
    let mut flow = Flow::new(token, rate.map(|rate| SharedRate::new(rate, 0)), 0);
    let mut bound: [Option<SocketAddr>; 2] = [None; 2];
    let (mut now_us, mut forwarded) = (0, 0);
    while let [kind, length, after @ ..] = rest {
        let (datagram, after) = after.split_at(after.len().min(usize::from(*length)));
        rest = after;
        now_us += u64::from(*length) * 1000;
        let side = if kind & 1 == 0 { Side::Sender } else { Side::Receiver };
        let from = SocketAddr::from(([192, 0, 2, 1], u16::from(kind >> 1 & 3)));
        let datagram = if kind & 8 == 0 { datagram } else { &token.0[..] };
        let (own, other) = (usize::from(kind & 1), usize::from(kind & 1 ^ 1));
        match flow.on_datagram(side, from, datagram, now_us) {
            Action::Bind { side: of } => {
                assert_eq!((of, datagram, bound[own]), (side, &token.0[..], None));
                bound[own] = Some(from);
            }
            Action::Forward { to } => {
                assert_eq!((bound[own], bound[other]), (Some(from), Some(to)));
                assert_ne!(datagram, token.0);
                forwarded += datagram.len() as u64;
            }
            Action::Drop { .. } => {}
        }
    }
    assert_eq!(flow.forwarded_bytes(), forwarded);
    if let Some(rate) = rate {
        assert!(forwarded <= rate.bytes_in(now_us + 250_000) + 1501);
    }
}
