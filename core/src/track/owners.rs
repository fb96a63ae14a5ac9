//! Sockets joined with the processes that own them, by inode, or by socket identity where the source
//! of owners uses it.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use foldhash::fast::RandomState;

use crate::model::{
    Known, MAX_OWNERS, Owner, OwnerEntry, OwnerTable, Process, Socket, SocketSample, Source,
    Subject, Unknown,
};

/// The owner of a socket that the kernel has made for itself: process 0, as the kernel numbers its own.
#[must_use]
pub fn kernel_owner() -> Arc<[Owner]> {
    Arc::clone(&KERNEL)
}

static KERNEL: LazyLock<Arc<[Owner]>> = LazyLock::new(|| {
    let process = Process {
        executable: Known::NotApplicable,
        command_line: Known::NotApplicable,
        uid: Known::NotApplicable,
        user: Known::NotApplicable,
        started_wall_us: Known::NotApplicable,
        parent_pid: Known::NotApplicable,
        cgroup: Known::NotApplicable,
        container_id: Known::NotApplicable,
        systemd_unit: Known::NotApplicable,
        ..Process::bare(0, "kernel", Unknown::SourceDoesNotReport)
    };
    Arc::new([Owner { process: Arc::new(process), descriptor: None }])
});

/// The owners of one socket.
#[derive(Debug, Clone)]
pub(super) struct OwnersOfSocket {
    /// At most [`MAX_OWNERS`].
    pub(super) listed: Known<Arc<[Owner]>>,
    /// How many there are beyond these.
    pub(super) omitted: u32,
}

impl From<Known<Arc<[Owner]>>> for OwnersOfSocket {
    fn from(listed: Known<Arc<[Owner]>>) -> Self {
        Self { listed, omitted: 0 }
    }
}

/// An owner table, indexed by socket.
#[derive(Debug, Default)]
pub(super) struct OwnerIndex {
    /// The table; `None` without a source of owners.
    table: Option<(Arc<OwnerTable>, Source)>,
    /// Places of the entries, ordered by socket, then process (ascending pid), then descriptor.
    order: Vec<u32>,
    /// Whether the entries name sockets by identity.
    is_by_identity: bool,
    /// Where the entries of a socket start in `order`. Small keys and values, because it is read
    /// once for each socket of a sample.
    starts: HashMap<u64, u32, RandomState>,
}

impl OwnerIndex {
    /// The index of `table`, as `source` reported it.
    pub(super) fn new(table: Arc<OwnerTable>, source: Source) -> Self {
        let entry = |place: u32| table.entries.get(usize::try_from(place).ok()?);
        let mut order: Vec<u32> = (0..).zip(&*table.entries).map(|(place, _)| place).collect();
        order.sort_unstable_by_key(|place| entry(*place));
        order.dedup_by_key(|place| entry(*place));
        let mut starts = HashMap::default();
        starts.reserve(order.len());
        let mut last = None;
        for (at, place) in (0..).zip(&order) {
            let Some(entry) = entry(*place) else { continue };
            if last.replace(entry.subject) != Some(entry.subject) {
                starts.insert(key(entry.subject), at);
            }
        }
        // Sockets of MPTCP are named by inode even where all others are named by identity.
        let is_by_identity = table.entries.iter().any(|e| matches!(e.subject, Subject::Socket(_)));
        Self { table: Some((table, source)), order, is_by_identity, starts }
    }

    /// Whether this is the index of `table`.
    pub(super) fn is_of(&self, table: &Arc<OwnerTable>) -> bool {
        self.table.as_ref().is_some_and(|(mine, _)| Arc::ptr_eq(mine, table))
    }

    /// The owners of `socket`.
    pub(super) fn of(&self, socket: &Socket) -> OwnersOfSocket {
        let mut omitted = 0;
        let listed = self.listed(socket, &mut omitted);
        OwnersOfSocket { listed, omitted }
    }

    fn listed(&self, socket: &Socket, omitted: &mut u32) -> Known<Arc<[Owner]>> {
        if socket.held_by_kernel {
            return Known::Value(kernel_owner(), socket.source);
        }
        // Packets name no process of this machine.
        if socket.source == Source::Capture {
            return Known::Unknown(Unknown::SourceDoesNotReport);
        }
        let Some((table, source)) = &self.table else {
            return Known::Unknown(Unknown::SourceFailed);
        };
        let subject = match socket.inode {
            // Without an inode no descriptor refers to it: only the kernel uses it.
            Known::NotApplicable => return Known::NotApplicable,
            // A subflow has no descriptor of its own, but the inode of its MPTCP connection.
            Known::Value(inode, _) if !self.is_by_identity || socket.is_mptcp() => {
                Subject::Inode(inode)
            }
            Known::Value(..) | Known::Unknown(_) => Subject::Socket(socket.owned_id()),
        };
        self.owners_of(table, *source, subject, omitted)
    }

    /// Sets the owners of the socket at the other end of a unix socket.
    pub(super) fn name_peer(&self, sample: &mut SocketSample) {
        let Some(other) = &sample.other else { return };
        let Some(inode) = other.peer.value().map(|peer| peer.inode) else { return };
        let owners = match &self.table {
            Some((table, source)) => self.owners_of(table, *source, Subject::Inode(inode), &mut 0),
            None => Known::Unknown(Unknown::SourceFailed),
        };
        if let Some(other) = &mut sample.other
            && let Known::Value(peer, _) = &mut Arc::make_mut(other).peer
        {
            peer.owners = owners;
        }
    }

    fn owners_of(
        &self,
        table: &OwnerTable,
        source: Source,
        subject: Subject,
        omitted: &mut u32,
    ) -> Known<Arc<[Owner]>> {
        let mut entries = self.entries_of(table, subject);
        let owners: Vec<Owner> =
            entries.by_ref().filter_map(|entry| owner(table, entry)).take(MAX_OWNERS).collect();
        let rest = u32::try_from(entries.count()).unwrap_or(u32::MAX);
        *omitted = table.entries.omitted(subject).saturating_add(rest);
        if !owners.is_empty() {
            return Known::Value(owners.into(), source);
        }
        if table.unreadable_processes > 0 {
            Known::Unknown(Unknown::NotPrivileged)
        } else {
            Known::Unknown(Unknown::NoOwnerFound)
        }
    }

    fn entries_of<'a>(
        &'a self,
        table: &'a OwnerTable,
        subject: Subject,
    ) -> impl Iterator<Item = &'a OwnerEntry> {
        let start = self.starts.get(&key(subject)).and_then(|start| usize::try_from(*start).ok());
        let places = start.and_then(|start| self.order.get(start..)).unwrap_or(&[]);
        let entry = |place: &u32| table.entries.get(usize::try_from(*place).ok()?);
        places.iter().filter_map(entry).take_while(move |entry| entry.subject == subject)
    }
}

fn owner(table: &OwnerTable, entry: &OwnerEntry) -> Option<Owner> {
    let process = table.processes.get(usize::try_from(entry.process).ok()?)?;
    Some(Owner { process: Arc::clone(process), descriptor: entry.descriptor })
}

/// A hash key of a subject. Cookies are unique on new kernels, and within a namespace on old ones; a
/// digest takes their place where there are none. A bit that neither uses marks inodes.
fn key(subject: Subject) -> u64 {
    match subject {
        Subject::Inode(inode) => inode ^ 1 << 63,
        Subject::Socket(id) => id.cookie ^ id.netns.rotate_left(32),
    }
}
