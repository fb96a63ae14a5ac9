//! A manifest to bytes.

use super::{Entry, EntryKind, Manifest, VERSION};
use crate::encoding::{Numbered, numbered, write_bytes, write_integer};

numbered! {
    /// Numbers of [`EntryKind`].
    pub(super) enum KindNumber {
        Folder = 0,
        File = 1,
    }
}

impl Manifest {
    /// The only encoding of the manifest, at most [`super::MAX_MANIFEST_BYTES`].
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        write_start(&mut out, self.entries.len());
        let mut before: &[u8] = &[];
        for entry in &self.entries {
            write_entry(&mut out, before, entry);
            before = entry.path.as_bytes();
        }
        out
    }
}

/// Appends what precedes the entries.
pub(super) fn write_start(out: &mut Vec<u8>, count: usize) {
    write_integer(out, VERSION);
    write_integer(out, count as u64);
}

/// Appends an entry that follows one with the path `before`.
pub(super) fn write_entry(out: &mut Vec<u8>, before: &[u8], entry: &Entry) {
    let kind = match entry.kind {
        EntryKind::Folder => KindNumber::Folder,
        EntryKind::File { .. } => KindNumber::File,
    };
    let path = entry.path.as_bytes();
    let shared = shared(before, path);
    write_integer(out, kind.number());
    write_integer(out, shared as u64);
    write_bytes(out, path.get(shared..).unwrap_or_default());
    write_integer(out, entry.mode.into());
    out.extend(entry.modified.seconds.to_be_bytes());
    write_integer(out, entry.modified.nanoseconds.into());
    if let EntryKind::File { bytes } = entry.kind {
        write_integer(out, bytes);
    }
}

/// Number of bytes that both begin with.
pub(super) fn shared(one: &[u8], other: &[u8]) -> usize {
    const BLOCK: usize = 16;
    let blocks = one.chunks_exact(BLOCK).zip(other.chunks_exact(BLOCK));
    let at = BLOCK * blocks.take_while(|(one, other)| one == other).count();
    let bytes = one.iter().zip(other).skip(at);
    at + bytes.take_while(|(one, other)| one == other).count()
}
