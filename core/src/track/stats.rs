//! The history of one connection's rates, age and peaks, and the [`Stats`] made of it.

use crate::model::{
    Known, Moment, Peaks, Protocol, Rates, SocketSample, Source, State, Stats, TcpInfo, Unknown,
};

use super::counters::Counters;
use crate::slots::Slots;

/// What is kept of a connection between samples to make its [`Stats`].
#[derive(Debug, Clone)]
pub(super) struct StatsHistory {
    stats: Stats,
    /// When it was established, by the monotonic clock; may lie before that clock's zero.
    established: Option<Established>,
    /// Only of connections on which bytes moved.
    slots: Option<Box<Slots>>,
    /// Moment and counters of the last sample.
    last: Option<(Moment, Counters)>,
}

/// When a connection was established, in microseconds, by decreasing precision.
#[derive(Debug, Clone, Copy)]
enum Established {
    /// By an event of this source.
    Event(i64, Source),
    /// By the kernel, through this source.
    Kernel(i64, Source),
    /// By the first sample that had it, after one that had not.
    FirstSample(i64),
}

impl StatsHistory {
    /// The history of a connection whose first sample is of `at`. `absent_at` is the moment of an
    /// earlier sample that would have shown it: its counters were 0 then.
    pub(super) fn new(stats: Stats, at: Moment, absent_at: Option<Moment>) -> Self {
        Self {
            established: absent_at.map(|_| Established::FirstSample(signed_us(at))),
            slots: None,
            last: absent_at.map(|then| (then, Counters::default())),
            stats,
        }
    }

    /// Records when an event reported it established.
    pub(super) fn set_established(&mut self, (at, source): (Moment, Source)) {
        self.established = Some(Established::Event(signed_us(at), source));
    }

    /// The stats as of the last sample.
    pub(super) fn stats(&self) -> Stats {
        self.stats
    }

    /// The stats as of the last sample, with the age at `at`.
    pub(super) fn stats_at(&self, at: Moment) -> Stats {
        Stats { age_us: self.age_at(at), ..self.stats }
    }

    /// The moment and counters of the last sample.
    pub(super) fn last(&self) -> Option<(Moment, Counters)> {
        self.last
    }

    /// Adds a sample, and returns whether the rates have changed.
    pub(super) fn apply_sample(
        &mut self,
        sample: &SocketSample,
        fin_received: bool,
        at: Moment,
        counters: Counters,
    ) -> bool {
        let (then, earlier) = self.last.unwrap_or((at, counters));
        let before = (self.stats.rates, self.stats.slot_rates);
        let bytes = sample.bytes_in(fin_received);
        self.stats.rates = rates(bytes, (then, earlier), (at, counters));
        self.apply_to_slots(bytes, (then, earlier), (at, counters));
        self.apply_to_age(sample, fin_received, at);
        self.apply_to_peaks(sample);
        self.last = Some((at, counters));
        before != (self.stats.rates, self.stats.slot_rates)
    }

    /// Records the snapshot in which the connection last changed.
    pub(super) fn set_changed(&mut self, sequence: u64) {
        self.stats.changed_sequence = sequence;
    }

    fn apply_to_slots(
        &mut self,
        bytes: Known<u64>,
        (then, earlier): (Moment, Counters),
        (at, later): (Moment, Counters),
    ) {
        let added = later.since(earlier);
        self.stats.slot_rates = bytes.and_then(Unknown::NeedsTwoObservations, |_| {
            if added.bytes_out > 0 || added.bytes_in > 0 {
                let slots = self.slots.get_or_insert_default();
                return slots.add(then, at, added.bytes_out, added.bytes_in);
            }
            let before = self.stats.slot_rates.get();
            before.or((then != at).then_some(Rates::ZERO))
        });
    }

    fn apply_to_age(&mut self, sample: &SocketSample, fin_received: bool, at: Moment) {
        if !matches!(self.established, Some(Established::Event(..) | Established::Kernel(..)))
            && let Some(age) = kernel_age_us(sample, fin_received)
        {
            let established = signed_us(at).saturating_sub_unsigned(age);
            self.established = Some(Established::Kernel(established, sample.source));
        }
        self.stats.age_us = self.age_at(at);
    }

    fn age_at(&self, at: Moment) -> Known<u64> {
        let now = signed_us(at);
        match self.established {
            Some(Established::Event(then, source)) => known_age(now, then, source),
            Some(Established::Kernel(then, source)) => known_age(now, then, source),
            Some(Established::FirstSample(then)) => known_age(now, then, Source::Derived),
            None => Known::Unknown(Unknown::KernelDoesNotReport),
        }
    }

    fn apply_to_peaks(&mut self, sample: &SocketSample) {
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
        if let Some(queues) = sample.queues.get() {
            *send_queue_bytes = queues.send_bytes.max(*send_queue_bytes);
            *receive_queue_bytes = queues.receive_bytes.max(*receive_queue_bytes);
        }
        *rtt_us = sample.rtt_us().get().unwrap_or(0).max(*rtt_us);
    }
}

fn signed_us(at: Moment) -> i64 {
    i64::try_from(at.monotonic_us).unwrap_or(i64::MAX)
}

fn known_age(now: i64, established: i64, source: Source) -> Known<u64> {
    Known::Value(u64::try_from(now.saturating_sub(established)).unwrap_or(0), source)
}

/// How long ago the connection was established, microseconds, where the kernel reports it: until the
/// first payload in one direction, the time since the last payload in that direction is the time since
/// the handshake (`tcp_finish_connect` and `tcp_create_openreq_child` set `lsndtime` and `lrcvtime`).
pub(super) fn kernel_age_us(sample: &SocketSample, fin_received: bool) -> Option<u64> {
    let is_established = matches!(
        sample.state,
        State::Established | State::FinWait1 | State::FinWait2 | State::CloseWait
    );
    if sample.protocol != Protocol::Tcp || !is_established {
        return None;
    }
    let ms = if sample.bytes_out().get() == Some(0) {
        sample.since(TcpInfo::last_data_sent)
    } else if sample.bytes_in(fin_received).get() == Some(0) {
        sample.since(TcpInfo::last_data_recv)
    } else {
        None
    };
    ms.map(|ms| u64::from(ms) * 1000)
}

fn rates(
    bytes: Known<u64>,
    (then, earlier): (Moment, Counters),
    (now, later): (Moment, Counters),
) -> Known<Rates> {
    let seconds = now.since(then).as_secs_f64();
    // Where the bytes are unknown, so are their rates, for the same reason.
    bytes.and_then(Unknown::NeedsTwoObservations, |_| {
        let per_second = |count: u64| count as f64 / seconds;
        let added = later.since(earlier);
        (seconds > 0.0).then(|| Rates {
            out_bytes_per_s: per_second(added.bytes_out),
            in_bytes_per_s: per_second(added.bytes_in),
        })
    })
}
