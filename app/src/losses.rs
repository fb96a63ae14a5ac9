//! What is lost while something is watched: said when it is first lost, and then once in a while.
//!
//! The one idea: the same is lost again and again, each time with another count; so what differs in its
//! numbers alone is added up.

use std::collections::BTreeMap;
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
    causes: BTreeMap<String, Known>,
    is_any: bool,
}

struct Known {
    loss: Loss,
    /// How many there were in all.
    count: u64,
    /// How many times it was met since it was said.
    unsaid: u64,
    said: Option<Instant>,
}

impl Losses {
    /// Adds these.
    pub(crate) fn add(&mut self, losses: Vec<Loss>) {
        for loss in losses {
            // What only privileges would bring is no part of the answer.
            self.is_any |= loss.kind != LossKind::NotPermitted;
            let cause = cause(&loss);
            if self.causes.len() >= CAUSES_KEPT && !self.causes.contains_key(&cause) {
                report_losses(&[loss]);
                continue;
            }
            let known = self.causes.entry(cause).or_insert_with(|| Known {
                loss: loss.clone(),
                count: 0,
                unsaid: 0,
                said: None,
            });
            known.count = known.count.saturating_add(loss.count);
            known.unsaid += 1;
            known.loss = loss;
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
        self.causes.values().map(Known::sum).collect()
    }

    fn say(&mut self, is_due: impl Fn(&Known) -> bool) {
        let mut due = Vec::new();
        for known in self.causes.values_mut().filter(|known| known.unsaid > 0 && is_due(known)) {
            due.push(known.sum());
            (known.unsaid, known.said) = (0, Some(Instant::now()));
        }
        report_losses(&due);
    }
}

impl Known {
    /// The sentence has the count of the last time in it.
    fn sum(&self) -> Loss {
        let Loss { sentence, count: last, .. } = &self.loss;
        let (all, last) = (self.count.to_string(), last.to_string());
        Loss {
            sentence: sentence.replacen(&last, &all, 1).into(),
            count: self.count,
            ..self.loss.clone()
        }
    }
}

/// The sentence without numbers.
fn cause(loss: &Loss) -> String {
    let words: String = loss.sentence.chars().filter(|c| !c.is_ascii_digit()).collect();
    format!("{} {} {words}", loss.source, loss.kind.name())
}

#[cfg(test)]
mod tests {
    use conns_core::model::Source;

    use super::*;

    fn loss(count: u64, sentence: &str) -> Loss {
        let (source, kind) = (Source::Ebpf, LossKind::EventDropped);
        Loss { source, kind, count, sentence: sentence.into() }
    }

    #[test]
    fn the_same_is_added_up_and_said_once() {
        let mut losses = Losses::default();
        losses.add(vec![loss(3, "3 ends are missing"), loss(1, "no events")]);
        losses.add(vec![loss(39, "39 ends are missing")]);
        let all: Vec<(u64, Box<str>)> =
            losses.all().into_iter().map(|loss| (loss.count, loss.sentence)).collect();
        assert_eq!(all, [(42, "42 ends are missing".into()), (1, "no events".into())]);
        losses.say_what_is_due();
        assert!(losses.causes.values().all(|known| known.unsaid == 0));
        losses.add(vec![loss(1, "1 ends are missing")]);
        losses.say_what_is_due();
        assert_eq!(losses.causes.values().map(|known| known.unsaid).max(), Some(1), "a moment ago");
        assert!(losses.say_the_rest());
        assert!(losses.causes.values().all(|known| known.unsaid == 0));
    }

    #[test]
    fn what_privileges_would_bring_is_not_lost_and_causes_are_bounded() {
        let mut losses = Losses::default();
        losses.add(vec![Loss { kind: LossKind::NotPermitted, ..loss(1, "root would see more") }]);
        assert!(!losses.say_the_rest());
        let name = |n: u8| char::from(b'a' + n % 26).to_string().repeat(usize::from(n) + 1);
        losses.add((0..200).map(|n| loss(1, &name(n))).collect());
        assert_eq!(losses.all().len(), CAUSES_KEPT);
        assert!(losses.say_the_rest());
    }
}
