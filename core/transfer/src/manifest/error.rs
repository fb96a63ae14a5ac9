//! Why entries or bytes are no manifest.

use super::{MAX_ENTRIES, MAX_MANIFEST_BYTES, MAX_PATHS_BYTES, MODE_BITS};
use crate::names::{NameError, RelativePath};

/// Characters of a path in an error.
const MAX_SHOWN: usize = 120;

/// Why a manifest is refused. Paths are shortened, and bytes that are no UTF-8 are replaced.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// A transfer carries at least one folder or file.
    #[error("the manifest has no entry")]
    NoEntry,
    /// The manifest has more than [`MAX_ENTRIES`].
    #[error("the manifest has {0} entries, more than {MAX_ENTRIES}")]
    TooManyEntries(u64),
    /// The paths together are longer than [`MAX_PATHS_BYTES`].
    #[error("the paths have {0} bytes together, more than {MAX_PATHS_BYTES}")]
    PathsTooLong(u64),
    /// The mode has other bits than [`MODE_BITS`].
    #[error("{path}: mode {mode:o} has other bits than {MODE_BITS:o}")]
    Mode {
        /// The path.
        path: String,
        /// The mode.
        mode: u32,
    },
    /// The time has a second or more of nanoseconds.
    #[error("{path}: the time of modification has {nanoseconds} nanoseconds, a second or more")]
    Nanoseconds {
        /// The path.
        path: String,
        /// The nanoseconds.
        nanoseconds: u32,
    },
    /// The file is longer than [`crate::tree::MAX_FILE_BYTES`].
    #[error("{path}: a file of {bytes} bytes is longer than 2^62 - 1 bytes")]
    FileTooLong {
        /// The path.
        path: String,
        /// Bytes of the file.
        bytes: u64,
    },
    /// The files are longer than [`super::MAX_TOTAL_BYTES`] together.
    #[error("{path}: the files up to this one are longer than 2^62 - 1 bytes together")]
    TotalTooLong {
        /// The first path that exceeds the bound.
        path: String,
    },
    /// Two entries have one path.
    #[error("{path}: the manifest has two entries of this path")]
    DuplicatePath {
        /// The path.
        path: String,
    },
    /// An entry is below a file.
    #[error("{path}: the manifest has a file at {file}, so nothing can be below it")]
    BelowFile {
        /// The path.
        path: String,
        /// The path of the file.
        file: String,
    },
    /// The encoding is longer than [`MAX_MANIFEST_BYTES`].
    #[error("the encoded manifest has {0} bytes, more than {MAX_MANIFEST_BYTES}")]
    TooLong(u64),
    /// The encoding has a version that this one cannot read.
    #[error("the manifest has version {0}, not 1")]
    UnknownVersion(u64),
    /// The encoding ends too soon.
    #[error("the manifest ends within entry {entry}")]
    Truncated {
        /// Index of the entry.
        entry: usize,
    },
    /// A path is refused.
    #[error("entry {entry} of the manifest: {error}")]
    Path {
        /// Index of the entry.
        entry: usize,
        /// What is wrong with the path.
        error: NameError,
    },
    /// A number of an entry is out of its range.
    #[error("entry {entry} of the manifest: {field} is {value}, which is out of range")]
    OutOfRange {
        /// Index of the entry.
        entry: usize,
        /// Name of the field.
        field: &'static str,
        /// The number.
        value: u64,
    },
    /// The same entries have a shorter encoding.
    #[error("entry {entry} of the manifest is not encoded in its only form")]
    NotCanonical {
        /// Index of the entry.
        entry: usize,
    },
    /// Bytes follow the last entry.
    #[error("bytes follow the last entry of the manifest")]
    TrailingBytes,
}

/// A path as an error shows it.
pub(super) fn shown(path: &RelativePath) -> String {
    // A character has at most four bytes.
    let bytes = path.as_bytes();
    let start = bytes.get(..4 * MAX_SHOWN).unwrap_or(bytes);
    let text = String::from_utf8_lossy(start);
    let mut characters = text.chars();
    let mut shown: String = characters.by_ref().take(MAX_SHOWN).collect();
    if characters.next().is_some() || start.len() < bytes.len() {
        shown.push('…');
    }
    shown
}
