//! The tracker: folds observations into connections and remembers what the next fold needs.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use foldhash::fast::RandomState;

use crate::model::{
    Connection, Facts, Holdings, Known, Loss, LossKind, Moment, Observation, Rates, Snapshot,
    Socket, SocketId, Source, Unknown,
};

use super::direction::{Listeners, direction};
use super::join::Holders;
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
    remembered: HashMap<SocketId, Remembered, RandomState>,
}

/// What is kept of one connection.
#[derive(Debug, Clone, Copy)]
struct Remembered {
    first_seen: Moment,
    last: (Moment, Counters),
    /// The window in two halves: when the newer is full, it becomes the older.
    older: Option<Span>,
    newer: Span,
}

impl Tracker {
    /// A tracker that has seen nothing.
    #[must_use]
    pub fn new(memory: Memory) -> Self {
        Self { memory, sequence: 0, remembered: HashMap::default() }
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
        let connections = self.connections(sockets, &holders, at, &mut losses);
        self.sequence += 1;
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
                first_seen: at,
                rates: Known::Unknown(Unknown::NeedsTwoObservations),
                verdict: Verdict::UNKNOWN,
                socket,
            };
            // Where bytes do not apply or are not told, neither are their rates.
            connection.rates =
                connection.bytes_in().and_then(Unknown::NeedsTwoObservations, |_| None);
            match self.memory {
                Memory::None => {
                    let counters = Counters::of(&connection);
                    let gauges = Gauges::look_at(&connection);
                    let evidence = Evidence::of_life(&connection, counters, gauges);
                    connection.verdict = judge(&connection, evidence);
                }
                Memory::Window(half) => {
                    let before = previous.remove(&connection.socket.id);
                    let now = look(&mut connection, before, at, half);
                    if self.remembered.len() < REMEMBERED {
                        self.remembered.insert(connection.socket.id, now);
                    } else {
                        refused += 1;
                    }
                }
            }
            connections.push(connection);
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

/// Fills in what comes from comparing with `before`, and returns what to remember.
fn look(
    connection: &mut Connection,
    before: Option<Remembered>,
    at: Moment,
    half: Duration,
) -> Remembered {
    let counters = Counters::of(connection);
    let gauges = Gauges::look_at(connection);
    let fresh = Span { start: at, first: counters, gauges };
    let Some(mut kept) = before else {
        let evidence = Evidence::of_life(connection, counters, gauges);
        connection.verdict = judge(connection, evidence);
        return Remembered { first_seen: at, last: (at, counters), older: None, newer: fresh };
    };
    connection.first_seen = kept.first_seen;
    connection.rates = rates(connection, kept.last, (at, counters));
    if at.since(kept.newer.start) > half {
        // The next half starts from the look that ended this one, so that nothing falls between.
        let (start, first) = kept.last;
        kept.older = Some(kept.newer);
        kept.newer = Span { start, first, gauges: Gauges::default() };
    }
    kept.newer.gauges = kept.newer.gauges.plus(gauges);
    kept.last = (at, counters);
    let whole = match kept.older {
        Some(older) => Span { gauges: older.gauges.plus(kept.newer.gauges), ..older },
        None => kept.newer,
    };
    let evidence = Evidence::of_window(connection, whole, at, counters);
    connection.verdict = judge(connection, evidence);
    kept
}

fn rates(
    connection: &Connection,
    (then, earlier): (Moment, Counters),
    (now, later): (Moment, Counters),
) -> Known<Rates> {
    let seconds = now.since(then).as_secs_f64();
    // Where the bytes are unknown, so are their rates, for the same reason.
    connection.bytes_in().and_then(Unknown::NeedsTwoObservations, |_| {
        let per_second = |count: u64| count as f64 / seconds;
        let added = later.since(earlier);
        (seconds > 0.0).then(|| Rates {
            out_bytes_per_s: per_second(added.bytes_out),
            in_bytes_per_s: per_second(added.bytes_in),
        })
    })
}
