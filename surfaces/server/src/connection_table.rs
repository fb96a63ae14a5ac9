//! The connection table: phase and deadline of each client, limits on clients, idle eviction.
//!
//! No connection has a timer of its own. Each records its phase and deadline; one sweeper reads them
//! several times a second and closes the overdue ones. When all slots are taken, the client that has
//! been idle longest loses its slot.

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

/// The phase of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Phase {
    /// No request, or all of them answered.
    Idle,
    /// Part of a request head, a line or a TLS handshake was read.
    Head,
    /// The head is complete, the body is not.
    Body,
    /// The response is being computed.
    Work,
    /// The response is being sent.
    Answer,
    /// A response without an end is being sent.
    Stream,
    /// The last of the response is handed to hyper and waits for the socket.
    Flush,
}

impl Phase {
    const ALL: [Self; 7] =
        [Self::Idle, Self::Head, Self::Body, Self::Work, Self::Answer, Self::Stream, Self::Flush];

    const fn overdue(self) -> Refused {
        match self {
            Self::Idle => Refused::IdleTime,
            Self::Head => Refused::HeadTime,
            Self::Body => Refused::BodyTime,
            Self::Work => Refused::WorkTime,
            Self::Answer | Self::Stream | Self::Flush => Refused::ReadTime,
        }
    }
}

/// Idle time after which a client's buffers are released, milliseconds: a client that sends a
/// request per second keeps them.
const QUIET_AFTER_MS: u64 = 1500;
const NEVER: u64 = u64::MAX;
const NOT_CLOSING: u8 = u8::MAX;

/// One connected client.
#[derive(Debug)]
pub(crate) struct ClientSlot {
    id: u64,
    listener: usize,
    group: Option<IpAddr>,
    epoch: Instant,
    limits: Limits,
    phase: AtomicU8,
    /// Start of the phase, milliseconds since the epoch, as all times here.
    since: AtomicU64,
    due: AtomicU64,
    /// When the socket last became unwritable; 0 while it is writable.
    blocked: AtomicU64,
    /// Whether this is a line connection, whose time limits are longer.
    lines: AtomicBool,
    /// Why it is asked to close, as a `Refused`, or `NOT_CLOSING`.
    closing: AtomicU8,
    close: Notify,
    /// Notified when the client has been idle for `QUIET_AFTER_MS`.
    quiet: Notify,
}

impl ClientSlot {
    /// Sets the phase and its deadline.
    pub(crate) fn enter(&self, phase: Phase) {
        let limits = &self.limits;
        let lines = self.lines.load(Relaxed);
        let time = match phase {
            Phase::Idle if lines => limits.line_idle_time,
            Phase::Idle => limits.idle_time,
            Phase::Head if lines => limits.line_time,
            Phase::Head => limits.head_time,
            Phase::Body => limits.body_time,
            Phase::Work => limits.work_time,
            // The deadline of the response stays.
            Phase::Flush => return self.phase.store(phase as u8, Relaxed),
            Phase::Answer | Phase::Stream => return self.enter_until(phase, NEVER),
        };
        self.enter_until(phase, self.now().saturating_add(millis(time)));
    }

    /// Sets the phase [`Phase::Answer`], with a deadline for a response of this length.
    pub(crate) fn enter_answer(&self, bytes: u64) {
        let time = bytes.saturating_mul(1000) / self.limits.answer_rate.max(1);
        let due = self.now().saturating_add(millis(self.limits.write_time)).saturating_add(time);
        self.enter_until(Phase::Answer, due);
    }

    fn enter_until(&self, phase: Phase, due: u64) {
        self.since.store(self.now(), Relaxed);
        self.due.store(due, Relaxed);
        self.phase.store(phase as u8, Relaxed);
    }

    /// Marks a line connection.
    pub(crate) fn set_lines(&self) {
        self.lines.store(true, Relaxed);
        self.enter(self.phase());
    }

