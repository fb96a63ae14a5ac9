//! What the kernel counts of listeners by network namespace, and not by listener.

use serde::{Deserialize, Serialize};

/// TCP counters of one network namespace since it was made: `TcpExt` of `/proc/net/netstat`
/// (`linux/snmp.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ListenCounters {
    /// Connections dropped because an accept queue was full: `ListenOverflows`.
    pub overflows: u64,
    /// SYNs dropped because a SYN queue was full: `TCPReqQFullDrop`.
    pub syn_queue_drops: u64,
    /// SYNs answered with a cookie because a SYN queue was full: `TCPReqQFullDoCookies`.
    pub syn_cookies: u64,
}

impl ListenCounters {
    /// Whether a SYN queue was full at any time.
    #[must_use]
    pub fn has_full_syn_queue(&self) -> bool {
        self.syn_queue_drops > 0 || self.syn_cookies > 0
    }

    /// The increase since `earlier`; 0 for a counter that went back.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            overflows: self.overflows.saturating_sub(earlier.overflows),
            syn_queue_drops: self.syn_queue_drops.saturating_sub(earlier.syn_queue_drops),
            syn_cookies: self.syn_cookies.saturating_sub(earlier.syn_cookies),
        }
    }
}
