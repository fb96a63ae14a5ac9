//! What is lost while something is watched: said when it is first lost, and then once in a while.
//!
//! The one idea: the same is lost again and again, each time with another count; so what differs in its
//! numbers alone is added up.

use std::time::{Duration, Instant};

use conns_core::model::{Loss, LossKind};

use crate::failure::report_losses;

/// The same is said again after so long at the earliest.
const SAID_EVERY: Duration = Duration::from_secs(10);

/// Most causes told apart; there are a dozen. Those of the rest are said at once and forgotten.
const CAUSES_KEPT: usize = 64;

/// The losses of one run.
#[derive(Default)]
pub(crate) struct Losses {
    causes: Vec<Known>,
    is_any: bool,
}

struct Known {
    /// With the count of all occurrences.
    loss: Loss,
    /// How many times it was met since it was said.
    unsaid: u64,
    said: Option<Instant>,
}

impl Losses {
    /// Adds these.
    pub(crate) fn add(&mut self, losses: Vec<Loss>) {
        for loss in losses {
            // What only privileges would bring is no part of the answer.
            self.is_any |= loss.kind() != LossKind::NotPermitted;
            if let Some(known) = self.causes.iter_mut().find(|k| k.loss.is_same_cause(&loss)) {
                let count = known.loss.count.saturating_add(loss.count);
                known.loss = Loss { count, ..loss };
                known.unsaid += 1;
            } else if self.causes.len() < CAUSES_KEPT {
                self.causes.push(Known { loss, unsaid: 1, said: None });
            } else {
                report_losses(&[loss]);
            }
        }
    }

    /// Says what was not said yet, unless the same was said a moment ago.
    pub(crate) fn say_what_is_due(&mut self) {
        self.say(|known| known.said.is_none_or(|said| said.elapsed() >= SAID_EVERY));
    }

    /// Says what was not said yet, and whether anything was lost at all.
    pub(crate) fn say_the_rest(&mut self) -> bool {
        self.say(|_| true);
        self.is_any
    }

    /// All of them, added up.
    pub(crate) fn all(&self) -> Vec<Loss> {
        self.causes.iter().map(|known| known.loss.clone()).collect()
    }

    fn say(&mut self, is_due: impl Fn(&Known) -> bool) {
        let mut due = Vec::new();
        for known in self.causes.iter_mut().filter(|known| known.unsaid > 0 && is_due(known)) {
            due.push(known.loss.clone());
            (known.unsaid, known.said) = (0, Some(Instant::now()));
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
        losses.say_what_is_due();
        assert!(losses.causes.iter().all(|known| known.unsaid == 0));
        losses.add(vec![dropped(1)]);
        losses.say_what_is_due();
        assert_eq!(losses.causes.iter().map(|known| known.unsaid).max(), Some(1), "too early");
        assert!(losses.say_the_rest());
        assert!(losses.causes.iter().all(|known| known.unsaid == 0));
    }

    #[test]
    fn missing_privileges_are_no_loss_and_causes_are_bounded() {
        let mut losses = Losses::default();
        losses.add(vec![Loss::one(Source::Procfs, LossCause::ProcessesNotPermitted)]);
        assert!(!losses.say_the_rest());
        losses.add((0..200).map(full).collect());
        assert_eq!(losses.all().len(), CAUSES_KEPT);
        assert!(losses.say_the_rest());
    }
}
