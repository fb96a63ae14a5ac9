//! The BLAKE3 hash of a file, merged from the hashes of its chunks of 1 MiB.
//!
//! Chunks arrive in any order, and each is hashed once. A chunk of 1 MiB is a complete subtree of BLAKE3's tree (section
//! 2.1 of its paper; what the paper calls a chunk has 1 KiB), so the merged hash is the one that `b3sum` prints.

use std::collections::BTreeMap;

use blake3::Hasher;
use blake3::hazmat::{
    HasherExt, Mode, left_subtree_len, merge_subtrees_non_root, merge_subtrees_root,
};

use crate::encoding::MAX_INTEGER;

/// Bytes of a chunk; the last one of a file may be shorter.
pub const CHUNK_BYTES: u64 = 1 << 20;
/// The longest file; frames write lengths as QUIC integers, which end here.
pub const MAX_FILE_BYTES: u64 = MAX_INTEGER;

/// Hash of a file, or of a chunk: the chaining value of the chunk's subtree, and of the only chunk of a file the
/// hash of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hash(pub [u8; 32]);

/// Why bytes are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// The file is longer than [`MAX_FILE_BYTES`].
    #[error("a file of {0} bytes is longer than 2^62 - 1 bytes")]
    FileTooLong(u64),
    /// The file has no such chunk.
    #[error("chunk {chunk} is behind the end of a file of {file_bytes} bytes")]
    NoSuchChunk {
        /// Index of the chunk.
        chunk: u64,
        /// Length of the file.
        file_bytes: u64,
    },
    /// A chunk has more or fewer bytes than its place in the file.
    #[error("chunk {chunk} has {actual} bytes, not {expected}")]
    ChunkLength {
        /// Index of the chunk.
        chunk: u64,
        /// Bytes that were hashed, or would be.
        actual: u64,
        /// Bytes of the chunk.
        expected: u64,
    },
}

/// Length of a file, and with it the place of each chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    file_bytes: u64,
}

impl Layout {
    /// The layout of a file of `file_bytes`.
    ///
    /// # Errors
    /// [`TreeError::FileTooLong`].
    pub fn new(file_bytes: u64) -> Result<Self, TreeError> {
        if file_bytes > MAX_FILE_BYTES {
            return Err(TreeError::FileTooLong(file_bytes));
        }
        Ok(Self { file_bytes })
    }

    /// Number of chunks; an empty file has one, which is empty.
    #[must_use]
    pub fn chunks(self) -> u64 {
        self.file_bytes.div_ceil(CHUNK_BYTES).max(1)
    }

    /// Bytes of a chunk.
    ///
    /// # Errors
    /// [`TreeError::NoSuchChunk`].
    pub fn chunk_bytes(self, chunk: u64) -> Result<u64, TreeError> {
        if chunk >= self.chunks() {
            return Err(TreeError::NoSuchChunk { chunk, file_bytes: self.file_bytes });
        }
        Ok((self.file_bytes - chunk * CHUNK_BYTES).min(CHUNK_BYTES))
    }
}

/// Hashes one chunk.
#[derive(Debug, Clone)]
pub struct ChunkHasher {
    hasher: Hasher,
    chunk: u64,
    expected: u64,
    is_only: bool,
}

impl ChunkHasher {
    /// A hasher before the first byte of a chunk.
    ///
    /// # Errors
    /// [`TreeError::NoSuchChunk`].
    pub fn new(layout: Layout, chunk: u64) -> Result<Self, TreeError> {
        let expected = layout.chunk_bytes(chunk)?;
        let mut hasher = Hasher::new();
        hasher.set_input_offset(chunk * CHUNK_BYTES);
        Ok(Self { hasher, chunk, expected, is_only: layout.chunks() == 1 })
    }

    /// Adds bytes that follow those before.
    ///
    /// # Errors
    /// [`TreeError::ChunkLength`] when the chunk would become too long; nothing is added.
    pub fn update(&mut self, bytes: &[u8]) -> Result<(), TreeError> {
        let actual = self.hasher.count() + bytes.len() as u64;
        if actual > self.expected {
            return Err(self.wrong_length(actual));
        }
        self.hasher.update(bytes);
        Ok(())
    }

    /// The hash of the complete chunk.
    ///
    /// # Errors
    /// [`TreeError::ChunkLength`] when bytes are missing.
    pub fn finish(&self) -> Result<Hash, TreeError> {
        let actual = self.hasher.count();
        if actual != self.expected {
            return Err(self.wrong_length(actual));
        }
        Ok(Hash(if self.is_only {
            *self.hasher.finalize().as_bytes()
        } else {
            self.hasher.finalize_non_root()
        }))
    }

    fn wrong_length(&self, actual: u64) -> TreeError {
        TreeError::ChunkLength { chunk: self.chunk, actual, expected: self.expected }
    }
}

/// The hashes of the chunks of a file, as far as they are known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    layout: Layout,
    chunks: BTreeMap<u64, Hash>,
}

impl Tree {
    /// A tree without hashes.
    #[must_use]
    pub fn new(layout: Layout) -> Self {
        Self { layout, chunks: BTreeMap::new() }
    }

    /// Sets the hash of a chunk.
    ///
    /// # Errors
    /// [`TreeError::NoSuchChunk`].
    pub fn set(&mut self, chunk: u64, hash: Hash) -> Result<(), TreeError> {
        self.layout.chunk_bytes(chunk)?;
        self.chunks.insert(chunk, hash);
        Ok(())
    }

    /// The chunks whose hashes are known in both trees and differ, ascending.
    pub fn differences(&self, other: &Self) -> impl Iterator<Item = u64> {
        let differs = |(chunk, hash): &(&u64, &Hash)| {
            other.chunks.get(chunk).is_some_and(|other| other != *hash)
        };
        self.chunks.iter().filter(differs).map(|(chunk, _)| *chunk)
    }

    /// The hash of the file; `None` until the hash of each chunk is known.
    #[must_use]
    pub fn root(&self) -> Option<Hash> {
        if self.chunks.len() as u64 != self.layout.chunks() {
            return None;
        }
        if self.layout.chunks() == 1 {
            return self.chunks.get(&0).copied();
        }
        let (left, right) = self.halves(0, self.layout.file_bytes)?;
        Some(Hash(*merge_subtrees_root(&left, &right, Mode::Hash).as_bytes()))
    }

    /// Chaining values of both halves of a subtree of more than one chunk.
    fn halves(&self, offset: u64, bytes: u64) -> Option<([u8; 32], [u8; 32])> {
        let left = left_subtree_len(bytes);
        Some((self.subtree(offset, left)?, self.subtree(offset + left, bytes - left)?))
    }

    /// Recursion is 42 deep for the longest file.
    fn subtree(&self, offset: u64, bytes: u64) -> Option<[u8; 32]> {
        if bytes <= CHUNK_BYTES {
            return self.chunks.get(&(offset / CHUNK_BYTES)).map(|hash| hash.0);
        }
        let (left, right) = self.halves(offset, bytes)?;
        Some(merge_subtrees_non_root(&left, &right, Mode::Hash))
    }
}
