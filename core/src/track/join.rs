//! Sockets and the processes that hold them, joined by inode, or by identity where that is what a
//! source of holders tells.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;

use crate::model::{Known, Owner, OwnerEntry, OwnerTable, Socket, Source, Subject, Unknown};

/// OwnerTable by the socket they are of.
#[derive(Debug, Default)]
pub(super) struct Owners {
    /// As they were told, to know them again.
    told: Option<Arc<OwnerTable>>,
    /// One entry for each descriptor, by socket.
    held: Vec<OwnerEntry>,
    /// Whether they name sockets by identity.
    is_by_identity: bool,
    source: Option<Source>,
    /// Where the holdings of a socket begin among all of them. Small keys and values, because it
    /// is asked once for every socket.
    starts: HashMap<u64, u32, RandomState>,
}

impl Owners {
    /// `source` is who told of the holdings; `None` if nobody could.
    pub(super) fn new(told: Arc<OwnerTable>, source: Source) -> Self {
        // Within one socket: processes in the order the source lists them (ascending pid), then
        // descriptors.
        let mut held = told.entries.clone();
        held.sort_unstable();
        held.dedup();
        let mut starts = HashMap::default();
        starts.reserve(held.len());
        let mut last = None;
        for (at, owner_entry) in (0..).zip(&held) {
            if last.replace(owner_entry.subject) != Some(owner_entry.subject) {
                starts.insert(key(owner_entry.subject), at);
            }
        }
        // A source names its sockets either way; only those of MPTCP are named by inode always.
        let is_by_identity = held.iter().any(|h| matches!(h.subject, Subject::Socket(_)));
        Self { told: Some(told), held, is_by_identity, source: Some(source), starts }
    }

    /// Whether these are made of `told`.
    pub(super) fn are_of(&self, told: &Arc<OwnerTable>) -> bool {
        self.told.as_ref().is_some_and(|mine| Arc::ptr_eq(mine, told))
    }

    /// Everything that holds `socket`.
    pub(super) fn of(&self, socket: &Socket) -> Known<Arc<[Owner]>> {
        let Some(source) = self.source else { return Known::Unknown(Unknown::SourceFailed) };
        let subject = match socket.inode {
            // Without an inode no descriptor can refer to it: the kernel alone holds it.
            Known::NotApplicable => return Known::NotApplicable,
            // A subflow has no descriptor of its own, but the inode of the connection it is part of.
            Known::Value(inode, _) if !self.is_by_identity || socket.is_mptcp() => {
                Subject::Inode(inode)
            }
            Known::Value(..) | Known::Unknown(_) => Subject::Socket(socket.id),
        };
        let start = self.starts.get(&key(subject)).and_then(|start| usize::try_from(*start).ok());
        let from_start = start.and_then(|start| self.held.get(start..)).unwrap_or(&[]);
        let count =
            from_start.iter().take_while(|owner_entry| owner_entry.subject == subject).count();
        if count > 0 {
            let owners = from_start.iter().take(count).filter_map(|h| self.owner(*h));
            return Known::Value(owners.collect(), source);
        }
        if self.told.as_ref().is_some_and(|told| told.unreadable_processes > 0) {
            Known::Unknown(Unknown::NotPrivileged)
        } else {
            Known::Unknown(Unknown::NoOwnerFound)
        }
    }

    fn owner(&self, owner_entry: OwnerEntry) -> Option<Owner> {
        let process =
            self.told.as_ref()?.processes.get(usize::try_from(owner_entry.process).ok()?)?;
        Some(Owner { process: Arc::clone(process), descriptor: owner_entry.descriptor })
    }
}

/// Cookies are unique on new kernels, and within a namespace on old ones; a digest stands for them
/// where there are none. Inodes are told apart from them by a bit neither comes near.
fn key(subject: Subject) -> u64 {
    match subject {
        Subject::Inode(inode) => inode ^ 1 << 63,
        Subject::Socket(id) => id.cookie ^ id.netns.rotate_left(32),
    }
}
