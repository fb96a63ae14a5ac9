//! A window on the bytes of a file: as many as one record needs lie together in memory.

use std::io::{self, Read};

/// Most bytes of one record, its header included: four times the largest snap length of tcpdump (256 KiB).
/// A length beyond it is no length, and nothing is allocated by it.
pub(crate) const MAX_RECORD_BYTES: usize = 1 << 20;
/// Bytes that are read at a time, of shorter records: they are in the cache of the processor (L2) when they are
/// interpreted, and the next ones take their place there.
const READ_BYTES: usize = 256 << 10;

/// Bytes of a file, from the position that is read next on.
pub(crate) struct Buffer {
    reader: Box<dyn Read + Send>,
    bytes: Box<[u8]>,
    start: usize,
    end: usize,
    /// The position of `start` in the file.
    position: u64,
}

impl Buffer {
    pub(crate) fn new(reader: Box<dyn Read + Send>) -> Self {
        let bytes = vec![0; MAX_RECORD_BYTES].into_boxed_slice();
        Self { reader, bytes, start: 0, end: 0, position: 0 }
    }

    /// The position in the file, decompressed, of what is read next.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// Bytes that lie in memory.
    pub(crate) fn available(&self) -> usize {
        self.end - self.start
    }

    /// Reads until `count` bytes are in memory; false if the file ends before. `count` is at most
    /// [`MAX_RECORD_BYTES`].
    pub(crate) fn fill(&mut self, count: usize) -> io::Result<bool> {
        while self.available() < count {
            if self.start > 0 {
                // The rest is the begin of a record.
                self.bytes.copy_within(self.start..self.end, 0);
                (self.start, self.end) = (0, self.end - self.start);
            }
            let room = self.bytes.get_mut(self.end..count.max(READ_BYTES)).unwrap_or_default();
            match self.reader.read(room) {
                Ok(0) => return Ok(false),
                Ok(bytes) => self.end += bytes,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// The next bytes, as far as they are in memory.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.get(self.start..self.end).unwrap_or_default()
    }

    /// Passes over bytes that are in memory.
    pub(crate) fn consume(&mut self, count: usize) {
        let count = count.min(self.available());
        self.start += count;
        self.position += count as u64;
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
    }
}
