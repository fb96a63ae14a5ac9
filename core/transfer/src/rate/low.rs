//! The window that holds the queueing delay of the path at 12 ms, somewhat more at low rates.
//!
//! It starts by doubling, as TCP does (RFC 5681, section 3.1), and leaves that phase with the delivered rate times the
//! base round-trip time. Afterwards each round trip moves the window by half of what the queueing delay is off
//! the target. Loss below 15 % changes nothing: lost bytes are replaced, and a full queue is seen by its delay.

use super::round::Measures;

/// Queueing delay that the window aims at, at `TARGET_RATE`.
pub(super) const TARGET_US: f64 = 12_000.0;
/// Rate in bytes per second whose target is `TARGET_US`, and the difference for a factor of two.
const TARGET_RATE: f64 = 12_500_000.0;
const SLOPE_US: f64 = 1_000.0;
/// Loss beyond which the window shrinks: a queue that is too short for the delay target overflows.
const MAX_LOSS: f64 = 0.15;
/// Initial window of the doubling phase: ten packets (RFC 9002, section 7.2).
pub(super) const INITIAL_WINDOW: f64 = 15_000.0;
/// Four packets, so that losses are found by packets that arrive later and not by a timeout.
pub(super) const MIN_WINDOW: f64 = 6_000.0;
/// The doubling phase ends when this number of samples in a row is `START_QUEUE_US` over the base.
const START_SAMPLES: usize = 8;
const START_QUEUE_US: u64 = 16_000;
/// The doubling phase takes at least this number of round trips: the first bursts queue in front of themselves.
const START_ROUNDS: u32 = 3;
/// Two round trips with a smaller window follow when the queue was not empty for this time, so that the base is measured.
/// The window shrinks by twice the queue, at most by half.
const DRAIN_AFTER_US: u64 = 10_000_000;
/// A queue below this is empty, jitter aside.
pub(super) const EMPTY_US: f64 = 4_000.0;

/// Queueing delay that a flow of this rate (bytes per second) aims at: a millisecond more for half the rate.
///
/// Flows that share a queue measure the same delay. The slower one grows until their rates are equal.
fn target_us(rate: f64) -> f64 {
    TARGET_US - SLOPE_US * (rate / TARGET_RATE).log2().clamp(-6.0, 6.0)
}

/// State of the method.
#[derive(Debug, Clone)]
pub(super) struct Low {
    window: f64,
    phase: Phase,
    /// Factor of a step while the queue stays empty.
    speed: f64,
    /// Rounds that leave the window unchanged until its last step is measured.
    settling: u32,
    /// When the queue was empty the last time.
    empty_us: u64,
    /// Window before it shrank to empty the queue.
    drained_from: Option<f64>,
}

#[derive(Debug, Clone)]
enum Phase {
    Doubling {
        recent_us: [u64; START_SAMPLES],
        samples: usize,
        best: f64,
        flat_rounds: u32,
        rounds: u32,
    },
    Steady,
}

impl Low {
    pub(super) fn new(window: f64) -> Self {
        Self {
            window: window.max(INITIAL_WINDOW),
            phase: Phase::Doubling {
                recent_us: [0; START_SAMPLES],
                samples: 0,
                best: 0.0,
                flat_rounds: 0,
                rounds: 0,
            },
            speed: 1.0,
            settling: 0,
            empty_us: 0,
            drained_from: None,
        }
    }

    pub(super) fn window(&self) -> f64 {
        self.window
    }

    pub(super) fn set_window(&mut self, window: f64) {
        self.window = window.max(MIN_WINDOW);
    }

    /// Continues from a window that another method chose.
    pub(super) fn continue_from(&mut self, window: f64) {
        self.drained_from = None;
        self.settling = 0;
        self.set_window(window);
    }

    pub(super) fn is_doubling(&self) -> bool {
        matches!(self.phase, Phase::Doubling { .. })
    }

    /// Applies one acknowledged packet of the doubling phase.
    /// Returns whether its samples end the phase.
    pub(super) fn sample(
        &mut self,
        bytes: u64,
        round_trip_us: u64,
        base_us: u64,
        is_limited: bool,
    ) -> bool {
        let Phase::Doubling { recent_us, samples, rounds, .. } = &mut self.phase else {
            return false;
        };
        if !is_limited {
            self.window += bytes as f64;
        }
        if let Some(slot) = recent_us.get_mut(*samples % START_SAMPLES) {
            *slot = round_trip_us;
        }
        *samples += 1;
        let least_us = recent_us.iter().copied().min().unwrap_or(0);
        *rounds > START_ROUNDS && least_us.saturating_sub(base_us) > START_QUEUE_US
    }

    /// Ends the doubling phase; `delivered` is in bytes per second.
    pub(super) fn settle(&mut self, now_us: u64, delivered: f64, base_us: u64) {
        self.phase = Phase::Steady;
        self.set_window(delivered * base_us as f64 / 1e6);
        self.settling = 2;
        self.empty_us = now_us;
    }

    /// Applies a finished round.
    pub(super) fn end_round(
        &mut self,
        now_us: u64,
        measures: &Measures,
        base_us: u64,
        smoothed_us: f64,
    ) {
        let queue_us = measures.queue_us(base_us);
        if let Phase::Doubling { best, flat_rounds, rounds, .. } = &mut self.phase {
            *rounds += 1;
            if measures.delivered > *best * 1.25 {
                *best = measures.delivered;
                *flat_rounds = 0;
            } else if !measures.is_application_limited {
                *flat_rounds += 1;
            }
            if *flat_rounds >= 3 || (measures.loss > MAX_LOSS && *rounds > START_ROUNDS) {
                self.settle(now_us, measures.delivered, base_us);
            }
            return;
        }
        if queue_us < EMPTY_US {
            self.empty_us = now_us;
        }
        if self.settling > 0 {
            self.settling -= 1;
            return;
        }
        if let Some(window) = self.drained_from.take() {
            self.window = window;
            self.settling = 1;
            self.empty_us = now_us;
            return;
        }
        if now_us.saturating_sub(self.empty_us) > DRAIN_AFTER_US {
            let surplus = (2.0 * queue_us / smoothed_us.max(1.0)).min(0.5);
            self.drained_from = Some(self.window);
            self.set_window(self.window * (1.0 - surplus));
            self.settling = 1;
            return;
        }
        if !(measures.is_application_limited && queue_us < TARGET_US) {
            self.step(queue_us, smoothed_us);
        }
        if measures.loss > MAX_LOSS {
            self.set_window(self.window * 0.85);
        }
    }

    fn step(&mut self, queue_us: f64, smoothed_us: f64) {
        self.speed = if queue_us < EMPTY_US { (self.speed * 1.5).min(8.0) } else { 1.0 };
        let rate = self.window * 1e6 / smoothed_us.max(1.0);
        let off = (target_us(rate) - queue_us) * rate / 1e6;
        let step = (0.5 * off * self.speed).clamp(-0.25 * self.window, 0.25 * self.window);
        self.set_window(self.window + step);
        // Round-trip times of the next round are those of packets sent before this step.
        if self.speed > 1.0 {
            self.settling = 1;
        }
    }
}
