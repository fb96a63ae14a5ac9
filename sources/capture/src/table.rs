//! The connections of a capture file, by their ends.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::net::IpAddr;

use conns_core::decode::{BothSides, Side};
use conns_core::model::{Endpoint, Moment};
use foldhash::fast::RandomState;

use crate::connection::Connection;
use crate::flow::Flow;

/// Most connections at a time: as many as are decoded at a time. About 1 kB each.
pub(crate) const MAX_CONNECTIONS: usize = 262_144;

/// Both ends, the lower one first, and the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key {
    lower: Endpoint,
    upper: Endpoint,
    is_tcp: bool,
}

impl Key {
    /// The key of a packet.
    pub(crate) fn of(source: Endpoint, destination: Endpoint, is_tcp: bool) -> Self {
        let (lower, upper) = (source.min(destination), source.max(destination));
        Self { lower, upper, is_tcp }
    }
}

/// Few and wide numbers: each packet is looked up.
impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for Endpoint { address, port } in [self.lower, self.upper] {
            match address {
                IpAddr::V4(address) => {
                    state.write_u64(u64::from(address.to_bits()) << 16 | u64::from(port));
                }
                IpAddr::V6(address) => {
                    state.write_u128(address.to_bits());
                    state.write_u16(port);
                }
            }
        }
        state.write_u8(self.is_tcp.into());
    }
}

/// A connection or flow.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Its place in the order of the file, from 1 on.
    pub(crate) serial: u64,
    pub(crate) content: Content,
    /// Whether its opened and closed events were reported, seen from each end.
    pub(crate) reported: Reported,
    /// The sides of which no decoder wants more.
    pub(crate) unwanted: BothSides<bool>,
}

/// Which events of a connection were reported.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Reported {
    pub(crate) opened: BothSides<bool>,
    pub(crate) ended: BothSides<bool>,
}

#[derive(Debug)]
pub(crate) enum Content {
    Tcp(Box<Connection>),
    Udp(Box<Flow>),
}

impl Entry {
    /// Whether it takes no packets and has no rows any more.
    fn is_over(&self, now: Moment) -> bool {
        match &self.content {
            Content::Tcp(connection) => connection.is_over(now),
            Content::Udp(flow) => flow.is_over(now),
        }
    }

    /// The side that `source` is on.
    pub(crate) fn side(&self, source: Endpoint) -> Side {
        let first = match &self.content {
            Content::Tcp(connection) => connection.ends.sent,
            Content::Udp(flow) => flow.ends.sent,
        };
        if first == source { Side::Sent } else { Side::Received }
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Table {
    by_key: HashMap<Key, Entry, RandomState>,
    serial: u64,
    /// Packets of connections beyond the bound.
    pub(crate) refused: u64,
}

impl Table {
    /// The entry of a key.
    pub(crate) fn get_mut(&mut self, key: &Key) -> Option<&mut Entry> {
        self.by_key.get_mut(key)
    }

    /// Whether there is no room for another entry.
    pub(crate) fn is_full(&self) -> bool {
        self.by_key.len() >= MAX_CONNECTIONS
    }

    /// Adds an entry, and returns it; `None` if there is no room.
    pub(crate) fn insert(&mut self, key: Key, content: Content) -> Option<&mut Entry> {
        if self.is_full() {
            self.refused += 1;
            return None;
        }
        let serial = self.next_serial();
        let (reported, unwanted) = (Reported::default(), BothSides::default());
        let entry = Entry { serial, content, reported, unwanted };
        Some(self.by_key.entry(key).insert_entry(entry).into_mut())
    }

    /// A number that no entry has.
    pub(crate) fn next_serial(&mut self) -> u64 {
        self.serial += 1;
        self.serial
    }

    /// Removes an entry.
    pub(crate) fn remove(&mut self, key: &Key) {
        self.by_key.remove(key);
    }

    /// All entries, in no order, to change them.
    pub(crate) fn entries_mut(&mut self) -> impl Iterator<Item = &mut Entry> {
        self.by_key.values_mut()
    }

    /// All entries in the order of the file.
    pub(crate) fn ordered_mut(&mut self) -> Vec<&mut Entry> {
        let mut entries: Vec<&mut Entry> = self.entries_mut().collect();
        entries.sort_unstable_by_key(|entry| entry.serial);
        entries
    }

    /// Removes the entries that are over at `now`, and those that ended, if `all_ended`; `removed` gets the serial
    /// number of each.
    pub(crate) fn expire(&mut self, now: Moment, all_ended: bool, mut removed: impl FnMut(u64)) {
        self.by_key.retain(|_, entry| {
            let has_ended = match &entry.content {
                Content::Tcp(connection) => connection.end.is_some(),
                Content::Udp(_) => false,
            };
            let is_over = entry.is_over(now) || (all_ended && has_ended);
            if is_over {
                removed(entry.serial);
            }
            !is_over
        });
    }
}
