//! The verdict: what limits a connection, and the evidence for it. The rule is in `track/verdict`, the
//! sentences are in `explain`.

use serde::{Deserialize, Serialize};

/// The classes a connection can be in. The order is that of the tables in `docs/verdict.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Class {
    /// Data moves, and no condition below is true.
    Healthy,
    /// Nothing was sent or received.
    Idle,
    /// The sending application supplies less than the path could carry.
    AppLimited,
    /// The process that owns this socket does not read what has arrived.
    SlowReaderLocal,
    /// The peer's receive window is full: its process does not read.
    SlowReaderRemote,
    /// The send buffer is too small for the path.
    SndbufLimited,
    /// Segments are lost on the path.
    PathLoss,
    /// A standing queue on the path: the round trip is far above the path's own.
    Bufferbloat,
    /// A long fat path is not filled, because the congestion window is small.
    CwndLimited,
    /// The path is full, and the sender has more: a faster path is the only remedy.
    PathLimited,
    /// Retransmission timeouts without progress.
    Stalled,
    /// The three-way handshake does not complete.
    HandshakeFailing,
    /// A listener drops connections because its accept queue is full.
    AcceptOverflow,
    /// More handshakes wait for the client's ACK than the SYN queue of a listener holds.
    SynQueueFull,
    /// The peer closed long ago, and the process here has not (CLOSE-WAIT, RFC 9293 section 3.6).
    CloseWaitLeak,
    /// The evidence is not sufficient.
    Unknown,
}

impl Class {
    /// Every class.
    pub const ALL: [Self; 16] = [
        Self::Healthy,
        Self::Idle,
        Self::AppLimited,
        Self::SlowReaderLocal,
        Self::SlowReaderRemote,
        Self::SndbufLimited,
        Self::PathLoss,
        Self::Bufferbloat,
        Self::CwndLimited,
        Self::PathLimited,
        Self::Stalled,
        Self::HandshakeFailing,
        Self::AcceptOverflow,
        Self::SynQueueFull,
        Self::CloseWaitLeak,
        Self::Unknown,
    ];

    /// The class in a word, as printed and as used in filters.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Idle => "idle",
            Self::AppLimited => "app-limited",
            Self::SlowReaderLocal => "slow-reader-local",
            Self::SlowReaderRemote => "slow-reader-remote",
            Self::SndbufLimited => "sndbuf-limited",
            Self::PathLoss => "path-loss",
            Self::Bufferbloat => "bufferbloat",
            Self::CwndLimited => "cwnd-limited",
            Self::PathLimited => "path-limited",
            Self::Stalled => "stalled",
            Self::HandshakeFailing => "handshake-failing",
            Self::AcceptOverflow => "accept-overflow",
            Self::SynQueueFull => "syn-queue-full",
            Self::CloseWaitLeak => "close-wait-leak",
            Self::Unknown => "unknown",
        }
    }
}

/// A class, its confidence, and the numbers behind it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// What limits the connection.
    pub class: Class,
    /// Confidence, 0 to 100. 0 for [`Class::Unknown`].
    pub confidence_percent: u8,
    /// The numbers behind it.
    pub evidence: Evidence,
}

impl Verdict {
    /// No evidence at all.
    pub const UNKNOWN: Self =
        Self { class: Class::Unknown, confidence_percent: 0, evidence: Evidence::NONE };
}

/// The time that evidence covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Basis {
    /// The whole life of the connection, from one sample; its length is unknown.
    Lifetime,
    /// The time between two samples.
    Window {
        /// Its length in microseconds.
        us: u64,
    },
}

/// What happened to a socket in that time. Counters are differences over it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// The time covered.
    pub basis: Basis,
    /// How many samples were taken.
    pub samples: u32,
    /// Payload bytes sent once.
    pub bytes_out: u64,
    /// Payload bytes received.
    pub bytes_in: u64,
    /// Data segments sent, retransmissions included.
    pub segments_out: u64,
    /// Data segments received.
    pub segments_in: u64,
    /// Of those sent, retransmitted, less duplicates.
    pub segments_lost: u64,
    /// Retransmission timeouts.
    pub timeouts: u32,
    /// Time during which there was something to send, microseconds.
    pub busy_us: u64,
    /// Part of it limited by the peer's receive window.
    pub rwnd_limited_us: u64,
    /// Part of it limited by the send buffer.
    pub sndbuf_limited_us: u64,
    /// Packets or connections the socket dropped.
    pub drops: u64,
    /// Mean smoothed round trip over the samples, microseconds; 0 if unmeasured.
    pub rtt_us: u32,
    /// Lowest round trip of the last minutes, microseconds; 0 if unmeasured.
    pub min_rtt_us: u32,
    /// Samples in which the receive queue was at least half full.
    pub samples_reader_behind: u32,
    /// Samples in which anything was unread.
    pub samples_unread: u32,
    /// Most bytes unread in any sample.
    pub unread_max_bytes: u32,
    /// Samples in which the send buffer was full while path and peer had room for more.
    pub samples_sndbuf_full: u32,
    /// Samples in which the peer's window had no room for what was waiting.
    pub samples_window_closed: u32,
    /// Samples in which at least a segment was waiting that had not been sent once.
    pub samples_unsent: u32,
    /// Samples in which the congestion window was full.
    pub samples_cwnd_full: u32,
    /// Samples in which the application had limited the delivery rate.
    pub samples_app_limited: u32,
    /// Samples in which a retransmission timeout had passed unanswered.
    pub samples_timed_out: u32,
    /// Samples in which the accept queue was full.
    pub samples_accept_full: u32,
    /// Samples since whose predecessor an accept queue of the listener's network namespace overflowed
    /// (`ListenOverflows`); for a whole life, 1 if any did.
    pub samples_overflowed: u32,
    /// Samples of a listener for which these overflows could not be read.
    pub samples_overflows_unread: u32,
    /// Samples in which the SYN queue was full and the kernel dropped SYNs or answered with cookies.
    pub samples_syn_queue_full: u32,
}

impl Evidence {
    /// No evidence.
    pub const NONE: Self = Self {
        basis: Basis::Lifetime,
        samples: 0,
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
        samples_reader_behind: 0,
        samples_unread: 0,
        unread_max_bytes: 0,
        samples_sndbuf_full: 0,
        samples_window_closed: 0,
        samples_unsent: 0,
        samples_cwnd_full: 0,
        samples_app_limited: 0,
        samples_timed_out: 0,
        samples_accept_full: 0,
        samples_overflowed: 0,
        samples_overflows_unread: 0,
        samples_syn_queue_full: 0,
    };

    /// `us` as a part of the window, or of the busy time of a whole life; 0 to 1.
    #[must_use]
    pub fn share_of_time(&self, us: u64) -> f64 {
        let whole = match self.basis {
            Basis::Window { us } => us,
            Basis::Lifetime => self.busy_us,
        };
        if whole == 0 { 0.0 } else { (us as f64 / whole as f64).min(1.0) }
    }

    /// `count` as a part of the samples, 0 to 1.
    #[must_use]
    pub fn share_of_samples(&self, count: u32) -> f64 {
        if self.samples == 0 { 0.0 } else { f64::from(count) / f64::from(self.samples) }
    }

    /// Lost segments in percent of those sent.
    #[must_use]
    pub fn loss_percent(&self) -> f64 {
        if self.segments_out == 0 {
            return 0.0;
        }
        (self.segments_lost as f64 * 100.0 / self.segments_out as f64).min(100.0)
    }
}
