//! One direction of a path as a scenario writes it.

use std::time::Duration;

use serde::Deserialize;

use crate::path::{Jitter, Queue, Reordering, Shape, Shift};

/// One direction as written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LaneText {
    delay_ms: f64,
    rate_mbit: Option<f64>,
    queue_packets: Option<usize>,
    #[serde(default)]
    loss_percent: f64,
    #[serde(default)]
    seed: u64,
    /// The most extra delay of a packet, milliseconds.
    #[serde(default)]
    jitter_ms: f64,
    /// Whether packets overtake each other by jitter.
    #[serde(default)]
    jitter_reorders: bool,
    /// Share of packets that are shifted, %.
    #[serde(default)]
    reorder_percent: f64,
    /// Milliseconds by which they arrive later; below zero, earlier.
    #[serde(default)]
    reorder_ms: f64,
}

impl LaneText {
    /// The shape it describes.
    pub fn shape(&self) -> Shape {
        let unlimited = Shape::delay(milliseconds(self.delay_ms));
        Shape {
            rate_bits: self.rate_mbit.map(|rate| (rate * 1e6) as u64),
            queue: self.queue_packets.map_or(unlimited.queue, Queue::Packets),
            loss: self.loss_percent / 100.0,
            seed: self.seed,
            jitter: Jitter {
                most: milliseconds(self.jitter_ms),
                may_reorder: self.jitter_reorders,
            },
            reordering: Reordering {
                share: self.reorder_percent / 100.0,
                shift: if self.reorder_ms < 0.0 {
                    Shift::Earlier(milliseconds(-self.reorder_ms))
                } else {
                    Shift::Later(milliseconds(self.reorder_ms))
                },
            },
            ..unlimited
        }
    }
}

fn milliseconds(number: f64) -> Duration {
    Duration::from_secs_f64(number / 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_direction_varies_its_delay_as_written() {
        let text = "delay_ms = 5.0\njitter_ms = 2.5\njitter_reorders = true\nreorder_percent = 1.0\nreorder_ms = -3.0";
        let shape = toml::from_str::<LaneText>(text).unwrap().shape();
        let most = Duration::from_micros(2500);
        assert_eq!(shape.jitter, Jitter { most, may_reorder: true });
        let shift = Shift::Earlier(Duration::from_millis(3));
        assert_eq!(shape.reordering, Reordering { share: 0.01, shift });
        let plain = toml::from_str::<LaneText>("delay_ms = 5.0").unwrap().shape();
        assert_eq!(plain.jitter, Jitter::default());
        assert_eq!(plain.reordering, Reordering::default());
    }
}
