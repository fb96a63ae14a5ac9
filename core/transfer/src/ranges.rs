//! A set of ranges of numbers: which chunks, or which bytes of a file, are durable at a receiver.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::encoding::{MAX_INTEGER, Reader, write_integer};

/// Ranges of a set. A receiver that has each second chunk costs no more than this.
pub const MAX_RANGES: usize = 65_536;
/// Greatest end of a range: the bytes of the longest file.
pub const MAX_END: u64 = MAX_INTEGER;

/// Why ranges are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RangesError {
    /// The set would have more than [`MAX_RANGES`].
    #[error("more than {MAX_RANGES} ranges")]
    TooMany,
    /// A range ends beyond [`MAX_END`].
    #[error("a range ends beyond 2^62 - 1")]
    TooLong,
    /// The bytes end within a range.
    #[error("the list of ranges ends within a range")]
    Truncated,
    /// An encoded range is empty, or touches the one before.
    #[error("a range is empty or touches the one before")]
    NotMerged,
}

/// Ranges that neither overlap nor touch each other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ranges {
    /// The end of each range, by its start.
    ends: BTreeMap<u64, u64>,
}

impl Ranges {
    /// Adds a range and merges it with those that it overlaps or touches. An empty range changes nothing.
    ///
    /// # Errors
    /// [`RangesError::TooLong`] and [`RangesError::TooMany`]; the set is unchanged.
    pub fn insert(&mut self, range: Range<u64>) -> Result<(), RangesError> {
        let Range { mut start, mut end } = range;
        if start >= end {
            return Ok(());
        }
        if end > MAX_END {
            return Err(RangesError::TooLong);
        }
        let merges = |(_, other_end): &(&u64, &u64)| **other_end >= start;
        let is_new = self.ends.range(..=end).next_back().filter(merges).is_none();
        if is_new && self.ends.len() >= MAX_RANGES {
            return Err(RangesError::TooMany);
        }
        while let Some((&other, &other_end)) = self.ends.range(..=end).next_back()
            && other_end >= start
        {
            self.ends.remove(&other);
            start = start.min(other);
            end = end.max(other_end);
        }
        self.ends.insert(start, end);
        Ok(())
    }

    /// The ranges, ascending.
    pub fn iter(&self) -> impl Iterator<Item = Range<u64>> {
        self.ends.iter().map(|(start, end)| *start..*end)
    }

    /// Number of ranges.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether no number is in the set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// How many numbers are in the set: the bytes, when it counts bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.ends.iter().map(|(start, end)| end - start).sum()
    }

    /// Whether each number of `range` is in the set.
    #[must_use]
    pub fn contains(&self, range: Range<u64>) -> bool {
        let before = self.ends.range(..=range.start).next_back();
        range.is_empty() || before.is_some_and(|(_, end)| *end >= range.end)
    }

    /// The ranges below `length` that are not in the set, ascending.
    pub fn missing(&self, length: u64) -> impl Iterator<Item = Range<u64>> {
        let starts = self.iter().map(|range| range.start).chain([u64::MAX]);
        let ends = [0].into_iter().chain(self.iter().map(|range| range.end));
        ends.zip(starts)
            .map(move |(end, start)| end..start.min(length))
            .filter(|gap| !gap.is_empty())
    }

    /// Appends the set: of each range the distance from the end of the one before, and its length, as QUIC integers.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut at = 0;
        for range in self.iter() {
            write_integer(out, range.start - at);
            write_integer(out, range.end - range.start);
            at = range.end;
        }
    }

    /// Reads a set that fills `bytes`. Memory is bounded by [`MAX_RANGES`] and by the bytes.
    ///
    /// # Errors
    /// [`RangesError`], except for the encoding of a set.
    pub fn decode(bytes: &[u8]) -> Result<Self, RangesError> {
        let mut reader = Reader::new(bytes);
        let mut ends = BTreeMap::new();
        let mut at = 0u64;
        while !reader.is_empty() {
            let gap = reader.integer().ok_or(RangesError::Truncated)?;
            let length = reader.integer().ok_or(RangesError::Truncated)?;
            if length == 0 || (gap == 0 && !ends.is_empty()) {
                return Err(RangesError::NotMerged);
            }
            if ends.len() >= MAX_RANGES {
                return Err(RangesError::TooMany);
            }
            // Each summand is below 2^62, so the sum does not overflow.
            let (start, end) = (at + gap, at + gap + length);
            if end > MAX_END {
                return Err(RangesError::TooLong);
            }
            ends.insert(start, end);
            at = end;
        }
        Ok(Self { ends })
    }
}
