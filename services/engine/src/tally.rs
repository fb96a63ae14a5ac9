//! Losses added up since the start, one for each cause.
//!
//! The one idea: a source says what it lost since it was last asked, in a sentence with that count;
//! two sentences that differ in the count alone are of the same cause.

use std::collections::BTreeMap;

use conns_core::model::{Loss, LossKind, Source};

/// Most causes told apart; there are a dozen.
const CAUSES_KEPT: usize = 64;
/// Stands for the count.
const COUNT: &str = "\0";

/// The losses.
#[derive(Default)]
pub(crate) struct Tally {
    causes: BTreeMap<Box<str>, Loss>,
    /// Of causes beyond the bound.
    other: u64,
}

impl Tally {
    /// Adds these.
    pub(crate) fn add(&mut self, losses: Vec<Loss>) {
        for loss in losses {
            let cause = cause(&loss);
            let has_room = self.causes.len() < CAUSES_KEPT;
            match self.causes.get_mut(&cause) {
                Some(known) => {
                    known.count = known.count.saturating_add(loss.count);
                    known.sentence = cause.replacen(COUNT, &known.count.to_string(), 1).into();
                }
                None if has_room => {
                    self.causes.insert(cause, loss);
                }
                None => self.other = self.other.saturating_add(loss.count),
            }
        }
    }

    /// All of them.
    pub(crate) fn losses(&self) -> impl Iterator<Item = Loss> + '_ {
        let count = self.other;
        let other = (count > 0).then(|| Loss {
            source: Source::Derived,
            kind: LossKind::BoundReached,
            count,
            sentence: format!("{count} more were lost, of causes beyond the {CAUSES_KEPT} above")
                .into(),
        });
        self.causes.values().cloned().chain(other)
    }
}

/// The sentence without its count: the first number in it that is the count.
fn cause(loss: &Loss) -> Box<str> {
    let (sentence, count) = (&*loss.sentence, loss.count.to_string());
    let is_digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_digit);
    let bytes = sentence.as_bytes();
    let is_whole = |at: &usize| {
        let before = at.checked_sub(1).and_then(|before| bytes.get(before));
        !is_digit(before) && !is_digit(bytes.get(at + count.len()))
    };
    let at = sentence.match_indices(&count).map(|(at, _)| at).find(is_whole);
    let parts = at.and_then(|at| Some((sentence.get(..at)?, sentence.get(at + count.len()..)?)));
    match parts {
        Some((before, after)) => format!("{before}{COUNT}{after}").into(),
        None => sentence.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loss(count: u64, sentence: &str) -> Loss {
        let (source, kind) = (Source::Ebpf, LossKind::EventDropped);
        Loss { source, kind, count, sentence: sentence.into() }
    }

    fn told(tally: &Tally) -> Vec<(u64, String)> {
        tally.losses().map(|loss| (loss.count, loss.sentence.into())).collect()
    }

    #[test]
    fn a_cause_is_counted_up_and_its_sentence_says_so() {
        let mut tally = Tally::default();
        tally.add(vec![loss(3, "3 ends of 3 kinds were lost"), loss(1, "1 accept was lost")]);
        tally.add(vec![loss(39, "39 ends of 3 kinds were lost")]);
        let all = [(1, "1 accept was lost".into()), (42, "42 ends of 3 kinds were lost".into())];
        assert_eq!(
            told(&tally).iter().collect::<std::collections::BTreeSet<_>>(),
            all.iter().collect()
        );
    }

    #[test]
    fn a_sentence_without_its_count_stays_as_it_is() {
        let mut tally = Tally::default();
        tally.add(vec![
            loss(2, "a 12 is no 2x"),
            loss(5, "nothing to count"),
            loss(6, "nothing to count"),
        ]);
        assert_eq!(told(&tally), [(2, "a 12 is no 2x".into()), (11, "nothing to count".into())]);
    }

    #[test]
    fn causes_are_bounded() {
        let mut tally = Tally::default();
        for cause in 0..CAUSES_KEPT + 5 {
            tally.add(vec![loss(1000, &format!("cause {cause}"))]);
        }
        let (count, sentence) = told(&tally).pop().unwrap();
        assert_eq!((count, told(&tally).len()), (5000, CAUSES_KEPT + 1));
        assert!(sentence.starts_with("5000 more"), "{sentence}");
    }
}
