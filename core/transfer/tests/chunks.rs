//! The chunks of a manifest, against a list of the bytes of all files.

#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "tests panic")]

use std::ops::Range;

use conns_transfer::chunks::{Chunk, Chunks, MAX_PACKED_FILES, pack_hash};
use conns_transfer::manifest::{Entry, EntryKind, Manifest, Modified};
use conns_transfer::names::RelativePath;
use conns_transfer::ranges::Ranges;
use conns_transfer::tree::{CHUNK_BYTES, Hash, Layout, MAX_FILE_BYTES};
use proptest::prelude::*;

/// A manifest of files of these lengths, and of a folder for each `None`.
fn manifest(lengths: &[Option<u64>]) -> Manifest {
    let entry = |(of, length): (usize, &Option<u64>)| Entry {
        path: RelativePath::new(of.to_string().as_bytes()).expect("a path"),
        kind: length.map_or(EntryKind::Folder, |bytes| EntryKind::File { bytes }),
        mode: 0,
        modified: Modified { seconds: 0, nanoseconds: 0 },
    };
    Manifest::new(lengths.iter().enumerate().map(entry).collect()).expect("one path each")
}

/// The bytes of a file that a chunk has: the entry, and the range in the file.
type FileBytes = (usize, Range<u64>);

/// The chunks of the text in `chunks.rs`, as a list; slow, and without the structure of [`Chunks`].
fn naive(lengths: &[Option<u64>]) -> Vec<Vec<FileBytes>> {
    let files = || lengths.iter().enumerate().filter_map(|(of, length)| Some((of, (*length)?)));
    let mut chunks = Vec::new();
    let mut pack: Vec<FileBytes> = Vec::new();
    for (entry, bytes) in files().filter(|(_, bytes)| *bytes <= CHUNK_BYTES) {
        let packed: u64 = pack.iter().map(|(_, range)| range.end).sum();
        if packed + bytes > CHUNK_BYTES || pack.len() == MAX_PACKED_FILES {
            chunks.push(std::mem::take(&mut pack));
        }
        pack.push((entry, 0..bytes));
    }
    chunks.extend(Some(pack).filter(|pack| !pack.is_empty()));
    for (entry, bytes) in files().filter(|(_, bytes)| *bytes > CHUNK_BYTES) {
        let starts = (0..bytes).step_by(CHUNK_BYTES as usize);
        chunks.extend(starts.map(|at| vec![(entry, at..bytes.min(at + CHUNK_BYTES))]));
    }
    chunks.sort_by_key(|chunk| (chunk[0].0, chunk[0].1.start));
    chunks
}

fn listed(chunks: &Chunks, lengths: &[Option<u64>]) -> Vec<Vec<FileBytes>> {
    let file_bytes = |chunk: Chunk<'_>| match chunk {
        Chunk::Part { entry, layout, chunk, offset, bytes } => {
            assert_eq!(Layout::new(lengths[entry].expect("a file")), Ok(layout));
            assert_eq!((offset, layout.chunk_bytes(chunk)), (chunk * CHUNK_BYTES, Ok(bytes)));
            vec![(entry, offset..offset + bytes)]
        }
        Chunk::Pack { entries, bytes } => {
            let files = entries.iter().map(|entry| (*entry, 0..lengths[*entry].expect("a file")));
            let files: Vec<FileBytes> = files.collect();
            assert_eq!(files.iter().map(|(_, range)| range.end).sum::<u64>(), bytes);
            files
        }
    };
    (0..chunks.count()).map(|index| file_bytes(chunks.get(index).expect("a chunk"))).collect()
}

fn check(lengths: &[Option<u64>]) -> Chunks {
    let chunks = Chunks::new(&manifest(lengths));
    let expected = naive(lengths);
    assert_eq!(listed(&chunks, lengths), expected);
    assert_eq!(chunks.get(chunks.count()), None);
    assert_eq!(chunks.get(u64::MAX), None);
    let is_long = |length: &Option<u64>| length.is_some_and(|bytes| bytes > CHUNK_BYTES);
    let long = (0..lengths.len()).filter(|entry| is_long(&lengths[*entry]));
    assert!(chunks.long_files().eq(long));
    for (entry, length) in lengths.iter().enumerate() {
        let parts = chunks.parts_of(entry);
        assert_eq!(parts.is_some(), is_long(length));
        for index in parts.into_iter().flatten() {
            assert_eq!(expected[index as usize][0].0, entry);
        }
    }
    chunks
}

