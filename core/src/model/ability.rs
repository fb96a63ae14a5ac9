//! What `conns` can do here, and what not.

use serde::{Deserialize, Serialize};

use super::Loss;

/// Something `conns` does where the system lets it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ability {
    /// What it is.
    pub kind: AbilityKind,
    /// Why it is missing; `None` if it is there.
    pub missing: Option<Missing>,
}

/// Why an ability is missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Missing {
    /// A loss of the last sample shows it.
    Loss(Loss),
    /// It was tried, and this is what the system answered.
    Error(Box<str>),
}

impl Ability {
    /// An ability that was tried: there, or missing because of `error`.
    #[must_use]
    pub fn tried(kind: AbilityKind, error: Option<Box<str>>) -> Self {
        Self { kind, missing: error.map(Missing::Error) }
    }

    /// Whether it is there.
    #[must_use]
    pub fn is_available(&self) -> bool {
        self.missing.is_none()
    }
}

/// The abilities there are.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum AbilityKind {
    /// Socket tables over netlink.
    KernelTables,
    /// Every network namespace.
    AllNamespaces,
    /// Owners of sockets.
    Owners,
    /// Owners that are processes of other users.
    OwnersOfOthers,
    /// Socket tables by eBPF iterators.
    EbpfTables,
    /// Socket tables of which only changes are read.
    EbpfWatch,
    /// Peers of UDP sockets.
    EbpfUdpPeers,
    /// Owners by eBPF.
    EbpfOwners,
    /// Changes of owners by eBPF.
    EbpfOwnerChanges,
    /// Events of connections.
    EbpfEvents,
    /// The process that uses an accepted connection.
    EbpfAccepts,
    /// Payload of connections, for the protocols they carry.
    EbpfTap,
    /// What processes have read of it, and when.
    EbpfReads,
    /// One that another version of `conns` reports.
    Reported {
        /// Its name.
        name: Box<str>,
        /// What it gives.
        meaning: Box<str>,
    },
}

impl AbilityKind {
    /// Every ability this version knows.
    pub const ALL: [Self; 13] = [
        Self::KernelTables,
        Self::AllNamespaces,
        Self::Owners,
        Self::OwnersOfOthers,
        Self::EbpfTables,
        Self::EbpfWatch,
        Self::EbpfUdpPeers,
        Self::EbpfOwners,
        Self::EbpfOwnerChanges,
        Self::EbpfEvents,
        Self::EbpfAccepts,
        Self::EbpfTap,
        Self::EbpfReads,
    ];

    /// A short name in lower case with dashes.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::KernelTables => "kernel-tables",
            Self::AllNamespaces => "all-namespaces",
            Self::Owners => "owners",
            Self::OwnersOfOthers => "owners-of-others",
            Self::EbpfTables => "ebpf-tables",
            Self::EbpfWatch => "ebpf-watch",
            Self::EbpfUdpPeers => "ebpf-udp-peers",
            Self::EbpfOwners => "ebpf-owners",
            Self::EbpfOwnerChanges => "ebpf-owner-changes",
            Self::EbpfEvents => "ebpf-events",
            Self::EbpfAccepts => "ebpf-accepts",
            Self::EbpfTap => "ebpf-tap",
            Self::EbpfReads => "ebpf-reads",
            Self::Reported { name, .. } => name,
        }
    }

    /// The ability with this name; one this version does not know is `Reported`.
    #[must_use]
    pub fn named(name: &str, meaning: &str) -> Self {
        Self::ALL
            .into_iter()
            .find(|kind| kind.name() == name)
            .unwrap_or_else(|| Self::Reported { name: name.into(), meaning: meaning.into() })
    }
}
