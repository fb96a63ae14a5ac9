//! Losses added up since the start, one entry for each cause.

use super::{Loss, LossCause, Source};

/// Most causes distinguished; there are about two dozen.
const MAX_CAUSES: usize = 64;

/// The losses so far.
#[derive(Debug, Default)]
pub struct LossTotals {
    causes: Vec<Loss>,
    /// Count of those of causes beyond the bound.
    other: u64,
}

impl LossTotals {
    /// Adds these.
    pub fn add(&mut self, losses: Vec<Loss>) {
        for loss in losses {
            if let Some(known) = self.causes.iter_mut().find(|known| known.is_same_cause(&loss)) {
                let count = known.count.saturating_add(loss.count);
                *known = Loss { count, ..loss };
            } else if self.causes.len() < MAX_CAUSES {
                self.causes.push(loss);
            } else {
                self.other = self.other.saturating_add(loss.count);
            }
        }
    }

    /// All of them, in the order of their first occurrence.
    pub fn losses(&self) -> impl Iterator<Item = Loss> + '_ {
        let cause = LossCause::OtherCauses { bound: MAX_CAUSES as u64 };
        let other = Loss::counted(Source::Derived, cause, self.other);
        self.causes.iter().cloned().chain(other)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::model::DroppedEvents;

    fn dropped(events: DroppedEvents, count: u64) -> Loss {
        let cause = LossCause::RingFull { events, ring_bytes: 1 << 20 };
        Loss { source: Source::Ebpf, cause, count }
    }

    #[test]
    fn counts_of_one_cause_add_up() {
        let mut totals = LossTotals::default();
        totals.add(vec![dropped(DroppedEvents::Closed, 3), dropped(DroppedEvents::Opened, 1)]);
        totals.add(vec![dropped(DroppedEvents::Closed, 39)]);
        let counts: Vec<u64> = totals.losses().map(|loss| loss.count).collect();
        assert_eq!(counts, [42, 1]);
    }

    #[test]
    fn causes_are_bounded() {
        let mut totals = LossTotals::default();
        let refused = |bound| LossCause::HistoryFull { bound };
        for bound in 0..MAX_CAUSES as u64 + 5 {
            let cause = refused(bound);
            totals.add(vec![Loss { source: Source::Derived, cause, count: 1000 }]);
        }
        let all: Vec<Loss> = totals.losses().collect();
        assert_eq!((all.len(), all.last().unwrap().count), (MAX_CAUSES + 1, 5000));
    }
}
