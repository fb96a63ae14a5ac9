//! The other end: bytes, which may be anything, become an answer or an error.
//!
//! The one idea: every list is read item by item under its bound, so that memory grows with what
//! has really arrived; one process becomes one `Arc`, also across answers.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use conns_core::model::{Connection, Holder, Known, Netns, Process, Rates, Socket};
use serde::de::DeserializeOwned;

use super::{
    Bare, CONNECTIONS_MAX, FORMAT, HOLDS_MAX, Head, Hold, Holds, LOSSES_MAX, Mark, NAMESPACES_MAX,
    PROCESSES_MAX, Update,
};

/// Most names of congestion controls and upper layers that are shared; Linux has about twenty.
const NAMES_MAX: usize = 1024;

/// Why bytes are no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The ends are of releases that do not understand each other.
    #[error("the agent speaks format {theirs}, this conns {FORMAT}; use the same release")]
    Format {
        /// The agent's number.
        theirs: u32,
    },
    /// `tcp_info` is told as the kernel wrote it.
    #[error("the agent's machine has another byte order than this one, which conns cannot read")]
    ByteOrder,
    /// Nothing that an agent writes.
    #[error("{subject} {place} of the answer breaks the format: {reason}")]
    Malformed {
        /// What was being read.
        subject: &'static str,
        /// Which of them, from 1.
        place: usize,
        /// What is wrong.
        reason: String,
    },
    /// More than a bound allows.
    #[error("the answer has {count} {subject}, above the bound of {bound}")]
    TooMany {
        /// What there is too much of.
        subject: &'static str,
        /// How many there are said to be.
        count: usize,
        /// The bound.
        bound: usize,
    },
    /// Changes since a snapshot that is not the one there is.
    #[error("the agent tells changes since a snapshot that it was not asked about")]
    OtherSnapshot,
}

/// What is shared between connections, and kept from one answer to the next.
#[derive(Debug, Default)]
pub struct Interned {
    processes: HashMap<u32, Arc<Process>>,
    namespaces: HashMap<u64, Arc<Netns>>,
    names: HashSet<Arc<str>>,
}

impl Interned {
    /// Decodes an answer; its processes, namespaces and names are shared with those before it.
    ///
    /// # Errors
    /// [`WireError`] if `bytes` are none, or none that this release understands.
    pub fn decode(&mut self, bytes: &[u8]) -> Result<Update, WireError> {
        let mut rest = Rest(bytes);
        let theirs = rest.item("format", 1)?;
        if theirs != FORMAT {
            return Err(WireError::Format { theirs });
        }
        let is_little_endian: bool = rest.item("byte order", 1)?;
        if is_little_endian != cfg!(target_endian = "little") {
            return Err(WireError::ByteOrder);
        }
        let head: Head = rest.item("head", 1)?;
        if head.since.is_none() {
            // What is not in the whole state is not needed any more.
            *self = Self::default();
        }
        let namespaces = rest.list("namespaces", NAMESPACES_MAX, |n: Netns| self.netns(n))?;
        let processes = rest.list("processes", PROCESSES_MAX, |p: Process| self.process(p))?;
        let mut connections = Vec::new();
        let mut held_in_all = 0;
        let subject = "connections";
        for place in 1..=rest.count(subject, CONNECTIONS_MAX)? {
            let malformed =
                |reason: &str| WireError::Malformed { subject, place, reason: reason.to_owned() };
            let namespace: u32 = rest.item(subject, place)?;
            let netns = at(&namespaces, namespace).ok_or_else(|| malformed("no such namespace"))?;
            let holds: Holds = rest.item(subject, place)?;
            held_in_all = holds.get().unwrap_or(0).saturating_add(held_in_all);
            if held_in_all > HOLDS_MAX {
                let subject = "descriptors";
                return Err(WireError::TooMany { subject, count: held_in_all, bound: HOLDS_MAX });
            }
            let mut holders = Vec::new();
            for _ in 0..holds.get().unwrap_or(0) {
                let (process, descriptor): Hold = rest.item(subject, place)?;
                let process =
                    at(&processes, process).ok_or_else(|| malformed("no such process"))?;
                holders.push(Holder { process: Arc::clone(process), descriptor });
            }
            let holders = holds.map(|_| holders.into());
            let (mut socket, direction, opening, ending, life, verdict): Bare<Box<Socket>> =
                rest.item(subject, place)?;
            socket.netns = Arc::clone(netns);
            let mut connection =
                Connection { socket, holders, direction, opening, ending, life, verdict };
            if !has_plain_numbers(&connection) {
                return Err(malformed("a rate is no number"));
            }
            self.share_names(&mut connection);
            connections.push(connection);
        }
        let gone = rest.list("ids", PROCESSES_MAX, |id| id)?;
        let losses = rest.list("losses", LOSSES_MAX, |loss| loss)?;
        if !rest.0.is_empty() {
            let reason = format!("{} bytes follow it", rest.0.len());
            return Err(WireError::Malformed { subject: "end", place: 1, reason });
        }
        Ok(Update {
            mark: Mark { instance: head.instance, sequence: head.sequence },
            since: head.since,
            at: head.at,
            watched: Duration::from_micros(head.watched_us),
            connections,
            gone,
            losses,
        })
    }

