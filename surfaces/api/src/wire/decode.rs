//! The other end: bytes, which may be anything, become an answer or an error.
//!
//! The one idea: one process becomes one `Arc`, also across answers.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use conns_core::model::{
    Connection, Event, EventKind, Known, Moment, Netns, Opened, Owner, Process, Rates,
    SocketSample, Unknown,
};

use super::events::EventsHead;
use super::rest::Rest;
use super::{
    Bare, BareOpening, CONNECTIONS_MAX, EVENTS_TOLD, EventMark, FORMAT, HOLDS_MAX, Happened, Head,
    Hold, Holds, LOSSES_MAX, Mark, NAMESPACES_MAX, PROCESSES_MAX, SnapshotDelta,
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
    /// By pid, and by whether it was read of `/proc` or told as it opened a connection: the two know
    /// different things of it.
    processes: HashMap<(u32, bool), Arc<Process>>,
    namespaces: HashMap<u64, Arc<Netns>>,
    names: HashSet<Arc<str>>,
}

impl Interned {
    /// Decodes an answer; its processes, namespaces and names are shared with those before it.
    ///
    /// # Errors
    /// [`WireError`] if `bytes` are none, or none that this release understands.
    pub fn decode(&mut self, bytes: &[u8]) -> Result<SnapshotDelta, WireError> {
        let (head, mut rest): (Head, _) = Rest::open(bytes)?;
        if head.since.is_none() {
            // What is not in the whole state is not needed any more.
            *self = Self::default();
        }
        let tables = self.tables(&mut rest)?;
        let mut holds = Held::default();
        let mut connections = Vec::new();
        for place in 1..=rest.count("connections", CONNECTIONS_MAX)? {
            let at = At { subject: "connections", place };
            connections.push(self.connection(&mut rest, at, &tables, &mut holds)?);
        }
        let gone = rest.list("ids", PROCESSES_MAX, |id| id)?;
        let losses = rest.list("losses", LOSSES_MAX, |loss| loss)?;
        rest.end()?;
        Ok(SnapshotDelta {
            mark: Mark { instance: head.instance, sequence: head.sequence },
            since: head.since,
            at: head.at,
            watched: Duration::from_micros(head.watched_us),
            connections,
            gone,
            losses,
        })
    }

    /// Decodes an answer about events, with the same sharing.
    ///
    /// # Errors
    /// As [`Interned::decode`].
    pub fn decode_events(&mut self, bytes: &[u8]) -> Result<Happened, WireError> {
        let (head, mut rest): (EventsHead, _) = Rest::open(bytes)?;
        let tables = self.tables(&mut rest)?;
        let mut holds = Held::default();
        let mut events = Vec::new();
        for place in 1..=rest.count("events", EVENTS_TOLD)? {
            let at = At { subject: "events", place };
            let (serial, moment, kind): (u64, Moment, EventKind) = rest.item(at.subject, place)?;
            let connection = self.connection(&mut rest, at, &tables, &mut holds)?;
            events.push(Arc::new(Event { serial, at: moment, kind, connection }));
        }
        let losses = rest.list("losses", LOSSES_MAX, |loss| loss)?;
        let counted = rest.list("counts of losses", LOSSES_MAX, |loss| loss)?;
        rest.end()?;
        let EventsHead { instance, serial, has_more } = head;
        Ok(Happened { mark: EventMark { instance, serial }, has_more, events, losses, counted })
    }

    fn tables(&mut self, rest: &mut Rest<'_>) -> Result<Tables, WireError> {
        let namespaces = rest.list("namespaces", NAMESPACES_MAX, |n: Netns| self.netns(n))?;
        let processes = rest.list("processes", PROCESSES_MAX, |p: Process| self.process(p))?;
        Ok(Tables { namespaces, processes })
    }

