//! What goes into an assembler, what comes out, and what it counts.

use std::ops::AddAssign;

/// A TCP segment of one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Segment<'a> {
    /// Its sequence number: of the SYN if it has one, else of its first byte.
    pub sequence: u32,
    /// Whether it has a SYN.
    pub syn: bool,
    /// Whether it has a FIN, which follows its payload.
    pub fin: bool,
    /// What it acknowledges: the sequence number that its sender expects next of the other direction;
    /// `None` without the flag ACK, or if the source does not report it.
    pub ack: Option<u32>,
    /// Its payload as captured.
    pub bytes: &'a [u8],
    /// Payload bytes that followed on the wire and were not captured (snaplen).
    pub cut: u32,
}

/// What follows in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Assembled<'a> {
    /// Payload.
    Data {
        /// Position of the first byte.
        position: u64,
        /// The bytes, at least one.
        bytes: &'a [u8],
    },
    /// Payload that was lost, not captured, or waited for in vain.
    Gap {
        /// Position of the first byte.
        position: u64,
        /// How many bytes, at least one.
        bytes: u64,
    },
    /// The end by FIN. Nothing follows.
    End {
        /// How many payload bytes the direction had, from position 0 on.
        position: u64,
    },
}

/// What one assembler counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AssemblyCounts {
    /// Bytes that were seen before: retransmissions and overlaps. Skipped bytes that are seen after
    /// all count too.
    pub repeated_bytes: u64,
    /// Segments whose bytes or end differ from those seen first. Bytes handed over are kept nowhere,
    /// so that only those are compared that are still held back.
    pub conflicts: u64,
    /// Bytes in gaps.
    pub gap_bytes: u64,
    /// Gaps given up because a bound was reached.
    pub gaps_given_up: u64,
    /// Gaps given up because the receiver acknowledged their bytes, and the source did not hand them
    /// over.
    pub gaps_acknowledged: u64,
    /// Bytes passed over because they were not wanted.
    pub skipped_bytes: u64,
    /// Segments refused because they are too far ahead.
    pub implausible_segments: u64,
    /// Bytes behind the FIN.
    pub bytes_after_end: u64,
}

impl AddAssign for AssemblyCounts {
    fn add_assign(&mut self, other: Self) {
        self.repeated_bytes += other.repeated_bytes;
        self.conflicts += other.conflicts;
        self.gap_bytes += other.gap_bytes;
        self.gaps_given_up += other.gaps_given_up;
        self.gaps_acknowledged += other.gaps_acknowledged;
        self.skipped_bytes += other.skipped_bytes;
        self.implausible_segments += other.implausible_segments;
        self.bytes_after_end += other.bytes_after_end;
    }
}
