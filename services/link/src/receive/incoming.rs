//! One transfer that arrives: its part files, its journal, and the commit at the end.
//!
//! Files are written to hidden part files beside their targets. A checkpoint makes what was written durable and notes it
//! in the journal, and only then is it reported to the sender. At the end each file gets mode and time, all is made durable,
//! and the part files are renamed. A process that is killed in between finds the state in the journal.

mod commit;
mod parts;

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use conns_transfer::chunks::{Chunk, Chunks, pack_hash};
use conns_transfer::frames::{ChunkHeader, Content, Failure, FailureCode, Overwrite};
use conns_transfer::manifest::{EntryKind, Manifest};
use conns_transfer::names::RelativePath;
use conns_transfer::ranges::Ranges;
use conns_transfer::tree::{ChunkHasher, Hash, Tree};
use rustix::io::Errno;

use super::folder::Folder;
use crate::socket::wall_us;
use crate::store::{ReceivedRow, ReceivedState, Store, StoreError};
use parts::Parts;

/// Times that one file is asked for again because its hash differs.
const MAX_REPEATS: u32 = 3;
/// Bytes between two checkpoints at most.
pub(crate) const CHECKPOINT_BYTES: u64 = 64 << 20;

/// A transfer that arrives.
pub(crate) struct Incoming {
    store: Store,
    row: ReceivedRow,
    manifest: Manifest,
    chunks: Chunks,
    parts: Parts,
    /// Hashes of the chunks of long files.
    hashes: BTreeMap<u64, Hash>,
    /// Chunks that are written and not durable yet, and those of their hashes that the journal needs.
    written: Ranges,
    new_hashes: Vec<(u64, Hash)>,
    written_bytes: u64,
    repeats: u32,
}

/// What the end of a transfer led to.
pub(crate) enum Finish {
    /// All files have their names.
    Committed,
    /// These chunks are missing or differ.
    Resend(Ranges),
}

/// An error with the code that the sender reads.
pub(crate) fn failure(code: FailureCode, text: impl Into<String>) -> Failure {
    Failure { code, text: text.into() }
}

/// The failure of a file operation on a path.
fn io_failure(what: &str, path: &RelativePath, error: &io::Error) -> Failure {
    let code = match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::NOSPC | Errno::DQUOT) => FailureCode::NoSpace,
        Some(
            Errno::LOOP
            | Errno::XDEV
            | Errno::NOTDIR
            | Errno::NAMETOOLONG
            | Errno::INVAL
            | Errno::ILSEQ,
        ) => FailureCode::PathRefused,
        Some(Errno::EXIST | Errno::ISDIR | Errno::NOTEMPTY) => FailureCode::TargetExists,
        _ => FailureCode::TargetUnwritable,
    };
    let why = match code {
        FailureCode::PathRefused => {
            format!("{error} (a part of the path is a symbolic link or no folder)")
        }
        _ => error.to_string(),
    };
    failure(code, format!("cannot {what} {}: {why}", shown(path)))
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let is_full = matches!(&error, StoreError::Sqlite(rusqlite::Error::SqliteFailure(cause, _))
            if cause.code == rusqlite::ErrorCode::DiskFull);
        let code = if is_full { FailureCode::NoSpace } else { FailureCode::TargetUnwritable };
        failure(code, error.to_string())
    }
}

/// A path as a person reads it, at most 200 characters.
fn shown(path: &RelativePath) -> String {
    let text = String::from_utf8_lossy(path.as_bytes());
    text.chars().take(200).map(|c| if c.is_control() { '?' } else { c }).collect()
}

impl Incoming {
    /// Begins or resumes a transfer of the journal.
    pub(crate) fn open(
        store: Store,
        folder: Arc<Folder>,
        row: ReceivedRow,
    ) -> Result<Self, Failure> {
        let manifest = Manifest::decode(&row.manifest)
            .map_err(|error| failure(FailureCode::PathRefused, error.to_string()))?;
        let chunks = Chunks::new(&manifest);
        let hashes = store.received_hashes(row.id)?;
        let parts = Parts::new(folder, row.uid);
        let incoming = Self {
            store,
            row,
            manifest,
            chunks,
            parts,
            hashes,
            written: Ranges::default(),
            new_hashes: Vec::new(),
            written_bytes: 0,
            repeats: 0,
        };
        incoming.prepare()?;
        Ok(incoming)
    }