    pub(crate) fn phase(&self) -> Phase {
        Phase::ALL.get(usize::from(self.phase.load(Relaxed))).copied().unwrap_or(Phase::Idle)
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The socket became unwritable.
    pub(crate) fn set_blocked(&self) {
        let now = self.now();
        let _ = self.blocked.compare_exchange(0, now, Relaxed, Relaxed);
    }

    /// The socket took bytes.
    pub(crate) fn set_writable(&self) {
        self.blocked.store(0, Relaxed);
    }

    /// Asks the connection to close; `true` on the first call.
    pub(crate) fn request_close(&self, why: Refused) -> bool {
        let first = self.closing.compare_exchange(NOT_CLOSING, why as u8, AcqRel, Relaxed).is_ok();
        if first {
            self.close.notify_one();
        }
        first
    }

    /// Resolves when the connection is asked to close.
    pub(crate) async fn close_requested(&self) {
        self.close.notified().await;
    }

    /// Resolves when the client has been idle for `QUIET_AFTER_MS`.
    pub(crate) async fn quiet(&self) {
        self.quiet.notified().await;
    }

    /// Whether it was asked to close while its socket was unwritable.
    pub(crate) fn is_cut_off(&self) -> bool {
        self.closing.load(Relaxed) != NOT_CLOSING && self.blocked.load(Relaxed) != 0
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.phase() == Phase::Idle && self.blocked.load(Relaxed) == 0
    }

    fn overdue(&self, now: u64) -> Option<Refused> {
        let blocked = self.blocked.load(Relaxed);
        if blocked != 0 && now > blocked.saturating_add(millis(self.limits.write_time)) {
            return Some(Refused::ReadTime);
        }
        (now > self.due.load(Relaxed)).then(|| self.phase().overdue())
    }

    fn now(&self) -> u64 {
        now_since(self.epoch)
    }
}

// Starts at 1: 0 means none.
fn now_since(epoch: Instant) -> u64 {
    millis(epoch.elapsed()) + 1
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(NEVER / 4)
}

/// All connected clients.
#[derive(Debug)]
pub(crate) struct ConnectionTable {
    epoch: Instant,
    taken: Mutex<Taken>,
    refusals: Arc<Refusals>,
    /// Slots taken, for health and metrics.
    clients: Arc<AtomicUsize>,
}

#[derive(Debug, Default)]
struct Taken {
    next: u64,
    slots: HashMap<u64, Arc<ClientSlot>>,
    of_listener: HashMap<usize, usize>,
    of_address: HashMap<IpAddr, usize>,
}

impl Taken {
    fn remove(&mut self, id: u64) {
        let Some(slot) = self.slots.remove(&id) else { return };
        if let Some(count) = self.of_listener.get_mut(&slot.listener) {
            *count = count.saturating_sub(1);
        }
        if let Some(group) = slot.group
            && let Some(count) = self.of_address.get_mut(&group)
        {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.of_address.remove(&group);
            }
        }
    }

    /// Closes the client that has been idle longest; `false` if none of these is idle.
    fn evict(&mut self, refusals: &Refusals, among: impl Fn(&ClientSlot) -> bool) -> bool {
        let idle = self.slots.values().filter(|slot| among(slot) && slot.is_idle());
        let Some(slot) = idle.min_by_key(|slot| (slot.since.load(Relaxed), slot.id)).cloned()
        else {
            return false;
        };
        if slot.request_close(Refused::IdleEvicted) {
            refusals.count(Refused::IdleEvicted);
        }
        self.remove(slot.id);
        true
    }
}

impl ConnectionTable {
    pub(crate) fn new(refusals: Arc<Refusals>, clients: Arc<AtomicUsize>) -> Self {
        Self { epoch: Instant::now(), taken: Mutex::default(), refusals, clients }
    }

