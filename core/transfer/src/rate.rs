//! Rate control of one connection: how many bytes may be in flight, and how fast packets are paced.
//!
//! [`Controller`] is a state machine without a clock: a sender reports acknowledged and lost packets, and reads
//! [`Controller::window_bytes`] and [`Controller::pacing_rate`]. Times are microseconds since any fixed start, rates are
//! bytes per second. Bytes are those of IP packets, so that limits count what a link carries.

mod controller;
mod cubic;
mod fair;
mod low;
mod round;
mod round_trip;

pub use controller::{Controller, Settings, Start};
pub use round::Acknowledgement;
pub use round_trip::RoundTrip;

/// How the window is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Method {
    /// Sends at [`Settings::fixed_rate`], whatever is lost or delayed.
    Fixed,
    /// Fills the path up to a queueing delay of about 12 ms, and yields to loss-based flows, which fill the queue.
    #[default]
    Low,
    /// As `Low`, and holds its share beside loss-based flows.
    Fair,
}

/// A rate in bytes per second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BytesPerSecond(pub u64);

impl BytesPerSecond {
    /// The rate of `bits` per second, rounded down to bytes.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits / 8)
    }

    /// The bytes of `duration_us` at this rate.
    #[must_use]
    pub fn bytes_in(self, duration_us: u64) -> u64 {
        let bytes = u128::from(self.0) * u128::from(duration_us) / 1_000_000;
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }
}