    /// Makes the folders, and refuses targets that must not be replaced.
    fn prepare(&self) -> Result<(), Failure> {
        if self.row.state != ReceivedState::Receiving {
            return Ok(());
        }
        for entry in self.manifest.entries() {
            match entry.kind {
                EntryKind::Folder => self
                    .parts
                    .make_folder(&entry.path)
                    .map_err(|error| io_failure("make the folder", &entry.path, &error))?,
                EntryKind::File { bytes } => self.check_target(&entry.path, bytes)?,
            }
        }
        Ok(())
    }

    fn check_target(&self, path: &RelativePath, bytes: u64) -> Result<(), Failure> {
        let found = self.parts.find(path);
        let found = found.map_err(|error| io_failure("look up", path, &error))?;
        let Some(found) = found else { return Ok(()) };
        let is_replaced = found.is_file
            && match self.row.overwrite {
                Overwrite::Always => true,
                Overwrite::Same => found.bytes == bytes || found.bytes == 0,
                Overwrite::Never => false,
            };
        if is_replaced {
            return Ok(());
        }
        let why = match (found.is_file, self.row.overwrite) {
            (false, _) => "is not a file",
            (_, Overwrite::Same) => "exists with another size (overwrite is `same`)",
            _ => "exists (overwrite is `never`)",
        };
        Err(failure(FailureCode::TargetExists, format!("{} {why}", shown(path))))
    }

    /// What is durable.
    pub(crate) fn durable(&self) -> &Ranges {
        &self.row.durable
    }

    /// File bytes that are durable.
    pub(crate) fn durable_bytes(&self) -> u64 {
        self.chunks.bytes_of(&self.row.durable)
    }

    /// Bytes of all files.
    pub(crate) fn total_bytes(&self) -> u64 {
        self.manifest.total_bytes()
    }

    /// The deepest folder that all entries are in; empty is that of the receiver.
    pub(crate) fn folder(&self) -> &[u8] {
        common_folder(self.manifest.entries().iter().map(|entry| entry.path.as_bytes()))
    }

    pub(crate) fn state(&self) -> ReceivedState {
        self.row.state
    }

    /// Whether all chunks have been written.
    pub(crate) fn is_complete(&self) -> bool {
        let missing = self.row.durable.missing(self.chunks.count());
        missing.into_iter().all(|range| self.written.contains(range))
    }

    /// Whether a checkpoint is due by the bytes that were written.
    pub(crate) fn is_checkpoint_due(&self) -> bool {
        self.written_bytes >= CHECKPOINT_BYTES
    }

    /// Writes a chunk; false if its hash differs from that of its header, and it has to be sent again.
    pub(crate) fn write(&mut self, header: &ChunkHeader, bytes: &[u8]) -> Result<bool, Failure> {
        let index = header.chunk;
        let wrong = |what: &str| failure(FailureCode::HashDiffers, format!("chunk {index} {what}"));
        let chunk = self.chunks.get(index).ok_or_else(|| wrong("does not exist"))?;
        if header.bytes != chunk.bytes() {
            return Err(wrong("has another length than the manifest states"));
        }
        let range = index..index.saturating_add(1);
        if self.row.durable.contains(range.clone()) || self.written.contains(range.clone()) {
            return Ok(true);
        }
        let zeros;
        let bytes = match header.content {
            Content::Data => bytes,
            Content::Zeros => {
                zeros = vec![0; usize::try_from(header.bytes).unwrap_or(0)];
                &zeros
            }
        };
        if chunk_hash(&chunk, bytes) != Some(header.hash) {
            return Ok(false);
        }
        match chunk {
            Chunk::Part { entry, offset, .. } => {
                let of = entry_of(&self.manifest, entry)?;
                self.parts.write(entry, of, offset, bytes)?;
                self.hashes.insert(index, header.hash);
                self.new_hashes.push((index, header.hash));
            }
            Chunk::Pack { entries, .. } => {
                let mut rest = bytes;
                for &entry in entries {
                    let of = entry_of(&self.manifest, entry)?;
                    let (file, after) = rest
                        .split_at_checked(length_of(of))
                        .ok_or_else(|| wrong("is shorter than its files"))?;
                    self.parts.write(entry, of, 0, file)?;
                    rest = after;
                }
            }
        }
        self.written_bytes += header.bytes;
        // The ranges are those of chunks below the count, and merge where chunks arrive in order.
        let inserted = self.written.insert(range);
        inserted.map_err(|error| failure(FailureCode::TargetUnwritable, error.to_string()))?;
        Ok(true)
    }

