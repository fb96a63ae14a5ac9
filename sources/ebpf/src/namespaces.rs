//! Names of network namespaces (ip-netns(8)) by inode. The kernel gives the inode of a removed namespace to a new one,
//! and a namespace may be named long after its first socket: so names are read again when they may have changed.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use conns_core::model::Netns;
use foldhash::fast::RandomState;

/// Most cached namespaces, about 100 bytes each; beyond, the cache is cleared.
const MAX_NAMESPACES: usize = 4096;
/// How long after a change of the directory its names are read again: ip-netns(8) creates a file first, and mounts the
/// namespace on it later, which does not change the directory.
const SETTLE_TIME: Duration = Duration::from_secs(5);
/// How often names are read at most. Without it they would be read with each batch of events while they settle.
const READ_INTERVAL: Duration = Duration::from_millis(250);

/// The namespaces seen so far.
#[derive(Debug)]
pub(crate) struct NamespaceNames {
    own: Option<u64>,
    known: HashMap<u64, Arc<Netns>, RandomState>,
    /// When the directory of names had changed last, as of the last refresh.
    changed: Option<SystemTime>,
    /// When the names were read last.
    read_at: Option<Instant>,
}

impl NamespaceNames {
    pub(crate) fn new() -> Self {
        let changed = conns_namespaces::names_changed();
        Self { own: conns_namespaces::own(), known: HashMap::default(), changed, read_at: None }
    }

    /// The namespace with this inode.
    pub(crate) fn get(&mut self, inode: u64) -> Arc<Netns> {
        if let Some(known) = self.known.get(&inode) {
            return Arc::clone(known);
        }
        let name = conns_namespaces::named().find(|named| named.inode == inode);
        let name = name.as_ref().map(|named| &*named.name);
        let netns = Arc::new(Netns::new(inode, name, self.own == Some(inode)));
        self.insert(Arc::clone(&netns));
        netns
    }

    /// Caches a namespace.
    pub(crate) fn insert(&mut self, netns: Arc<Netns>) {
        if self.known.len() >= MAX_NAMESPACES {
            self.known.clear();
        }
        self.known.insert(netns.inode, netns);
    }

    /// Whether to read the names at `now`, if the directory of names had `changed` then.
    fn is_due(&mut self, changed: Option<SystemTime>, now: Instant) -> bool {
        let is_settled = changed.is_none_or(|at| at.elapsed().is_ok_and(|age| age > SETTLE_TIME));
        let is_recent = self.read_at.is_some_and(|at| now.duration_since(at) < READ_INTERVAL);
        if self.changed == changed && is_settled || is_recent {
            return false;
        }
        (self.changed, self.read_at) = (changed, Some(now));
        true
    }

    /// Reads the names again if they may have changed; returns whether one has.
    pub(crate) fn refresh(&mut self) -> bool {
        if !self.is_due(conns_namespaces::names_changed(), Instant::now()) {
            return false;
        }
        let named: Vec<_> = conns_namespaces::named().collect();
        let mut is_renamed = false;
        for netns in self.known.values_mut() {
            let name = named.iter().find(|named| named.inode == netns.inode);
            let new = Netns::new(netns.inode, name.map(|named| &*named.name), netns.is_own);
            if **netns != new {
                *netns = Arc::new(new);
                is_renamed = true;
            }
        }
        is_renamed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_settle_are_read_four_times_a_second_and_settled_ones_after_a_change_only() {
        let (began, now) = (Instant::now(), SystemTime::now());
        let mut names = NamespaceNames::new();
        let mut due = |changed, ms| names.is_due(Some(changed), began + Duration::from_millis(ms));
        let settling: Vec<u64> = (0..1000).filter(|ms| due(now, *ms)).collect();
        assert_eq!(settling, [0, 250, 500, 750]);
        let long_ago = now - SETTLE_TIME * 2;
        // A change that comes right after a read is noticed later.
        assert!(!due(long_ago, 900));
        assert!(due(long_ago, 1000));
        assert!((1001..5000).all(|ms| !due(long_ago, ms)));
        assert!(due(long_ago + Duration::from_secs(1), 5000));
    }
}
