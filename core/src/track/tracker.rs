//! The tracker: folds observations into connections and remembers what the next fold needs.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use foldhash::fast::RandomState;

use crate::model::{
    Connection, Facts, Holdings, Known, Life, Loss, LossKind, Moment, Observation, Snapshot,
    Socket, SocketId, Source, Unknown,
};

use super::direction::{Listeners, direction};
use super::join::Holders;
use super::life::{LifeSoFar, told_age_us};
use super::sample::{Counters, Gauges, Span};
use super::verdict::{Evidence, Verdict, judge};

/// Most connections remembered from one fold to the next, about 300 bytes each. What is beyond is
/// shown all the same, without rates, and counted.
const REMEMBERED: usize = 1_000_000;

/// What a tracker keeps from one fold to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Memory {
    /// Nothing: there will be no second fold.
    None,
    /// Enough for rates, and for verdicts over at least this span (and at most twice it).
    Window(Duration),
}

/// Folds observations into snapshots.
#[derive(Debug)]
pub struct Tracker {
    memory: Memory,
    sequence: u64,
    /// The serial number of the connection met last.
    serial: u64,
    remembered: HashMap<SocketId, Remembered, RandomState>,
    /// What was remembered and was not met in the last fold.
    gone: Vec<SocketId>,
    /// The namespaces of which the last fold showed every socket, and when: what is new there has
    /// come since.
    shown_whole: (Moment, HashSet<u64, RandomState>),
}

/// What is kept of one connection.
#[derive(Debug, Clone)]
struct Remembered {
    life: LifeSoFar,
    /// The window in two halves: when the newer is full, it becomes the older.
    older: Option<Span>,
    newer: Span,
}

impl Tracker {
    /// A tracker that has seen nothing.
    #[must_use]
    pub fn new(memory: Memory) -> Self {
        Self {
            memory,
            sequence: 0,
            serial: 0,
            remembered: HashMap::default(),
            gone: Vec::new(),
            shown_whole: (Moment::default(), HashSet::default()),
        }
    }

    /// The connections that an earlier fold had and the last one had not.
    #[must_use]
    pub fn gone(&self) -> &[SocketId] {
        &self.gone
    }

    /// Joins what the sources say of one moment. Where two sources tell of the same socket, the
    /// one given first is believed.
    pub fn fold(&mut self, observations: Vec<Observation>) -> Snapshot {
        let mut at = Moment::default();
        let mut sockets: Vec<Box<Socket>> = Vec::new();
        let mut holders = Holders::new(Holdings::default(), None);
        let mut losses = Vec::new();
        for observation in observations {
            losses.extend(observation.losses);
            for facts in observation.facts {
                match facts {
                    Facts::Sockets(rows) => {
                        at = at.max(observation.at);
                        sockets.extend(rows);
                    }
                    Facts::Holdings(held) => holders = Holders::new(held, Some(observation.source)),
                }
            }
        }
        self.sequence += 1;
        let shown_whole = namespaces_shown_whole(&sockets, &losses);
        let connections = self.connections(sockets, &holders, at, &mut losses);
        self.shown_whole = (at, shown_whole);
        Snapshot { sequence: self.sequence, at, connections, losses }
    }

