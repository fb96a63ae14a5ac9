//! Network namespaces by their numbers, with the names ip-netns(8) gave them.
//!
//! The one idea: programs tell a number with each socket; a name is looked for once for each.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use conns_core::model::Netns;
use foldhash::fast::RandomState;

/// Where ip-netns(8) keeps names.
const NAMED: &str = "/run/netns";
/// Most namespaces remembered, about 100 bytes each; beyond, all are forgotten and looked for anew.
const KEPT: usize = 4096;

/// The namespaces met so far.
#[derive(Debug)]
pub(crate) struct Labels {
    own: Option<u64>,
    known: HashMap<u64, Arc<Netns>, RandomState>,
}

impl Labels {
    pub(crate) fn new() -> Self {
        Self { own: inode_of(Path::new("/proc/thread-self/ns/net")), known: HashMap::default() }
    }

    /// The namespace with this inode.
    pub(crate) fn of(&mut self, inode: u64) -> Arc<Netns> {
        if let Some(known) = self.known.get(&inode) {
            return Arc::clone(known);
        }
        let named = fs::read_dir(NAMED).into_iter().flatten().flatten();
        let name = named
            .filter(|entry| inode_of(&entry.path()) == Some(inode))
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .next();
        let netns = Arc::new(Netns::new(inode, name.as_deref(), self.own == Some(inode)));
        if self.known.len() >= KEPT {
            self.known.clear();
        }
        self.known.insert(inode, Arc::clone(&netns));
        netns
    }

    /// Looks for names anew, as namespaces may have been named since.
    pub(crate) fn forget(&mut self) {
        self.known.clear();
    }
}

fn inode_of(path: &Path) -> Option<u64> {
    fs::metadata(path).ok().map(|metadata| metadata.ino())
}
