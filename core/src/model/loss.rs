//! What an observation or an agent could not see, as types. Sentences are made in
//! [`crate::explain`].

use serde::{Deserialize, Serialize};

use super::{OtherFamily, Source};

/// Something that is missing from what was observed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loss {
    /// The source that lost it.
    pub source: Source,
    /// What was lost, and why.
    pub cause: LossCause,
    /// How many times, or how many things.
    pub count: u64,
}

impl Loss {
    /// One thing lost.
    #[must_use]
    pub fn one(source: Source, cause: LossCause) -> Self {
        Self { source, cause, count: 1 }
    }

    /// `count` things lost; `None` if `count` is 0.
    #[must_use]
    pub fn counted(source: Source, cause: LossCause, count: u64) -> Option<Self> {
        (count > 0).then_some(Self { source, cause, count })
    }

    /// The kind of the cause.
    #[must_use]
    pub fn kind(&self) -> LossKind {
        self.cause.kind()
    }

    /// Whether both are of one cause, so that their counts add up. Details of a single occurrence
    /// (the last error, the last path) do not distinguish causes.
    #[must_use]
    pub fn is_same_cause(&self, other: &Self) -> bool {
        self.source == other.source && self.cause.is_same(&other.cause)
    }
}

/// Which kind of thing could not be seen, for machine-read output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum LossKind {
    /// A dump stayed interrupted after all retries: rows may be missing or doubled.
    DumpInterrupted,
    /// The kernel dropped messages because they were not read fast enough.
    DumpOverrun,
    /// A message was refused by the parser: it breaks the format.
    MessageRefused,
    /// A table could not be read at all.
    TableUnreadable,
    /// A network namespace could not be entered.
    NamespaceUnreadable,
    /// This user may not inspect a process or namespace.
    NotPermitted,
    /// A process, folder or file vanished, or could not be read or written.
    FileUnreadable,
    /// The kernel had no room for an event, because events were not read fast enough.
    EventDropped,
    /// A table in the kernel was full, so that an entry is missing there.
    MapFull,
    /// A bound of `conns` itself was reached and the rest was refused.
    BoundReached,
    /// A process that the agent runs ended.
    ServiceEnded,
}

impl LossKind {
    /// Every kind, in the order of the API's documentation.
    pub const ALL: [Self; 11] = [
        Self::DumpInterrupted,
        Self::DumpOverrun,
        Self::MessageRefused,
        Self::TableUnreadable,
        Self::NamespaceUnreadable,
        Self::NotPermitted,
        Self::FileUnreadable,
        Self::EventDropped,
        Self::MapFull,
        Self::BoundReached,
        Self::ServiceEnded,
    ];

    /// A short name in lower case with dashes, for machine-read output.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::DumpInterrupted => "dump-interrupted",
            Self::DumpOverrun => "dump-overrun",
            Self::MessageRefused => "message-refused",
            Self::TableUnreadable => "table-unreadable",
            Self::NamespaceUnreadable => "namespace-unreadable",
            Self::NotPermitted => "not-permitted",
            Self::FileUnreadable => "file-unreadable",
            Self::EventDropped => "event-dropped",
            Self::MapFull => "map-full",
            Self::BoundReached => "bound-reached",
            Self::ServiceEnded => "service-ended",
        }
    }
}

/// Which records of the eBPF event ring were dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum DroppedEvents {
    /// Completed handshakes.
    Opened,
    /// First uses of an accepted connection.
    Accepted,
    /// Closed connections.
    Closed,
    /// Failed connection attempts.
    Failed,
    /// Events of sockets that have no storage in the kernel.
    WithoutStorage,
}

