//! What keeps a connection from being faster, from the evidence the kernel keeps.
//!
//! The one idea: limits are shares of time. Over a window they are certain; over a connection's
//! life they only hint, and the confidence says so.

mod evidence;
mod judge;
mod sentence;

use serde::{Deserialize, Serialize};

pub use evidence::{Basis, Evidence};
pub(super) use judge::{judge, judge_end};

/// The classes a connection can be in. The order is that of the tables in `docs/verdict.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Class {
    /// Data moves, and nothing below holds.
    Healthy,
    /// Nothing was sent or received.
    Idle,
    /// The sending application supplies less than the path could carry.
    AppLimited,
    /// The process that holds this socket does not read what has arrived.
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
    /// Retransmission timeouts without progress.
    Stalled,
    /// The three-way handshake does not complete.
    HandshakeFailing,
    /// A listener drops connections because its accept queue is full.
    AcceptOverflow,
    /// The evidence does not tell.
    Unknown,
}

impl Class {
    /// Every class.
    pub const ALL: [Self; 13] = [
        Self::Healthy,
        Self::Idle,
        Self::AppLimited,
        Self::SlowReaderLocal,
        Self::SlowReaderRemote,
        Self::SndbufLimited,
        Self::PathLoss,
        Self::Bufferbloat,
        Self::CwndLimited,
        Self::Stalled,
        Self::HandshakeFailing,
        Self::AcceptOverflow,
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
            Self::Stalled => "stalled",
            Self::HandshakeFailing => "handshake-failing",
            Self::AcceptOverflow => "accept-overflow",
            Self::Unknown => "unknown",
        }
    }
}

/// A class, how sure it is, and the numbers it rests on.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// What keeps the connection from being faster.
    pub class: Class,
    /// How sure, 0 to 100. 0 for [`Class::Unknown`].
    pub confidence_percent: u8,
    /// The numbers behind it.
    pub evidence: Evidence,
}

impl Verdict {
    /// No evidence at all.
    pub(super) const UNKNOWN: Self =
        Self { class: Class::Unknown, confidence_percent: 0, evidence: Evidence::NONE };
}
