//! The window that holds its share beside loss-based flows, and otherwise is that of [`Low`].
//!
//! A loss-based flow keeps the queue filled, and the delay target of [`Low`] yields to it. Copa (Arun and
//! Balakrishnan, NSDI 2018, section 2.2) infers such a flow when the queue is never nearly empty, and then reacts to loss as that flow does.
//! That needs a base round-trip time of the empty path; a flow that starts later measures a base with the other's queue in it.
//! So this method infers the other flow from the delivered rate, which does not depend on the base:
//!
//! - While the queue is not empty, a flow alone delivers the rate of the path whatever its window. A rate that falls while the queue
//!   is not empty has another flow as its cause: competition begins, with the window that had the best rate.
//! - While it competes, the window is that of CUBIC. Every 10 s a probe shrinks it by half of its part of the queue. If the
//!   delivered rate stays, the flow is alone.

use super::cubic::Epoch;
use super::low::{EMPTY_US, Low, TARGET_US};
use super::round::Measures;

/// Rounds in a row with a queue of twice the target: [`Low`] would have shortened it if it were its own.
const LONG_QUEUE_ROUNDS: u32 = 6;
/// Rounds in a row with a rate below `REDUCED_RATE`.
const REDUCED_RATE_ROUNDS: u32 = 3;
/// Share of the best rate below which the rate counts as reduced.
const REDUCED_RATE: f64 = 0.85;
/// Time between two probes.
const PROBE_INTERVAL_US: u64 = 10_000_000;
/// Rounds of a probe after the one that measures the earlier window.
const PROBE_ROUNDS: u32 = 3;
/// Share of the rate that a probe keeps if no other flow takes what it leaves.
const KEPT_RATE: f64 = 0.95;
/// Weight of a round in the mean rate.
const RATE_WEIGHT: f64 = 0.4;
/// Factor of the greatest queueing delay each round: it follows a path that changed.
const GREATEST_QUEUE_DECAY: f64 = 0.998;

/// State of the method beside the window, which [`Low`] has.
#[derive(Debug, Clone, Default)]
pub(super) struct Fair {
    mode: Mode,
    /// Mean of the delivered rate, bytes per second.
    rate: f64,
    greatest_queue_us: f64,
}

#[derive(Debug, Clone)]
enum Mode {
    Alone(Alone),
    Competing(Competing),
    Probing(Probing),
}

#[derive(Debug, Clone, Default)]
struct Alone {
    /// The greatest mean rate since the queue was empty, and the window it had.
    best_rate: f64,
    best_window: f64,
    long_queue_rounds: u32,
    reduced_rate_rounds: u32,
}

#[derive(Debug, Clone)]
struct Competing {
    epoch: Epoch,
    since_us: u64,
    /// The losses of this round belong to the latest reduction.
    is_reduced: bool,
}

#[derive(Debug, Clone)]
struct Probing {
    earlier_window: f64,
    earlier_rate: f64,
    rounds: u32,
    /// Sum of the rates of the rounds that measure the probe.
    rates: f64,
}

impl Default for Mode {
    fn default() -> Self {
        Self::Alone(Alone::default())
    }
}

impl Fair {
    /// Applies a finished round.
    pub(super) fn end_round(
        &mut self,
        low: &mut Low,
        now_us: u64,
        measures: &Measures,
        base_us: u64,
        smoothed_us: f64,
    ) {
        let queue_us = measures.queue_us(base_us);
        self.greatest_queue_us = (self.greatest_queue_us * GREATEST_QUEUE_DECAY).max(queue_us);
        self.rate += (measures.delivered - self.rate) * RATE_WEIGHT;
        let next = match &mut self.mode {
            Mode::Alone(alone) => {
                low.end_round(now_us, measures, base_us, smoothed_us);
                alone.end_round(low, now_us, measures, queue_us, self.rate)
            }
            Mode::Competing(competing) => {
                let is_congested = measures.loss > 0.0 && queue_us > 0.5 * self.greatest_queue_us;
                competing.end_round(low, now_us, measures, smoothed_us, is_congested);
                competing.probe(low, now_us, queue_us, self.rate)
            }
            Mode::Probing(probing) => probing.end_round(low, now_us, measures),
        };
        if let Some(next) = next {
            self.mode = next;
        }
    }
}

impl Alone {
    fn end_round(
        &mut self,
        low: &mut Low,
        now_us: u64,
        measures: &Measures,
        queue_us: f64,
        rate: f64,
    ) -> Option<Mode> {
        let is_own_limit = low.is_doubling() || measures.is_application_limited;
        if is_own_limit || queue_us < EMPTY_US || rate > self.best_rate {
            (self.best_rate, self.best_window) = (rate, low.window());
        }
        let count = |rounds: u32, applies: bool| if applies { rounds + 1 } else { 0 };
        let is_long = !low.is_doubling() && queue_us > 2.0 * TARGET_US;
        self.long_queue_rounds = count(self.long_queue_rounds, is_long);
        self.reduced_rate_rounds =
            count(self.reduced_rate_rounds, rate < REDUCED_RATE * self.best_rate);
        if self.long_queue_rounds < LONG_QUEUE_ROUNDS
            && self.reduced_rate_rounds < REDUCED_RATE_ROUNDS
        {
            return None;
        }
        low.continue_from(low.window().max(self.best_window));
        Some(Competing::begin(now_us, low.window()))
    }
}

impl Competing {
    fn begin(now_us: u64, window: f64) -> Mode {
        let epoch = Epoch::at_plateau(now_us, window);
        Mode::Competing(Self { epoch, since_us: now_us, is_reduced: false })
    }

    /// Loss without a queue is random and changes nothing.
    fn end_round(
        &mut self,
        low: &mut Low,
        now_us: u64,
        measures: &Measures,
        smoothed_us: f64,
        is_congested: bool,
    ) {
        let window = low.window();
        if self.is_reduced {
            self.is_reduced = false;
        } else if is_congested {
            self.epoch = self.epoch.reduced(now_us, window);
            self.is_reduced = true;
        } else if measures.is_application_limited {
            self.epoch = Epoch::at_plateau(now_us, window);
        }
        // The bound is that of RFC 9438, section 4.4; it also keeps the window near the limits of the settings.
        low.continue_from(self.epoch.window(now_us, smoothed_us).min(1.5 * window));
    }

    fn probe(&self, low: &mut Low, now_us: u64, queue_us: f64, rate: f64) -> Option<Mode> {
        if self.is_reduced || now_us.saturating_sub(self.since_us) < PROBE_INTERVAL_US {
            return None;
        }
        let window = low.window();
        low.continue_from((window - 0.5 * rate * queue_us / 1e6).max(0.5 * window));
        Some(Mode::Probing(Probing {
            earlier_window: window,
            earlier_rate: rate,
            rounds: 0,
            rates: 0.0,
        }))
    }
}

impl Probing {
    fn end_round(&mut self, low: &mut Low, now_us: u64, measures: &Measures) -> Option<Mode> {
        // The first round acknowledges packets of the earlier window.
        if self.rounds > 0 {
            self.rates += measures.delivered;
        }
        self.rounds += 1;
        if self.rounds <= PROBE_ROUNDS {
            return None;
        }
        if self.rates > KEPT_RATE * self.earlier_rate * f64::from(PROBE_ROUNDS) {
            return Some(Mode::Alone(Alone {
                best_rate: self.earlier_rate,
                best_window: self.earlier_window,
                ..Alone::default()
            }));
        }
        low.continue_from(self.earlier_window);
        Some(Competing::begin(now_us, self.earlier_window))
    }
}
