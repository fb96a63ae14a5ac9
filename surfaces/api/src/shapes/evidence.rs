//! The numbers a verdict rests on.

use conns_core::model::{Basis, Evidence};
use serde::Serialize;
use utoipa::ToSchema;

macro_rules! evidence {
    ($($(#[$about:meta])* $key:ident: $number:ty,)*) => {
        /// The numbers a verdict rests on.
        #[derive(Debug, Serialize, ToSchema)]
        #[schema(as = Evidence)]
        pub struct EvidenceShape {
            /// Length of the window; null is the connection's life.
            #[schema(required)]
            pub window_us: Option<u64>,
            $($(#[$about])* pub $key: $number,)*
        }

        impl From<&Evidence> for EvidenceShape {
            fn from(evidence: &Evidence) -> Self {
                // A number that is new in the evidence does not compile until it is declared below.
                let Evidence { basis, $($key,)* } = *evidence;
                let window_us = match basis {
                    // The length of a lifetime is unknown.
                    Basis::Lifetime => None,
                    Basis::Window { us } => Some(us),
                };
                Self { window_us, $($key,)* }
            }
        }
    };
}

evidence! {
    /// Samples it rests on.
    samples: u32,
    /// Payload bytes sent.
    bytes_out: u64,
    /// Payload bytes received.
    bytes_in: u64,
    /// Data segments sent.
    segments_out: u64,
    /// Data segments received.
    segments_in: u64,
    /// Segments lost.
    segments_lost: u64,
    /// Retransmission timeouts.
    timeouts: u32,
    /// Time with something to send.
    busy_us: u64,
    /// Time the peer's window was full.
    rwnd_limited_us: u64,
    /// Time the send buffer was full.
    sndbuf_limited_us: u64,
    /// Packets (of a listener: connections) dropped.
    drops: u64,
    /// Mean round trip; 0 if unmeasured.
    rtt_us: u32,
    /// Lowest round trip; 0 if unmeasured.
    min_rtt_us: u32,
    /// Samples in which anything was unread.
    samples_unread: u32,
    /// Most bytes unread in a sample.
    unread_max_bytes: u32,
    /// Samples in which the send buffer was full.
    samples_sndbuf_full: u32,
    /// Samples in which the receive queue was at least half full.
    samples_reader_behind: u32,
    /// Samples in which the peer's window had no room.
    samples_window_closed: u32,
    /// Samples in which something waited to be sent.
    samples_unsent: u32,
    /// Samples in which the congestion window was full.
    samples_cwnd_full: u32,
    /// Samples in which the application limited the rate.
    samples_app_limited: u32,
    /// Samples in which a timeout had passed unanswered.
    samples_timed_out: u32,
    /// Samples in which the accept queue was full.
    samples_accept_full: u32,
    /// Samples since whose predecessor an accept queue of the network namespace overflowed.
    samples_overflowed: u32,
    /// Samples of a listener for which these overflows could not be read.
    samples_overflows_unread: u32,
    /// Samples in which the SYN queue was full, and SYNs were dropped or answered with cookies.
    samples_syn_queue_full: u32,
}
