//! A set of inodes or cookies of sockets. The kernel counts both up, so those alive lie close
//! together: a bitmap has a bit for each. Numbers too far apart are hashed.

use std::collections::HashSet;

use conns_contract::InodeFilter;
use conns_core::model::{Known, Observation, Socket};
use foldhash::fast::RandomState;

/// Largest bitmap for each number, in bits: a hash set takes about as much.
const MAX_BITS_EACH: u64 = 128;
/// A bitmap of up to 8 KiB is used for any numbers.
const MIN_BITS: u64 = 64 * 1024;

/// A set of numbers.
pub(crate) enum Numbers {
    /// A bit for each number from `first` on.
    Bits {
        /// The number of the first bit.
        first: u64,
        /// 64 bits each.
        words: Vec<u64>,
    },
    /// Numbers that lie far apart.
    Hashed(HashSet<u64, RandomState>),
}

impl Numbers {
    /// The inodes of all sockets in `observations`.
    pub(crate) fn inodes(observations: &[Observation]) -> Self {
        Self::of(|| sockets(observations).flat_map(inodes_of))
    }

    /// The cookies of all sockets in `observations` that can have an owner.
    pub(crate) fn cookies(observations: &[Observation]) -> Self {
        Self::of(|| sockets(observations).filter(|s| can_have_owner(s)).map(|s| s.id.cookie))
    }

    fn of<I: Iterator<Item = u64>>(numbers: impl Fn() -> I) -> Self {
        let (mut count, mut first, mut last) = (0_u64, u64::MAX, 0);
        for number in numbers() {
            (count, first, last) = (count + 1, first.min(number), last.max(number));
        }
        let span = last.saturating_sub(first);
        if span >= MIN_BITS.max(count.saturating_mul(MAX_BITS_EACH)) {
            return Self::Hashed(numbers().collect());
        }
        let mut words = vec![0_u64; usize::try_from(span / 64 + 1).unwrap_or(0)];
        for number in numbers() {
            if let Some(word) = Self::word_index(first, number).and_then(|at| words.get_mut(at)) {
                *word |= 1 << ((number - first) % 64);
            }
        }
        Self::Bits { first, words }
    }

    /// Whether `number` is one of them.
    pub(crate) fn contains(&self, number: u64) -> bool {
        match self {
            Self::Bits { first, words } => {
                let word = Self::word_index(*first, number).and_then(|at| words.get(at));
                word.is_some_and(|word| word >> ((number - first) % 64) & 1 == 1)
            }
            Self::Hashed(numbers) => numbers.contains(&number),
        }
    }

    fn word_index(first: u64, number: u64) -> Option<usize> {
        usize::try_from(number.checked_sub(first)? / 64).ok()
    }
}

impl InodeFilter for Numbers {
    fn contains(&self, inode: u64) -> bool {
        self.contains(inode)
    }

    fn count(&self) -> u64 {
        match self {
            Self::Bits { words, .. } => words.iter().map(|word| u64::from(word.count_ones())).sum(),
            Self::Hashed(numbers) => u64::try_from(numbers.len()).unwrap_or(u64::MAX),
        }
    }
}

/// Its inode, and that of the socket at the other end of a unix socket, which may not be in the sample.
fn inodes_of(socket: &Socket) -> impl Iterator<Item = u64> {
    let peer = socket.other.as_ref().and_then(|other| other.peer.value());
    socket.inode.get().into_iter().chain(peer.map(|peer| peer.inode))
}

/// All sockets in `observations`.
pub(crate) fn sockets(observations: &[Observation]) -> impl Iterator<Item = &Socket> {
    observations.iter().flat_map(Observation::rows).map(|row| &**row)
}

/// Whether a descriptor can refer to it. None does while it is in the accept queue, or in TIME-WAIT, or if the kernel has
/// made it for itself.
pub(crate) fn can_have_owner(socket: &Socket) -> bool {
    !matches!(socket.inode, Known::NotApplicable) && !socket.held_by_kernel
}