    /// A slot for a client of this listener from this address (`None`: a unix socket).
    pub(crate) fn take(
        self: &Arc<Self>,
        listener: usize,
        address: Option<IpAddr>,
        limits: &Limits,
    ) -> Result<SlotGuard, Refused> {
        let group = address.and_then(group);
        let mut taken = self.lock();
        let of_address = group.and_then(|group| taken.of_address.get(&group)).copied();
        if of_address.unwrap_or(0) >= limits.clients_per_address
            && !taken.evict(&self.refusals, |slot| slot.group == group)
        {
            return Err(Refused::AddressFull);
        }
        let of_listener = taken.of_listener.get(&listener).copied().unwrap_or(0);
        if of_listener >= limits.clients_per_listener
            && !taken.evict(&self.refusals, |slot| slot.listener == listener)
        {
            return Err(Refused::ListenerFull);
        }
        if taken.slots.len() >= limits.clients && !taken.evict(&self.refusals, |_| true) {
            return Err(Refused::ClientsFull);
        }
        let id = taken.next;
        taken.next += 1;
        let slot = Arc::new(ClientSlot {
            id,
            listener,
            group,
            epoch: self.epoch,
            limits: *limits,
            phase: AtomicU8::new(Phase::Idle as u8),
            since: AtomicU64::new(0),
            due: AtomicU64::new(NEVER),
            blocked: AtomicU64::new(0),
            lines: AtomicBool::new(false),
            closing: AtomicU8::new(NOT_CLOSING),
            close: Notify::new(),
            quiet: Notify::new(),
        });
        slot.enter(Phase::Idle);
        *taken.of_listener.entry(listener).or_default() += 1;
        if let Some(group) = group {
            *taken.of_address.entry(group).or_default() += 1;
        }
        taken.slots.insert(id, Arc::clone(&slot));
        self.clients.store(taken.slots.len(), Relaxed);
        Ok(SlotGuard { slot, table: Arc::clone(self) })
    }

    /// Closes the client that has been idle longest.
    pub(crate) fn evict_one(&self) -> bool {
        self.lock().evict(&self.refusals, |_| true)
    }

    /// Closes the clients past their deadlines.
    pub(crate) fn sweep(&self) {
        let now = now_since(self.epoch);
        for slot in self.lock().slots.values() {
            if let Some(why) = slot.overdue(now)
                && slot.request_close(why)
            {
                self.refusals.count(why);
            }
            if slot.is_idle() && now > slot.since.load(Relaxed).saturating_add(QUIET_AFTER_MS) {
                slot.quiet.notify_one();
            }
        }
    }

