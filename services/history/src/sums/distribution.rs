//! How many connections ended in each way, and histograms of their round trips and durations: counts, of which only those that are
//! not 0 take memory.

use std::num::NonZero;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Counted {
    /// Reasons, by their places.
    Reason,
    /// Round trips, by buckets.
    Rtt,
    /// Durations, by buckets.
    Duration,
}

impl Counted {
    fn number(self) -> u64 {
        match self {
            Self::Reason => 0,
            Self::Rtt => 1,
            Self::Duration => 2,
        }
    }
}

/// Bits of a count.
const COUNT_BITS: u32 = 53;
/// The largest count; a count stays there.
pub(super) const MAX_COUNT: u64 = (1 << COUNT_BITS) - 1;
/// Bits of a bucket.
const BUCKET_BITS: u32 = 9;
/// What is counted is below that number.
const COUNTED: u64 = 3;

/// Counts in the order of what they count. Each is a number of 64 bits: what is counted in the upper 11, how often in the others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Counts(Vec<u64>);

impl Counts {
    /// Adds `count`, and returns how many counts are new.
    pub(super) fn add(&mut self, counted: Counted, bucket: u16, count: NonZero<u64>) -> usize {
        self.add_tagged((counted.number() << BUCKET_BITS) | u64::from(bucket), count.get())
    }

    fn add_tagged(&mut self, tag: u64, count: u64) -> usize {
        let at = self.0.partition_point(|entry| entry >> COUNT_BITS < tag);
        if let Some(entry) = self.0.get_mut(at).filter(|entry| **entry >> COUNT_BITS == tag) {
            let count = (*entry & MAX_COUNT).saturating_add(count).min(MAX_COUNT);
            *entry = (tag << COUNT_BITS) | count;
            return 0;
        }
        if self.0.len() == self.0.capacity() {
            // Most groups have few; doubling would leave more of the memory unused.
            self.0.reserve_exact(4 + self.0.len() / 2);
        }
        self.0.insert(at, (tag << COUNT_BITS) | count.min(MAX_COUNT));
        1
    }

    /// Adds other counts, and returns how many are new.
    pub(super) fn merge(&mut self, other: &Self) -> usize {
        let entries = other.0.iter();
        entries.map(|entry| self.add_tagged(entry >> COUNT_BITS, entry & MAX_COUNT)).sum()
    }

    /// A number of all of their memory, to have it in the cache.
    pub(super) fn read_ahead(&self) -> u64 {
        const NUMBERS_OF_LINE: usize = 8;
        self.0.iter().step_by(NUMBERS_OF_LINE).fold(0, |all, count| all ^ count)
    }

    /// How many counts there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Bucket and count of all that is not 0, in order.
    pub(super) fn of(&self, counted: Counted) -> impl Iterator<Item = (u16, u64)> + Clone {
        let (first, end) = (counted.number() << BUCKET_BITS, (counted.number() + 1) << BUCKET_BITS);
        let from = self.0.partition_point(|entry| entry >> COUNT_BITS < first);
        let to = self.0.partition_point(|entry| entry >> COUNT_BITS < end);
        let entries = self.0.get(from..to).unwrap_or_default().iter();
        entries.map(|entry| {
            let bucket = (entry >> COUNT_BITS) & ((1 << BUCKET_BITS) - 1);
            (bucket as u16, entry & MAX_COUNT)
        })
    }

    /// The upper bits of all, and the lower.
    pub(super) fn parts(&self) -> impl Iterator<Item = (u16, u64)> {
        self.0.iter().map(|entry| ((entry >> COUNT_BITS) as u16, entry & MAX_COUNT))
    }

