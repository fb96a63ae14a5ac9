//! The tracker: folds observations into connections and remembers what the next fold needs.

mod hear;
mod remembered;
mod roll;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::RandomState;

use crate::model::{
    Closed, Connection, Direction, Event, Known, Loss, LossCause, LossKind, Moment, Observation,
    Opened, Owner, Snapshot, SocketId, SocketSample, Source, State, Stats, Unknown, Verdict,
};

use super::course;
use super::direction::{Listeners, direction};
use super::join::Owners;
use super::sample::{Counters, Gauges};
use super::stats::told_age_us;
use super::verdict::{evidence_of_life, judge};
use hear::Unmet;
use remembered::Remembered;
use roll::Roll;

/// Most connections remembered from one fold to the next, about 400 bytes each. What is beyond is
/// shown all the same, without rates, and counted.
const REMEMBERED: usize = 1_000_000;

/// What a tracker keeps from one fold to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retention {
    /// Nothing: there will be no second fold.
    None,
    /// Enough for rates, and for verdicts over at least this span (and at most twice it).
    Window(Duration),
}

/// A connection that an earlier fold had and the last one had not.
#[derive(Debug, Clone)]
pub struct Removed {
    /// Its identity.
    pub id: SocketId,
    /// How it ended, where that was told.
    pub closed: Known<Closed>,
    /// The event that told of its end, with its final measures.
    pub final_event: Option<Arc<Event>>,
}

/// Folds observations into snapshots.
#[derive(Debug)]
pub struct Tracker {
    memory: Retention,
    /// Of the last observation that told of holders.
    owners: Owners,
    sequence: u64,
    /// The serial number of the connection met last.
    serial: u64,
    remembered: Roll,
    /// What was remembered and was not met in the last fold.
    gone: Vec<Removed>,
    /// The namespaces of which the last fold showed every socket, and when: what is new there has
    /// come since.
    shown_whole: (Moment, HashSet<u64, RandomState>),
    told: Told,
}

/// What events told, of all connections.
#[derive(Debug, Default)]
struct Told {
    /// Whether anybody tells of events.
    is_listening: bool,
    /// The serial number of the last event.
    serial: u64,
    /// Events that nobody has taken.
    events: Vec<Arc<Event>>,
    /// Connections that no look has shown.
    unmet: HashMap<SocketId, Unmet, RandomState>,
    /// The last event of connections that are over and are still remembered.
    ends: HashMap<SocketId, Arc<Event>, RandomState>,
    /// What was told to be over since the last look.
    over: Vec<SocketId>,
    /// What was remembered, and made room for another connection on the same socket.
    replaced: Vec<Removed>,
    /// What the bounds refused since it was last said.
    unmet_refused: u64,
    ends_refused: u64,
}

impl Tracker {
    /// A tracker that has seen nothing.
    #[must_use]
    pub fn new(memory: Retention) -> Self {
        Self {
            memory,
            owners: Owners::default(),
            sequence: 0,
            serial: 0,
            remembered: Roll::default(),
            gone: Vec::new(),
            shown_whole: (Moment::default(), HashSet::default()),
            told: Told::default(),
        }
    }

    /// The connections that an earlier fold had and the last one had not.
    #[must_use]
    pub fn removed(&self) -> &[Removed] {
        &self.gone
    }

    /// Joins what the sources say of one moment. Where two sources tell of the same socket, the
    /// one given first is believed. Events are heard before rows are read, whatever their order.
    pub fn apply(&mut self, observations: Vec<Observation>) -> Snapshot {
        let mut at = Moment::default();
        let mut tables: Vec<Vec<SocketSample>> = Vec::new();
        let mut told = None;
        let mut losses = Vec::new();
        for observation in observations {
            losses.extend(observation.losses);
            if let Some(rows) = observation.sockets {
                at = at.max(observation.at);
                tables.push(rows);
            }
            if let Some(owners) = observation.owners {
                told = Some((owners, observation.source));
            }
            if let Some(lifecycle) = observation.lifecycle {
                self.apply_events(lifecycle);
            }
        }
        // What was said before and is said again needs no new joining.
        let is_joined = told.as_ref().is_some_and(|(told, _)| self.owners.are_of(told));
        if !is_joined {
            self.owners =
                told.map_or_else(Owners::default, |(told, source)| Owners::new(told, source));
        }
        self.sequence += 1;
        let shown_whole = namespaces_shown_whole(&tables, &losses);
        let connections = match self.memory {
            Retention::None => self.look_once(tables, at),
            Retention::Window(half) => {
                let is_told = self.told.is_listening;
                let now = Now { sequence: self.sequence, at, is_told, half, is_joined };
                self.look_on(tables, now, &mut losses)
            }
        };
        self.shown_whole = (at, shown_whole);
        losses.extend(self.take_refusals());
        Snapshot { sequence: self.sequence, at, connections, losses, ..Snapshot::default() }
    }

