//! A connection over time, as a tracker that looks again and again comes to know it.

use serde::{Deserialize, Serialize};

use super::{Known, Moment, Unknown};

/// Payload bytes a second.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Rates {
    /// Sent, first transmissions only.
    pub out_bytes_per_s: f64,
    /// Received.
    pub in_bytes_per_s: f64,
}

impl Rates {
    /// Nothing moves.
    pub const ZERO: Self = Self { out_bytes_per_s: 0.0, in_bytes_per_s: 0.0 };
}

/// The highest of each that any look saw since the connection was first seen.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Peaks {
    /// Payload sent a second between two looks; 0 before the second look.
    pub out_bytes_per_s: f64,
    /// Payload received a second between two looks; 0 before the second look.
    pub in_bytes_per_s: f64,
    /// Bytes written by the application and not acknowledged.
    pub send_queue_bytes: u32,
    /// Bytes received and not read by the application.
    pub receive_queue_bytes: u32,
    /// Smoothed round trip in microseconds; 0 if never measured.
    pub rtt_us: u32,
}

/// What became known of a connection by looking more than once.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Stats {
    /// Counts up by one with each connection a tracker meets, from 1: a small number that is never
    /// given twice while that tracker lives.
    pub serial: u64,
    /// The snapshot that first had it.
    pub first_sequence: u64,
    /// The latest snapshot in which anything a reader sees of it was new.
    pub changed_sequence: u64,
    /// When a tracker first saw it: a lower bound of its age.
    pub first_seen: Moment,
    /// Microseconds since it was established (of a listener and of UDP: since it was bound), where
    /// the kernel tells it or the tracker saw it come.
    pub age_us: Known<u64>,
    /// Between the last two looks.
    pub rates: Known<Rates>,
    /// Over nine one-second slots, the running one included, as `monerod` reckons its
    /// `current_download`: newly reckoned only when bytes move, else what it was.
    pub slot_rates: Known<Rates>,
    /// High-water marks.
    pub peaks: Peaks,
}

impl Stats {
    /// A connection seen for the first time.
    #[must_use]
    pub fn new(serial: u64, sequence: u64, at: Moment) -> Self {
        Self {
            serial,
            first_sequence: sequence,
            changed_sequence: sequence,
            first_seen: at,
            age_us: Known::Unknown(Unknown::KernelDoesNotTell),
            rates: Known::Unknown(Unknown::NeedsTwoObservations),
            slot_rates: Known::Unknown(Unknown::NeedsTwoObservations),
            peaks: Peaks::default(),
        }
    }

    /// Its age in microseconds at `now`, or, where that is unknown, the time since it was first
    /// seen, which is the least it can be.
    #[must_use]
    pub fn least_age_us(&self, now: Moment) -> u64 {
        let seen = now.monotonic_us.saturating_sub(self.first_seen.monotonic_us);
        self.age_us.get().map_or(seen, |age| age.max(seen))
    }
}
