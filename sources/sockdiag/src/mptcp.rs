//! When the MPTCP tables of a namespace are worth reading.
//!
//! The one idea: a dump of them walks a hash table as large as the machine's memory suggests, to
//! find nothing almost everywhere. Where neither they nor the TCP table showed MPTCP, they are read
//! now and then only.

use conns_core::model::SocketSample;

/// So many looks the tables may rest. The TCP table shows subflows by themselves, but to
/// `CAP_NET_ADMIN` only; without it an MPTCP connection may be seen so many looks late, its
/// subflows at once.
const LOOKS_RESTED: u8 = 9;

/// What is known of the MPTCP tables of one namespace.
#[derive(Debug, Default)]
pub(crate) struct MptcpTables {
    /// Looks until they are read again; 0 is with the next.
    rest: u8,
}

impl MptcpTables {
    /// Whether they need not be read, given the rows read so far in this look.
    pub(crate) fn may_rest(&self, rows: &[SocketSample]) -> bool {
        self.rest > 0 && !rows.iter().any(|row| row.is_mptcp())
    }

    /// Told all rows of a look.
    pub(crate) fn looked(&mut self, rows: &[SocketSample]) {
        let is_in_use = rows.iter().any(|row| row.is_mptcp());
        self.rest = match self.rest {
            _ if is_in_use => 0,
            0 => LOOKS_RESTED,
            left => left - 1,
        };
    }
}