    /// Counts of their parts; `None` if these are no parts of counts.
    pub(super) fn of_parts(parts: impl Iterator<Item = Option<(u16, u64)>>) -> Option<Self> {
        let entry = |part: Option<(u16, u64)>| {
            let (tag, count) = part?;
            let tag = u64::from(tag);
            let counted = tag >> BUCKET_BITS;
            let buckets = if counted == 0 { REASONS } else { BUCKETS };
            let is_valid = counted < COUNTED
                && tag & ((1 << BUCKET_BITS) - 1) < u64::from(buckets)
                && (1..=MAX_COUNT).contains(&count);
            is_valid.then_some((tag << COUNT_BITS) | count)
        };
        let entries: Vec<u64> = parts.map(entry).collect::<Option<_>>()?;
        let is_in_order = entries.is_sorted_by(|one, next| one >> COUNT_BITS < next >> COUNT_BITS);
        is_in_order.then_some(Self(entries))
    }
}

/// Reasons: those that have names, and one for all that are unknown.
const REASONS: u16 = super::ended::REASONS.len() as u16 + 1;

/// Numbers below have a bucket each.
const EXACT: u64 = 16;
/// Buckets between two powers of two.
const BUCKETS_OF_OCTAVE: u32 = 8;
/// Buckets of a histogram.
const BUCKETS: u16 = 16 + (u64::BITS - 4) as u16 * BUCKETS_OF_OCTAVE as u16;

/// The bucket of a number. Each is at most an eighth as wide as its smallest number is large: [`upper_bound`] exceeds no number in
/// it by more than 12.5 %.
pub(super) fn bucket_of(number: u64) -> u16 {
    if number < EXACT {
        return number as u16;
    }
    let octave = number.ilog2();
    let within = (number >> (octave - 3)) as u32 & (BUCKETS_OF_OCTAVE - 1);
    (EXACT as u32 + (octave - 4) * BUCKETS_OF_OCTAVE + within) as u16
}

/// The largest number in a bucket.
pub(super) fn upper_bound(bucket: u16) -> u64 {
    let bucket = u32::from(bucket);
    let Some(beyond) = bucket.checked_sub(EXACT as u32) else { return bucket.into() };
    let (octave, within) = (beyond / BUCKETS_OF_OCTAVE + 4, beyond % BUCKETS_OF_OCTAVE);
    let next = u128::from(BUCKETS_OF_OCTAVE + within + 1) << (octave - 3).min(u64::BITS);
    u64::try_from(next - 1).unwrap_or(u64::MAX)
}

/// The upper bound of the bucket that has the given part of all counted numbers at or below it; `None` if there are none.
pub(super) fn quantile(
    counts: impl Iterator<Item = (u16, u64)> + Clone,
    percent: u32,
) -> Option<u64> {
    let all: u128 = counts.clone().map(|(_, count)| u128::from(count)).sum();
    let wanted = (all * u128::from(percent)).div_ceil(100).max(1);
    let mut below = 0;
    counts
        .map(|(bucket, count)| {
            below += u128::from(count);
            (bucket, below)
        })
        .find(|(_, below)| *below >= wanted)
        .map(|(bucket, _)| upper_bound(bucket))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_bucket_is_an_eighth_wide(shift in 0..64_u32, number: u64) {
            let number = number >> shift;
            let upper = upper_bound(bucket_of(number));
            prop_assert!(upper >= number);
            prop_assert!(u128::from(upper - number) * 8 <= u128::from(number));
            prop_assert!(bucket_of(number) < BUCKETS);
            prop_assert_eq!(bucket_of(upper), bucket_of(number));
            if let Some(next) = upper.checked_add(1) {
                prop_assert_eq!(bucket_of(next), bucket_of(number) + 1);
            }
        }
    }

    #[test]
    fn quantiles_are_of_all_that_was_counted() {
        let counts = [(1, 50), (2, 45), (3, 4), (4, 1)];
        let of = |percent| quantile(counts.into_iter(), percent);
        assert_eq!((of(50), of(95), of(99), of(100)), (Some(1), Some(2), Some(3), Some(4)));
        assert_eq!(quantile(std::iter::empty(), 50), None);
    }
}
