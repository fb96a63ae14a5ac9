//! What an agent publishes with each look: the snapshot, what has closed lately, and how the
//! agent itself does.
//!
//! The one idea: changes are not a queue but a reading of the state. Each connection knows the
//! snapshot that last changed it, and what closed is kept for a while; so any reader can ask for
//! everything since the sequence number it has, however slow it is, and nobody waits for it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Ability, Connection, Event, Loss, Moment, OpenFile, Snapshot, Transfer};

/// A connection that is gone, as it was when last seen.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ClosedConnection {
    /// The first snapshot without it.
    pub sequence: u64,
    /// When that was.
    pub at: Moment,
    /// What was last seen of it.
    pub connection: Connection,
}

/// One look, published. Never changed once made; all readers share it.
#[derive(Debug, Clone, Default)]
pub struct Update {
    /// Drawn anew at each start of the agent: sequence numbers of another instance mean nothing.
    pub instance: u64,
    /// What is connected.
    pub snapshot: Arc<Snapshot>,
    /// What has closed lately, oldest first.
    pub closed: Arc<[Arc<ClosedConnection>]>,
    /// Everything that closed in a later snapshot than this one is in `closed`.
    pub closed_complete_since: u64,
    /// What has happened lately, oldest first, also to connections no look saw.
    pub events: Arc<[Arc<Event>]>,
    /// Every event with a higher serial number than this is in `events`.
    pub events_complete_since: u64,
    /// The connections of the transfer service, sorted by `connection_id`.
    pub transfers: Arc<[Transfer]>,
    /// Files that servers on this machine have open for their clients.
    pub files: Arc<[OpenFile]>,
    /// The state of the agent.
    pub health: Health,
}

/// What changed since a snapshot.
#[derive(Debug, Clone, Default)]
pub struct Changes<'a> {
    /// Connections that were not there, oldest serial first.
    pub opened: Vec<&'a Connection>,
    /// Connections that were there and of which something is new.
    pub updated: Vec<&'a Connection>,
    /// Connections that are gone, in the order they went.
    pub closed: Vec<&'a ClosedConnection>,
}

impl Update {
    /// What changed since the snapshot `sequence`; `None` if that is longer ago than is kept, or
    /// has not been yet: then only the whole state helps.
    #[must_use]
    pub fn changes_since(&self, sequence: u64) -> Option<Changes<'_>> {
        if sequence < self.closed_complete_since || sequence > self.snapshot.sequence {
            return None;
        }
        let mut changes = Changes::default();
        for connection in &self.snapshot.connections {
            if connection.stats.first_sequence > sequence {
                changes.opened.push(connection);
            } else if connection.stats.changed_sequence > sequence {
                changes.updated.push(connection);
            }
        }
        changes.opened.sort_by_key(|connection| connection.stats.serial);
        let first = self.closed.partition_point(|closed| closed.sequence <= sequence);
        changes.closed = self.closed.iter().skip(first).map(AsRef::as_ref).collect();
        Some(changes)
    }

    /// What happened after the event `serial`, oldest first; `None` if that is longer ago than is
    /// kept, or has not happened yet.
    #[must_use]
    pub fn events_since(&self, serial: u64) -> Option<&[Arc<Event>]> {
        if serial < self.events_complete_since || serial > self.last_event() {
            return None;
        }
        let first = self.events.partition_point(|event| event.serial <= serial);
        self.events.get(first..)
    }

    /// The serial number of the latest event; 0 before the first.
    #[must_use]
    pub fn last_event(&self) -> u64 {
        self.events.last().map_or(self.events_complete_since, |event| event.serial)
    }
}

/// How an agent does.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Health {
    /// When it started.
    pub started: Moment,
    /// Time between two looks, microseconds.
    pub interval_us: u64,
    /// Looks made.
    pub samples: u64,
    /// How late the last look began, microseconds.
    pub lateness_us: u64,
    /// The latest any look began, microseconds.
    pub lateness_max_us: u64,
    /// Looks left out because an earlier one took longer than the interval.
    pub samples_skipped: u64,
    /// Why there has been no new snapshot since `snapshot.at`, if there has been none.
    pub failing: Option<Box<str>>,
    /// What the agent can do here, and what not.
    pub abilities: Vec<Ability>,
    /// OwnerTable that a reconciliation found to be other than was believed, since it started: what
    /// following the changes of owners had missed.
    pub reconciliation_differences: u64,
    /// What the bounds of the agent itself refused or forgot, since it started.
    pub losses: Vec<Loss>,
    /// What the agent uses itself.
    pub cost: Cost,
}

/// What an agent uses, by the kernel's own accounts (getrusage(2), proc_pid_statm(5)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Cost {
    /// CPU time of the whole process since it started, microseconds.
    pub cpu_us: u64,
    /// CPU time of the last look, microseconds.
    pub sample_cpu_us: u64,
    /// Resident memory, bytes.
    pub resident_bytes: u64,
    /// The most it was, bytes.
    pub resident_peak_bytes: u64,
}
