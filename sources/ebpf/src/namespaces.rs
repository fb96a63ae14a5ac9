//! Names of network namespaces (ip-netns(8)) by inode, looked up once for each namespace.

use std::collections::HashMap;
use std::sync::Arc;

use conns_core::model::Netns;
use foldhash::fast::RandomState;

/// Most cached namespaces, about 100 bytes each; beyond, the cache is cleared.
const MAX_NAMESPACES: usize = 4096;

/// The namespaces seen so far.
#[derive(Debug)]
pub(crate) struct NamespaceNames {
    own: Option<u64>,
    known: HashMap<u64, Arc<Netns>, RandomState>,
}

impl NamespaceNames {
    pub(crate) fn new() -> Self {
        Self { own: conns_namespaces::own(), known: HashMap::default() }
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
}
