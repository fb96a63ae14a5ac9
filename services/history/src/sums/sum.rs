//! The sum of one group.

use std::num::NonZero;

use super::distribution::{Counted, Counts, bucket_of};
use super::ended::{FIGURES, Figures};

/// A figure of which not every connection has a value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Total {
    /// The sum of the values.
    pub(super) sum: u64,
    /// How many connections have one.
    pub(super) known: u64,
}

/// The sum of one group. What would exceed its range stays at the end of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Sum {
    /// Connections that ended.
    pub(super) connections: u64,
    /// Attempts that failed.
    pub(super) failed: u64,
    /// Sums of [`Figures::summed`].
    pub(super) totals: [Total; FIGURES],
    /// Reasons, round trips and durations.
    pub(super) counts: Counts,
}

impl Sum {
    /// Most counts that a connection makes.
    pub(super) const MAX_NEW_COUNTS: usize = 3;

    /// Adds a connection or an attempt, and returns how many counts are new.
    pub(super) fn add(&mut self, ended: &Figures) -> usize {
        let number = if ended.is_failed { &mut self.failed } else { &mut self.connections };
        *number = number.saturating_add(1);
        for (total, figure) in self.totals.iter_mut().zip(ended.summed) {
            if let Some(figure) = figure {
                total.sum = total.sum.saturating_add(figure);
                total.known = total.known.saturating_add(1);
            }
        }
        let one = NonZero::<u64>::MIN;
        let mut new = self.counts.add(Counted::Reason, ended.reason_place, one);
        if let Some(us) = ended.rtt_us {
            new += self.counts.add(Counted::Rtt, bucket_of(us), one);
        }
        if let Some(us) = ended.duration_us {
            new += self.counts.add(Counted::Duration, bucket_of(us), one);
        }
        new
    }

    /// Adds another sum, and returns how many counts are new.
    pub(super) fn merge(&mut self, other: &Self) -> usize {
        self.connections = self.connections.saturating_add(other.connections);
        self.failed = self.failed.saturating_add(other.failed);
        for (total, other) in self.totals.iter_mut().zip(&other.totals) {
            total.sum = total.sum.saturating_add(other.sum);
            total.known = total.known.saturating_add(other.known);
        }
        self.counts.merge(&other.counts)
    }

    /// A number of its memory and of that of its counts, to have both in the cache.
    pub(super) fn read_ahead(&self) -> u64 {
        let totals = self.totals.last().map_or(0, |total| total.known);
        self.connections ^ totals ^ self.counts.read_ahead()
    }

    /// Connections and attempts.
    pub(super) fn all(&self) -> u64 {
        self.connections.saturating_add(self.failed)
    }

    /// How many counts it has.
    pub(super) fn counts(&self) -> usize {
        self.counts.len()
    }
}
