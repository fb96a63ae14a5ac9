//! The little arithmetic of the result: medians, spreads and ratios paired by round. Pure.

use super::{Performance, Sample};
use crate::measure::Usage;

/// Smallest, middle and largest of some values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    /// Smallest.
    pub(crate) min: f64,
    /// Middle one, or the mean of the two in the middle.
    pub(crate) median: f64,
    /// Largest.
    pub(crate) max: f64,
}

impl Spread {
    /// `None` of no values.
    pub(crate) fn of(values: impl Iterator<Item = f64>) -> Option<Spread> {
        let mut sorted: Vec<f64> = values.collect();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let half = sorted.len() / 2;
        let median = if sorted.len().is_multiple_of(2) {
            (sorted[half - 1] + sorted[half]) / 2.0
        } else {
            sorted[half]
        };
        Some(Spread { min, median, max })
    }
}

/// One figure of every sample.
pub(super) fn spread(performance: &Performance, figure: fn(&Usage) -> f64) -> Option<Spread> {
    Spread::of(performance.samples.iter().map(|sample| figure(&sample.usage)))
}

/// The figure of `ours` divided by that of `theirs`, in every round that has both.
pub(super) fn ratio(
    ours: &[Sample],
    theirs: &[Sample],
    figure: fn(&Usage) -> f64,
) -> Option<Spread> {
    Spread::of(ours.iter().filter_map(|our| {
        let their = theirs.iter().find(|sample| sample.round == our.round)?;
        let divisor = figure(&their.usage);
        (divisor > 0.0).then(|| figure(&our.usage) / divisor)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(round: u32, user_us: u64) -> Sample {
        Sample {
            round,
            place: 0,
            usage: Usage { user_us, system_us: 0, wall_us: 1, peak_kib: 1, status: 0 },
        }
    }

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(
            Spread::of([3.0, 1.0, 2.0].into_iter()),
            Some(Spread { min: 1.0, median: 2.0, max: 3.0 })
        );
        assert_eq!(Spread::of([4.0, 1.0].into_iter()).map(|spread| spread.median), Some(2.5));
        assert_eq!(Spread::of(std::iter::empty()), None);
    }

    #[test]
    fn ratios_pair_runs_of_the_same_round_only() {
        let ours = [sample(0, 10), sample(1, 20), sample(2, 1000)];
        let theirs = [sample(1, 200), sample(0, 50)];
        let found = ratio(&ours, &theirs, |usage| usage.cpu_us() as f64);
        assert_eq!(found, Some(Spread { min: 0.1, median: 0.15000000000000002, max: 0.2 }));
    }
}
