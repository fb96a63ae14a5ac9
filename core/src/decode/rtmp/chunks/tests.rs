//! Chunks as real clients and servers write them.

use super::{AUDIO, Chunks, Event, Header, VIDEO};

/// What a side carries: message headers, chunk sizes, whole messages.
fn read(bytes: &[u8], step: usize) -> (Vec<Header>, Vec<u32>, Vec<Vec<u8>>) {
    let mut chunks = Chunks::new();
    let (mut begun, mut sizes, mut messages) = (Vec::new(), Vec::new(), Vec::new());
    for part in bytes.chunks(step) {
        chunks.data(part, &mut |event| match event {
            Event::Begun(header) => begun.push(*header),
            Event::Chunk { bytes, .. } => sizes.push(bytes),
            Event::Message { kept, .. } => messages.push(kept.to_vec()),
        });
    }
    assert!(!chunks.is_lost());
    (begun, sizes, messages)
}

#[test]
fn a_message_is_cut_at_the_chunk_size() {
    // Chunk stream 4, video of 300 bytes on message stream 1, then a header without fields.
    let mut bytes = vec![0x04, 0, 0, 10, 0, 1, 44, VIDEO, 1, 0, 0, 0];
    bytes.extend([0x17; 128]);
    bytes.push(0xc4);
    bytes.extend([0x17; 128]);
    bytes.push(0xc4);
    bytes.extend([0x17; 44]);
    // The next message has the same header, its timestamp is one delta later.
    bytes.push(0xc4);
    bytes.extend([0x27; 128]);
    for step in [1, 7, 1000] {
        let (begun, sizes, messages) = read(&bytes, step);
        let header = Header { kind: VIDEO, length: 300, timestamp: 10, stream: 1 };
        assert_eq!(begun, [header, Header { timestamp: 20, ..header }]);
        assert_eq!(sizes, [128, 128, 44, 128]);
        assert_eq!(messages, [[0x17; 300]]);
    }
}

#[test]
fn wide_chunk_streams_and_extended_timestamps_are_read() {
    for (basic, next) in [(&[0x00, 200][..], &[0xc0, 200][..]), (&[0x01, 44, 1], &[0xc1, 44, 1])] {
        let mut bytes = basic.to_vec();
        bytes.extend([0xff, 0xff, 0xff, 0, 0, 130, AUDIO, 1, 0, 0, 0, 1, 0, 0, 0]);
        bytes.extend([0xaf; 128]);
        bytes.extend_from_slice(next);
        // Repeated by this sender.
        bytes.extend([1, 0, 0, 0]);
        bytes.extend([0xaf; 2]);
        let (begun, sizes, messages) = read(&bytes, 5);
        assert_eq!(begun, [Header { kind: AUDIO, length: 130, timestamp: 1 << 24, stream: 1 }]);
        assert_eq!((sizes, messages), (vec![128, 2], vec![vec![0xaf; 130]]));
    }
}

#[test]
fn an_extended_timestamp_need_not_be_repeated() {
    let mut bytes = vec![0x05, 0xff, 0xff, 0xff, 0, 0, 140, AUDIO, 1, 0, 0, 0, 1, 0, 0, 0];
    bytes.extend([0xaf; 128]);
    bytes.push(0xc5);
    bytes.extend([0x2f; 12]);
    let (_, sizes, messages) = read(&bytes, 3);
    assert_eq!(sizes, [128, 12]);
    assert_eq!(messages.first().map(Vec::len), Some(140));
}

#[test]
fn the_chunk_size_changes_between_messages() {
    let mut bytes = vec![0x02, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0, 0, 0, 0, 2, 0];
    bytes.extend([0x04, 0, 0, 0, 0, 2, 1, VIDEO, 1, 0, 0, 0]);
    bytes.extend([0x27; 512]);
    bytes.push(0xc4);
    bytes.push(0x27);
    let (_, sizes, _) = read(&bytes, 64);
    assert_eq!(sizes, [4, 512, 1]);
}

#[test]
fn many_chunk_streams_and_lengths_hold_little() {
    let mut chunks = Chunks::new();
    for id in 0..65_000_u16 {
        let [low, high] = id.to_le_bytes();
        let header = [0x01, low, high, 0, 0, 0, 0xff, 0xff, 0xff, 20, 0, 0, 0, 0];
        chunks.data(&header, &mut |_| {});
        chunks.data(&[0; 128], &mut |_| {});
        assert!(chunks.memory() <= 512 * 1024, "{} bytes", chunks.memory());
    }
    assert!(chunks.is_lost());
}
