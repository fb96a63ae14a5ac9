//! What an ability gives, and why it is missing.

use std::fmt;

use crate::model::{AbilityKind, Missing};

impl AbilityKind {
    /// What it gives, in a phrase.
    #[must_use]
    pub fn meaning(&self) -> &str {
        match self {
            Self::KernelTables => "sockets with latency, loss, bytes and verdict, over netlink",
            Self::AllNamespaces => "sockets of every network namespace, so of containers too",
            Self::Owners => "the process that owns a socket",
            Self::OwnersOfOthers => "the processes of other users as well",
            Self::EbpfTables => "the socket tables, read by eBPF iterators",
            Self::EbpfWatch => "sockets of all namespaces, of which only changes are read again",
            Self::EbpfUdpPeers => "the peers of UDP sockets, with bytes each way",
            Self::EbpfOwners => "the process that owns a socket, without reading /proc",
            Self::EbpfOwnerChanges => "tracks owner changes without rescanning descriptors",
            Self::EbpfEvents => "every TCP connection opened, closed or failed, however short",
            Self::EbpfAccepts => "the process that uses an accepted connection, however short",
            Self::EbpfTap => "what a TCP connection carries, decoded from its payload",
            Self::EbpfReads => "how much of it the process has read, and when",
            Self::Reported { meaning, .. } => meaning,
        }
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Loss(loss) => loss.fmt(f),
            Self::Error(error) => f.write_str(error),
        }
    }
}
