//! One direction of a path in virtual time: random loss, a drop-tail queue before a serialiser, a delay with jitter.
//!
//! The model is that of `lab/src/path/lane.rs`, where packets are real.

use std::collections::VecDeque;

/// Seedable numbers: splitmix64.
#[derive(Debug, Clone)]
pub struct Random(pub u64);

impl Random {
    /// A uniform number in [0, 1).
    pub fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// The properties of a path; both directions have the same delay, loss and jitter.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// Rate of the direction of the data, bits per second of IP packets.
    pub rate_bits: f64,
    /// Round-trip time without a queue.
    pub round_trip_ms: f64,
    /// Length of the queue, as the time it takes to send it.
    pub queue_ms: f64,
    /// Probability that a packet is lost at random.
    pub loss: f64,
    /// Greatest random delay of a packet; packets overtake each other.
    pub jitter_ms: f64,
    pub seed: u64,
}

impl Shape {
    /// 100 Mbit/s with a queue of 100 ms.
    pub fn of(round_trip_ms: f64, loss: f64) -> Self {
        Self { rate_bits: 100e6, round_trip_ms, queue_ms: 100.0, loss, jitter_ms: 0.0, seed: 1 }
    }
}

/// The bottleneck.
#[derive(Debug)]
pub struct Lane {
    pub shape: Shape,
    random: Random,
    free_at_ns: u64,
    waiting: VecDeque<(u64, u64)>,
    waiting_bytes: u64,
}

impl Lane {
    pub fn new(shape: Shape) -> Self {
        let random = Random(shape.seed);
        Self { shape, random, free_at_ns: 0, waiting: VecDeque::new(), waiting_bytes: 0 }
    }

    /// When a packet of `bytes` arrives that is sent at `now_ns`; `None` if it is lost.
    pub fn offer(&mut self, now_ns: u64, bytes: u64) -> Option<u64> {
        if self.random.next() < self.shape.loss {
            return None;
        }
        while self.waiting.front().is_some_and(|(out, _)| *out <= now_ns) {
            self.waiting_bytes -= self.waiting.pop_front().map_or(0, |(_, bytes)| bytes);
        }
        let most = self.shape.rate_bits / 8.0 * self.shape.queue_ms / 1e3;
        if self.waiting_bytes + bytes > most as u64 {
            return None;
        }
        let out = self.free_at_ns.max(now_ns) + (bytes as f64 * 8e9 / self.shape.rate_bits) as u64;
        self.free_at_ns = out;
        self.waiting.push_back((out, bytes));
        self.waiting_bytes += bytes;
        Some(out + self.delay_ns())
    }

    /// When an acknowledgement arrives that is sent back at `now_ns`; `None` if it is lost.
    pub fn answer(&mut self, now_ns: u64) -> Option<u64> {
        if self.random.next() < self.shape.loss { None } else { Some(now_ns + self.delay_ns()) }
    }

    /// Time that a packet would wait.
    pub fn queue_ms(&self, now_ns: u64) -> f64 {
        self.free_at_ns.saturating_sub(now_ns) as f64 / 1e6
    }

    fn delay_ns(&mut self) -> u64 {
        let jitter_ms = self.shape.jitter_ms * self.random.next();
        ((self.shape.round_trip_ms / 2.0 + jitter_ms) * 1e6) as u64
    }
}