    /// Makes what was written durable; returns which chunks that are.
    pub(crate) fn checkpoint(&mut self) -> Result<Ranges, Failure> {
        if self.written.is_empty() {
            return Ok(Ranges::default());
        }
        self.parts.sync(&self.manifest)?;
        let mut durable = self.row.durable.clone();
        for range in self.written.iter() {
            durable
                .insert(range)
                .map_err(|error| failure(FailureCode::TargetUnwritable, error.to_string()))?;
        }
        self.store.set_received(self.row.id, &durable, &self.new_hashes, wall_us())?;
        self.row.durable = durable;
        self.new_hashes.clear();
        self.written_bytes = 0;
        Ok(std::mem::take(&mut self.written))
    }

    /// Compares the files with the sender's `roots`, and gives them their names if all is complete.
    pub(crate) fn finish(&mut self, roots: &[Hash]) -> Result<Finish, Failure> {
        match self.row.state {
            ReceivedState::Committed => return Ok(Finish::Committed),
            ReceivedState::Receiving => {
                self.checkpoint()?;
                let missing = self.unproved(roots)?;
                if !missing.is_empty() {
                    return Ok(Finish::Resend(missing));
                }
                self.set_state(ReceivedState::Committing)?;
            }
            ReceivedState::Committing => {}
        }
        if let Some(missing) = self.commit()? {
            self.forget(&missing)?;
            self.set_state(ReceivedState::Receiving)?;
            return Ok(Finish::Resend(missing));
        }
        self.set_state(ReceivedState::Committed)?;
        Ok(Finish::Committed)
    }

    /// The chunks that are missing, and those of files whose hash differs.
    fn unproved(&mut self, roots: &[Hash]) -> Result<Ranges, Failure> {
        let mut missing = Ranges::default();
        let insert = |missing: &mut Ranges, range| {
            missing
                .insert(range)
                .map_err(|error| failure(FailureCode::HashDiffers, error.to_string()))
        };
        for range in self.row.durable.missing(self.chunks.count()) {
            insert(&mut missing, range)?;
        }
        if !missing.is_empty() {
            return Ok(missing);
        }
        let long_files: Vec<usize> = self.chunks.long_files().collect();
        if roots.len() != long_files.len() {
            return Err(failure(FailureCode::HashDiffers, "the list of hashes has a wrong length"));
        }
        for (entry, root) in long_files.into_iter().zip(roots) {
            if self.root(entry) != Some(*root)
                && let Some(range) = self.chunks.parts_of(entry)
            {
                insert(&mut missing, range)?;
            }
        }
        if !missing.is_empty() {
            self.repeats += 1;
            if self.repeats > MAX_REPEATS {
                let text = "the hash of a file differs each time it is sent";
                return Err(failure(FailureCode::HashDiffers, text));
            }
            self.forget(&missing)?;
        }
        Ok(missing)
    }

    /// The hash of a long file, from the hashes of its chunks.
    fn root(&self, entry: usize) -> Option<Hash> {
        let range = self.chunks.parts_of(entry)?;
        let Chunk::Part { layout, .. } = self.chunks.get(range.start)? else { return None };
        let mut tree = Tree::new(layout);
        for (index, hash) in self.hashes.range(range.clone()) {
            tree.set(index - range.start, *hash).ok()?;
        }
        tree.root()
    }