    fn process(&mut self, process: Process) -> Arc<Process> {
        match self.processes.get(&process.pid) {
            Some(known) if **known == process => Arc::clone(known),
            _ => {
                let shared = Arc::new(process);
                if self.processes.len() >= PROCESSES_MAX {
                    self.processes.clear();
                }
                self.processes.insert(shared.pid, Arc::clone(&shared));
                shared
            }
        }
    }

    fn netns(&mut self, netns: Netns) -> Arc<Netns> {
        match self.namespaces.get(&netns.inode) {
            Some(known) if **known == netns => Arc::clone(known),
            _ => {
                let shared = Arc::new(netns);
                if self.namespaces.len() >= NAMESPACES_MAX {
                    self.namespaces.clear();
                }
                self.namespaces.insert(shared.inode, Arc::clone(&shared));
                shared
            }
        }
    }

    fn share_names(&mut self, connection: &mut Connection) {
        if let Known::Value(congestion, _) = &mut connection.socket.congestion {
            self.share(&mut congestion.algorithm);
        }
        if let Known::Value(name, _) = &mut connection.socket.upper_layer {
            self.share(name);
        }
    }

    fn share(&mut self, name: &mut Arc<str>) {
        match self.names.get(name) {
            Some(known) => *name = Arc::clone(known),
            None if self.names.len() < NAMES_MAX => drop(self.names.insert(Arc::clone(name))),
            None => {}
        }
    }
}

fn at<T>(table: &[Arc<T>], place: u32) -> Option<&Arc<T>> {
    table.get(usize::try_from(place).ok()?)
}

/// Sums, sorting and printing rely on rates being numbers from 0 up.
fn has_plain_numbers(connection: &Connection) -> bool {
    let life = &connection.life;
    let rates = [life.rates, life.slot_rates].into_iter().filter_map(|known| known.get());
    let peaks = &life.peaks;
    let highest =
        Rates { out_bytes_per_s: peaks.out_bytes_per_s, in_bytes_per_s: peaks.in_bytes_per_s };
    rates
        .chain([highest])
        .flat_map(|rates| [rates.out_bytes_per_s, rates.in_bytes_per_s])
        .all(|rate| rate.is_finite() && rate >= 0.0)
}

/// What has not been read yet.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn item<T: DeserializeOwned>(
        &mut self,
        subject: &'static str,
        place: usize,
    ) -> Result<T, WireError> {
        let (item, rest) = postcard::take_from_bytes(self.0)
            .map_err(|error| WireError::Malformed { subject, place, reason: error.to_string() })?;
        self.0 = rest;
        Ok(item)
    }

    fn count(&mut self, subject: &'static str, bound: usize) -> Result<usize, WireError> {
        let count = self.item(subject, 0)?;
        if count > bound { Err(WireError::TooMany { subject, count, bound }) } else { Ok(count) }
    }

    fn list<T: DeserializeOwned, U>(
        &mut self,
        subject: &'static str,
        bound: usize,
        mut keep: impl FnMut(T) -> U,
    ) -> Result<Vec<U>, WireError> {
        let count = self.count(subject, bound)?;
        (1..=count).map(|place| self.item(subject, place).map(&mut keep)).collect()
    }
}
