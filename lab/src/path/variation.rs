//! The pure model of a delay that varies: jitter, and packets that overtake others or are overtaken.
//!
//! Jitter comes first, then the shift of a share of packets. Both have dice of their own, thrown for every packet, so
//! that the choice depends on the seed and the ordinal of the packet only.

use std::time::Duration;

use super::dice::Dice;

/// Random extra delay, uniform from zero to `most`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Jitter {
    /// The most extra delay; zero is no jitter.
    pub most: Duration,
    /// Whether a packet with less extra delay may overtake one with more; else it arrives right behind it.
    pub may_reorder: bool,
}

/// A share of packets that arrives at another time than the rest, beyond its neighbours.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Reordering {
    /// Probability (0 to 1) that a packet is shifted.
    pub share: f64,
    /// How far it is shifted.
    pub shift: Shift,
}

/// The time by which a packet is shifted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shift {
    /// It arrives by this much earlier, at most by the one-way delay, and overtakes.
    Earlier(Duration),
    /// It arrives by this much later, and is overtaken.
    Later(Duration),
}

impl Default for Shift {
    fn default() -> Self {
        Self::Later(Duration::ZERO)
    }
}

/// The varying part of one direction in operation.
#[derive(Debug)]
pub(super) struct Variation {
    jitter: Jitter,
    reordering: Reordering,
    extra: Dice,
    choice: Dice,
    /// Latest arrival of a packet that was not shifted (ns).
    latest: u64,
}

impl Variation {
    pub(super) fn new(jitter: Jitter, reordering: Reordering, seed: u64) -> Self {
        let (extra, choice) = (Dice::new(seed, 1), Dice::new(seed, 2));
        Self { jitter, reordering, extra, choice, latest: 0 }
    }

    /// The throws for one packet, whatever becomes of it.
    pub(super) fn throw(&mut self) -> Throw {
        let extra = (self.extra.throw() * nanoseconds(self.jitter.most) as f64) as u64;
        Throw { extra, is_shifted: self.choice.throw() < self.reordering.share }
    }

    /// When a packet arrives that left the serialiser at `out_at` (ns).
    pub(super) fn arrival(&mut self, out_at: u64, delay: u64, throw: Throw) -> u64 {
        let mut arrives_at = out_at + delay + throw.extra;
        if !self.jitter.may_reorder {
            arrives_at = arrives_at.max(self.latest);
        }
        if throw.is_shifted {
            return match self.reordering.shift {
                Shift::Earlier(by) => arrives_at.saturating_sub(nanoseconds(by)).max(out_at),
                Shift::Later(by) => arrives_at + nanoseconds(by),
            };
        }
        self.latest = self.latest.max(arrives_at);
        arrives_at
    }
}

/// What the dice chose for one packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Throw {
    extra: u64,
    is_shifted: bool,
}

/// Nanoseconds of a time, far from overflow in any sum of two.
pub(super) fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX).min(u64::MAX / 8)
}

#[cfg(test)]
mod tests {
    use super::super::lane::{Fate, Lane, Shape};
    use super::*;

    const MS: u64 = 1_000_000;
    const PACKETS: u64 = 20_000;

    /// Arrivals of packets that are sent one millisecond apart.
    fn arrivals(shape: Shape) -> Vec<u64> {
        let mut lane = Lane::new(shape);
        let arrival = |at| match lane.offer(at * MS, 100) {
            Fate::Arrives(arrives_at) => arrives_at,
            fate => panic!("{fate:?} on a lossless path"),
        };
        (0..PACKETS).map(arrival).collect()
    }

    /// One-way delays of the same packets.
    fn delays(shape: Shape) -> Vec<u64> {
        arrivals(shape).iter().enumerate().map(|(at, arrival)| arrival - at as u64 * MS).collect()
    }

    fn shape(jitter: Jitter, reordering: Reordering) -> Shape {
        Shape { jitter, reordering, seed: 3, ..Shape::delay(Duration::from_millis(50)) }
    }

    fn jitter(ms: u64, may_reorder: bool) -> Shape {
        let jitter = Jitter { most: Duration::from_millis(ms), may_reorder };
        shape(jitter, Reordering::default())
    }

    fn reordering(share: f64, shift: Shift) -> Shape {
        shape(Jitter::default(), Reordering { share, shift })
    }

    #[test]
    fn jitter_is_uniform_and_the_same_for_the_same_seed() {
        let found = delays(jitter(20, true));
        assert_eq!(found, delays(jitter(20, true)));
        assert!(found.iter().all(|delay| (50 * MS..70 * MS).contains(delay)));
        // Each quarter of the span has its quarter, within four standard deviations.
        for quarter in 0..4 {
            let span = (50 + 5 * quarter) * MS..(55 + 5 * quarter) * MS;
            let count = found.iter().filter(|delay| span.contains(delay)).count();
            assert!(count.abs_diff(5_000) < 245, "{count} in quarter {quarter}");
        }
    }

    #[test]
    fn jitter_overtakes_only_where_it_may() {
        assert!(arrivals(jitter(20, false)).is_sorted());
        let free = arrivals(jitter(20, true));
        assert!(free.windows(2).filter(|two| two[1] < two[0]).count() > 5_000);
        // A packet that waits for its predecessor is never later than the latest a packet may be.
        assert!(delays(jitter(20, false)).iter().all(|delay| (50 * MS..70 * MS).contains(delay)));
    }

    #[test]
    fn an_earlier_packet_overtakes_as_many_as_fit_into_its_shift() {
        let found = arrivals(reordering(0.05, Shift::Earlier(Duration::from_micros(10_500))));
        let early: Vec<usize> =
            (0..found.len()).filter(|at| found[*at] < (*at as u64 + 50) * MS).collect();
        // Four standard deviations of a binomial with n = 20 000, p = 0.05.
        assert!(early.len().abs_diff(1_000) < 124, "{} shifted", early.len());
        let overtaken =
            |at: usize| found[..at].iter().filter(|before| **before > found[at]).count();
        assert!(early.iter().filter(|at| **at > 10).all(|at| overtaken(*at) <= 10));
        assert!(early.iter().any(|at| overtaken(*at) == 10));
    }

    #[test]
    fn no_packet_arrives_before_it_was_sent() {
        let found = delays(reordering(0.5, Shift::Earlier(Duration::from_secs(1))));
        assert!(found.iter().all(|delay| *delay == 0 || *delay == 50 * MS));
        assert!(found.contains(&0));
    }

    #[test]
    fn a_later_packet_is_overtaken_and_holds_up_none() {
        for may_reorder in [false, true] {
            let shift = Shift::Later(Duration::from_millis(30));
            let jitter = Jitter { most: Duration::from_millis(1), may_reorder };
            let found = delays(shape(jitter, Reordering { share: 0.02, shift }));
            let late = found.iter().filter(|delay| **delay >= 80 * MS).count();
            // Four standard deviations of a binomial with n = 20 000, p = 0.02.
            assert!(late.abs_diff(400) < 80, "{late} shifted");
            assert!(found.iter().all(|delay| *delay < 51 * MS || *delay >= 80 * MS));
        }
    }

    #[test]
    fn variation_changes_no_loss() {
        let lost = |shape: Shape| {
            let mut lane = Lane::new(Shape { loss: 0.1, ..shape });
            (0..1_000).map(|at| lane.offer(at * MS, 100) == Fate::Lost).collect::<Vec<_>>()
        };
        assert_eq!(
            lost(jitter(0, false)),
            lost(reordering(0.3, Shift::Later(Duration::from_millis(5))))
        );
    }
}
