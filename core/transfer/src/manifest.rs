//! What one transfer carries: folders and files, with their paths, lengths, permissions and times.
//!
//! ```text
//! manifest = version (1), entries (count), entry ...
//! entry    = kind (0 folder, 1 file), shared, suffix (length, bytes), mode, seconds (8 bytes), nanoseconds, file bytes (of a file)
//! ```
//!
//! A path is the first `shared` bytes of the path before, and the suffix; integers are those of QUIC. A manifest has
//! exactly one encoding, so that its hash identifies it.

mod decode;
mod encode;
mod error;
mod paths;

use crate::encoding::MAX_INTEGER;
use crate::names::RelativePath;
use crate::tree::{Hash, MAX_FILE_BYTES};

pub use error::ManifestError;

/// Entries of a manifest at most.
pub const MAX_ENTRIES: usize = 1_000_000;
/// Bytes of an encoded manifest at most; no [`Manifest`] exceeds it, since it has at most [`MAX_PATHS_BYTES`].
pub const MAX_MANIFEST_BYTES: u64 = 256 << 20;
/// Bytes of all paths of a manifest at most, before the encoding shares their begins. Bounds the memory of a decoded
/// manifest.
pub const MAX_PATHS_BYTES: u64 = 192 << 20;
/// Bytes of all files of a manifest at most: 2^62 − 1.
pub const MAX_TOTAL_BYTES: u64 = MAX_INTEGER;
/// The bits of [`Entry::mode`]: permissions, set-user-ID, set-group-ID and sticky.
pub const MODE_BITS: u32 = 0o7777;

/// Version of the encoding.
const VERSION: u64 = 1;

/// What one transfer carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    entries: Vec<Entry>,
    total_bytes: u64,
    files: u64,
}

/// A folder or a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where the receiver writes it, below its folder. Folders on the way to it need no entry.
    pub path: RelativePath,
    /// What it is.
    pub kind: EntryKind,
    /// Permissions, within [`MODE_BITS`].
    pub mode: u32,
    /// When it was modified.
    pub modified: Modified,
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EntryKind {
    /// A folder, which may be empty.
    Folder,
    /// A regular file.
    File {
        /// Its length.
        bytes: u64,
    },
}

/// Time since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Modified {
    /// Whole seconds, rounded down.
    pub seconds: i64,
    /// The rest, below 10^9.
    pub nanoseconds: u32,
}

impl Manifest {
    /// Checks entries and keeps their order.
    ///
    /// # Errors
    /// [`ManifestError`] of the first fault, unless it is one of the encoding.
    pub fn new(entries: Vec<Entry>) -> Result<Self, ManifestError> {
        if entries.is_empty() {
            return Err(ManifestError::NoEntry);
        }
        if entries.len() > MAX_ENTRIES {
            return Err(ManifestError::TooManyEntries(entries.len() as u64));
        }
        let paths_bytes = entries.iter().map(|entry| entry.path.as_bytes().len() as u64).sum();
        if paths_bytes > MAX_PATHS_BYTES {
            return Err(ManifestError::PathsTooLong(paths_bytes));
        }
        let (mut total_bytes, mut files) = (0, 0);
        for entry in &entries {
            total_bytes += checked_bytes(entry)?;
            if total_bytes > MAX_TOTAL_BYTES {
                return Err(ManifestError::TotalTooLong { path: error::shown(&entry.path) });
            }
            files += u64::from(matches!(entry.kind, EntryKind::File { .. }));
        }
        paths::check(&entries)?;
        Ok(Self { entries, total_bytes, files })
    }

    /// The entries, in the order of [`Manifest::new`].
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Bytes of all files, at most [`MAX_TOTAL_BYTES`].
    #[must_use]
    pub fn total_bytes(&self) -> u64 {
        self.total_bytes
    }

    /// Number of files.
    #[must_use]
    pub fn files(&self) -> u64 {
        self.files
    }

    /// BLAKE3 of the encoding.
    #[must_use]
    pub fn hash(&self) -> Hash {
        Hash(*blake3::hash(&self.encode()).as_bytes())
    }
}

/// Checks the numbers of an entry; returns the bytes of a file, and 0 of a folder.
fn checked_bytes(entry: &Entry) -> Result<u64, ManifestError> {
    let path = || error::shown(&entry.path);
    if entry.mode > MODE_BITS {
        return Err(ManifestError::Mode { path: path(), mode: entry.mode });
    }
    let nanoseconds = entry.modified.nanoseconds;
    if nanoseconds >= 1_000_000_000 {
        return Err(ManifestError::Nanoseconds { path: path(), nanoseconds });
    }
    match entry.kind {
        EntryKind::Folder => Ok(0),
        EntryKind::File { bytes } if bytes > MAX_FILE_BYTES => {
            Err(ManifestError::FileTooLong { path: path(), bytes })
        }
        EntryKind::File { bytes } => Ok(bytes),
    }
}
