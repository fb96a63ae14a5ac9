//! Reads what an iterator writes, record by record.

use std::fs::File;
use std::io::{self, Read};

/// One read gives at most what the kernel's buffer holds, 8 pages; more is never given at once.
const BUFFER_BYTES: usize = 64 * 1024;

/// A buffer to read iterators with, one after the other.
pub(crate) struct Reader {
    buffer: Box<[u8]>,
}

impl Reader {
    pub(crate) fn new() -> Self {
        Self { buffer: vec![0; BUFFER_BYTES].into() }
    }

    /// Reads all of `file`. `take` is given what was read and not taken yet, and says how long the first
    /// record is and handles it; `None` if there is no whole record.
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
                // After a million objects without output the kernel lets others run.
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
