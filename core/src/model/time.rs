//! A moment read from the caller's clock. The core never reads a clock itself.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// One moment, read from two clocks: rates and ages use the monotonic one, dates the wall clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct Moment {
    /// Microseconds of a clock that is never set back; only differences mean anything.
    pub monotonic_us: u64,
    /// Microseconds since 1970-01-01 UTC; may jump when the clock is set.
    pub wall_us: i64,
}

impl Moment {
    /// A moment of which only the wall clock is known, microseconds since 1970-01-01 UTC: what differs by the one clock differs by the
    /// other.
    #[must_use]
    pub fn of_wall(wall_us: i64) -> Self {
        Self { monotonic_us: u64::try_from(wall_us).unwrap_or(0), wall_us }
    }

    /// Time passed since `earlier`, by the monotonic clock; zero if `earlier` is not earlier.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.monotonic_us.saturating_sub(earlier.monotonic_us))
    }
}
