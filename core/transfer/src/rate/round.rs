//! Measures of one round trip.

/// A round lasts at least this long, so that a path of microseconds is not measured from single packets.
const MIN_ROUND_US: u64 = 5_000;

/// An acknowledged packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Acknowledgement {
    /// When the acknowledgement arrived, in microseconds.
    pub now_us: u64,
    /// When the packet was sent, in microseconds.
    pub sent_us: u64,
    /// Bytes of the packet.
    pub bytes: u64,
    /// The sender had less to send than the window allowed.
    pub is_application_limited: bool,
}

impl Acknowledgement {
    pub(super) fn round_trip_us(&self) -> u64 {
        self.now_us.saturating_sub(self.sent_us)
    }
}

/// What is counted since the round began. The round ends when a packet is acknowledged that was sent after it began.
#[derive(Debug, Clone, Copy)]
pub(super) struct Round {
    start_us: u64,
    least_us: u64,
    acknowledged: u64,
    lost: u64,
    is_application_limited: bool,
}

/// A finished round.
#[derive(Debug, Clone, Copy)]
pub(super) struct Measures {
    /// Least round-trip time of the round.
    pub(super) least_us: u64,
    /// Bytes per second that arrived.
    pub(super) delivered: f64,
    /// Share of the bytes that were lost, 0 to 1.
    pub(super) loss: f64,
    /// The sender had too little to send in some of it.
    pub(super) is_application_limited: bool,
}

impl Measures {
    /// The queueing delay on top of the base round-trip time, microseconds.
    pub(super) fn queue_us(&self, base_us: u64) -> f64 {
        self.least_us.saturating_sub(base_us) as f64
    }
}

impl Round {
    pub(super) fn begin(now_us: u64) -> Self {
        Self {
            start_us: now_us,
            least_us: u64::MAX,
            acknowledged: 0,
            lost: 0,
            is_application_limited: false,
        }
    }

    pub(super) fn lose(&mut self, bytes: u64) {
        self.lost = self.lost.saturating_add(bytes);
    }

    /// Counts an acknowledgement; whether it ends the round.
    pub(super) fn add(&mut self, acknowledgement: &Acknowledgement) -> bool {
        self.acknowledged = self.acknowledged.saturating_add(acknowledgement.bytes);
        self.least_us = self.least_us.min(acknowledgement.round_trip_us());
        self.is_application_limited |= acknowledgement.is_application_limited;
        acknowledgement.sent_us >= self.start_us
            && acknowledgement.now_us.saturating_sub(self.start_us) >= MIN_ROUND_US
    }

    /// The measures up to now.
    pub(super) fn measures(&self, now_us: u64) -> Measures {
        let duration_us = self.duration_us(now_us).max(1);
        let sum = self.acknowledged.saturating_add(self.lost).max(1);
        Measures {
            least_us: self.least_us,
            delivered: self.acknowledged as f64 * 1e6 / duration_us as f64,
            loss: self.lost as f64 / sum as f64,
            is_application_limited: self.is_application_limited,
        }
    }

    pub(super) fn duration_us(&self, now_us: u64) -> u64 {
        now_us.saturating_sub(self.start_us)
    }
}