    /// Removes chunks from those that are durable.
    fn forget(&mut self, forgotten: &Ranges) -> Result<(), Failure> {
        self.parts.write_zeros();
        let mut durable = Ranges::default();
        let kept = |range: std::ops::Range<u64>| -> Vec<std::ops::Range<u64>> {
            let mut kept = Vec::new();
            let mut at = range.start;
            for removed in forgotten
                .iter()
                .filter(|removed| removed.start < range.end && removed.end > range.start)
            {
                kept.push(at..removed.start.max(at));
                at = removed.end.max(at);
            }
            kept.push(at..range.end.max(at));
            kept
        };
        for range in self.row.durable.iter().flat_map(kept) {
            durable
                .insert(range)
                .map_err(|error| failure(FailureCode::TargetUnwritable, error.to_string()))?;
        }
        self.store.set_received(self.row.id, &durable, &[], wall_us())?;
        self.row.durable = durable;
        Ok(())
    }

    fn set_state(&mut self, state: ReceivedState) -> Result<(), Failure> {
        self.store.set_received_state(self.row.id, state, wall_us())?;
        self.row.state = state;
        Ok(())
    }

    /// Removes the part files and the journal's entry.
    pub(crate) fn discard(&mut self) -> Result<(), Failure> {
        if self.row.state != ReceivedState::Committed {
            for (entry, of) in self.manifest.entries().iter().enumerate() {
                if matches!(of.kind, EntryKind::File { .. }) {
                    // A folder that was removed has no part file either.
                    let _ = self.parts.remove(entry, &of.path);
                }
            }
        }
        Ok(self.store.remove_received(self.row.id)?)
    }
}

/// The deepest folder that all of these paths are in; empty if that has no name.
fn common_folder<'a>(paths: impl IntoIterator<Item = &'a [u8]>) -> &'a [u8] {
    let folder_of = |path: &'a [u8]| {
        let end = path.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
        path.get(..end).unwrap_or_default()
    };
    let mut folders = paths.into_iter().map(folder_of);
    let Some(mut common) = folders.next() else { return &[] };
    for folder in folders {
        let is_in = |common: &[u8]| {
            common.is_empty()
                || folder.strip_prefix(common).is_some_and(|rest| matches!(rest, [] | [b'/', ..]))
        };
        while !is_in(common) {
            common = folder_of(common);
        }
    }
    common
}

fn entry_of(
    manifest: &Manifest,
    entry: usize,
) -> Result<&conns_transfer::manifest::Entry, Failure> {
    let missing = || failure(FailureCode::PathRefused, "the manifest has no such entry");
    manifest.entries().get(entry).ok_or_else(missing)
}

fn length_of(entry: &conns_transfer::manifest::Entry) -> usize {
    match entry.kind {
        EntryKind::Folder => 0,
        EntryKind::File { bytes } => usize::try_from(bytes).unwrap_or(usize::MAX),
    }
}

/// The hash of a chunk with these bytes; `None` if it has another length.
pub(crate) fn chunk_hash(chunk: &Chunk<'_>, bytes: &[u8]) -> Option<Hash> {
    match chunk {
        Chunk::Part { layout, chunk, .. } => {
            let mut hasher = ChunkHasher::new(*layout, *chunk).ok()?;
            hasher.update(bytes).ok()?;
            hasher.finish().ok()
        }
        Chunk::Pack { .. } => Some(pack_hash(bytes)),
    }
}

#[cfg(test)]
mod tests {
    use super::common_folder;

    #[test]
    fn the_folder_of_all_paths_is_that_of_whole_names() {
        let of = |paths: &[&'static str]| common_folder(paths.iter().map(|path| path.as_bytes()));
        assert_eq!(of(&[]), b"");
        assert_eq!(of(&["file"]), b"");
        assert_eq!(of(&["a/b/file"]), b"a/b");
        assert_eq!(of(&["a/b/file", "a/bc/file"]), b"a");
        assert_eq!(of(&["a/b", "a/b/c", "a/b/d/e"]), b"a");
        assert_eq!(of(&["a/b/c", "a/b/d/e"]), b"a/b");
        assert_eq!(of(&["a/b/c", "ab/c"]), b"");
    }
}
