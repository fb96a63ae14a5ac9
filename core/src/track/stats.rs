//! What is remembered of a connection from look to look, and the [`Stats`] made of it.

use crate::model::{
    Class, Connection, Known, Moment, Peaks, Protocol, Rates, Source, State, Stats, TcpInfo,
    Unknown,
};

use super::sample::Counters;
use super::slots::Slots;

/// What a reader sees of a connection: if any of it is new, the connection has changed.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Seen {
    state: State,
    bytes: (u64, u64),
    rates: Option<Rates>,
    queues: (u32, u32),
    waiting: u32,
    lost: u32,
    drops: u32,
    owner: Option<(u32, Option<u32>, usize)>,
    /// Whether its opening is known, whether who did it is, and whether its end is.
    told: (bool, bool, bool),
    class: Class,
}

impl Seen {
    fn of(connection: &Connection, counters: &Counters) -> Self {
        let socket = &connection.socket;
        Self {
            state: socket.state,
            bytes: (counters.bytes_out, counters.bytes_in),
            rates: connection.stats.rates.get(),
            queues: socket.queues.get().map_or((0, 0), |q| (q.send_bytes, q.receive_bytes)),
            waiting: socket.accept_queue.get().map_or(0, |q| q.length),
            lost: counters.segments_lost,
            drops: counters.drops,
            owner: connection.owners.value().and_then(|held| {
                held.first().map(|first| (first.process.pid, first.descriptor, held.len()))
            }),
            told: (
                connection.opened.value().is_some(),
                connection.opened.value().is_some_and(|opened| opened.by.value().is_some()),
                connection.closed.value().is_some(),
            ),
            class: connection.verdict.class,
        }
    }
}

/// What is kept of one connection's life.
#[derive(Debug, Clone)]
pub(super) struct LifeSoFar {
    stats: Stats,
    /// When it was established, by the monotonic clock; may lie before that clock's zero.
    born_us: Option<Born>,
    /// Only of connections on which bytes moved.
    slots: Option<Box<Slots>>,
    last: (Moment, Counters),
    seen: Option<Seen>,
}

#[derive(Debug, Clone, Copy)]
enum Born {
    /// An event told it.
    Witnessed(i64),
    /// The kernel told it, through this source.
    Told(i64, Source),
    /// It was not there at the look before.
    SeenComing(i64),
}

impl LifeSoFar {
    /// A connection met for the first time, at `at`. If it came `since` an earlier look, which would
    /// have shown it, its counters were 0 then.
    pub(super) fn met(stats: Stats, at: Moment, counters: Counters, since: Option<Moment>) -> Self {
        Self {
            born_us: since.map(|_| Born::SeenComing(signed_us(at))),
            slots: None,
            last: since.map_or((at, counters), |then| (then, Counters::default())),
            seen: None,
            stats,
        }
    }

    /// Notes when it was established, as an event told it.
    pub(super) fn witness(&mut self, at: Moment) {
        self.born_us = Some(Born::Witnessed(signed_us(at)));
    }

    /// The life as of the look before this one.
    pub(super) fn so_far(&self) -> Stats {
        self.stats
    }

    /// The life as of the look before `at`, but as old as it is then.
    pub(super) fn so_far_at(&self, at: Moment) -> Stats {
        Stats { age_us: self.age_at(at), ..self.stats }
    }

    /// The moment and counters of the look before this one.
    pub(super) fn last(&self) -> (Moment, Counters) {
        self.last
    }

    /// Writes what this look adds into `connection.stats`, all but whether it changed.
    pub(super) fn look(&mut self, connection: &mut Connection, at: Moment, counters: Counters) {
        let (then, earlier) = self.last;
        self.stats.rates = rates(connection, (then, earlier), (at, counters));
        self.look_at_slots(connection, (then, earlier), (at, counters));
        self.look_at_age(connection, at);
        self.look_at_peaks(connection);
        self.last = (at, counters);
        connection.stats = self.stats;
    }