/// What was lost, and why: one variant for each cause, with its facts. Text in a variant is an error
/// message of the operating system or of a parser, or a name; never a sentence with a count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum LossCause {
    /// A netlink dump stayed interrupted (`NLM_F_DUMP_INTR`).
    DumpInterrupted {
        /// The table, such as "TCP over IPv4 in network namespace blue".
        table: Box<str>,
        /// How often it was tried.
        attempts: u32,
    },
    /// A netlink dump overran the socket's buffer (`ENOBUFS`).
    DumpOverrun {
        /// The table.
        table: Box<str>,
        /// How often it was tried.
        attempts: u32,
    },
    /// Messages of a dump break the format.
    DumpMessagesRefused {
        /// The table.
        table: Box<str>,
        /// What is wrong with the last one.
        last: Box<str>,
    },
    /// A socket table could not be read.
    TableUnreadable {
        /// The table.
        table: Box<str>,
        /// Why.
        error: Box<str>,
        /// Whether kernel modules are missing (`ENOENT`).
        needs_modules: bool,
        /// The family, if it is not TCP or UDP.
        family: Option<OtherFamily>,
    },
    /// A source does not work here.
    SourceUnavailable {
        /// Why.
        error: Box<str>,
        /// What is used in its place.
        fallback: Fallback,
    },
    /// Network namespaces cannot be found in `/proc`.
    NamespacesNotListed {
        /// Why.
        error: Box<str>,
        /// Whether the limit of open files is reached (`EMFILE`, `ENFILE`).
        out_of_files: bool,
    },
    /// A network namespace could not be entered.
    NamespaceNotEntered {
        /// Its inode in nsfs.
        inode: u64,
        /// Its name, where it has one.
        name: Option<Box<str>>,
        /// Why.
        error: Box<str>,
        /// Whether a privilege is missing.
        not_permitted: bool,
    },
    /// The names of interfaces in a network namespace could not be read.
    InterfacesNotNamed {
        /// Inode of the namespace in nsfs.
        inode: u64,
        /// Why.
        error: Box<str>,
        /// Whether a privilege is missing.
        not_permitted: bool,
    },
    /// More network namespaces than the bound.
    NamespacesBeyondBound {
        /// The bound.
        bound: u64,
    },
    /// Processes that this user may not inspect.
    ProcessesNotPermitted,
    /// Sockets without an owner, where `/proc` does not show every process.
    ProcessesHidden {
        /// By a pid namespace; else by the mount option `hidepid` (proc(5)).
        by_pid_namespace: bool,
    },
    /// Processes whose descriptors could not be read.
    ProcessesUnreadable {
        /// The last folder that could not be read.
        last: Box<str>,
        /// Why.
        error: Box<str>,
    },
    /// The kernel's event ring was full.
    RingFull {
        /// What the lost records are of.
        events: DroppedEvents,
        /// Size of the ring.
        ring_bytes: u64,
    },
    /// The kernel had no memory for the storage of sockets.
    StorageFull {
        /// What the lost records are of.
        events: DroppedEvents,
    },
    /// The ring of changed sockets was full in each pass of a sample.
    ChangesRingFull {
        /// Passes made.
        passes: u32,
    },
    /// The kernel had no memory to mark sockets for the sampler.
    SocketsNotMarked,
    /// Peers of UDP sockets that the table of peers in the kernel has evicted.
    UdpPeersEvicted {
        /// Peers that the table has room for.
        capacity: u64,
    },
    /// Records of the kernel programs of a kind this version does not know.
    RecordsUnknown {
        /// Whether they are events; else they are rows of a table.
        are_events: bool,
    },
    /// The portable source stopped reading after this many failures.
    PortableStopped {
        /// The bound.
        failures: u64,
    },
    /// A row of the portable source could not be used.
    PortableRow {
        /// What is wrong.
        fault: PortableFault,
        /// The first such error.
        first: Box<str>,
    },
    /// Sockets that are not listed, because memory is limited.
    SocketsBeyondBound {
        /// The bound.
        bound: u64,
    },
    /// Connections shown without rates, because the history of the tracker is full.
    HistoryFull {
        /// The bound.
        bound: u64,
    },
    /// Events of connections beyond the history kept between events.
    PendingFull {
        /// The bound.
        bound: u64,
    },
    /// Closed connections shown without their final measures.
    FinalMeasuresFull {
        /// The bound.
        bound: u64,
    },
    /// Application layers of connections beyond what is kept.
    ApplicationsFull {
        /// The bound.
        bound: u64,
    },
    /// Names of addresses beyond what is kept.
    NamesFull {
        /// The bound.
        bound: u64,
    },
    /// Events dropped before they were published.
    EventsNotPublished {
        /// How many are buffered at most.
        capacity: u64,
    },
    /// Losses of more causes than are distinguished.
    OtherCauses {
        /// The bound.
        bound: u64,
    },
    /// Events are derived from samples, because no source reports them.
    PollingFallback {
        /// The sample interval.
        interval_us: u64,
        /// Why no source reports them.
        reason: Box<str>,
    },
    /// The agent's sources fail; its last snapshot is shown.
    AgentFailing {
        /// Why.
        error: Box<str>,
    },
    /// Connections beyond the bounds of one answer.
    AnswerTruncated {
        /// Most connections.
        connections: u64,
        /// Most descriptors.
        descriptors: u64,
    },
    /// The agent restarted, so that events between are unknown.
    AgentRestarted,
    /// Events that the agent does not keep any more.
    EventsForgotten,
    /// Closed connections beyond what a list buffers.
    ClosedListFull {
        /// The bound.
        bound: u64,
    },
    /// Payload that the payload source dropped under pressure.
    PayloadDropped,
    /// Something that a capture file does not have, or that was not read of it.
    Capture {
        /// What.
        fault: CaptureFault,
        /// Where in the file, of which type, or what bound; empty where there is no more to report.
        detail: Box<str>,
    },
    /// The link server of the agent ended.
    LinkServerEnded {
        /// How it ended last.
        status: Box<str>,
        /// Whether it runs again.
        is_running: bool,
    },
    /// The history of the agent could not be opened or written.
    HistoryNotWritten {
        /// The last error.
        error: Box<str>,
    },
    /// Rows of a table of the history, or periods of its sums, that are damaged in its file.
    HistoryDamaged {
        /// The table.
        table: Box<str>,
        /// The earliest time of what is damaged, microseconds since 1970-01-01 UTC.
        from_us: i64,
        /// The latest.
        to_us: i64,
        /// What is wrong with the last rows; `None` of periods, which lack only a part of their sums.
        error: Option<Box<str>>,
    },
    /// A cause reported by another version of `conns`, or by a test.
    Reported {
        /// Its kind.
        kind: LossKind,
        /// The sentence, with `{count}` where the count belongs.
        template: Box<str>,
    },
}

