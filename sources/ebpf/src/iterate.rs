//! Reads the records that an iterator program writes.

use std::fs::File;
use std::io::{self, Read};

/// One read returns at most the kernel's buffer of 8 pages.
const BUFFER_BYTES: usize = 64 * 1024;

/// Reads iterators, one at a time, with one buffer.
pub(crate) struct RecordReader {
    buffer: Box<[u8]>,
}

impl RecordReader {
    pub(crate) fn new() -> Self {
        Self { buffer: vec![0; BUFFER_BYTES].into() }
    }

    /// Reads all of `file`. `take` gets the bytes that were not taken yet, handles the first record and returns
    /// its length, or `None` if it is not complete.
    pub(crate) fn read(
        &mut self,
        file: &mut File,
        mut take: impl FnMut(&[u8]) -> Option<usize>,
    ) -> io::Result<()> {
        let mut filled = 0;
        loop {
            let Some(room) = self.buffer.get_mut(filled..).filter(|room| !room.is_empty()) else {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "a record is too long"));
            };
            match file.read(room) {
                Ok(0) => return Ok(()),
                Ok(read) => filled += read,
                // EAGAIN after a million objects without output.
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock
                    ) =>
                {
                    continue;
                }
                Err(error) => return Err(error),
            }
            let mut at = 0;
            while let Some(rest) = self.buffer.get(at..filled).filter(|rest| !rest.is_empty())
                && let Some(length) = take(rest)
            {
                at += length.max(1);
            }
            self.buffer.copy_within(at.min(filled)..filled, 0);
            filled = filled.saturating_sub(at);
        }
    }
}
