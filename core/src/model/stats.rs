//! A connection over time: what a tracker derives from several samples.

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

/// The highest value of each in any sample since the connection was first seen.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Peaks {
    /// Payload sent a second between two samples; 0 before the second sample.
    pub out_bytes_per_s: f64,
    /// Payload received a second between two samples; 0 before the second sample.
    pub in_bytes_per_s: f64,
    /// Bytes written by the application and not acknowledged.
    pub send_queue_bytes: u32,
    /// Bytes received and not read by the application.
    pub receive_queue_bytes: u32,
    /// Smoothed round trip in microseconds; 0 if never measured.
    pub rtt_us: u32,
}

/// Counters since the connection was established, widened to 64 bits: the value in the first sample
/// plus the differences between samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Totals {
    /// Data segments sent, retransmissions included.
    pub segments_out: u64,
    /// Of those, retransmitted, less the duplicates that the peer reported.
    pub segments_lost: u64,
    /// Packets or connections that the socket dropped.
    pub drops: u64,
}

/// What a tracker derives from more than one sample of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Stats {
    /// Number of the connection, counted from 1 in the order a tracker first saw them; a tracker gives
    /// no number twice. 0 without a tracker that keeps history.
    pub serial: u64,
    /// The snapshot that first had it.
    pub first_sequence: u64,
    /// The latest snapshot in which a value that a list can show had changed. Times that only grow
    /// are no change.
    pub changed_sequence: u64,
    /// When a tracker first saw it; a lower bound of its age.
    pub first_seen: Moment,
    /// Microseconds since it was established (of a listener and of UDP: since it was bound), where
    /// the kernel reports it or an earlier sample did not have it.
    pub age_us: Known<u64>,
    /// Between the last two samples.
    pub rates: Known<Rates>,
    /// Over nine one-second slots, the current one included, as `monerod` computes its
    /// `current_download`: recomputed only when bytes move, else unchanged.
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

    /// Its age in microseconds at `now`; where that is unknown, the time since it was first seen,
    /// which is a lower bound.
    #[must_use]
    pub fn least_age_us(&self, now: Moment) -> u64 {
        let seen = now.monotonic_us.saturating_sub(self.first_seen.monotonic_us);
        self.age_us.get().map_or(seen, |age| age.max(seen))
    }
}
