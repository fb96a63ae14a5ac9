//! The numbers a verdict rests on, of one socket over one stretch of time.

use serde::{Deserialize, Serialize};

use crate::model::{Connection, Moment};
use crate::track::sample::{Counters, Gauges, Span};

/// The stretch of time evidence is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Basis {
    /// The whole life of the connection, seen once: how long it is, nobody knows.
    Stats,
    /// The time between two looks.
    Window {
        /// Its length in microseconds.
        us: u64,
    },
}

/// What happened to a socket in that time. Counters are what was added in it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// The stretch of time.
    pub basis: Basis,
    /// How often the socket was looked at.
    pub looks: u32,
    /// Payload bytes sent once.
    pub bytes_out: u64,
    /// Payload bytes received.
    pub bytes_in: u64,
    /// Data segments sent, retransmissions included.
    pub segments_out: u32,
    /// Data segments received.
    pub segments_in: u32,
    /// Of those sent, retransmitted, less duplicates.
    pub segments_lost: u32,
    /// Retransmission timeouts.
    pub timeouts: u16,
    /// Time during which there was something to send, microseconds.
    pub busy_us: u64,
    /// Part of it limited by the peer's receive window.
    pub rwnd_limited_us: u64,
    /// Part of it limited by the send buffer.
    pub sndbuf_limited_us: u64,
    /// Packets or connections the socket dropped.
    pub drops: u32,
    /// Mean smoothed round trip over the looks, microseconds; 0 if unmeasured.
    pub rtt_us: u32,
    /// Lowest round trip of the last minutes, microseconds; 0 if unmeasured.
    pub min_rtt_us: u32,
    /// Looks at which the receive queue held at least half of what it may.
    pub looks_reader_behind: u32,
    /// Looks at which anything was unread.
    pub looks_unread: u32,
    /// Most bytes unread at any look.
    pub unread_max_bytes: u32,
    /// Looks at which the send buffer was full while path and peer had room for more.
    pub looks_sndbuf_full: u32,
    /// Looks at which the peer's window had no room for what was waiting.
    pub looks_window_closed: u32,
    /// Looks at which at least a segment was waiting that had not been sent once.
    pub looks_unsent: u32,
    /// Looks at which the congestion window was full.
    pub looks_cwnd_full: u32,
    /// Looks at which the application had limited the delivery rate.
    pub looks_app_limited: u32,
    /// Looks at which a retransmission timeout had passed unanswered.
    pub looks_timed_out: u32,
    /// Looks at which the accept queue was full.
    pub looks_accept_full: u32,
}

impl Evidence {
    pub(super) const NONE: Self = Self {
        basis: Basis::Stats,
        looks: 0,
        bytes_out: 0,
        bytes_in: 0,
        segments_out: 0,
        segments_in: 0,
        segments_lost: 0,
        timeouts: 0,
        busy_us: 0,
        rwnd_limited_us: 0,
        sndbuf_limited_us: 0,
        drops: 0,
        rtt_us: 0,
        min_rtt_us: 0,
        looks_reader_behind: 0,
        looks_unread: 0,
        unread_max_bytes: 0,
        looks_sndbuf_full: 0,
        looks_window_closed: 0,
        looks_unsent: 0,
        looks_cwnd_full: 0,
        looks_app_limited: 0,
        looks_timed_out: 0,
        looks_accept_full: 0,
    };

    /// Evidence of one look: counters since the connection began.
    pub(in crate::track) fn of_life(c: &Connection, counters: Counters, gauges: Gauges) -> Self {
        Self::new(c, Basis::Stats, counters, gauges)
    }

    /// Evidence of a window of looks that ends `now` with the counters `last`.
    pub(in crate::track) fn of_window(
        c: &Connection,
        span: Span,
        now: Moment,
        last: Counters,
    ) -> Self {
        let us = u64::try_from(now.since(span.start).as_micros()).unwrap_or(u64::MAX);
        Self::new(c, Basis::Window { us }, last.since(span.first), span.gauges)
    }

    fn new(c: &Connection, basis: Basis, counters: Counters, gauges: Gauges) -> Self {
        let mean_rtt = gauges.rtt_sum_us.checked_div(u64::from(gauges.looks)).unwrap_or(0);
        let min_rtt = c.tcp().and_then(|tcp| tcp.min_rtt());
        Self {
            basis,
            looks: gauges.looks,
            bytes_out: counters.bytes_out,
            bytes_in: counters.bytes_in,
            segments_out: counters.segments_out,
            segments_in: counters.segments_in,
            segments_lost: counters.segments_lost,
            timeouts: counters.timeouts,
            busy_us: counters.busy_us,
            rwnd_limited_us: counters.rwnd_limited_us,
            sndbuf_limited_us: counters.sndbuf_limited_us,
            drops: counters.drops,
            rtt_us: u32::try_from(mean_rtt).unwrap_or(u32::MAX),
            // The kernel says all ones before the first sample.
            min_rtt_us: min_rtt.filter(|us| *us != u32::MAX).unwrap_or(0),
            looks_reader_behind: gauges.reader_behind,
            looks_unread: gauges.unread,
            unread_max_bytes: gauges.unread_max_bytes,
            looks_sndbuf_full: gauges.sndbuf_full,
            looks_window_closed: gauges.window_closed,
            looks_unsent: gauges.unsent,
            looks_cwnd_full: gauges.cwnd_full,
            looks_app_limited: gauges.app_limited,
            looks_timed_out: gauges.timed_out,
            looks_accept_full: gauges.accept_full,
        }
    }

    /// The part of the time that `us` is: of the window, or of the busy time of a life. 0 to 1.
    #[must_use]
    pub fn share_of_time(&self, us: u64) -> f64 {
        let whole = match self.basis {
            Basis::Window { us } => us,
            Basis::Stats => self.busy_us,
        };
        if whole == 0 { 0.0 } else { (us as f64 / whole as f64).min(1.0) }
    }

    /// The part of the looks that `count` is, 0 to 1.
    #[must_use]
    pub fn share_of_looks(&self, count: u32) -> f64 {
        if self.looks == 0 { 0.0 } else { f64::from(count) / f64::from(self.looks) }
    }

    /// Lost segments in percent of those sent.
    #[must_use]
    pub fn loss_percent(&self) -> f64 {
        if self.segments_out == 0 {
            return 0.0;
        }
        (f64::from(self.segments_lost) * 100.0 / f64::from(self.segments_out)).min(100.0)
    }
}
