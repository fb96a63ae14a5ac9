//! The tracker: folds observations into connections and remembers what the next fold needs.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::RandomState;

use crate::model::{
    Connection, Facts, Holder, Known, Life, Loss, LossKind, Moment, Observation, Snapshot, Socket,
    SocketId, Source, Unknown,
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
    /// Of the last observation that told of holders.
    holders: Holders,
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
    /// The snapshot that had it last.
    met_in: u64,
    /// Who held it then, where that was known.
    holders: Option<Known<Arc<[Holder]>>>,
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
            holders: Holders::default(),
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
        let mut tables: Vec<Vec<Box<Socket>>> = Vec::new();
        let mut told = None;
        let mut losses = Vec::new();
        for observation in observations {
            losses.extend(observation.losses);
            for facts in observation.facts {
                match facts {
                    Facts::Sockets(rows) => {
                        at = at.max(observation.at);
                        tables.push(rows);
                    }
                    Facts::Holdings(held) => told = Some((held, observation.source)),
                    Facts::Happenings(_) => {}
                }
            }
        }
        // What was said before and is said again needs no new joining.
        let is_joined = told.as_ref().is_some_and(|(told, _)| self.holders.are_of(told));
        if !is_joined {
            self.holders =
                told.map_or_else(Holders::default, |(told, source)| Holders::new(told, source));
        }
        self.sequence += 1;
        let shown_whole = namespaces_shown_whole(&tables, &losses);
        let connections = match self.memory {
            Memory::None => self.look_once(tables, at),
            Memory::Window(half) => self.look_on(tables, Now { at, half, is_joined }, &mut losses),
        };
        self.shown_whole = (at, shown_whole);
        Snapshot { sequence: self.sequence, at, connections, losses }
    }

    /// The connections of the only look there will be.
    fn look_once(&self, tables: Vec<Vec<Box<Socket>>>, at: Moment) -> Vec<Connection> {
        let listeners = Listeners::of(&tables);
        let count = tables.iter().map(Vec::len).sum();
        let mut connections = Vec::with_capacity(count);
        // A socket that changes its state moves to another table of the kernel, and may be met
        // there again in the same pass: the first row about it is believed.
        let mut seen: HashSet<SocketId, RandomState> = HashSet::default();
        seen.reserve(count);
        for socket in tables.into_iter().flatten().filter(|socket| seen.insert(socket.id)) {
            let holders = self.holders.of(&socket);
            let life = Life::new(0, self.sequence, at);
            let mut connection = joined(socket, holders, &listeners, life);
            judge_life(&mut connection);
            if let Some(age) = told_age_us(&connection) {
                connection.life.age_us = Known::Value(age, Source::SockDiag);
            }
            connections.push(connection);
        }
        connections
    }

    /// The connections of one look of many.
    fn look_on(
        &mut self,
        tables: Vec<Vec<Box<Socket>>>,
        now: Now,
        losses: &mut Vec<Loss>,
    ) -> Vec<Connection> {
        let listeners = Listeners::of(&tables);
        let mut connections = Vec::with_capacity(tables.iter().map(Vec::len).sum());
        let (mut met, mut refused) = (0, 0_u64);
        for socket in tables.into_iter().flatten() {
            let id = socket.id;
            let known = self.remembered.get_mut(&id);
            // Met in this pass already, see `look_once`.
            if known.as_ref().is_some_and(|kept| kept.met_in == self.sequence) {
                continue;
            }
            if let Some(kept) = known {
                kept.met_in = self.sequence;
                met += 1;
                let holders = match &kept.holders {
                    Some(before) if now.is_joined => Known::clone(before),
                    _ => {
                        let holders = self.holders.of(&socket);
                        kept.holders = holders.value().is_some().then(|| holders.clone());
                        holders
                    }
                };
                let mut connection = joined(socket, holders, &listeners, kept.life.so_far());
                kept.look_again(&mut connection, now);
                kept.life.note_changes(&mut connection, self.sequence);
                connections.push(connection);
                continue;
            }
            self.serial += 1;
            let (then, whole) = &self.shown_whole;
            let since = whole.contains(&id.netns).then_some(*then);
            let holders = self.holders.of(&socket);
            let life = Life::new(self.serial, self.sequence, now.at);
            let mut connection = joined(socket, holders, &listeners, life);
            let mut kept = Remembered::look_first(&mut connection, self.sequence, now.at, since);
            kept.life.note_changes(&mut connection, self.sequence);
            connections.push(connection);
            if self.remembered.len() < REMEMBERED {
                self.remembered.insert(id, kept);
                met += 1;
            } else {
                refused += 1;
            }
        }
        self.gone.clear();
        // Most looks miss nothing, and need not go through all that is remembered.
        if met < self.remembered.len() {
            let (sequence, gone) = (self.sequence, &mut self.gone);
            self.remembered.retain(|id, kept| {
                let is_here = kept.met_in == sequence;
                if !is_here {
                    gone.push(*id);
                }
                is_here
            });
        }
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

/// What one look of many is about.
#[derive(Debug, Clone, Copy)]
struct Now {
    at: Moment,
    /// Half of the window.
    half: Duration,
    /// Whether the holders are those of the look before.
    is_joined: bool,
}

/// A connection before it is looked at more closely.
fn joined(
    socket: Box<Socket>,
    holders: Known<Arc<[Holder]>>,
    listeners: &Listeners,
    life: Life,
) -> Connection {
    let direction = direction(&socket, listeners);
    let mut connection = Connection {
        socket,
        holders,
        direction,
        opening: Known::NotApplicable,
        ending: Known::NotApplicable,
        life,
        verdict: Verdict::UNKNOWN,
    };
    // Where bytes do not apply or are not told, neither are their rates.
    if connection.life.rates.value().is_none() {
        let no_rates = connection.bytes_in().and_then(Unknown::NeedsTwoObservations, |_| None);
        (connection.life.rates, connection.life.slot_rates) = (no_rates, no_rates);
    }
    connection
}

/// The namespaces of these sockets, unless something of the tables was lost.
fn namespaces_shown_whole(
    tables: &[Vec<Box<Socket>>],
    losses: &[Loss],
) -> HashSet<u64, RandomState> {
    let is_of_tables = |loss: &Loss| loss.source != Source::Procfs;
    if losses.iter().any(is_of_tables) {
        return HashSet::default();
    }
    tables.iter().flatten().map(|socket| socket.id.netns).collect()
}

/// Judges a connection by one look at it, and returns what was seen.
fn judge_life(connection: &mut Connection) -> (Counters, Gauges) {
    let counters = Counters::of(connection);
    let gauges = Gauges::look_at(connection);
    let evidence = Evidence::of_life(connection, counters, gauges);
    connection.verdict = judge(connection, evidence);
    (counters, gauges)
}

impl Remembered {
    /// Judges a connection that was not there before, and remembers it.
    fn look_first(
        connection: &mut Connection,
        sequence: u64,
        at: Moment,
        since: Option<Moment>,
    ) -> Self {
        let (counters, gauges) = judge_life(connection);
        let mut life = LifeSoFar::met(connection.life, counters, since);
        life.look(connection, at, counters);
        let newer = Span { start: at, first: counters, gauges };
        let holders = connection.holders.value().is_some().then(|| connection.holders.clone());
        Self { met_in: sequence, holders, life, older: None, newer }
    }

    /// Fills in what comes from comparing with what is remembered, and remembers this look.
    fn look_again(&mut self, connection: &mut Connection, Now { at, half, .. }: Now) {
        let counters = Counters::of(connection);
        let gauges = Gauges::look_at(connection);
        if at.since(self.newer.start) > half {
            // The next half starts from the look that ended this one, so that nothing falls between.
            let (start, first) = self.life.last();
            self.older = Some(self.newer);
            self.newer = Span { start, first, gauges: Gauges::default() };
        }
        self.newer.gauges = self.newer.gauges.plus(gauges);
        self.life.look(connection, at, counters);
        let whole = match self.older {
            Some(older) => Span { gauges: older.gauges.plus(self.newer.gauges), ..older },
            None => self.newer,
        };
        let evidence = Evidence::of_window(connection, whole, at, counters);
        connection.verdict = judge(connection, evidence);
    }
}
