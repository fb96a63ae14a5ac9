//! What a source says: when, what, and what it could not see.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{LifecycleEvent, Moment, Process, SocketId, SocketSample, Source};

/// What one source learnt in one pass over the machine.
#[derive(Debug, Clone)]
pub struct Observation {
    /// Who says it.
    pub source: Source,
    /// When the pass began.
    pub at: Moment,
    /// What was learnt.
    pub facts: Vec<Facts>,
    /// What this pass could not learn.
    pub losses: Vec<Loss>,
}

/// Facts of one kind, in a batch.
#[derive(Debug, Clone)]
pub enum Facts {
    /// Rows of the kernel's socket tables. Boxed, because each stays where it is while a connection
    /// is made around it.
    Sockets(Vec<SocketSample>),
    /// Which process holds which socket. Shared, because it stays true for many looks.
    OwnerTable(Arc<OwnerTable>),
    /// What has happened since the source was last asked, oldest first.
    LifecycleEvents(Vec<LifecycleEvent>),
}

/// Which process holds which sockets.
#[derive(Debug, Clone, Default)]
pub struct OwnerTable {
    /// The processes that [`OwnerEntry::process`] points into.
    pub processes: Vec<Arc<Process>>,
    /// One entry for each descriptor of each process.
    pub held: Vec<OwnerEntry>,
    /// How many processes could not be looked into; then a socket without a holder may have one.
    pub unreadable_processes: u64,
}

/// One descriptor of one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct OwnerEntry {
    /// The socket it refers to.
    pub subject: Subject,
    /// Index into [`OwnerTable::processes`].
    pub process: u32,
    /// The descriptor's number, where it has one.
    pub descriptor: Option<u32>,
}

/// The name by which a source knows a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// Its inode in the kernel's socket file system.
    Inode(u64),
    /// Its identity.
    Socket(SocketId),
}

/// What kind of thing could not be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum LossKind {
    /// A dump stayed interrupted after all retries: rows may be missing or doubled.
    DumpInterrupted,
    /// The kernel dropped messages because they were not read fast enough.
    DumpOverrun,
    /// A message was refused by the parser: it breaks the format.
    MessageRefused,
    /// A table could not be asked for at all.
    TableUnreadable,
    /// A network namespace could not be entered.
    NamespaceUnreadable,
    /// A process or namespace may not be looked into by this user.
    NotPermitted,
    /// A process, folder or file was not there any more or could not be read.
    FileUnreadable,
    /// The kernel had no room for an event, because events were not read fast enough.
    EventDropped,
    /// A table in the kernel was full, so that something was not noted there.
    MapFull,
    /// A bound of `conns` itself was reached and the rest was refused.
    BoundReached,
}

impl LossKind {
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
        }
    }
}

/// Something that is missing from what was observed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loss {
    /// Who lost it.
    pub source: Source,
    /// What kind of thing.
    pub kind: LossKind,
    /// How many.
    pub count: u64,
    /// A sentence for people: what was attempted, on what, why it failed, what to do.
    pub sentence: Box<str>,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}
