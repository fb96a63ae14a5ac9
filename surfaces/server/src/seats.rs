//! Who is connected, how far each client has come, and by when it must have moved on.
//!
//! No timer belongs to a connection. The one idea: a connection writes down what it waits for and by
//! when; one sweeper reads that several times a second and closes what is overdue. When there is
//! no seat left, the client that has been idle for longest gives up its own.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{
    AtomicBool, AtomicU8, AtomicU64, AtomicUsize,
    Ordering::{AcqRel, Relaxed},
};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::limits::Limits;
use crate::refusals::{Refusals, Refused};

/// What a client is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Stage {
    /// Nothing was asked, or all was answered.
    Idle,
    /// Part of a request's head, of a line, or of a TLS handshake has come.
    Head,
    /// The head is complete, the body is not.
    Body,
    /// The answer is being made.
    Work,
    /// The answer is on its way.
    Answer,
    /// An answer without an end is on its way.
    Stream,
    /// The last of the answer was handed over and waits for the socket.
    Rest,
}

impl Stage {
    const ALL: [Self; 7] =
        [Self::Idle, Self::Head, Self::Body, Self::Work, Self::Answer, Self::Stream, Self::Rest];

    const fn overdue(self) -> Refused {
        match self {
            Self::Idle => Refused::IdleTime,
            Self::Head => Refused::HeadTime,
            Self::Body => Refused::BodyTime,
            Self::Work => Refused::WorkTime,
            Self::Answer | Self::Stream | Self::Rest => Refused::ReadTime,
        }
    }
}

/// A client that asks every second or more often keeps its buffers, milliseconds.
const QUIET_AFTER: u64 = 1500;
const NEVER: u64 = u64::MAX;
const NOT_ASKED: u8 = u8::MAX;

/// The seat of one client.
#[derive(Debug)]
pub(crate) struct Seat {
    id: u64,
    listener: usize,
    group: Option<IpAddr>,
    epoch: Instant,
    limits: Limits,
    stage: AtomicU8,
    /// Milliseconds since the epoch, as all times here.
    since: AtomicU64,
    due: AtomicU64,
    /// Since when the socket takes nothing; 0 if it does.
    blocked: AtomicU64,
    /// Whether a client that speaks in lines; those may think for longer.
    lines: AtomicBool,
    asked: AtomicU8,
    ask: Notify,
    /// Rung when it has been idle for a while.
    quiet: Notify,
}

impl Seat {
    /// From now on the client is at this; the time it may take begins anew.
    pub(crate) fn enter(&self, stage: Stage) {
        let limits = &self.limits;
        let lines = self.lines.load(Relaxed);
        let time = match stage {
            Stage::Idle if lines => limits.line_idle_time,
            Stage::Idle => limits.idle_time,
            Stage::Head if lines => limits.line_time,
            Stage::Head => limits.head_time,
            Stage::Body => limits.body_time,
            Stage::Work => limits.work_time,
            // What is on its way already keeps the time it was given.
            Stage::Rest => return self.stage.store(stage as u8, Relaxed),
            Stage::Answer | Stage::Stream => return self.enter_until(stage, NEVER),
        };
        self.enter_until(stage, self.now().saturating_add(millis(time)));
    }

    /// From now on an answer of so many bytes is on its way.
    pub(crate) fn enter_answer(&self, bytes: u64) {
        let time = bytes.saturating_mul(1000) / self.limits.answer_rate.max(1);
        let due = self.now().saturating_add(millis(self.limits.write_time)).saturating_add(time);
        self.enter_until(Stage::Answer, due);
    }

    fn enter_until(&self, stage: Stage, due: u64) {
        self.since.store(self.now(), Relaxed);
        self.due.store(due, Relaxed);
        self.stage.store(stage as u8, Relaxed);
    }

    /// It speaks in lines.
    pub(crate) fn speaks_lines(&self) {
        self.lines.store(true, Relaxed);
        self.enter(self.stage());
    }