fn lengths() -> impl Strategy<Value = Vec<Option<u64>>> {
    let bytes = prop_oneof![
        0..2u64,
        0..100_000u64,
        0..=CHUNK_BYTES,
        (0..4u64, 0..3u64).prop_map(|(chunks, over)| (chunks * CHUNK_BYTES + over).max(1) - 1),
        0..20 * CHUNK_BYTES,
    ];
    prop::collection::vec(prop::option::weighted(0.9, bytes), 1..60)
}

proptest! {
    #[test]
    fn each_byte_is_in_one_chunk(lengths in lengths()) {
        let chunks = check(&lengths);
        let mut bytes: Vec<FileBytes> = listed(&chunks, &lengths).concat();
        bytes.sort_by_key(|(entry, range)| (*entry, range.start));
        let mut at: Vec<Option<u64>> = lengths.iter().map(|length| length.map(|_| 0)).collect();
        for (entry, range) in bytes {
            prop_assert_eq!(at[entry], Some(range.start));
            at[entry] = Some(range.end);
        }
        prop_assert_eq!(at, lengths);
    }

    #[test]
    fn bytes_of_a_set_are_those_of_its_chunks(
        lengths in lengths(), list in prop::collection::vec((0..200u64, 1..40u64), 0..8),
    ) {
        let chunks = Chunks::new(&manifest(&lengths));
        let mut ranges = Ranges::default();
        for (start, length) in list {
            ranges.insert(start..start + length).expect("few");
        }
        let of = |index| chunks.get(index).map_or(0, Chunk::bytes);
        prop_assert_eq!(chunks.bytes_of(&ranges), ranges.iter().flatten().map(of).sum::<u64>());
    }
}

#[test]
fn packs_are_bounded() {
    let chunks = check(&vec![Some(0); 2 * MAX_PACKED_FILES + 1]);
    assert_eq!(chunks.count(), 3);
    let half = Some(CHUNK_BYTES / 2);
    assert_eq!(check(&[half, half, Some(0), Some(1), half]).count(), 2);
    assert_eq!(check(&[Some(CHUNK_BYTES), Some(CHUNK_BYTES + 1), Some(0)]).count(), 3);
    assert_eq!(check(&[None, None]).count(), 0);
    assert_eq!(Chunks::new(&manifest(&[None])).get(0), None);
}

/// A pack that is open stays open over a long file, and stands where its first file does.
#[test]
fn a_long_file_does_not_close_a_pack() {
    let lengths = [Some(3 * CHUNK_BYTES), Some(1), Some(CHUNK_BYTES + 1), None, Some(2)];
    let chunks = check(&lengths);
    assert_eq!(chunks.get(3), Some(Chunk::Pack { entries: &[1, 4], bytes: 3 }));
    assert_eq!((chunks.parts_of(0), chunks.parts_of(2)), (Some(0..3), Some(4..6)));
    assert_eq!((chunks.parts_of(1), chunks.parts_of(3), chunks.parts_of(9)), (None, None, None));
}

/// Memory and time do not depend on the bytes.
#[test]
fn the_longest_file_is_cut() {
    let chunks = Chunks::new(&manifest(&[Some(5), Some(MAX_FILE_BYTES - 5)]));
    assert_eq!(chunks.count(), 1 + (1 << 42));
    let mut all = Ranges::default();
    all.insert(0..(1 << 62) - 1).expect("within the bound");
    assert_eq!(chunks.bytes_of(&all), MAX_FILE_BYTES);
    let last = chunks.get(chunks.count() - 1).expect("the last chunk");
    assert_eq!(last.bytes(), CHUNK_BYTES - 6);
}

#[test]
fn the_hash_of_a_pack_is_that_of_b3sum() {
    assert_eq!(pack_hash(b"ab"), Hash(*blake3::hash(b"ab").as_bytes()));
}
