//! The inodes of the sockets that were found, asked once for every descriptor of the machine.
//!
//! The one idea: socket inodes are counted up by the kernel, so those alive lie close together and
//! fit a bit each; only where they do not are they hashed.

use std::collections::HashSet;

use conns_contract::WantedInodes;
use conns_core::model::{Facts, Observation};
use foldhash::fast::RandomState;

/// Most bits kept: 8 MiB.
const BITS: u64 = 64 * 1024 * 1024;

/// A set of inodes.
pub(crate) enum Inodes {
    /// A bit for each inode from `first` on.
    Bits {
        /// The inode of the first bit.
        first: u64,
        /// 64 bits each.
        words: Vec<u64>,
    },
    /// Inodes that lie far apart.
    Hashed(HashSet<u64, RandomState>),
}

impl Inodes {
    /// The inodes of all sockets in `observations`.
    pub(crate) fn of(observations: &[Observation]) -> Self {
        let inodes = || {
            let facts = observations.iter().flat_map(|observation| &observation.facts);
            let sockets = facts.filter_map(|facts| match facts {
                Facts::Sockets(sockets) => Some(sockets),
                Facts::Holdings(_) | Facts::Happenings(_) => None,
            });
            sockets.flatten().filter_map(|socket| socket.inode.get())
        };
        let first = inodes().min().unwrap_or(0);
        let span = inodes().max().unwrap_or(0) - first;
        if span >= BITS {
            return Self::Hashed(inodes().collect());
        }
        let mut words = vec![0_u64; usize::try_from(span / 64 + 1).unwrap_or(0)];
        for inode in inodes() {
            if let Some(word) = Self::place(first, inode).and_then(|at| words.get_mut(at)) {
                *word |= 1 << ((inode - first) % 64);
            }
        }
        Self::Bits { first, words }
    }

    fn place(first: u64, inode: u64) -> Option<usize> {
        usize::try_from(inode.checked_sub(first)? / 64).ok()
    }
}

impl WantedInodes for Inodes {
    fn wants(&self, inode: u64) -> bool {
        match self {
            Self::Bits { first, words } => {
                let word = Self::place(*first, inode).and_then(|at| words.get(at));
                word.is_some_and(|word| word >> ((inode - first) % 64) & 1 == 1)
            }
            Self::Hashed(inodes) => inodes.contains(&inode),
        }
    }
}