    pub(crate) fn stage(&self) -> Stage {
        Stage::ALL.get(usize::from(self.stage.load(Relaxed))).copied().unwrap_or(Stage::Idle)
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The socket takes nothing now.
    pub(crate) fn blocked(&self) {
        let now = self.now();
        let _ = self.blocked.compare_exchange(0, now, Relaxed, Relaxed);
    }

    /// The socket took something.
    pub(crate) fn moved(&self) {
        self.blocked.store(0, Relaxed);
    }

    /// Asks the connection to go; `true` if nobody did before.
    pub(crate) fn ask_to_leave(&self, why: Refused) -> bool {
        let first = self.asked.compare_exchange(NOT_ASKED, why as u8, AcqRel, Relaxed).is_ok();
        if first {
            self.ask.notify_one();
        }
        first
    }

    /// Ends when the connection is asked to go.
    pub(crate) async fn asked_to_leave(&self) {
        self.ask.notified().await;
    }

    /// Ends when it has been idle for a while, and may give back what it will need again.
    pub(crate) async fn quiet(&self) {
        self.quiet.notified().await;
    }

    /// Whether it was asked to go while it had something to take.
    pub(crate) fn is_cut_off(&self) -> bool {
        self.asked.load(Relaxed) != NOT_ASKED && self.blocked.load(Relaxed) != 0
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.stage() == Stage::Idle && self.blocked.load(Relaxed) == 0
    }

    fn overdue(&self, now: u64) -> Option<Refused> {
        let blocked = self.blocked.load(Relaxed);
        if blocked != 0 && now > blocked.saturating_add(millis(self.limits.write_time)) {
            return Some(Refused::ReadTime);
        }
        (now > self.due.load(Relaxed)).then(|| self.stage().overdue())
    }

    fn now(&self) -> u64 {
        now_since(self.epoch)
    }
}

// Starts at 1, so that 0 is free to say "not".
fn now_since(epoch: Instant) -> u64 {
    millis(epoch.elapsed()) + 1
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(NEVER / 4)
}

/// All seats.
#[derive(Debug)]
pub(crate) struct Seats {
    epoch: Instant,
    taken: Mutex<Taken>,
    streams: AtomicUsize,
    refusals: Arc<Refusals>,
    /// How many are taken, for those who tell it.
    clients: Arc<AtomicUsize>,
}

#[derive(Debug, Default)]
struct Taken {
    next: u64,
    seats: HashMap<u64, Arc<Seat>>,
    of_listener: HashMap<usize, usize>,
    of_address: HashMap<IpAddr, usize>,
}

impl Taken {
    fn remove(&mut self, id: u64) {
        let Some(seat) = self.seats.remove(&id) else { return };
        if let Some(count) = self.of_listener.get_mut(&seat.listener) {
            *count = count.saturating_sub(1);
        }
        if let Some(group) = seat.group
            && let Some(count) = self.of_address.get_mut(&group)
        {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.of_address.remove(&group);
            }
        }
    }

    /// Makes the one that has been idle for longest leave; `false` if none of these is idle.
    fn evict(&mut self, refusals: &Refusals, among: impl Fn(&Seat) -> bool) -> bool {
        let idle = self.seats.values().filter(|seat| among(seat) && seat.is_idle());
        let Some(seat) = idle.min_by_key(|seat| (seat.since.load(Relaxed), seat.id)).cloned()
        else {
            return false;
        };
        if seat.ask_to_leave(Refused::IdleEvicted) {
            refusals.count(Refused::IdleEvicted);
        }
        self.remove(seat.id);
        true
    }
}

impl Seats {
    pub(crate) fn new(refusals: Arc<Refusals>, clients: Arc<AtomicUsize>) -> Self {
        Self {
            epoch: Instant::now(),
            taken: Mutex::default(),
            streams: AtomicUsize::new(0),
            refusals,
            clients,
        }
    }