    /// The connections of the only look there will be.
    fn look_once(&self, tables: Vec<Vec<SocketSample>>, at: Moment) -> Vec<Connection> {
        let listeners = Listeners::of(&tables);
        let count = tables.iter().map(Vec::len).sum();
        let mut connections = Vec::with_capacity(count);
        // A socket that changes its state moves to another table of the kernel, and may be met
        // there again in the same pass: the first row about it is believed.
        let mut seen: HashSet<SocketId, RandomState> = HashSet::default();
        seen.reserve(count);
        for socket in tables.into_iter().flatten().filter(|socket| seen.insert(socket.id)) {
            let owners = self.owners.of(&socket);
            let direction = direction(&socket, &listeners);
            let course = course::untold(&socket, self.told.is_listening);
            let stats = Stats::new(0, self.sequence, at);
            let mut connection = joined(socket, owners, direction, course, stats);
            judge_life(&mut connection);
            if let Some(age) = told_age_us(&connection) {
                connection.stats.age_us = Known::Value(age, connection.socket.source);
            }
            connections.push(connection);
        }
        connections
    }

    /// The connections of one look of many.
    fn look_on(
        &mut self,
        tables: Vec<Vec<SocketSample>>,
        now: Now,
        losses: &mut Vec<Loss>,
    ) -> Vec<Connection> {
        let listeners = Listeners::of(&tables);
        let mut connections = Vec::with_capacity(tables.iter().map(Vec::len).sum());
        let (mut met, mut refused) = (0, 0_u64);
        self.remembered.rewind();
        for socket in tables.into_iter().flatten() {
            let id = socket.id;
            // Met in this pass already, see `look_once`.
            let mut known = self.remembered.next_mut(&id);
            if known.as_ref().is_some_and(|kept| kept.met_in == self.sequence) {
                continue;
            }
            if known.as_ref().is_some_and(|kept| kept.is_of_another(&socket, now.at)) {
                self.replace(id);
                known = None;
            }
            if let Some(kept) = known {
                met += 1;
                let owners = kept.holders_now(&socket, &self.owners, now.is_joined);
                connections.push(kept.look_again(socket, owners, &listeners, now));
                continue;
            }
            let (then, whole) = &self.shown_whole;
            let since = whole.contains(&id.netns).then_some(*then);
            let unmet = self.meet(&socket, now.at);
            let owners = self.owners.of(&socket);
            let (connection, kept) =
                Remembered::look_first(socket, unmet, owners, &listeners, (now, since));
            connections.push(connection);
            if self.remembered.len() < REMEMBERED {
                self.remembered.insert(id, kept);
                met += 1;
            } else {
                refused += 1;
            }
        }
        self.let_go(met);
        let cause = LossCause::HistoryFull { bound: REMEMBERED as u64 };
        losses.extend(Loss::counted(Source::Derived, cause, refused));
        connections
    }

    /// Notes what is gone, and forgets it, after a look that met so many of the remembered.
    fn let_go(&mut self, met: usize) {
        self.gone.clear();
        self.gone.append(&mut self.told.replaced);
        // Most looks miss nothing, and need not go through all that is remembered.
        if met < self.remembered.len() {
            let (sequence, gone, ends) = (self.sequence, &mut self.gone, &mut self.told.ends);
            self.remembered.retain(|id, kept| {
                let is_here = kept.met_in == sequence;
                if !is_here {
                    gone.push(Removed {
                        id: *id,
                        closed: kept.closed(),
                        final_event: ends.remove(id),
                    });
                }
                is_here
            });
        }
        self.forget_unmet();
    }
}

/// What one look of many is about.
#[derive(Debug, Clone, Copy)]
struct Now {
    sequence: u64,
    at: Moment,
    /// Whether anybody tells of events.
    is_told: bool,
    /// Half of the window.
    half: Duration,
    /// Whether the holders are those of the look before.
    is_joined: bool,
}

/// A connection before it is looked at more closely.
fn joined(
    socket: SocketSample,
    owners: Known<Arc<[Owner]>>,
    direction: Known<Direction>,
    (opened, closed): (Known<Arc<Opened>>, Known<Closed>),
    stats: Stats,
) -> Connection {
    let verdict = Verdict::UNKNOWN;
    let application = if socket.state == State::Listen {
        Known::NotApplicable
    } else {
        Known::Unknown(Unknown::SourceCannotTell)
    };
    let mut connection = Connection {
        socket,
        owners,
        direction,
        opened,
        closed,
        stats,
        flow: None,
        application,
        verdict,
    };
    // Where bytes do not apply or are not told, neither are their rates.
    if connection.stats.rates.value().is_none() {
        let no_rates = connection.bytes_in().and_then(Unknown::NeedsTwoObservations, |_| None);
        (connection.stats.rates, connection.stats.slot_rates) = (no_rates, no_rates);
    }
    connection
}

/// The namespaces of these sockets, unless something of the tables was lost.
fn namespaces_shown_whole(
    tables: &[Vec<SocketSample>],
    losses: &[Loss],
) -> HashSet<u64, RandomState> {
    let is_of_tables = |loss: &Loss| {
        loss.source != Source::Procfs
            && !matches!(loss.kind(), LossKind::EventDropped | LossKind::MapFull)
    };
    if losses.iter().any(is_of_tables) {
        return HashSet::default();
    }
    let mut shown = HashSet::default();
    let mut last = None;
    for socket in tables.iter().flatten() {
        // Most come after one of the same namespace.
        if last.replace(socket.id.netns) != Some(socket.id.netns) {
            shown.insert(socket.id.netns);
        }
    }
    shown
}

/// Judges a connection by one look at it, and returns what was seen.
fn judge_life(connection: &mut Connection) -> (Counters, Gauges) {
    let counters = Counters::of(connection);
    let gauges = Gauges::look_at(connection);
    let evidence = evidence_of_life(connection, counters, gauges);
    connection.verdict = judge(connection, evidence);
    (counters, gauges)
}
