//! Bytes behind a gap, without overlaps.

use std::collections::BTreeMap;

/// What an entry costs beside its bytes: node of the tree and allocation.
const OVERHEAD: u64 = 64;

/// A part of a segment: its bytes, or as many bytes as the capture cut.
#[derive(Debug, Clone, Copy)]
pub(super) enum Part<'a> {
    Bytes(&'a [u8]),
    Cut(u32),
}

impl Part<'_> {
    pub(super) fn length(self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Cut(bytes) => bytes.into(),
        }
    }

    /// The bytes from `from` to `to`, relative to its begin; both at most its length.
    pub(super) fn slice(self, from: u64, to: u64) -> Self {
        match self {
            Self::Bytes(bytes) => {
                Self::Bytes(bytes.get(from as usize..to as usize).unwrap_or_default())
            }
            Self::Cut(_) => Self::Cut(to.saturating_sub(from) as u32),
        }
    }
}

/// A range held back.
#[derive(Debug)]
pub(super) enum Held {
    /// Its bytes.
    Bytes(Box<[u8]>),
    /// That many bytes, which the capture cut.
    Cut(u32),
}

impl Held {
    pub(super) fn charge_of(part: Part<'_>) -> u64 {
        match part {
            Part::Bytes(bytes) => OVERHEAD + bytes.len() as u64,
            Part::Cut(_) => OVERHEAD,
        }
    }

    pub(super) fn charge(&self) -> u64 {
        Self::charge_of(self.part())
    }

    pub(super) fn part(&self) -> Part<'_> {
        match self {
            Self::Bytes(bytes) => Part::Bytes(bytes),
            Self::Cut(bytes) => Part::Cut(*bytes),
        }
    }
}

/// What a new range has in common with those held back.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Overlap {
    pub(super) bytes: u64,
    pub(super) differs: bool,
}

/// Ranges held back, by the position of their first byte.
#[derive(Debug, Default)]
pub(super) struct Pending {
    ranges: BTreeMap<u64, Held>,
    /// The sum of [`Held::charge`].
    charge: u64,
}

impl Pending {
    pub(super) fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    pub(super) fn charge(&self) -> u64 {
        self.charge
    }

    /// Position of the first range.
    pub(super) fn first(&self) -> Option<u64> {
        self.ranges.keys().next().copied()
    }

    /// Adds a range that overlaps none.
    pub(super) fn insert(&mut self, position: u64, part: Part<'_>) {
        let held = match part {
            Part::Bytes(bytes) => Held::Bytes(bytes.into()),
            Part::Cut(bytes) => Held::Cut(bytes),
        };
        self.charge += held.charge();
        self.ranges.insert(position, held);
    }

    /// Removes the range that begins at `position`.
    pub(super) fn take_at(&mut self, position: u64) -> Option<Held> {
        let held = self.ranges.remove(&position)?;
        self.charge -= held.charge();
        Some(held)
    }

    /// Removes everything before `position`; returns the charge that is released.
    pub(super) fn drop_before(&mut self, position: u64) -> u64 {
        let before = self.charge;
        while let Some(first) = self.first().filter(|first| *first < position)
            && let Some(held) = self.take_at(first)
        {
            let part = held.part();
            let rest = part.slice((position - first).min(part.length()), part.length());
            if rest.length() > 0 {
                self.insert(position, rest);
            }
        }
        before - self.charge
    }

    /// Removes everything at `end` and behind; returns how many bytes that are.
    pub(super) fn drop_behind(&mut self, end: u64) -> u64 {
        let mut dropped = 0;
        while let Some((&first, held)) = self.ranges.last_key_value()
            && first + held.part().length() > end
            && let Some(held) = self.take_at(first)
        {
            let part = held.part();
            let kept = part.slice(0, end.saturating_sub(first).min(part.length()));
            dropped += part.length() - kept.length();
            if kept.length() > 0 {
                self.insert(first, kept);
            }
        }
        dropped
    }

    /// Subtracts `offset`, at most the position of the first range, from all positions.
    pub(super) fn rebase(&mut self, offset: u64) {
        let ranges = std::mem::take(&mut self.ranges);
        self.ranges = ranges.into_iter().map(|(at, held)| (at - offset, held)).collect();
    }

    /// Removes everything; returns the charge that is released.
    pub(super) fn clear(&mut self) -> u64 {
        self.ranges.clear();
        std::mem::take(&mut self.charge)
    }

    /// The ranges (begin, end) of a part at `position` that are not held back yet, ascending, and
    /// what the others have in common with it.
    pub(super) fn compare(&self, position: u64, part: Part<'_>) -> (Vec<(u64, u64)>, Overlap) {
        let end = position + part.length();
        let mut overlap = Overlap::default();
        let mut free = Vec::new();
        let mut at = position;
        let before = self.ranges.range(..=position).next_back();
        let begin = before.map_or(position, |(first, _)| *first);
        for (first, held) in self.ranges.range(begin..end.max(begin)) {
            let held = held.part();
            let (from, to) = (at.max(*first), end.min(first + held.length()));
            if from >= to {
                continue;
            }
            if at < from {
                free.push((at, from));
            }
            overlap.bytes += to - from;
            let both =
                (held.slice(from - first, to - first), part.slice(from - position, to - position));
            overlap.differs |= matches!(both, (Part::Bytes(held), Part::Bytes(new)) if held != new);
            at = to;
        }
        if at < end {
            free.push((at, end));
        }
        (free, overlap)
    }
}
