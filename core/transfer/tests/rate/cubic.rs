//! A competing loss-based sender: CUBIC (RFC 9438) with fast convergence and its Reno-friendly region, in packets.

use crate::flow::PACKET;

const C: f64 = 0.4;
const BETA: f64 = 0.7;

#[derive(Debug)]
pub struct Cubic {
    window: f64,
    threshold: f64,
    greatest: f64,
    epoch_ns: Option<u64>,
    epoch_window: f64,
    reno: f64,
    recovery_ns: u64,
}

impl Cubic {
    pub fn new() -> Self {
        Self {
            window: 10.0,
            threshold: f64::MAX,
            greatest: 0.0,
            epoch_ns: None,
            epoch_window: 0.0,
            reno: 0.0,
            recovery_ns: 0,
        }
    }

    pub fn window_bytes(&self) -> u64 {
        (self.window * PACKET as f64) as u64
    }

    pub fn on_acknowledged(&mut self, now_ns: u64, smoothed_ns: f64) {
        if self.window < self.threshold {
            self.window += 1.0;
            return;
        }
        let epoch_ns = *self.epoch_ns.get_or_insert(now_ns);
        if epoch_ns == now_ns {
            self.epoch_window = self.window;
            self.reno = self.window;
        }
        let seconds = (now_ns - epoch_ns) as f64 / 1e9;
        let k = ((self.greatest - self.epoch_window).max(0.0) / C).cbrt();
        let after = seconds + smoothed_ns / 1e9 - k;
        let target = (C * after.powi(3) + self.greatest.max(self.epoch_window))
            .clamp(self.window, 1.5 * self.window);
        let alpha = if self.reno < self.greatest { 3.0 * (1.0 - BETA) / (1.0 + BETA) } else { 1.0 };
        self.reno += alpha / self.window;
        self.window += (target - self.window) / self.window;
        self.window = self.window.max(self.reno);
    }

    pub fn on_lost(&mut self, now_ns: u64, sent_ns: u64) {
        // One reduction for the packets of a round trip.
        if sent_ns < self.recovery_ns {
            return;
        }
        self.recovery_ns = now_ns;
        self.greatest = if self.window < self.greatest {
            self.window * (1.0 + BETA) / 2.0
        } else {
            self.window
        };
        self.window = (self.window * BETA).max(2.0);
        self.threshold = self.window;
        self.epoch_ns = None;
    }

    pub fn on_persistent_congestion(&mut self) {
        self.threshold = (self.window * BETA).max(2.0);
        self.window = 2.0;
        self.epoch_ns = None;
    }
}
