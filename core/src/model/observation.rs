//! What a source read: when, what, and what it could not see.

use std::sync::Arc;

use super::{
    Application, ConnectionId, LifecycleEvent, ListenCounters, Loss, Moment, OwnerTable,
    ResolvedName, SocketSample, Source,
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
    /// Names of addresses that were read since, with the connection that they were read on.
    pub names: Vec<(ConnectionId, ResolvedName)>,
    /// Counters of listeners, by the inode of their network namespace.
    pub listen_counters: Vec<(u64, ListenCounters)>,
    /// Descriptors (process id, number) that may lead to a namespace of which no table was read: of a
    /// namespace, or of a TCP or UDP socket that is in no table.
    pub unlisted: Vec<(u32, u32)>,
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
            names: Vec::new(),
            listen_counters: Vec::new(),
            unlisted: Vec::new(),
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

    /// The same with these counters of network namespaces.
    #[must_use]
    pub fn with_listen_counters(self, listen_counters: Vec<(u64, ListenCounters)>) -> Self {
        Self { listen_counters, ..self }
    }

    /// The same with these losses.
    #[must_use]
    pub fn with_losses(self, losses: Vec<Loss>) -> Self {
        Self { losses, ..self }
    }
}
