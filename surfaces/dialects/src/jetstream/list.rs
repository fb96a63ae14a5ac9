//! The list of all connections, written once a beat, and slices of it.
//!
//! The one idea: behind the list stands where each of its rows ends, in the same shared bytes, so
//! that a page of it is cut out and not written again.

use std::ops::Range;

use bytes::Bytes;

use super::Connection;

/// Length of a place, and of their number.
const WORD: usize = size_of::<u64>();

/// The list with its places: `[row,row]`, where each row ends, how many rows there are.
pub(super) fn write(connections: &[Connection]) -> Vec<u8> {
    let mut bytes = vec![b'['];
    let mut ends = Vec::with_capacity((connections.len() + 1) * WORD);
    for connection in connections {
        let start = bytes.len();
        // No field can fail to be written; should one, the list stays a list.
        if serde_json::to_writer(&mut bytes, connection).is_err() {
            bytes.truncate(start);
            bytes.extend_from_slice(b"null");
        }
        ends.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
        bytes.push(b',');
    }
    if !connections.is_empty() {
        bytes.pop();
    }
    bytes.push(b']');
    bytes.extend_from_slice(&ends);
    bytes.extend_from_slice(&(connections.len() as u64).to_le_bytes());
    bytes
}

/// What [`write`] wrote, to be cut.
pub(super) struct List(Bytes);

impl List {
    pub(super) fn new(written: Bytes) -> Self {
        Self(written)
    }

    /// How many rows there are.
    pub(super) fn len(&self) -> usize {
        self.word(self.0.len().saturating_sub(WORD)).unwrap_or(0)
    }

    /// These rows with their commas, without brackets; `None` if there are no such rows.
    pub(super) fn rows(&self, rows: Range<usize>) -> Option<Bytes> {
        if rows.is_empty() || rows.end > self.len() {
            return None;
        }
        let start = match rows.start.checked_sub(1) {
            None => 1,
            Some(before) => self.end_of(before)? + 1,
        };
        let end = self.end_of(rows.end - 1)?;
        (start <= end && end <= self.0.len()).then(|| self.0.slice(start..end))
    }

    fn end_of(&self, row: usize) -> Option<usize> {
        let behind = (self.len() + 1).checked_sub(row)?.checked_mul(WORD)?;
        self.word(self.0.len().checked_sub(behind)?)
    }

    fn word(&self, at: usize) -> Option<usize> {
        let bytes = self.0.get(at..)?.first_chunk::<WORD>()?;
        usize::try_from(u64::from_le_bytes(*bytes)).ok()
    }
}