/// What a capture file does not have, or what was not read of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum CaptureFault {
    /// The file ends in the middle of a packet.
    FileCut,
    /// The file breaks its format, and is not read beyond that.
    FileCorrupt,
    /// Packets of which not all bytes were captured (snaplen).
    PacketsCut,
    /// Packets that were captured more than once.
    PacketsRepeated,
    /// Segments that were captured after later ones.
    PacketsReordered,
    /// Bytes that their receiver acknowledged, and that were not captured.
    BytesMissing,
    /// Packets that the capturing program counted as dropped (pcapng Interface Statistics Block).
    PacketsDropped,
    /// Packets that are dated before the one ahead of them in the file.
    PacketsBackInTime,
    /// Packets whose headers break their format.
    PacketsMalformed,
    /// Packets of interfaces of a link type that is not supported.
    LinkTypeUnsupported,
    /// IP fragments of packets that were not captured whole.
    FragmentsIncomplete,
    /// IP fragments beyond the bound.
    FragmentsRefused,
    /// Connections whose beginning was not captured.
    ConnectionsBeganBefore,
    /// Connections beyond the bound.
    ConnectionsRefused,
    /// Connections that were not decoded, or not to their end, because of a bound on memory.
    DecodersRefused,
}

impl CaptureFault {
    /// Every fault.
    pub const ALL: [Self; 15] = [
        Self::FileCut,
        Self::FileCorrupt,
        Self::PacketsCut,
        Self::PacketsRepeated,
        Self::PacketsReordered,
        Self::BytesMissing,
        Self::PacketsDropped,
        Self::PacketsBackInTime,
        Self::PacketsMalformed,
        Self::LinkTypeUnsupported,
        Self::FragmentsIncomplete,
        Self::FragmentsRefused,
        Self::ConnectionsBeganBefore,
        Self::ConnectionsRefused,
        Self::DecodersRefused,
    ];

    fn kind(self) -> LossKind {
        match self {
            Self::FileCut | Self::FileCorrupt => LossKind::FileUnreadable,
            Self::PacketsMalformed | Self::LinkTypeUnsupported => LossKind::MessageRefused,
            Self::FragmentsRefused | Self::ConnectionsRefused | Self::DecodersRefused => {
                LossKind::BoundReached
            }
            Self::PacketsCut
            | Self::PacketsRepeated
            | Self::PacketsReordered
            | Self::BytesMissing
            | Self::PacketsDropped
            | Self::PacketsBackInTime
            | Self::FragmentsIncomplete
            | Self::ConnectionsBeganBefore => LossKind::EventDropped,
        }
    }
}

