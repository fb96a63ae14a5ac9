//! The pure model of one direction: what happens to a packet, decided from its arrival time alone.
//!
//! Dice first (a lost packet costs no queue space), then a drop-tail queue before a serialiser of fixed rate, then a
//! one-way delay, which is constant unless jitter or reordering vary it. Times are nanoseconds since any fixed start;
//! nothing here reads a clock.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::dice::Dice;
use super::variation::{Jitter, Reordering, Variation, nanoseconds};

/// How long the queue before the serialiser may become.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Queue {
    /// The most packets, including the one being sent.
    Packets(usize),
    /// The most bytes, including the packet being sent.
    Bytes(u64),
}

/// The properties of one direction.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// One-way delay, after serialisation.
    pub delay: Duration,
    /// Probability (0 to 1) that a packet is lost at random.
    pub loss: f64,
    /// Rate of the serialiser in bits per second of IP packets; `None` serialises in no time.
    pub rate_bits: Option<u64>,
    /// The drop-tail queue before the serialiser.
    pub queue: Queue,
    /// Seed of the dice: the same seed loses, shifts and delays the same ordinals of packets.
    pub seed: u64,
    /// Random extra delay of every packet.
    pub jitter: Jitter,
    /// Packets that overtake others, or are overtaken.
    pub reordering: Reordering,
}

impl Shape {
    /// A lossless direction of unlimited rate with this one-way delay, which keeps the order of packets.
    pub fn delay(delay: Duration) -> Self {
        Self {
            delay,
            loss: 0.0,
            rate_bits: None,
            queue: Queue::Packets(10_000),
            seed: 1,
            jitter: Jitter::default(),
            reordering: Reordering::default(),
        }
    }
}

/// What one direction did, as the truth that tests compare with. Bytes are those of IP packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Packets handed to the other end.
    pub passed_packets: u64,
    /// Bytes handed to the other end.
    pub passed_bytes: u64,
    /// Packets lost by the dice.
    pub lost_packets: u64,
    /// Packets dropped because the queue was full.
    pub dropped_packets: u64,
    /// Packets swallowed while the direction was black.
    pub swallowed_packets: u64,
    /// TCP packets with payload that came in, whatever became of them.
    pub data_packets: u64,
    /// TCP packets with payload that were lost by the dice, dropped or swallowed.
    pub data_packets_missing: u64,
    /// By how much a packet was handed over too late at most, microseconds: the thread had no processor.
    #[serde(default)]
    pub late_us: u64,
    /// Packets handed over after one that had come in later (reordered as RFC 4737 counts).
    #[serde(default)]
    pub reordered_packets: u64,
}

/// What becomes of one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It arrives at this time (ns).
    Arrives(u64),
    /// The dice lost it.
    Lost,
    /// The queue was full.
    Dropped,
}

/// One direction in operation.
#[derive(Debug)]
pub struct Lane {
    shape: Shape,
    dice: Dice,
    variation: Variation,
    free_at: u64,
    /// Packets waiting or being serialised: when each is out, and its bytes.
    waiting: VecDeque<(u64, u64)>,
    waiting_bytes: u64,
}

impl Lane {
    /// An idle direction.
    pub fn new(shape: Shape) -> Self {
        Self {
            shape,
            dice: Dice::new(shape.seed, 0),
            variation: Variation::new(shape.jitter, shape.reordering, shape.seed),
            free_at: 0,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
        }
    }

    /// When the serialiser is idle again (ns): a packet that comes in at `now` waits until then.
    pub fn free_at(&self) -> u64 {
        self.free_at
    }

    /// Decides the fate of a packet of `bytes` that came in at `now` (ns).
    pub fn offer(&mut self, now: u64, bytes: u64) -> Fate {
        // The dice are thrown for every packet, so that the losses depend on the seed and the ordinal only.
        let is_lost = self.dice.throw() < self.shape.loss;
        let throw = self.variation.throw();
        if is_lost {
            return Fate::Lost;
        }
        let delay = nanoseconds(self.shape.delay);
        let Some(rate) = self.shape.rate_bits else {
            return Fate::Arrives(self.variation.arrival(now, delay, throw));
        };
        while let Some(&(out_at, size)) = self.waiting.front()
            && out_at <= now
        {
            self.waiting_bytes -= size;
            self.waiting.pop_front();
        }
        let full = match self.shape.queue {
            Queue::Packets(most) => self.waiting.len() >= most,
            Queue::Bytes(most) => self.waiting_bytes + bytes > most,
        };
        if full {
            return Fate::Dropped;
        }
        let out_at = self.free_at.max(now) + bytes * 8 * 1_000_000_000 / rate;
        self.free_at = out_at;
        self.waiting.push_back((out_at, bytes));
        self.waiting_bytes += bytes;
        Fate::Arrives(self.variation.arrival(out_at, delay, throw))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn slow(queue: Queue) -> Lane {
        Lane::new(Shape {
            rate_bits: Some(12_000_000),
            queue,
            ..Shape::delay(Duration::from_millis(5))
        })
    }

    #[test]
    fn packets_leave_one_serialisation_time_apart() {
        let mut lane = slow(Queue::Packets(10));
        assert_eq!(lane.offer(0, 1500), Fate::Arrives(6 * MS));
        assert_eq!(lane.offer(0, 1500), Fate::Arrives(7 * MS));
        // An idle serialiser does not save up credit.
        assert_eq!(lane.offer(100 * MS, 1500), Fate::Arrives(106 * MS));
    }

    #[test]
    fn a_full_queue_drops_the_newest_and_takes_again_when_one_is_out() {
        let mut lane = slow(Queue::Packets(2));
        lane.offer(0, 1500);
        lane.offer(0, 1500);
        assert_eq!(lane.offer(0, 1500), Fate::Dropped);
        assert_eq!(lane.offer(MS, 1500), Fate::Arrives(8 * MS));
        let mut lane = slow(Queue::Bytes(3100));
        lane.offer(0, 1500);
        lane.offer(0, 1500);
        assert_eq!(lane.offer(0, 1500), Fate::Dropped);
        assert_eq!(lane.offer(0, 40), Fate::Arrives(7 * MS + 40 * 8 * 1000 / 12));
    }

    #[test]
    fn the_same_seed_loses_the_same_packets_and_about_as_many_as_asked() {
        let run = || {
            let mut lane = Lane::new(Shape { loss: 0.02, seed: 7, ..Shape::delay(Duration::ZERO) });
            (0..100_000).map(move |at| lane.offer(at, 100) == Fate::Lost)
        };
        assert!(run().eq(run()));
        let lost = run().filter(|lost| *lost).count();
        // Three standard deviations of a binomial with n = 100 000, p = 0.02.
        assert!((1867..=2133).contains(&lost), "{lost} lost");
    }
}
