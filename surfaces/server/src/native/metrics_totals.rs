//! Payload of each process and round trip times, accumulated from snapshot to snapshot, so that they only grow.
//!
//! A scrape adds what connections carried since the one before, and what closed ones carried until their end. Without
//! scrapes nothing is kept.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use conns_api::is_of_end;
use conns_core::model::{Connection, EventLog, Snapshot, SocketId};
use prometheus_client::metrics::histogram::Histogram;

use super::metrics::{UNKNOWN, owner};

/// Upper bounds of the buckets in seconds: from loopback to a satellite with a full queue.
pub(super) const RTT_BUCKETS: [f64; 14] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5];

/// Snapshots for which a connection that is in none is kept: its end may be reported later than it is missing.
const KEPT_SNAPSHOTS: u64 = 3;

/// Bytes sent and received.
type Bytes = [u64; 2];

/// What was accumulated since the first scrape.
#[derive(Debug)]
pub(crate) struct MetricsTotals(Mutex<Totals>);

#[derive(Debug)]
struct Totals {
    /// Number of the last snapshot.
    sequence: u64,
    /// Events up to here are in the totals.
    serial: u64,
    /// Snapshots that were added.
    generation: u64,
    connections: HashMap<SocketId, Counted>,
    processes: HashMap<Arc<str>, Process>,
    other: Bytes,
    rtt: Histogram,
}

/// What the totals have of a connection.
#[derive(Debug)]
struct Counted {
    process: Arc<str>,
    bytes: Bytes,
    /// The snapshot that it was in last.
    generation: u64,
    is_closed: bool,
}

/// The total of a process.
#[derive(Debug)]
struct Process {
    bytes: Bytes,
    /// The snapshot in which it had a connection last.
    generation: u64,
}

impl Default for MetricsTotals {
    fn default() -> Self {
        Self(Mutex::new(Totals {
            sequence: 0,
            serial: 0,
            generation: 0,
            connections: HashMap::new(),
            processes: HashMap::new(),
            other: [0; 2],
            rtt: Histogram::new(RTT_BUCKETS),
        }))
    }
}

impl MetricsTotals {
    /// Adds `snapshot` and the ends in `log`, unless a later one was added. At most `top` processes have a total of their
    /// own.
    pub(super) fn note(&self, snapshot: &Snapshot, log: &EventLog, top: usize) {
        let mut totals = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if snapshot.sequence > totals.sequence {
            totals.add(snapshot, log, top);
        }
    }

    /// The processes with a total of their own, and the sum of all others as `other`.
    pub(super) fn processes(&self) -> Vec<(String, Bytes)> {
        let totals = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let named = totals.processes.iter().map(|(name, of)| (name.to_string(), of.bytes));
        let mut all: Vec<(String, Bytes)> = named.collect();
        all.sort_unstable();
        all.push(("other".to_owned(), totals.other));
        all
    }

    /// The round trip times.
    pub(super) fn rtt(&self) -> Histogram {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).rtt.clone()
    }
}

impl Totals {
    fn add(&mut self, snapshot: &Snapshot, log: &EventLog, top: usize) {
        self.sequence = snapshot.sequence;
        self.generation += 1;
        let mut added: HashMap<Arc<str>, Bytes> = HashMap::new();
        let mut names: HashSet<Arc<str>> = HashSet::new();
        // The row of its socket has the bytes of a peer too.
        for connection in snapshot.connections.iter().filter(|c| !c.is_peer()) {
            if connection.is_established()
                && let Some(rtt_us) = connection.rtt_us().get()
            {
                self.rtt.observe(f64::from(rtt_us) / 1e6);
            }
            self.count(connection, false, &mut names, &mut added);
        }
        for event in log.buffered_after(self.serial).filter(|event| is_of_end(event.kind)) {
            self.count(&event.connection, true, &mut names, &mut added);
        }
        self.serial = self.serial.max(log.last_serial());
        let generation = self.generation;
        self.connections.retain(|_, counted| counted.generation + KEPT_SNAPSHOTS > generation);
        let open = self.connections.values().filter(|one| one.generation == generation);
        for counted in open.filter(|one| !one.is_closed) {
            if let Some(process) = self.processes.get_mut(&counted.process) {
                process.generation = generation;
            }
        }
        self.add_to_processes(added, top);
    }

    /// Adds what `connection` carried beyond what is counted.
    fn count(
        &mut self,
        connection: &Connection,
        is_closed: bool,
        names: &mut HashSet<Arc<str>>,
        added: &mut HashMap<Arc<str>, Bytes>,
    ) {
        let known = [connection.bytes_out().get(), connection.bytes_in().get()];
        if known == [None, None] {
            return;
        }
        let name = owner(connection);
        let process = match names.get(&*name) {
            Some(name) => Arc::clone(name),
            None => {
                let name: Arc<str> = name.into();
                names.insert(Arc::clone(&name));
                name
            }
        };
        let new = || Counted {
            process: Arc::clone(&process),
            bytes: [0; 2],
            generation: 0,
            is_closed: false,
        };
        let counted = self.connections.entry(connection.socket.id).or_insert_with(new);
        // A snapshot may have been read before the end that was counted.
        if counted.is_closed {
            return;
        }
        // Its owner may be found later than the connection.
        if &*counted.process == UNKNOWN {
            counted.process = process;
        }
        counted.is_closed = is_closed;
        counted.generation = self.generation;
        let to = added.entry(Arc::clone(&counted.process)).or_default();
        for ((counted, known), to) in counted.bytes.iter_mut().zip(known).zip(to) {
            // A figure that is unknown now, or lower, adds nothing.
            let known = known.unwrap_or(0).max(*counted);
            *to = to.saturating_add(known - *counted);
            *counted = known;
        }
    }

    fn add_to_processes(&mut self, added: HashMap<Arc<str>, Bytes>, top: usize) {
        let mut added: Vec<(Arc<str>, Bytes)> =
            added.into_iter().filter(|(_, bytes)| *bytes != [0; 2]).collect();
        // Those with the most take the room that there is.
        added.sort_unstable_by(|(a, most), (b, less)| {
            let sum = |bytes: &Bytes| bytes.iter().fold(0_u64, |sum, one| sum.saturating_add(*one));
            sum(less).cmp(&sum(most)).then_with(|| a.cmp(b))
        });
        for (name, bytes) in added {
            if !self.processes.contains_key(&name) && self.has_room(top) {
                let process = Process { bytes: [0; 2], generation: self.generation };
                self.processes.insert(Arc::clone(&name), process);
            }
            let to = match self.processes.get_mut(&name) {
                Some(process) => &mut process.bytes,
                None => &mut self.other,
            };
            for (to, bytes) in to.iter_mut().zip(bytes) {
                *to = to.saturating_add(bytes);
            }
        }
    }

    /// Whether one more process can have a total of its own; makes room by that of a process without connections.
    fn has_room(&mut self, top: usize) -> bool {
        if self.processes.len() < top {
            return true;
        }
        let generation = self.generation;
        let idle = self.processes.iter().filter(|(_, process)| process.generation < generation);
        let longest = idle.min_by(|(a, x), (b, y)| x.generation.cmp(&y.generation).then(a.cmp(b)));
        let longest = longest.map(|(name, _)| Arc::clone(name));
        longest.is_some_and(|name| self.processes.remove(&name).is_some())
    }
}
