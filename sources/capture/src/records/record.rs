//! What both formats have in common: records, and numbers in the byte order of the file.

use std::ops::Range;

/// A packet as a record has it. Its bytes are read with [`Records::bytes`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    /// Microseconds since 1970-01-01 UTC; `None` of a record without time.
    pub(crate) at_us: Option<i64>,
    /// Its link type (LINKTYPE_ of tcpdump.org).
    pub(crate) link: u16,
    /// Bytes of the packet that were not captured.
    pub(crate) cut: u32,
    /// Where its bytes are, from the begin of the record on.
    pub(super) bytes: Range<usize>,
    /// Bytes of the whole record.
    pub(super) length: usize,
}

/// What is at a place of a file.
pub(super) enum Located {
    Packet(Record),
    /// A record without a packet, of this length.
    Other(usize),
    /// A record that needs this many bytes in memory.
    Needs(usize),
    /// No record.
    Broken(&'static str),
}

/// Reads a number of a header, in the byte order of the file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) is_big_endian: bool,
}

impl Order {
    pub(super) fn u16(self, bytes: &[u8], at: usize) -> Option<u16> {
        let bytes = *bytes.get(at..)?.first_chunk()?;
        Some(if self.is_big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    }

    pub(super) fn u32(self, bytes: &[u8], at: usize) -> Option<u32> {
        let bytes = *bytes.get(at..)?.first_chunk()?;
        Some(if self.is_big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    }

    pub(super) fn u64(self, bytes: &[u8], at: usize) -> Option<u64> {
        let bytes = *bytes.get(at..)?.first_chunk()?;
        Some(if self.is_big_endian { u64::from_be_bytes(bytes) } else { u64::from_le_bytes(bytes) })
    }

    pub(super) fn length(self, bytes: &[u8], at: usize) -> Option<usize> {
        usize::try_from(self.u32(bytes, at)?).ok()
    }
}
