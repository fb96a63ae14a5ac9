//! Bytes to a manifest.

use super::encode::{KindNumber, write_entry, write_start};
use super::{
    Entry, EntryKind, MAX_ENTRIES, MAX_MANIFEST_BYTES, MAX_PATHS_BYTES, Manifest, ManifestError,
    Modified, VERSION,
};
use crate::encoding::{Numbered, Reader};
use crate::names::{MAX_PATH_BYTES, NameError, RelativePath};

/// Bytes of the shortest entry: a folder whose suffix has one byte.
const MIN_ENTRY_BYTES: usize = 14;

impl Manifest {
    /// Reads a manifest that fills `bytes`. Memory is bounded by a multiple of the bytes, and by [`MAX_PATHS_BYTES`] for
    /// paths that share their begins.
    ///
    /// # Errors
    /// [`ManifestError`] of the first fault.
    pub fn decode(bytes: &[u8]) -> Result<Self, ManifestError> {
        if bytes.len() as u64 > MAX_MANIFEST_BYTES {
            return Err(ManifestError::TooLong(bytes.len() as u64));
        }
        let mut next = NextEntry { reader: Reader::new(bytes), index: 0 };
        let version = next.integer()?;
        if version != VERSION {
            return Err(ManifestError::UnknownVersion(version));
        }
        let count = next.integer()?;
        let fits = usize::try_from(count).ok().filter(|count| *count <= MAX_ENTRIES);
        let count = fits.ok_or(ManifestError::TooManyEntries(count))?;
        let mut again = Vec::new();
        write_start(&mut again, count);
        next.check_canonical(bytes, &again)?;

        let mut entries: Vec<Entry> = Vec::with_capacity(count.min(bytes.len() / MIN_ENTRY_BYTES));
        let mut paths_bytes = 0;
        while next.index < count {
            let encoded = next.reader.rest();
            let before = entries.last().map_or(&[][..], |entry| entry.path.as_bytes());
            let entry = next.entry(before)?;
            paths_bytes += entry.path.as_bytes().len() as u64;
            if paths_bytes > MAX_PATHS_BYTES {
                return Err(ManifestError::PathsTooLong(paths_bytes));
            }
            again.clear();
            write_entry(&mut again, before, &entry);
            next.check_canonical(encoded, &again)?;
            entries.push(entry);
            next.index += 1;
        }
        if !next.reader.is_empty() {
            return Err(ManifestError::TrailingBytes);
        }
        Self::new(entries)
    }
}

/// Reads the entry with this index.
struct NextEntry<'a> {
    reader: Reader<'a>,
    index: usize,
}

impl NextEntry<'_> {
    /// Reads an entry that follows one with the path `before`. [`Manifest::new`] checks its numbers.
    fn entry(&mut self, before: &[u8]) -> Result<Entry, ManifestError> {
        let number = self.integer()?;
        let kind = KindNumber::from_number(number).ok_or(self.out_of_range("kind", number))?;
        let path = self.path(before)?;
        let mode = self.short("mode")?;
        let seconds = i64::from_be_bytes(self.reader.array().ok_or(self.truncated())?);
        let modified = Modified { seconds, nanoseconds: self.short("nanoseconds")? };
        let kind = match kind {
            KindNumber::Folder => EntryKind::Folder,
            KindNumber::File => EntryKind::File { bytes: self.integer()? },
        };
        Ok(Entry { path, kind, mode, modified })
    }

    fn path(&mut self, before: &[u8]) -> Result<RelativePath, ManifestError> {
        let shared = self.integer()?;
        let begin = usize::try_from(shared).ok().and_then(|shared| before.get(..shared));
        let begin = begin.ok_or(self.out_of_range("shared", shared))?;
        let suffix = self.reader.bytes().ok_or(self.truncated())?;
        let refused = |error| ManifestError::Path { entry: self.index, error };
        let length = begin.len() + suffix.len();
        if length > MAX_PATH_BYTES {
            return Err(refused(NameError::TooLong(length)));
        }
        RelativePath::new(&[begin, suffix].concat()).map_err(refused)
    }

    /// Refuses the bytes that were read, which `encoded` begins with, unless they are `canonical`.
    fn check_canonical(&self, encoded: &[u8], canonical: &[u8]) -> Result<(), ManifestError> {
        let read = encoded.len() - self.reader.rest().len();
        if encoded.get(..read) == Some(canonical) {
            return Ok(());
        }
        Err(ManifestError::NotCanonical { entry: self.index })
    }

    fn integer(&mut self) -> Result<u64, ManifestError> {
        self.reader.integer().ok_or(self.truncated())
    }

    fn short(&mut self, field: &'static str) -> Result<u32, ManifestError> {
        let value = self.integer()?;
        u32::try_from(value).map_err(|_| self.out_of_range(field, value))
    }

    fn truncated(&self) -> ManifestError {
        ManifestError::Truncated { entry: self.index }
    }

    fn out_of_range(&self, field: &'static str, value: u64) -> ManifestError {
        ManifestError::OutOfRange { entry: self.index, field, value }
    }
}