/// What is used in the place of a source that does not work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fallback {
    /// Nothing.
    None,
    /// The socket tables over netlink.
    Netlink,
    /// Owners from `/proc`.
    Procfs,
    /// The portable source.
    Portable,
}

/// What is wrong with a row of the portable source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PortableFault {
    /// The socket was closed while it was read.
    SocketVanished,
    /// The table could not be read to its end.
    TableCut,
    /// The socket is in a state without a name.
    StateUnknown,
    /// The owner ended, or refused, while it was read.
    OwnerVanished,
}

impl LossCause {
    /// The kind, for machine-read output.
    #[must_use]
    pub fn kind(&self) -> LossKind {
        match self {
            Self::DumpInterrupted { .. } => LossKind::DumpInterrupted,
            Self::DumpOverrun { .. } => LossKind::DumpOverrun,
            Self::DumpMessagesRefused { .. } | Self::RecordsUnknown { .. } => {
                LossKind::MessageRefused
            }
            Self::TableUnreadable { .. }
            | Self::SourceUnavailable { .. }
            | Self::PollingFallback { .. }
            | Self::AgentFailing { .. } => LossKind::TableUnreadable,
            Self::NamespaceNotEntered { not_permitted: true, .. }
            | Self::InterfacesNotNamed { not_permitted: true, .. }
            | Self::ProcessesNotPermitted
            | Self::ProcessesHidden { .. } => LossKind::NotPermitted,
            Self::NamespacesNotListed { .. }
            | Self::NamespaceNotEntered { .. }
            | Self::InterfacesNotNamed { .. } => LossKind::NamespaceUnreadable,
            Self::ProcessesUnreadable { .. } => LossKind::FileUnreadable,
            Self::RingFull { .. }
            | Self::ChangesRingFull { .. }
            | Self::AgentRestarted
            | Self::PayloadDropped => LossKind::EventDropped,
            Self::StorageFull { .. } | Self::SocketsNotMarked | Self::UdpPeersEvicted { .. } => {
                LossKind::MapFull
            }
            Self::PortableRow { fault, .. } => match fault {
                PortableFault::SocketVanished | PortableFault::OwnerVanished => {
                    LossKind::FileUnreadable
                }
                PortableFault::TableCut => LossKind::TableUnreadable,
                PortableFault::StateUnknown => LossKind::MessageRefused,
            },
            Self::NamespacesBeyondBound { .. }
            | Self::PortableStopped { .. }
            | Self::SocketsBeyondBound { .. }
            | Self::HistoryFull { .. }
            | Self::PendingFull { .. }
            | Self::FinalMeasuresFull { .. }
            | Self::ApplicationsFull { .. }
            | Self::NamesFull { .. }
            | Self::EventsNotPublished { .. }
            | Self::OtherCauses { .. }
            | Self::AnswerTruncated { .. }
            | Self::EventsForgotten
            | Self::ClosedListFull { .. } => LossKind::BoundReached,
            Self::Capture { fault, .. } => fault.kind(),
            Self::LinkServerEnded { .. } => LossKind::ServiceEnded,
            Self::HistoryNotWritten { .. } | Self::HistoryDamaged { .. } => {
                LossKind::FileUnreadable
            }
            Self::Reported { kind, .. } => *kind,
        }
    }

    /// Whether both are one cause, whatever the details of the last occurrence.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::DumpMessagesRefused { table, .. },
                Self::DumpMessagesRefused { table: other, .. },
            ) => table == other,
            (Self::ProcessesUnreadable { .. }, Self::ProcessesUnreadable { .. })
            | (Self::LinkServerEnded { .. }, Self::LinkServerEnded { .. })
            | (Self::HistoryNotWritten { .. }, Self::HistoryNotWritten { .. }) => true,
            (Self::PortableRow { fault, .. }, Self::PortableRow { fault: other, .. }) => {
                fault == other
            }
            (Self::Capture { fault, .. }, Self::Capture { fault: other, .. }) => fault == other,
            (Self::HistoryDamaged { table, .. }, Self::HistoryDamaged { table: other, .. }) => {
                table == other
            }
            _ => self == other,
        }
    }
}