    /// Closes all clients without counting refusals, when the agent stops.
    pub(crate) fn close_all(&self) {
        for slot in self.lock().slots.values() {
            slot.request_close(Refused::WorkTime);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A client slot; freed when dropped.
#[derive(Debug)]
pub(crate) struct SlotGuard {
    pub(crate) slot: Arc<ClientSlot>,
    table: Arc<ConnectionTable>,
}

impl Drop for SlotGuard {
    fn drop(&mut self) {
        let mut taken = self.table.lock();
        taken.remove(self.slot.id);
        self.table.clients.store(taken.slots.len(), Relaxed);
    }
}

/// Addresses that count as one client: an IPv6 /64 is one.
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

    fn connections() -> (Arc<ConnectionTable>, Arc<Refusals>) {
        let refusals = Arc::new(Refusals::default());
        (Arc::new(ConnectionTable::new(Arc::clone(&refusals), Arc::default())), refusals)
    }

    fn count(refusals: &Refusals, name: &str) -> u64 {
        refusals.list().into_iter().find(|(known, _)| *known == name).unwrap().1
    }

    fn ip(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn one_address_takes_no_slot_of_another() {
        let (connections, refusals) = connections();
        let limits = Limits { clients_per_address: 2, ..Limits::default() };
        let first = connections.take(0, ip("10.0.0.1"), &limits).unwrap();
        let second = connections.take(0, ip("10.0.0.1"), &limits).unwrap();
        let other = connections.take(0, ip("10.0.0.2"), &limits).unwrap();
        for guard in [&first, &second, &other] {
            guard.slot.enter(Phase::Work);
        }
        assert_eq!(connections.take(1, ip("10.0.0.1"), &limits).unwrap_err(), Refused::AddressFull);
        // The mapped form is the same address.
        let mapped = connections.take(1, ip("::ffff:10.0.0.1"), &limits);
        assert_eq!(mapped.unwrap_err(), Refused::AddressFull);
        assert!(connections.take(0, ip("10.0.0.2"), &limits).is_ok());
        drop(second);
        assert!(connections.take(0, ip("10.0.0.1"), &limits).is_ok());
        assert_eq!(count(&refusals, "idle-client-evicted"), 0);
    }

    #[test]
    fn an_ipv6_64_is_one_address_and_loopback_is_not_limited() {
        let (connections, _) = connections();
        let limits = Limits { clients_per_address: 1, ..Limits::default() };
        let guard = connections.take(0, ip("fd00::1"), &limits).unwrap();
        guard.slot.enter(Phase::Head);
        assert_eq!(connections.take(0, ip("fd00::2"), &limits).unwrap_err(), Refused::AddressFull);
        let _other = connections.take(0, ip("fd00:0:0:1::2"), &limits).unwrap();
        let local: Vec<_> =
            (0..9).map(|_| connections.take(0, ip("127.0.0.1"), &limits).unwrap()).collect();
        assert_eq!(local.len(), 9);
        let files: Vec<_> = (0..9).map(|_| connections.take(0, None, &limits).unwrap()).collect();
        assert_eq!(files.len(), 9);
    }

    #[test]
    fn the_longest_idle_client_is_evicted_and_busy_ones_are_not() {
        let (connections, refusals) = connections();
        let limits = Limits { clients: 3, ..Limits::default() };
        let working = connections.take(0, None, &limits).unwrap();
        working.slot.enter(Phase::Work);
        let idle = connections.take(0, None, &limits).unwrap();
        let blocked = connections.take(0, None, &limits).unwrap();
        blocked.slot.set_blocked();
        let late = connections.take(0, None, &limits).unwrap();
        assert_eq!(idle.slot.closing.load(Relaxed), Refused::IdleEvicted as u8);
        assert_eq!(count(&refusals, "idle-client-evicted"), 1);
        late.slot.enter(Phase::Head);
        assert_eq!(connections.take(0, None, &limits).unwrap_err(), Refused::ClientsFull);
        // The evicted client frees its slot only once.
        drop(idle);
        assert_eq!(connections.take(0, None, &limits).unwrap_err(), Refused::ClientsFull);
        drop(blocked);
        assert!(connections.take(0, None, &limits).is_ok());
        assert_eq!(connections.lock().slots.len(), 2);
    }

    #[test]
    fn each_phase_is_overdue_by_its_own_name() {
        let (connections, refusals) = connections();
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
        let phases = [Phase::Idle, Phase::Head, Phase::Body, Phase::Work];
        for (phase, name) in phases.into_iter().zip(names) {
            let guard = connections.take(0, None, &limits).unwrap();
            guard.slot.enter(phase);
            assert_eq!(guard.slot.overdue(guard.slot.now()), None);
            assert_eq!(guard.slot.overdue(guard.slot.now() + 2), Some(phase.overdue()));
            assert_eq!(phase.overdue().name(), name);
        }
        let guard = connections.take(0, None, &limits).unwrap();
        guard.slot.enter(Phase::Stream);
        assert_eq!(guard.slot.overdue(NEVER), None);
        guard.slot.set_blocked();
        assert_eq!(guard.slot.overdue(guard.slot.now() + 2), Some(Refused::ReadTime));
        guard.slot.set_writable();
        assert_eq!(guard.slot.overdue(NEVER), None);
        guard.slot.enter_answer(10);
        assert_eq!(guard.slot.overdue(guard.slot.now() + 2), Some(Refused::ReadTime));
        assert_eq!(count(&refusals, "reader-too-slow"), 0);
    }
}
