//! Network namespaces by their numbers, with the names ip-netns(8) gave them.
//!
//! The one idea: programs tell a number with each socket; a name is looked for once for each.

use std::collections::HashMap;
use std::sync::Arc;

use conns_core::model::Netns;
use foldhash::fast::RandomState;

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
        Self { own: conns_namespaces::own(), known: HashMap::default() }
    }

    /// The namespace with this inode.
    pub(crate) fn of(&mut self, inode: u64) -> Arc<Netns> {
        if let Some(known) = self.known.get(&inode) {
            return Arc::clone(known);
        }
        let name = conns_namespaces::named().find(|named| named.inode == inode);
        let name = name.as_ref().map(|named| &*named.name);
        let netns = Arc::new(Netns::new(inode, name, self.own == Some(inode)));
        self.learn(Arc::clone(&netns));
        netns
    }

    /// Calls a namespace so from now on.
    pub(crate) fn learn(&mut self, netns: Arc<Netns>) {
        if self.known.len() >= KEPT {
            self.known.clear();
        }
        self.known.insert(netns.inode, netns);
    }
}
