//! Processes, and sums over the sockets that they own.
//!
//! A socket with several owners counts for each of them, so sums over processes may exceed the totals; sockets without a known
//! owner are counted apart.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::{Class, Connection, Process};

/// Sums over sockets. What is unknown of a socket adds nothing.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SocketSums {
    /// Established connections.
    pub connections: u64,
    /// Listening endpoints.
    pub listeners: u64,
    /// All sockets.
    pub sockets: u64,
    /// Payload bytes sent; `None` if unknown of all of them.
    pub bytes_out: Option<u64>,
    /// Payload bytes received; `None` if unknown of all of them.
    pub bytes_in: Option<u64>,
    /// Payload sent a second; `None` if unknown of all of them.
    pub rate_out_bytes_per_s: Option<f64>,
    /// Payload received a second; `None` if unknown of all of them.
    pub rate_in_bytes_per_s: Option<f64>,
    /// Sockets by verdict.
    pub verdicts: BTreeMap<Class, u64>,
}

impl SocketSums {
    /// Adds a socket. The peers of an unconnected UDP socket are counted, and their bytes are those of the socket's own row.
    pub fn add(&mut self, connection: &Connection) {
        self.sockets += 1;
        self.connections += u64::from(connection.is_established());
        self.listeners += u64::from(connection.is_listening());
        *self.verdicts.entry(connection.verdict.class).or_default() += 1;
        if connection.is_peer() {
            return;
        }
        for (sum, bytes) in [
            (&mut self.bytes_out, connection.bytes_out().get()),
            (&mut self.bytes_in, connection.bytes_in().get()),
        ] {
            if let Some(bytes) = bytes {
                *sum = Some(sum.unwrap_or(0).saturating_add(bytes));
            }
        }
        if let Some(rates) = connection.stats.rates.get() {
            for (sum, rate) in [
                (&mut self.rate_out_bytes_per_s, rates.out_bytes_per_s),
                (&mut self.rate_in_bytes_per_s, rates.in_bytes_per_s),
            ] {
                *sum = Some(sum.unwrap_or(0.0) + rate);
            }
        }
    }
}

/// Sums by process.
#[derive(Debug, Clone, Default)]
pub struct ByProcess<'a> {
    /// Each process that owns a socket, in order of pid.
    pub processes: Vec<(&'a Arc<Process>, SocketSums)>,
    /// Sums over the sockets without a known owner.
    pub without_process: SocketSums,
}

/// Sums over `connections` by the processes that own them.
pub fn by_process<'a>(connections: impl Iterator<Item = &'a Connection>) -> ByProcess<'a> {
    let mut by_pid: BTreeMap<u32, (&Arc<Process>, SocketSums)> = BTreeMap::new();
    let mut without_process = SocketSums::default();
    for connection in connections {
        let owners = connection.listed_owners();
        if owners.is_empty() {
            without_process.add(connection);
        }
        // Owners are in order of pid, so the descriptors of one process are adjacent.
        for of_one in owners.chunk_by(|a, b| a.process.pid == b.process.pid) {
            if let Some(first) = of_one.first() {
                let entry = by_pid.entry(first.process.pid);
                entry.or_insert_with(|| (&first.process, SocketSums::default())).1.add(connection);
            }
        }
    }
    ByProcess { processes: by_pid.into_values().collect(), without_process }
}
