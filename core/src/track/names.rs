//! Which addresses have which names, by the answers of DNS that were seen.
//!
//! A connection has the name that was asked for last before it was opened, by whichever process of its
//! network namespace: an address may have several names.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use foldhash::fast::RandomState;

use crate::model::{Moment, ResolvedName, Socket, unmapped};

/// Most addresses whose names are kept, about 150 bytes each: those that a busy resolver is asked for in a few
/// minutes.
pub(super) const MAX_NAMES: usize = 65_536;
/// How long a name is used at the least, microseconds: programs connect a while after they have asked, and
/// balancers answer with a TTL of 0.
const MIN_USE_US: u64 = 60_000_000;
/// How often names that ran out are searched for when there are too many, microseconds.
const PURGE_INTERVAL_US: u64 = 1_000_000;

/// The names of addresses, by network namespace.
#[derive(Debug, Default)]
pub(super) struct Names {
    by_address: HashMap<(u64, IpAddr), Entry, RandomState>,
    purged_us: u64,
    /// How many the bound refused since that was last reported.
    refused: u64,
}

#[derive(Debug)]
struct Entry {
    name: Arc<str>,
    /// When it was first answered without another name since.
    since_us: u64,
    until_us: u64,
}

impl Names {
    /// Stores an answer that was seen in the namespace.
    pub(super) fn apply(&mut self, netns: u64, resolved: ResolvedName) {
        let ResolvedName { address, name, at, ttl_s } = resolved;
        let at_us = at.monotonic_us;
        let until_us = at_us.saturating_add((u64::from(ttl_s) * 1_000_000).max(MIN_USE_US));
        let key = (netns, unmapped(address));
        if let Some(entry) = self.by_address.get_mut(&key) {
            if entry.name != name || entry.until_us < at_us {
                *entry = Entry { name, since_us: at_us, until_us };
            } else {
                entry.until_us = entry.until_us.max(until_us);
            }
            return;
        }
        let is_full = self.by_address.len() >= MAX_NAMES;
        if is_full && at_us.saturating_sub(self.purged_us) >= PURGE_INTERVAL_US {
            self.purged_us = at_us;
            self.by_address.retain(|_, entry| entry.until_us >= at_us);
        }
        if self.by_address.len() >= MAX_NAMES {
            self.refused += 1;
            return;
        }
        self.by_address.insert(key, Entry { name, since_us: at_us, until_us });
    }

    /// The name of the remote address of a connection at the moment at which it was opened.
    pub(super) fn of(&self, socket: &Socket, opened: Moment) -> Option<Arc<str>> {
        if self.by_address.is_empty() {
            return None;
        }
        let key = (socket.id.netns, unmapped(socket.remote?.address));
        let entry = self.by_address.get(&key)?;
        let is_valid = (entry.since_us..=entry.until_us).contains(&opened.monotonic_us);
        is_valid.then(|| Arc::clone(&entry.name))
    }

    /// How many the bound refused since the last call.
    pub(super) fn take_refused(&mut self) -> u64 {
        std::mem::take(&mut self.refused)
    }
}