    /// A seat for a client of this listener from this address (`None`: a socket file).
    pub(crate) fn take(
        self: &Arc<Self>,
        listener: usize,
        address: Option<IpAddr>,
        limits: &Limits,
    ) -> Result<Held, Refused> {
        let group = address.and_then(group);
        let mut taken = self.lock();
        let of_address = group.and_then(|group| taken.of_address.get(&group)).copied();
        if of_address.unwrap_or(0) >= limits.clients_per_address
            && !taken.evict(&self.refusals, |seat| seat.group == group)
        {
            return Err(Refused::AddressFull);
        }
        let of_listener = taken.of_listener.get(&listener).copied().unwrap_or(0);
        if of_listener >= limits.clients_per_listener
            && !taken.evict(&self.refusals, |seat| seat.listener == listener)
        {
            return Err(Refused::ListenerFull);
        }
        if taken.seats.len() >= limits.clients && !taken.evict(&self.refusals, |_| true) {
            return Err(Refused::ClientsFull);
        }
        let id = taken.next;
        taken.next += 1;
        let seat = Arc::new(Seat {
            id,
            listener,
            group,
            epoch: self.epoch,
            limits: *limits,
            stage: AtomicU8::new(Stage::Idle as u8),
            since: AtomicU64::new(0),
            due: AtomicU64::new(NEVER),
            blocked: AtomicU64::new(0),
            lines: AtomicBool::new(false),
            asked: AtomicU8::new(NOT_ASKED),
            ask: Notify::new(),
            quiet: Notify::new(),
        });
        seat.enter(Stage::Idle);
        *taken.of_listener.entry(listener).or_default() += 1;
        if let Some(group) = group {
            *taken.of_address.entry(group).or_default() += 1;
        }
        taken.seats.insert(id, Arc::clone(&seat));
        self.clients.store(taken.seats.len(), Relaxed);
        Ok(Held { seat, seats: Arc::clone(self) })
    }

    /// Makes the client that has been idle for longest leave.
    pub(crate) fn evict_one(&self) -> bool {
        self.lock().evict(&self.refusals, |_| true)
    }

    /// Asks whoever is overdue to leave.
    pub(crate) fn sweep(&self) {
        let now = now_since(self.epoch);
        for seat in self.lock().seats.values() {
            if let Some(why) = seat.overdue(now)
                && seat.ask_to_leave(why)
            {
                self.refusals.count(why);
            }
            if seat.is_idle() && now > seat.since.load(Relaxed).saturating_add(QUIET_AFTER) {
                seat.quiet.notify_one();
            }
        }
    }

    /// Asks everybody to leave; no refusal, the agent stops.
    pub(crate) fn clear(&self) {
        for seat in self.lock().seats.values() {
            seat.ask_to_leave(Refused::WorkTime);
        }
    }

    /// Room for one more answer without an end.
    pub(crate) fn take_stream(self: &Arc<Self>, limits: &Limits) -> Option<StreamSeat> {
        let more = |now: usize| (now < limits.streams).then_some(now + 1);
        self.streams.fetch_update(Relaxed, Relaxed, more).ok()?;
        Some(StreamSeat(Arc::clone(self)))
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A seat that is given back when dropped.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) seat: Arc<Seat>,
    seats: Arc<Seats>,
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut taken = self.seats.lock();
        taken.remove(self.seat.id);
        self.seats.clients.store(taken.seats.len(), Relaxed);
    }
}

/// Room for an answer without an end, given back when dropped.
#[derive(Debug)]
pub(crate) struct StreamSeat(Arc<Seats>);

impl Drop for StreamSeat {
    fn drop(&mut self) {
        self.0.streams.fetch_sub(1, Relaxed);
    }
}

