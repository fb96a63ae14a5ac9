//! Decides when the MPTCP tables of a namespace are read. A dump of them iterates over a hash table sized by the
//! machine's memory, and almost everywhere finds nothing. So while neither they nor the TCP table show MPTCP, they
//! are only read now and then.

use conns_core::model::SocketSample;

/// Samples for which the tables may be skipped. The TCP table shows subflows at once, but only to `CAP_NET_ADMIN`;
/// without it an MPTCP connection may appear this many samples late.
const MAX_SKIPPED_SAMPLES: u8 = 9;

/// What is known of the MPTCP tables of one namespace.
#[derive(Debug, Default)]
pub(crate) struct MptcpTables {
    /// Samples left to skip.
    skips: u8,
}

impl MptcpTables {
    /// Whether the tables may be skipped, given the rows of this sample so far.
    pub(crate) fn may_skip(&self, rows: &[SocketSample]) -> bool {
        self.skips > 0 && !rows.iter().any(|row| row.is_mptcp())
    }

    /// Takes note of all rows of a sample.
    pub(crate) fn observe(&mut self, rows: &[SocketSample]) {
        let is_in_use = rows.iter().any(|row| row.is_mptcp());
        self.skips = match self.skips {
            _ if is_in_use => 0,
            0 => MAX_SKIPPED_SAMPLES,
            left => left - 1,
        };
    }
}
