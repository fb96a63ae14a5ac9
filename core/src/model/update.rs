//! What an agent publishes with each sample: the snapshot, what closed recently, and its health.
//!
//! Invariant: each connection names the snapshot that last changed it, and closed connections stay
//! buffered for a while. So any reader can ask for everything since the sequence number it has, and
//! a slow reader delays nothing.

use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Serialize};

use super::{Ability, Connection, Loss, Moment, OpenFile, Snapshot, Transfer};

/// A connection that was removed from the snapshot, as it was when last seen.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ClosedConnection {
    /// The first snapshot without it.
    pub sequence: u64,
    /// When that was.
    pub at: Moment,
    /// Its last state.
    pub connection: Connection,
}

/// One sample, published. Immutable; all readers share it.
#[derive(Debug, Clone, Default)]
pub struct Update {
    /// Drawn anew at each start of the agent: sequence numbers of another instance mean nothing.
    pub instance: u64,
    /// The connections.
    pub snapshot: Arc<Snapshot>,
    /// The order of the snapshot's connections by their latest change.
    pub changes: Arc<ChangeIndex>,
    /// Recently closed connections, oldest first.
    pub closed: Arc<[Arc<ClosedConnection>]>,
    /// Every connection that closed in a later snapshot than this one is in `closed`.
    pub closed_complete_since: u64,
    /// The connections of the transfer service, sorted by `connection_id`.
    pub transfers: Arc<[Transfer]>,
    /// Files that servers on this machine have open for their clients.
    pub files: Arc<[OpenFile]>,
    /// The state of the agent.
    pub health: Health,
}

/// The connections of one snapshot, ordered by the snapshot that last changed them. Made once for
/// each snapshot, when a reader first asks, and shared by all readers: a reader then visits only
/// what changed.
#[derive(Debug, Default)]
pub struct ChangeIndex(OnceLock<Box<[u32]>>);

impl ChangeIndex {
    /// The connections changed after the snapshot `sequence`, in the order of `connections`.
    /// `connections` are those of the one snapshot the index is of.
    fn changed_since<'a>(
        &self,
        connections: &'a [Connection],
        sequence: u64,
    ) -> impl Iterator<Item = &'a Connection> {
        let at = |index: u32| usize::try_from(index).ok().and_then(|index| connections.get(index));
        let newest_first = self.0.get_or_init(|| newest_first(connections));
        let is_newer =
            |index: &u32| at(*index).is_some_and(|c| c.stats.changed_sequence > sequence);
        let count = newest_first.partition_point(is_newer);
        let mut changed: Vec<u32> = newest_first.iter().take(count).copied().collect();
        changed.sort_unstable();
        changed.into_iter().filter_map(at)
    }
}

/// The indices of `connections`, the latest change first.
fn newest_first(connections: &[Connection]) -> Box<[u32]> {
    let sequences = connections.iter().map(|connection| connection.stats.changed_sequence);
    let mut keys: Vec<(u64, u32)> = sequences.zip(0..).collect();
    keys.sort_unstable_by_key(|(sequence, _)| std::cmp::Reverse(*sequence));
    keys.into_iter().map(|(_, index)| index).collect()
}

/// What changed since a snapshot.
#[derive(Debug, Clone, Default)]
pub struct Changes<'a> {
    /// New connections, oldest serial first.
    pub opened: Vec<&'a Connection>,
    /// Earlier connections of which something is new, in the order of the snapshot.
    pub updated: Vec<&'a Connection>,
    /// Removed connections, in the order of their removal.
    pub closed: Vec<&'a ClosedConnection>,
}

impl Update {
    /// What changed since the snapshot `sequence`; `None` if that is not buffered any more, or not
    /// reached yet: then only the whole state helps. The cost is proportional to what changed.
    #[must_use]
    pub fn changes_since(&self, sequence: u64) -> Option<Changes<'_>> {
        if sequence < self.closed_complete_since || sequence > self.snapshot.sequence {
            return None;
        }
        let mut changes = Changes::default();
        // A connection changes in the snapshot that first has it, or later.
        for connection in self.changes.changed_since(&self.snapshot.connections, sequence) {
            if connection.stats.first_sequence > sequence {
                changes.opened.push(connection);
            } else {
                changes.updated.push(connection);
            }
        }
        changes.opened.sort_by_key(|connection| connection.stats.serial);
        let first = self.closed.partition_point(|closed| closed.sequence <= sequence);
        changes.closed = self.closed.iter().skip(first).map(AsRef::as_ref).collect();
        Some(changes)
    }
}

/// The state of an agent.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Health {
    /// When it started.
    pub started: Moment,
    /// The sample interval, microseconds.
    pub interval_us: u64,
    /// Samples taken.
    pub samples: u64,
    /// How late the last sample began, microseconds.
    pub lateness_us: u64,
    /// The largest lateness of any sample, microseconds.
    pub lateness_max_us: u64,
    /// Samples skipped because an earlier one took longer than the interval.
    pub samples_skipped: u64,
    /// Why samples fail since `snapshot.at`, if they do.
    pub failing: Option<Box<str>>,
    /// What the agent can do here, and what not.
    pub abilities: Vec<Ability>,
    /// Owners that a reconciliation found to differ from the cached ones, since the start: changes
    /// that the change counter had missed.
    pub reconciliation_differences: u64,
    /// Losses of the agent itself and of its event source, one entry for each cause, since the start.
    pub losses: Vec<Loss>,
    /// When the event source lost something last, of an agent in this process.
    pub lost_at: Option<Moment>,
    /// The resources the agent uses.
    pub cost: Cost,
}

/// The resources an agent uses, as the kernel accounts them (getrusage(2), proc_pid_statm(5)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Cost {
    /// CPU time of the whole process since its start, microseconds.
    pub cpu_us: u64,
    /// CPU time of the last sample, microseconds.
    pub sample_cpu_us: u64,
    /// Resident memory, bytes.
    pub resident_bytes: u64,
    /// Peak resident memory, bytes.
    pub resident_peak_bytes: u64,
}
