//! What an event of the programs means.

use std::collections::HashMap;
use std::sync::Arc;

use conns_core::model::{
    CloseReason, Closed, Closer, Direction, EventKind, Known, LifecycleEvent, Moment, Opened,
    Process, SocketSample, Source, State, Unknown,
};
use foldhash::fast::RandomState;
use rustix::time::{ClockId, Timespec, clock_gettime};

use crate::row::{RowReader, value};
use crate::wire::{Bytes, EVENT_BYTES, Ends, LONG_EVENT_BYTES, SHORT_EVENT_BYTES};

/// `enum event_flags` of `bpf/shared.h`.
const OUTBOUND: u8 = 1;
const INBOUND: u8 = 2;
const LOCAL_FIRST: u8 = 4;
const REMOTE_FIRST: u8 = 8;
const RST_RECEIVED: u8 = 16;
const FIN_RECEIVED: u8 = 32;
const ORPHAN: u8 = 64;

// errno.h
const ENETUNREACH: u16 = 101;
const ETIMEDOUT: u16 = 110;
const ECONNREFUSED: u16 = 111;
const EHOSTUNREACH: u16 = 113;

/// Most processes shared between events, about 200 bytes each; beyond, all are forgotten.
const PROCESSES_KEPT: usize = 4096;

/// Reads events.
pub(crate) struct Decoder {
    rows: RowReader,
    processes: HashMap<(u32, u64, [u8; 16]), Arc<Process>, RandomState>,
    now: Moment,
    /// The kernel's clock at `now`.
    kernel_now_ns: u64,
    /// When the machine was started.
    boot_wall_us: i64,
}

/// `struct event`, and what of it is asked more than once.
#[derive(Clone, Copy)]
pub(super) struct Told {
    pub(super) flags: u8,
    pub(super) last_state: Option<State>,
    pub(super) error: u16,
}

impl Decoder {
    pub(crate) fn new() -> Self {
        Self {
            rows: RowReader::new(),
            processes: HashMap::default(),
            now: Moment::default(),
            kernel_now_ns: 0,
            boot_wall_us: 0,
        }
    }

    /// The events that follow are read at `now`.
    pub(crate) fn begin(&mut self, now: Moment) {
        self.now = now;
        self.kernel_now_ns = ns(clock_gettime(ClockId::Monotonic));
        let since_boot = ns(clock_gettime(ClockId::Boottime)) / 1000;
        // Found once: every process keeps the start it was given first.
        if self.boot_wall_us == 0 {
            self.boot_wall_us = now.wall_us.saturating_sub_unsigned(since_boot);
        }
    }

    /// One event; `None` if it is of a kind this version does not know.
    pub(crate) fn read(&mut self, record: &[u8]) -> Option<LifecycleEvent> {
        let b = Bytes(record);
        let kind = match b.u8(64) {
            1 => EventKind::Opened,
            2 => EventKind::Accepted,
            3 => EventKind::Closed,
            4 => EventKind::Failed,
            _ => return None,
        };
        let told =
            Told { flags: b.u8(65), last_state: State::from_kernel(b.u8(66)), error: b.u16(68) };
        let socket = if kind == EventKind::Closed {
            let row = record.get(EVENT_BYTES..LONG_EVENT_BYTES)?;
            self.rows.closed(row)?
        } else {
            let ends = Ends(Bytes(record.get(EVENT_BYTES..SHORT_EVENT_BYTES)?));
            let mut socket = SocketSample::from(self.rows.ends(ends)?);
            if kind == EventKind::Failed {
                socket.state = State::Close;
            }
            socket
        };
        let at = self.moment(b.u64(0));
        Some(LifecycleEvent {
            at,
            kind,
            socket,
            direction: direction(told.flags),
            opened: self.opened(b, kind, told.flags),
            closed: match kind {
                EventKind::Closed | EventKind::Failed => value(self.closed(b, at, kind, told)),
                EventKind::Opened | EventKind::Accepted => Known::NotApplicable,
            },
        })
    }

    fn opened(&mut self, b: Bytes<'_>, kind: EventKind, flags: u8) -> Known<Arc<Opened>> {
        let (connect, opened, accepted) = (b.u64(8), b.u64(16), b.u64(24));
        let began = if opened == 0 { connect } else { opened };
        if began == 0 {
            return Known::Unknown(Unknown::BeganBefore);
        }
        let span = |from: u64, to: u64| to.checked_sub(from).filter(|_| from > 0 && to > 0);
        let measured = |span: Option<u64>| {
            let us = span.map(|ns| ns / 1000);
            Known::from_option(us, Source::Ebpf, Unknown::NothingMeasured)
        };
        let is_inbound = flags & INBOUND != 0;
        let by = self.process(b);
        value(Arc::new(Opened {
            at: self.moment(began),
            handshake_us: match is_inbound {
                true => Known::NotApplicable,
                false if kind == EventKind::Failed => Known::Unknown(Unknown::NothingMeasured),
                false => measured(span(connect, opened)),
            },
            accept_wait_us: match is_inbound {
                true => measured(span(opened, accepted)),
                false => Known::NotApplicable,
            },
            by: Known::from_option(by, Source::Ebpf, Unknown::NoOwnerFound),
        }))
    }