    fn connection(
        &mut self,
        rest: &mut Rest<'_>,
        at: At,
        tables: &Tables,
        held_in_all: &mut Held,
    ) -> Result<Connection, WireError> {
        let At { subject, place } = at;
        let namespace: u32 = rest.item(subject, place)?;
        let netns = at.named(&tables.namespaces, namespace, "no such namespace")?;
        let holds: Holds = rest.item(subject, place)?;
        held_in_all.add(holds.get().unwrap_or(0))?;
        let mut owners = Vec::new();
        for _ in 0..holds.get().unwrap_or(0) {
            let (process, descriptor): Hold = rest.item(subject, place)?;
            let process = at.named(&tables.processes, process, "no such process")?;
            owners.push(Owner { process, descriptor });
        }
        let owners = holds.map(|_| owners.into());
        let bare: Bare<SocketSample> = rest.item(subject, place)?;
        let (mut socket, direction, opened, closed, stats, verdict, flow, application) = bare;
        socket.netns = netns;
        let opened = at.opened(opened, tables)?;
        let mut connection = Connection {
            socket,
            owners,
            direction,
            opened,
            closed,
            stats,
            flow,
            application,
            verdict,
        };
        if !has_plain_numbers(&connection) {
            return Err(at.malformed("a rate is no number"));
        }
        self.share_names(&mut connection);
        Ok(connection)
    }

    fn process(&mut self, process: Process) -> Arc<Process> {
        let is_told = process.executable == Known::Unknown(Unknown::SourceCannotTell);
        let key = (process.pid, is_told);
        match self.processes.get(&key) {
            Some(known) if **known == process => Arc::clone(known),
            _ => {
                let shared = Arc::new(process);
                if self.processes.len() >= PROCESSES_MAX {
                    self.processes.clear();
                }
                self.processes.insert(key, Arc::clone(&shared));
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

/// What an answer tells once.
struct Tables {
    namespaces: Vec<Arc<Netns>>,
    processes: Vec<Arc<Process>>,
}

/// How many descriptors an answer has had so far.
#[derive(Default)]
struct Held(usize);

impl Held {
    fn add(&mut self, more: usize) -> Result<(), WireError> {
        self.0 = self.0.saturating_add(more);
        if self.0 > HOLDS_MAX {
            let subject = "descriptors";
            return Err(WireError::TooMany { subject, count: self.0, bound: HOLDS_MAX });
        }
        Ok(())
    }
}

/// Where in an answer something is read.
#[derive(Clone, Copy)]
struct At {
    subject: &'static str,
    place: usize,
}

impl At {
    fn malformed(self, reason: &str) -> WireError {
        let Self { subject, place } = self;
        WireError::Malformed { subject, place, reason: reason.to_owned() }
    }

    /// What stands at `place` of a table.
    fn named<T>(self, table: &[Arc<T>], place: u32, reason: &str) -> Result<Arc<T>, WireError> {
        let there = usize::try_from(place).ok().and_then(|place| table.get(place));
        there.cloned().ok_or_else(|| self.malformed(reason))
    }

    fn opened(
        self,
        opened: Known<BareOpening>,
        tables: &Tables,
    ) -> Result<Known<Arc<Opened>>, WireError> {
        let (bare, source) = match opened {
            Known::Value(bare, source) => (bare, source),
            Known::Unknown(why) => return Ok(Known::Unknown(why)),
            Known::NotApplicable => return Ok(Known::NotApplicable),
        };
        let BareOpening { at, handshake_us, accept_wait_us, by } = bare;
        let by = match by {
            Known::Value(place, source) => {
                Known::Value(self.named(&tables.processes, place, "no such process")?, source)
            }
            Known::Unknown(why) => Known::Unknown(why),
            Known::NotApplicable => Known::NotApplicable,
        };
        let opened = Opened { at, handshake_us, accept_wait_us, by };
        Ok(Known::Value(Arc::new(opened), source))
    }
}

/// Sums, sorting and printing rely on rates being numbers from 0 up.
fn has_plain_numbers(connection: &Connection) -> bool {
    let stats = &connection.stats;
    let rates = [stats.rates, stats.slot_rates].into_iter().filter_map(|known| known.get());
    let peaks = &stats.peaks;
    let highest =
        Rates { out_bytes_per_s: peaks.out_bytes_per_s, in_bytes_per_s: peaks.in_bytes_per_s };
    rates
        .chain([highest])
        .flat_map(|rates| [rates.out_bytes_per_s, rates.in_bytes_per_s])
        .all(|rate| rate.is_finite() && rate >= 0.0)
}
