//! Losses while following events: reported at the first occurrence, then at most once per interval.
//!
//! Losses with the same cause differ in their count; their counts are added up.

use std::time::{Duration, Instant};

use conns_core::model::{Loss, LossKind};

use crate::failure::report_losses;

/// Minimum time between two reports of the same cause.
const REPORT_INTERVAL: Duration = Duration::from_secs(10);

/// Maximum causes counted; there are a dozen. Losses of further causes are reported at once.
const MAX_CAUSES: usize = 64;

/// The losses of one run.
#[derive(Default)]
pub(crate) struct Losses {
    causes: Vec<Cause>,
    is_any: bool,
}

struct Cause {
    /// The last loss, with the sum of all counts.
    loss: Loss,
    /// Number of losses since the last report.
    unreported: u64,
    reported: Option<Instant>,
}

impl Losses {
    /// Adds losses.
    pub(crate) fn add(&mut self, losses: Vec<Loss>) {
        for loss in losses {
            // A lack of privileges does not make the answer incomplete.
            self.is_any |= loss.kind() != LossKind::NotPermitted;
            if let Some(cause) =
                self.causes.iter_mut().find(|cause| cause.loss.is_same_cause(&loss))
            {
                let count = cause.loss.count.saturating_add(loss.count);
                cause.loss = Loss { count, ..loss };
                cause.unreported += 1;
            } else if self.causes.len() < MAX_CAUSES {
                self.causes.push(Cause { loss, unreported: 1, reported: None });
            } else {
                report_losses(&[loss]);
            }
        }
    }

    /// Reports new losses, unless their cause was reported within [`REPORT_INTERVAL`].
    pub(crate) fn report_due(&mut self) {
        self.report(|cause| {
            cause.reported.is_none_or(|reported| reported.elapsed() >= REPORT_INTERVAL)
        });
    }

    /// Reports the remaining losses, and returns whether anything was lost.
    pub(crate) fn report_rest(&mut self) -> bool {
        self.report(|_| true);
        self.is_any
    }

    /// All losses, added up.
    pub(crate) fn all(&self) -> Vec<Loss> {
        self.causes.iter().map(|cause| cause.loss.clone()).collect()
    }

    fn report(&mut self, is_due: impl Fn(&Cause) -> bool) {
        let mut due = Vec::new();
        for cause in self.causes.iter_mut().filter(|cause| cause.unreported > 0 && is_due(cause)) {
            due.push(cause.loss.clone());
            (cause.unreported, cause.reported) = (0, Some(Instant::now()));
        }
        report_losses(&due);
    }
}

#[cfg(test)]
mod tests {
    use conns_core::model::{DroppedEvents, LossCause, Source};

    use super::*;

    fn dropped(count: u64) -> Loss {
        let events = DroppedEvents::Closed;
        let cause = LossCause::RingFull { events, ring_bytes: 1 << 20 };
        Loss { source: Source::Ebpf, cause, count }
    }

    fn full(bound: u64) -> Loss {
        Loss::one(Source::Derived, LossCause::HistoryFull { bound })
    }

    #[test]
    fn counts_of_one_cause_add_up_and_are_reported_once_in_an_interval() {
        let mut losses = Losses::default();
        losses.add(vec![dropped(3), full(1)]);
        losses.add(vec![dropped(39)]);
        assert_eq!(losses.all(), [dropped(42), full(1)]);
        losses.report_due();
        assert!(losses.causes.iter().all(|cause| cause.unreported == 0));
        losses.add(vec![dropped(1)]);
        losses.report_due();
        assert_eq!(losses.causes.iter().map(|cause| cause.unreported).max(), Some(1), "too early");
        assert!(losses.report_rest());
        assert!(losses.causes.iter().all(|cause| cause.unreported == 0));
    }

    #[test]
    fn missing_privileges_are_no_loss_and_causes_are_bounded() {
        let mut losses = Losses::default();
        losses.add(vec![Loss::one(Source::Procfs, LossCause::ProcessesNotPermitted)]);
        assert!(!losses.report_rest());
        losses.add((0..200).map(full).collect());
        assert_eq!(losses.all().len(), MAX_CAUSES);
        assert!(losses.report_rest());
    }
}