    fn connections(
        &mut self,
        sockets: Vec<Box<Socket>>,
        holders: &Holders,
        at: Moment,
        losses: &mut Vec<Loss>,
    ) -> Vec<Connection> {
        let listeners = Listeners::of(&sockets);
        let mut previous = std::mem::take(&mut self.remembered);
        let mut refused = 0_u64;
        let mut connections = Vec::with_capacity(sockets.len());
        // A socket that changes its state moves to another table of the kernel, and may be met
        // there again in the same pass: the first row about it is believed.
        let mut seen: HashSet<SocketId, RandomState> = HashSet::default();
        seen.reserve(sockets.len());
        for socket in sockets.into_iter().filter(|socket| seen.insert(socket.id)) {
            let mut connection = Connection {
                holders: holders.of(&socket),
                direction: direction(&socket, &listeners),
                life: Life::new(0, self.sequence, at),
                verdict: Verdict::UNKNOWN,
                socket,
            };
            // Where bytes do not apply or are not told, neither are their rates.
            let no_rates = connection.bytes_in().and_then(Unknown::NeedsTwoObservations, |_| None);
            (connection.life.rates, connection.life.slot_rates) = (no_rates, no_rates);
            match self.memory {
                Memory::None => {
                    let counters = Counters::of(&connection);
                    let gauges = Gauges::look_at(&connection);
                    let evidence = Evidence::of_life(&connection, counters, gauges);
                    connection.verdict = judge(&connection, evidence);
                    if let Some(age) = told_age_us(&connection) {
                        connection.life.age_us = Known::Value(age, Source::SockDiag);
                    }
                }
                Memory::Window(half) => {
                    let id = connection.socket.id;
                    let now = match previous.remove(&id) {
                        Some(before) => look_again(&mut connection, before, at, half),
                        None => {
                            self.serial += 1;
                            connection.life.serial = self.serial;
                            let (then, whole) = &self.shown_whole;
                            let since = whole.contains(&id.netns).then_some(*then);
                            look_first(&mut connection, at, since)
                        }
                    };
                    let now = noted(now, &mut connection, self.sequence);
                    if self.remembered.len() < REMEMBERED {
                        self.remembered.insert(id, now);
                    } else {
                        refused += 1;
                    }
                }
            }
            connections.push(connection);
        }
        self.gone = previous.into_keys().collect();
        if refused > 0 {
            losses.push(Loss {
                source: Source::Derived,
                kind: LossKind::BoundReached,
                count: refused,
                sentence: format!(
                    "{refused} connections beyond the bound of {REMEMBERED} are shown without rates"
                )
                .into(),
            });
        }
        connections
    }
}

/// The namespaces of `sockets`, unless something of the tables was lost.
fn namespaces_shown_whole(sockets: &[Box<Socket>], losses: &[Loss]) -> HashSet<u64, RandomState> {
    let is_of_tables = |loss: &Loss| loss.source != Source::Procfs;
    if losses.iter().any(is_of_tables) {
        return HashSet::default();
    }
    sockets.iter().map(|socket| socket.id.netns).collect()
}

/// Judges a connection that was not there before, and returns what to remember.
fn look_first(connection: &mut Connection, at: Moment, since: Option<Moment>) -> Remembered {
    let counters = Counters::of(connection);
    let gauges = Gauges::look_at(connection);
    let evidence = Evidence::of_life(connection, counters, gauges);
    connection.verdict = judge(connection, evidence);
    let mut life = LifeSoFar::met(connection.life, counters, since);
    life.look(connection, at, counters);
    Remembered { life, older: None, newer: Span { start: at, first: counters, gauges } }
}

/// Fills in what comes from comparing with `kept`, and returns what to remember.
fn look_again(
    connection: &mut Connection,
    mut kept: Remembered,
    at: Moment,
    half: Duration,
) -> Remembered {
    let counters = Counters::of(connection);
    let gauges = Gauges::look_at(connection);
    if at.since(kept.newer.start) > half {
        // The next half starts from the look that ended this one, so that nothing falls between.
        let (start, first) = kept.life.last();
        kept.older = Some(kept.newer);
        kept.newer = Span { start, first, gauges: Gauges::default() };
    }
    kept.newer.gauges = kept.newer.gauges.plus(gauges);
    kept.life.look(connection, at, counters);
    let whole = match kept.older {
        Some(older) => Span { gauges: older.gauges.plus(kept.newer.gauges), ..older },
        None => kept.newer,
    };
    let evidence = Evidence::of_window(connection, whole, at, counters);
    connection.verdict = judge(connection, evidence);
    kept
}

/// What to remember, with whether anything a reader sees is new.
fn noted(mut kept: Remembered, connection: &mut Connection, sequence: u64) -> Remembered {
    kept.life.note_changes(connection, sequence);
    kept
}