    fn closed(&self, b: Bytes<'_>, at: Moment, kind: EventKind, told: Told) -> Closed {
        let began = match kind {
            EventKind::Failed => b.u64(8),
            _ => b.u64(16),
        };
        let lived = b.u64(0).checked_sub(began).filter(|_| began > 0).map(|ns| ns / 1000);
        let how = if kind == EventKind::Failed { how_failed(told) } else { how_closed(told) };
        Closed {
            at,
            duration_us: Known::from_option(lived, Source::Ebpf, Unknown::BeganBefore),
            how,
            first_closer: first_closer(told, how),
            fin_received: told.flags & FIN_RECEIVED != 0,
        }
    }

    /// The process the event names; `None` if it names none.
    fn process(&mut self, b: Bytes<'_>) -> Option<Arc<Process>> {
        let (pid, uid, started) = (b.u32(40), b.u32(44), b.u64(32));
        if pid == 0 {
            return None;
        }
        let (name, end) = b.text::<16>(48);
        let key = (pid, started, name);
        if let Some(known) = self.processes.get(&key) {
            return Some(Arc::clone(known));
        }
        let untold = Unknown::SourceCannotTell;
        let started_us = i64::try_from(started / 1000).unwrap_or(i64::MAX);
        let new = Arc::new(Process {
            pid,
            name: String::from_utf8_lossy(name.get(..end)?).into(),
            executable: Known::Unknown(untold),
            command_line: Known::Unknown(untold),
            uid: value(uid),
            user: Known::Unknown(untold),
            started_wall_us: value(self.boot_wall_us.saturating_add(started_us)),
            parent_pid: Known::Unknown(untold),
            cgroup: Known::Unknown(untold),
            container_id: Known::Unknown(untold),
            systemd_unit: Known::Unknown(untold),
        });
        if self.processes.len() >= PROCESSES_KEPT {
            self.processes.clear();
        }
        self.processes.insert(key, Arc::clone(&new));
        Some(new)
    }

    /// A moment of the kernel's monotonic clock by the clocks of `now`.
    fn moment(&self, kernel_ns: u64) -> Moment {
        let ago_us = self.kernel_now_ns.saturating_sub(kernel_ns) / 1000;
        Moment {
            monotonic_us: self.now.monotonic_us.saturating_sub(ago_us),
            wall_us: self.now.wall_us.saturating_sub_unsigned(ago_us),
        }
    }
}

fn ns(time: Timespec) -> u64 {
    let part = |number: i64| u64::try_from(number).unwrap_or(0);
    part(time.tv_sec).saturating_mul(1_000_000_000).saturating_add(part(time.tv_nsec))
}

fn direction(flags: u8) -> Known<Direction> {
    match (flags & OUTBOUND != 0, flags & INBOUND != 0) {
        (true, _) => value(Direction::Outbound),
        (false, true) => value(Direction::Inbound),
        (false, false) => Known::Unknown(Unknown::BeganBefore),
    }
}

/// Why `connect` failed.
pub(super) fn how_failed(told: Told) -> CloseReason {
    match told.error {
        _ if told.flags & RST_RECEIVED != 0 => CloseReason::Refused,
        0 => CloseReason::GivenUp,
        ECONNREFUSED => CloseReason::Refused,
        other => by_error(other),
    }
}

fn by_error(error: u16) -> CloseReason {
    match error {
        ETIMEDOUT => CloseReason::TimedOut,
        EHOSTUNREACH | ENETUNREACH => CloseReason::Unreachable,
        other => CloseReason::Error(other),
    }
}

/// How a connection that was there ended.
pub(super) fn how_closed(told: Told) -> CloseReason {
    let fin_received = told.flags & FIN_RECEIVED != 0;
    match (told.error, told.last_state) {
        _ if told.flags & RST_RECEIVED != 0 => CloseReason::ResetReceived,
        (error @ (ETIMEDOUT | EHOSTUNREACH | ENETUNREACH), _) => by_error(error),
        (_, Some(State::LastAck | State::Closing | State::TimeWait)) => CloseReason::Fin,
        // Our FIN is out and theirs is in; or nobody holds the socket any more, and a stub waits
        // in its place for theirs (`tcp_time_wait`).
        (0, Some(State::FinWait2)) if fin_received || told.flags & ORPHAN != 0 => CloseReason::Fin,
        (0, Some(State::FinWait1)) if fin_received => CloseReason::Fin,
        // From any other state a socket is closed at once only by aborting: unread data at `close`,
        // `SO_LINGER` of 0, data after `close`, or an administrator.
        _ => CloseReason::ResetSent,
    }
}

/// Who closed first.
pub(super) fn first_closer(told: Told, how: CloseReason) -> Known<Closer> {
    let said = match (told.flags & LOCAL_FIRST != 0, told.flags & REMOTE_FIRST != 0) {
        (true, true) => Some(Closer::Both),
        (true, false) => Some(Closer::Local),
        (false, true) => Some(Closer::Remote),
        (false, false) => None,
    };
    value(said.unwrap_or(match (how, told.last_state) {
        (CloseReason::ResetReceived | CloseReason::Refused, _) => Closer::Remote,
        (CloseReason::TimedOut | CloseReason::Unreachable | CloseReason::Error(_), _) => {
            Closer::Neither
        }
        (CloseReason::ResetSent | CloseReason::GivenUp, _) => Closer::Local,
        // It was closing before it was watched; the last state still tells.
        (CloseReason::Fin, Some(State::LastAck | State::CloseWait)) => Closer::Remote,
        (CloseReason::Fin, Some(State::Closing)) => Closer::Both,
        (CloseReason::Fin, _) => Closer::Local,
    }))
}

#[cfg(test)]
mod tests;