/// Addresses that count as one client: whoever has an IPv6 address has its /64.
fn group(address: IpAddr) -> Option<IpAddr> {
    match address.to_canonical() {
        address if address.is_loopback() => None,
        IpAddr::V6(address) => {
            let prefix = address.to_bits() & !u128::from(u64::MAX);
            Some(Ipv6Addr::from_bits(prefix).into())
        }
        address => Some(address),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seats() -> (Arc<Seats>, Arc<Refusals>) {
        let refusals = Arc::new(Refusals::default());
        (Arc::new(Seats::new(Arc::clone(&refusals), Arc::default())), refusals)
    }

    fn count(refusals: &Refusals, name: &str) -> u64 {
        refusals.list().into_iter().find(|(known, _)| *known == name).unwrap().1
    }

    fn ip(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn one_address_takes_no_seat_of_another() {
        let (seats, refusals) = seats();
        let limits = Limits { clients_per_address: 2, ..Limits::default() };
        let first = seats.take(0, ip("10.0.0.1"), &limits).unwrap();
        let second = seats.take(0, ip("10.0.0.1"), &limits).unwrap();
        let other = seats.take(0, ip("10.0.0.2"), &limits).unwrap();
        for held in [&first, &second, &other] {
            held.seat.enter(Stage::Work);
        }
        assert_eq!(seats.take(1, ip("10.0.0.1"), &limits).unwrap_err(), Refused::AddressFull);
        // The mapped form is the same address.
        let mapped = seats.take(1, ip("::ffff:10.0.0.1"), &limits);
        assert_eq!(mapped.unwrap_err(), Refused::AddressFull);
        assert!(seats.take(0, ip("10.0.0.2"), &limits).is_ok());
        drop(second);
        assert!(seats.take(0, ip("10.0.0.1"), &limits).is_ok());
        assert_eq!(count(&refusals, "idle-client-evicted"), 0);
    }

    #[test]
    fn a_v6_network_is_one_address_and_loopback_is_none() {
        let (seats, _) = seats();
        let limits = Limits { clients_per_address: 1, ..Limits::default() };
        let held = seats.take(0, ip("fd00::1"), &limits).unwrap();
        held.seat.enter(Stage::Head);
        assert_eq!(seats.take(0, ip("fd00::2"), &limits).unwrap_err(), Refused::AddressFull);
        let _other = seats.take(0, ip("fd00:0:0:1::2"), &limits).unwrap();
        let local: Vec<_> =
            (0..9).map(|_| seats.take(0, ip("127.0.0.1"), &limits).unwrap()).collect();
        assert_eq!(local.len(), 9);
        let files: Vec<_> = (0..9).map(|_| seats.take(0, None, &limits).unwrap()).collect();
        assert_eq!(files.len(), 9);
    }

    #[test]
    fn the_one_idle_for_longest_makes_room_and_none_at_work_does() {
        let (seats, refusals) = seats();
        let limits = Limits { clients: 3, ..Limits::default() };
        let working = seats.take(0, None, &limits).unwrap();
        working.seat.enter(Stage::Work);
        let idle = seats.take(0, None, &limits).unwrap();
        let blocked = seats.take(0, None, &limits).unwrap();
        blocked.seat.blocked();
        let late = seats.take(0, None, &limits).unwrap();
        assert_eq!(idle.seat.asked.load(Relaxed), Refused::IdleEvicted as u8);
        assert_eq!(count(&refusals, "idle-client-evicted"), 1);
        late.seat.enter(Stage::Head);
        assert_eq!(seats.take(0, None, &limits).unwrap_err(), Refused::ClientsFull);
        // The evicted one gives its seat back only once.
        drop(idle);
        assert_eq!(seats.take(0, None, &limits).unwrap_err(), Refused::ClientsFull);
        drop(blocked);
        assert!(seats.take(0, None, &limits).is_ok());
        assert_eq!(seats.lock().seats.len(), 2);
    }

    #[test]
    fn each_stage_is_overdue_by_its_own_name() {
        let (seats, refusals) = seats();
        let none = Duration::ZERO;
        let limits = Limits {
            idle_time: none,
            head_time: none,
            body_time: none,
            work_time: none,
            write_time: none,
            answer_rate: u64::MAX,
            ..Limits::default()
        };
        let names = ["idle-too-long", "head-too-slow", "body-too-slow", "answer-took-too-long"];
        let stages = [Stage::Idle, Stage::Head, Stage::Body, Stage::Work];
        for (stage, name) in stages.into_iter().zip(names) {
            let held = seats.take(0, None, &limits).unwrap();
            held.seat.enter(stage);
            assert_eq!(held.seat.overdue(held.seat.now()), None);
            assert_eq!(held.seat.overdue(held.seat.now() + 2), Some(stage.overdue()));
            assert_eq!(stage.overdue().name(), name);
        }
        let held = seats.take(0, None, &limits).unwrap();
        held.seat.enter(Stage::Stream);
        assert_eq!(held.seat.overdue(NEVER), None);
        held.seat.blocked();
        assert_eq!(held.seat.overdue(held.seat.now() + 2), Some(Refused::ReadTime));
        held.seat.moved();
        assert_eq!(held.seat.overdue(NEVER), None);
        held.seat.enter_answer(10);
        assert_eq!(held.seat.overdue(held.seat.now() + 2), Some(Refused::ReadTime));
        assert_eq!(count(&refusals, "reader-too-slow"), 0);
    }
}
