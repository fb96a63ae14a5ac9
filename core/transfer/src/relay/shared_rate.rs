//! The rate of the flows of one key.

use std::sync::{Arc, Mutex, PoisonError};

use crate::rate::BytesPerSecond;

/// Bytes that flows of any rate may forward at once: a datagram of an Ethernet frame.
pub const MIN_BURST_BYTES: u64 = 1500;
/// Microseconds of the rate that may be forwarded at once.
const BURST_US: u64 = 250_000;

/// A rate that flows share: each flow has a clone.
#[derive(Debug, Clone)]
pub struct SharedRate(Arc<Mutex<Bucket>>);

impl SharedRate {
    /// A rate that was not used before `now_us`.
    #[must_use]
    pub fn new(rate: BytesPerSecond, now_us: u64) -> Self {
        Self(Arc::new(Mutex::new(Bucket::new(rate, now_us))))
    }

    /// Whether a datagram of these bytes is within the rate; if so, it uses them up.
    pub(super) fn take(&self, bytes: u64, now_us: u64) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take(bytes, now_us)
    }
}

/// A token bucket of 250 ms, and of [`MIN_BURST_BYTES`] at least. It counts millionths of a byte, so that it loses nothing
/// when it is refilled often.
#[derive(Debug)]
struct Bucket {
    rate: BytesPerSecond,
    level: u128,
    filled_us: u64,
}

impl Bucket {
    fn new(rate: BytesPerSecond, now_us: u64) -> Self {
        Self { rate, level: Self::capacity(rate), filled_us: now_us }
    }

    fn capacity(rate: BytesPerSecond) -> u128 {
        millionths(rate.bytes_in(BURST_US).max(MIN_BURST_BYTES))
    }

    /// Takes the bytes, unless the bucket has fewer.
    fn take(&mut self, bytes: u64, now_us: u64) -> bool {
        let elapsed_us = now_us.saturating_sub(self.filled_us);
        // The product is below 2^128, and the sum saturates.
        let filled = u128::from(self.rate.0) * u128::from(elapsed_us);
        self.level = self.level.saturating_add(filled).min(Self::capacity(self.rate));
        self.filled_us = self.filled_us.max(now_us);
        let after = self.level.checked_sub(millionths(bytes));
        self.level = after.unwrap_or(self.level);
        after.is_some()
    }
}

fn millionths(bytes: u64) -> u128 {
    u128::from(bytes) * 1_000_000
}
