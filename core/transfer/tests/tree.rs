//! The hash of a file from its chunks, against `blake3::hash` of all of it.

#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "tests panic")]

use conns_transfer::tree::{
    CHUNK_BYTES, ChunkHasher, Hash, Layout, MAX_FILE_BYTES, Tree, TreeError,
};
use proptest::prelude::*;

fn content(bytes: usize) -> Vec<u8> {
    (0..bytes as u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

/// The tree of a file; each chunk arrives in parts of `part` bytes.
fn tree_of(file: &[u8], part: usize, order: impl Iterator<Item = u64>) -> Tree {
    let layout = Layout::new(file.len() as u64).expect("short");
    let mut tree = Tree::new(layout);
    for chunk in order {
        let start = (chunk * CHUNK_BYTES) as usize;
        let end = file.len().min(start + CHUNK_BYTES as usize);
        let mut hasher = ChunkHasher::new(layout, chunk).expect("within the file");
        for part in file[start..end].chunks(part) {
            hasher.update(part).expect("not too long");
        }
        tree.set(chunk, hasher.finish().expect("complete")).expect("within the file");
    }
    tree
}

fn chunks(file: &[u8]) -> u64 {
    Layout::new(file.len() as u64).expect("short").chunks()
}

fn check(bytes: usize, part: usize) {
    let file = content(bytes);
    let expected = Hash(*blake3::hash(&file).as_bytes());
    assert_eq!(tree_of(&file, part, 0..chunks(&file)).root(), Some(expected), "{bytes} bytes");
    assert_eq!(tree_of(&file, part, (0..chunks(&file)).rev()).root(), Some(expected));
}

#[test]
fn lengths_at_the_bounds_of_chunks() {
    for chunks in 0..10 {
        for off in [-1025, -1, 0, 1, 1024] {
            if let Ok(bytes) = usize::try_from(chunks * CHUNK_BYTES as i64 + off) {
                check(bytes, 1 << 20);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn any_length_and_cut(bytes in 0..20_000_000usize, part in 1000..2_000_000usize) {
        check(bytes, part);
    }
}

#[test]
fn a_wrong_chunk_is_named() {
    let mut file = content(5_000_000);
    let sent = tree_of(&file, 100_000, 0..chunks(&file));
    file[3_200_000] ^= 1;
    let received = tree_of(&file, 100_000, 0..chunks(&file));
    assert_ne!(sent.root(), received.root());
    assert_eq!(sent.differences(&received).collect::<Vec<_>>(), [3]);
}

#[test]
fn wrong_lengths_are_refused() {
    assert_eq!(Layout::new(MAX_FILE_BYTES + 1), Err(TreeError::FileTooLong(MAX_FILE_BYTES + 1)));
    let layout = Layout::new(CHUNK_BYTES + 10).expect("short");
    let error = TreeError::NoSuchChunk { chunk: 2, file_bytes: CHUNK_BYTES + 10 };
    assert_eq!(ChunkHasher::new(layout, 2).err(), Some(error));
    let mut hasher = ChunkHasher::new(layout, 1).expect("within the file");
    let error = |actual| TreeError::ChunkLength { chunk: 1, actual, expected: 10 };
    assert_eq!(hasher.update(&[0; 11]), Err(error(11)));
    assert_eq!(hasher.update(&[0; 9]), Ok(()));
    assert_eq!(hasher.finish(), Err(error(9)));
    assert_eq!(Tree::new(layout).root(), None);
    assert_eq!(Tree::new(Layout::new(MAX_FILE_BYTES).expect("the longest")).root(), None);
}
