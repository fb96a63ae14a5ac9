//! Which process owns which sockets, as a source reads it.

use std::collections::{BTreeMap, HashSet};
use std::ops::Deref;
use std::sync::Arc;

use super::{Process, SocketId};

/// Most owners listed of one socket: those of the lowest pids. A server with more workers is known by them.
pub const MAX_OWNERS: usize = 16;
/// From this many entries on, those beyond [`MAX_OWNERS`] of a socket are only counted.
const MIN_COMPACTED: usize = 65_536;

/// Which process owns which sockets.
#[derive(Debug, Clone, Default)]
pub struct OwnerTable {
    /// The processes that [`OwnerEntry::process`] points into.
    pub processes: Vec<Arc<Process>>,
    /// One entry for each descriptor of each process.
    pub entries: OwnerEntries,
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

/// Entries of an owner table.
///
/// Invariant: there are at most `2 * MAX_OWNERS` entries for each socket, or 65 536 in all, however
/// many processes share the sockets. The others are counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OwnerEntries {
    entries: Vec<OwnerEntry>,
    /// Entries that were removed, by socket.
    omitted: BTreeMap<Subject, u32>,
    /// The number of entries at which those beyond the bound are removed.
    compact_at: usize,
}

impl OwnerEntries {
    /// Adds an entry.
    pub fn push(&mut self, entry: OwnerEntry) {
        self.entries.push(entry);
        if self.entries.len() >= self.compact_at.max(MIN_COMPACTED) {
            self.compact();
            self.compact_at = self.entries.len() * 2;
        }
    }

    /// Counts entries of a socket that the source did not report one by one.
    pub fn omit(&mut self, subject: Subject, count: u32) {
        if count > 0 {
            *self.omitted.entry(subject).or_default() += count;
        }
    }

    /// How many entries of this socket were removed.
    #[must_use]
    pub fn omitted(&self, subject: Subject) -> u32 {
        self.omitted.get(&subject).copied().unwrap_or(0)
    }

    /// How many descriptors there are, those that were removed included.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.entries.len() as u64
            + self.omitted.values().map(|count| u64::from(*count)).sum::<u64>()
    }

    /// Removes the entries beyond the bound: those of the highest places in the table of processes.
    fn compact(&mut self) {
        self.entries.sort_unstable();
        self.entries.dedup();
        let (mut last, mut listed) = (None, 0);
        let omitted = &mut self.omitted;
        self.entries.retain(|entry| {
            if last.replace(entry.subject) != Some(entry.subject) {
                listed = 0;
            }
            listed += 1;
            if listed > MAX_OWNERS {
                *omitted.entry(entry.subject).or_default() += 1;
            }
            listed <= MAX_OWNERS
        });
    }
}

impl Deref for OwnerEntries {
    type Target = [OwnerEntry];

    fn deref(&self) -> &[OwnerEntry] {
        &self.entries
    }
}

impl From<Vec<OwnerEntry>> for OwnerEntries {
    fn from(entries: Vec<OwnerEntry>) -> Self {
        let mut all = Self::default();
        entries.into_iter().for_each(|entry| all.push(entry));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_bounded_and_counted() {
        let mut entries = OwnerEntries::default();
        let (processes, sockets) = (500, 1000);
        for process in 0..processes {
            for inode in 0..sockets {
                let subject = Subject::Inode(inode);
                entries.push(OwnerEntry { subject, process, descriptor: Some(3) });
            }
            assert!(entries.len() <= MIN_COMPACTED);
        }
        for inode in 0..sockets {
            let subject = Subject::Inode(inode);
            let mut listed: Vec<u32> =
                entries.iter().filter(|e| e.subject == subject).map(|e| e.process).collect();
            listed.sort_unstable();
            assert_eq!(listed.len() + entries.omitted(subject) as usize, processes as usize);
            assert_eq!(listed[..MAX_OWNERS], (0..MAX_OWNERS as u32).collect::<Vec<_>>());
        }
    }
}