    /// Notes whether anything is new, once the verdict is there too.
    pub(super) fn note_changes(&mut self, connection: &mut Connection, sequence: u64) {
        let now = Seen::of(connection, &self.last.1);
        if self.seen.as_ref() != Some(&now) {
            self.seen = Some(now);
            self.stats.changed_sequence = sequence;
        }
        connection.stats.changed_sequence = self.stats.changed_sequence;
    }

    fn look_at_slots(
        &mut self,
        connection: &Connection,
        (then, earlier): (Moment, Counters),
        (at, later): (Moment, Counters),
    ) {
        let added = later.since(earlier);
        self.stats.slot_rates =
            connection.bytes_in().and_then(Unknown::NeedsTwoObservations, |_| {
                if added.bytes_out > 0 || added.bytes_in > 0 {
                    let slots = self.slots.get_or_insert_default();
                    return slots.add(then, at, added.bytes_out, added.bytes_in);
                }
                let before = self.stats.slot_rates.get();
                before.or((then != at).then_some(Rates::ZERO))
            });
    }

    fn look_at_age(&mut self, connection: &Connection, at: Moment) {
        if !matches!(self.born_us, Some(Born::Witnessed(_) | Born::Told(..)))
            && let Some(told) = told_age_us(connection)
        {
            let born = signed_us(at).saturating_sub_unsigned(told);
            self.born_us = Some(Born::Told(born, connection.socket.source));
        }
        self.stats.age_us = self.age_at(at);
    }

    fn age_at(&self, at: Moment) -> Known<u64> {
        let now = signed_us(at);
        match self.born_us {
            Some(Born::Witnessed(born)) => known_age(now, born, Source::Ebpf),
            Some(Born::Told(born, source)) => known_age(now, born, source),
            Some(Born::SeenComing(born)) => known_age(now, born, Source::Derived),
            None => Known::Unknown(Unknown::KernelDoesNotTell),
        }
    }

    fn look_at_peaks(&mut self, connection: &Connection) {
        let Peaks {
            out_bytes_per_s,
            in_bytes_per_s,
            send_queue_bytes,
            receive_queue_bytes,
            rtt_us,
        } = &mut self.stats.peaks;
        if let Some(rates) = self.stats.rates.get() {
            *out_bytes_per_s = out_bytes_per_s.max(rates.out_bytes_per_s);
            *in_bytes_per_s = in_bytes_per_s.max(rates.in_bytes_per_s);
        }
        if let Some(queues) = connection.socket.queues.get() {
            *send_queue_bytes = queues.send_bytes.max(*send_queue_bytes);
            *receive_queue_bytes = queues.receive_bytes.max(*receive_queue_bytes);
        }
        *rtt_us = connection.rtt_us().get().unwrap_or(0).max(*rtt_us);
    }
}

fn signed_us(at: Moment) -> i64 {
    i64::try_from(at.monotonic_us).unwrap_or(i64::MAX)
}

fn known_age(now: i64, born: i64, source: Source) -> Known<u64> {
    Known::Value(u64::try_from(now.saturating_sub(born)).unwrap_or(0), source)
}

/// How long ago the connection was established, microseconds, where the kernel tells it: as long
/// as no payload went one way, its time of the last payload that way is the end of the handshake
/// (`tcp_finish_connect` and `tcp_create_openreq_child` set `lsndtime` and `lrcvtime`).
pub(super) fn told_age_us(connection: &Connection) -> Option<u64> {
    let socket = &connection.socket;
    let is_established = matches!(
        socket.state,
        State::Established | State::FinWait1 | State::FinWait2 | State::CloseWait
    );
    if socket.protocol != Protocol::Tcp || !is_established {
        return None;
    }
    let ms = if connection.bytes_out().get() == Some(0) {
        socket.since(TcpInfo::last_data_sent)
    } else if connection.bytes_in().get() == Some(0) {
        socket.since(TcpInfo::last_data_recv)
    } else {
        None
    };
    ms.map(|ms| u64::from(ms) * 1000)
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
