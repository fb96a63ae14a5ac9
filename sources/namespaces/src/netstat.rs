//! Reads the counters of listeners from `/proc/net/netstat` (proc(5)), of every namespace that a process or thread is in.
//! That needs no privilege, and no thread enters the namespace.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::path::PathBuf;

use conns_core::model::{
    ListenCounters, Moment, Observation, SocketId, SocketSample, Source, State,
};

use crate::{inode_of_link, own, processes};

/// Shortest time between two searches for processes in namespaces that none was found in, microseconds.
const SEARCH_INTERVAL_US: u64 = 1_000_000;

/// Reads the counters of the namespaces that have listeners.
///
/// A file has the counters of one namespace and costs some 20 µs. It is read again only where a listener has dropped
/// something since, or a handshake waits: otherwise no counter of present listeners has moved.
#[derive(Debug)]
pub struct NetstatReader {
    own: Option<u64>,
    namespaces: BTreeMap<u64, Namespace>,
    /// What each listener had dropped.
    drops: HashMap<SocketId, u32>,
    searched: Option<Moment>,
}

/// A namespace, and a folder of `/proc` that shows it.
#[derive(Debug, Default)]
struct Namespace {
    folder: Option<PathBuf>,
    counters: Option<ListenCounters>,
}

impl Default for NetstatReader {
    fn default() -> Self {
        Self { own: own(), namespaces: BTreeMap::new(), drops: HashMap::new(), searched: None }
    }
}

impl NetstatReader {
    /// An observation with the counters of the namespaces that have a listener among `rows`.
    pub fn observe(
        &mut self,
        rows: &mut dyn Iterator<Item = &SocketSample>,
        now: Moment,
    ) -> Observation {
        let outdated = self.outdated(rows);
        self.find_folders(&outdated, now);
        for inode in outdated {
            if let Some(namespace) = self.namespaces.get_mut(&inode) {
                namespace.read(inode);
            }
        }
        let counters = self
            .namespaces
            .iter()
            .filter_map(|(inode, namespace)| Some((*inode, namespace.counters?)));
        Observation::new(Source::Procfs, now).with_listen_counters(counters.collect())
    }

    /// The namespaces to read; those without listeners are forgotten.
    fn outdated(&mut self, rows: &mut dyn Iterator<Item = &SocketSample>) -> HashSet<u64> {
        let mut outdated = HashSet::new();
        let mut present = HashSet::new();
        let mut drops = HashMap::new();
        for row in rows.filter(|row| row.protocol.is_tcp()) {
            match row.state {
                State::Listen => {
                    present.insert(row.id.netns);
                    let dropped = row.memory.value().and_then(|memory| memory.drops).unwrap_or(0);
                    if self.drops.get(&row.id).is_none_or(|before| *before != dropped) {
                        outdated.insert(row.id.netns);
                    }
                    drops.insert(row.id, dropped);
                }
                State::SynReceived => {
                    outdated.insert(row.id.netns);
                }
                _ => {}
            }
        }
        self.drops = drops;
        self.namespaces.retain(|inode, _| present.contains(inode));
        for inode in &present {
            self.namespaces.entry(*inode).or_default();
        }
        outdated.retain(|inode| present.contains(inode));
        // One that could not be read may be readable now.
        let unread = self.namespaces.iter().filter(|(_, namespace)| namespace.counters.is_none());
        outdated.extend(unread.map(|(inode, _)| *inode));
        outdated
    }

    /// Searches a process in each of these namespaces that has none.
    fn find_folders(&mut self, inodes: &HashSet<u64>, now: Moment) {
        for inode in inodes {
            let Some(namespace) = self.namespaces.get_mut(inode) else { continue };
            if Some(*inode) == self.own || *inode == 0 {
                namespace.folder = Some("/proc/thread-self".into());
            } else if !namespace.folder_is_in(*inode) {
                namespace.folder = None;
            }
        }
        let is_missing = |inode: &u64| {
            self.namespaces.get(inode).is_some_and(|namespace| namespace.folder.is_none())
        };
        let is_recent =
            |then: Moment| now.monotonic_us.saturating_sub(then.monotonic_us) < SEARCH_INTERVAL_US;
        if !inodes.iter().any(is_missing) || self.searched.is_some_and(is_recent) {
            return;
        }
        self.searched = Some(now);
        for (inode, folder) in processes() {
            if let Some(namespace) = self.namespaces.get_mut(&inode) {
                namespace.folder.get_or_insert(folder);
            }
        }
    }
}

impl Namespace {
    /// Whether the process is still there, and in this namespace.
    fn folder_is_in(&self, inode: u64) -> bool {
        self.folder
            .as_ref()
            .is_some_and(|folder| inode_of_link(&folder.join("ns/net")) == Some(inode))
    }

    fn read(&mut self, inode: u64) {
        let Some(folder) = &self.folder else { return };
        let read =
            fs::read(folder.join("net/netstat")).ok().and_then(|text| listen_counters(&text));
        // The process may have moved in between.
        let is_own = folder.ends_with("thread-self");
        self.counters = read.filter(|_| is_own || self.folder_is_in(inode));
    }
}

/// The counters in the text of `/proc/net/netstat`: pairs of lines, names and values, each after `TcpExt:`. `None` if the
/// kernel has no `ListenOverflows` there; a counter that a kernel does not have is 0.
#[must_use]
pub fn listen_counters(text: &[u8]) -> Option<ListenCounters> {
    let text = str::from_utf8(text).ok()?;
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("TcpExt:"));
    let (names, values) = (lines.next()?.split_whitespace(), lines.next()?.split_whitespace());
    let counters: HashMap<&str, u64> =
        names.zip(values).filter_map(|(name, value)| Some((name, value.parse().ok()?))).collect();
    let count = |name| counters.get(name).copied();
    Some(ListenCounters {
        overflows: count("ListenOverflows")?,
        syn_queue_drops: count("TCPReqQFullDrop").unwrap_or(0),
        syn_cookies: count("TCPReqQFullDoCookies").unwrap_or(0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counters_are_found_by_name() {
        let text = b"TcpExt: SyncookiesSent ListenOverflows ListenDrops TCPReqQFullDoCookies\n\
            TcpExt: 1 2 3 4\nIpExt: ListenOverflows\nIpExt: 9\n";
        let counters = listen_counters(text).unwrap();
        assert_eq!((counters.overflows, counters.syn_queue_drops, counters.syn_cookies), (2, 0, 4));
        assert_eq!(listen_counters(b"TcpExt: ListenDrops\nTcpExt: 3\n"), None);
        assert_eq!(listen_counters(b"TcpExt: ListenOverflows\n"), None);
        assert_eq!(listen_counters(b"TcpExt: ListenOverflows\nTcpExt: -1\n"), None);
        assert_eq!(listen_counters(&[0xff; 9]), None);
    }

    #[test]
    fn the_file_of_this_kernel_is_read() {
        assert!(listen_counters(&fs::read("/proc/net/netstat").unwrap()).is_some());
    }
}
