//! What a source read: when, what, and what it could not see.

use std::collections::HashSet;
use std::sync::Arc;

use super::{
    Application, ConnectionId, LifecycleEvent, Loss, Moment, Process, SocketId, SocketSample,
    Source,
};

/// What one source read in one pass over the machine. Parts that a source does not read stay empty;
/// a new kind of fact is a new part, and breaks no reader of the others.
#[derive(Debug, Clone)]
pub struct Observation {
    /// The source.
    pub source: Source,
    /// When the pass began.
    pub at: Moment,
    /// Rows of socket tables; `None` if this source does not read them.
    pub sockets: Option<Vec<SocketSample>>,
    /// Which process owns which socket; shared, because it stays true for many samples. `None` if
    /// this source does not read owners.
    pub owners: Option<Arc<OwnerTable>>,
    /// Lifecycle events since the source was last read, oldest first; `None` if this source has
    /// none to report.
    pub lifecycle: Option<Vec<LifecycleEvent>>,
    /// Application layers decoded since the source was last read.
    pub applications: Vec<(ConnectionId, Arc<Application>)>,
    /// What this pass could not read.
    pub losses: Vec<Loss>,
}

impl Observation {
    /// An observation without facts.
    #[must_use]
    pub fn new(source: Source, at: Moment) -> Self {
        Self {
            source,
            at,
            sockets: None,
            owners: None,
            lifecycle: None,
            applications: Vec::new(),
            losses: Vec::new(),
        }
    }

    /// The rows of socket tables, none if this source does not read them.
    #[must_use]
    pub fn rows(&self) -> &[SocketSample] {
        self.sockets.as_deref().unwrap_or_default()
    }

    /// The lifecycle events, none if this source does not report them.
    #[must_use]
    pub fn events(&self) -> &[LifecycleEvent] {
        self.lifecycle.as_deref().unwrap_or_default()
    }

    /// The same with these rows of socket tables.
    #[must_use]
    pub fn with_sockets(self, sockets: Vec<SocketSample>) -> Self {
        Self { sockets: Some(sockets), ..self }
    }

    /// The same with this table of owners.
    #[must_use]
    pub fn with_owners(self, owners: Arc<OwnerTable>) -> Self {
        Self { owners: Some(owners), ..self }
    }

    /// The same with these lifecycle events.
    #[must_use]
    pub fn with_lifecycle(self, lifecycle: Vec<LifecycleEvent>) -> Self {
        Self { lifecycle: Some(lifecycle), ..self }
    }

    /// The same with these losses.
    #[must_use]
    pub fn with_losses(self, losses: Vec<Loss>) -> Self {
        Self { losses, ..self }
    }
}

/// Which process owns which sockets.
#[derive(Debug, Clone, Default)]
pub struct OwnerTable {
    /// The processes that [`OwnerEntry::process`] points into.
    pub processes: Vec<Arc<Process>>,
    /// One entry for each descriptor of each process.
    pub entries: Vec<OwnerEntry>,
    /// How many processes could not be inspected; then a socket without an owner may have one.
    pub unreadable_processes: u64,
}

impl OwnerTable {
    /// How many sockets have an owner, of those that `is_counted`; one with several counts once.
    #[must_use]
    pub fn owned(&self, is_counted: impl Fn(Subject) -> bool) -> u64 {
        let subjects = self.entries.iter().map(|entry| entry.subject);
        let owned: HashSet<Subject> = subjects.filter(|subject| is_counted(*subject)).collect();
        u64::try_from(owned.len()).unwrap_or(u64::MAX)
    }
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
