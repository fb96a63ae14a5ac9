//! Interprets events of the programs.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use conns_core::model::{
    CloseReason, Closed, Closer, Direction, EventKind, Known, LifecycleEvent, Moment, Opened,
    PairKey, Process, SocketSample, Source, State, Unknown,
};
use foldhash::fast::RandomState;
use zerocopy::FromBytes;

use crate::kernel_clock::KernelClock;
use crate::layout::{
    EVENT_ACCEPTED, EVENT_CLOSED, EVENT_FAILED, EVENT_OPENED, Event, FLAG_FIN_RECEIVED,
    FLAG_INBOUND, FLAG_LOCAL_FIRST, FLAG_ORPHAN, FLAG_OUTBOUND, FLAG_REMOTE_FIRST,
    FLAG_RST_RECEIVED, SocketHeader, TcpRow, text,
};
use crate::row::{RowReader, SharedInterfaces, lock, value};

// errno.h
const ENETUNREACH: u16 = 101;
const ETIMEDOUT: u16 = 110;
const ECONNREFUSED: u16 = 111;
const EHOSTUNREACH: u16 = 113;

/// Most cached processes, about 200 bytes each; beyond, the cache is cleared.
const MAX_PROCESSES: usize = 4096;

/// Decodes events; shares equal processes between them.
pub(crate) struct Decoder {
    rows: RowReader,
    processes: HashMap<(u32, u64, [u8; 16]), Arc<Process>, RandomState>,
    clock: KernelClock,
    /// The wall clock at boot.
    boot_wall_us: i64,
}

impl Decoder {
    /// Names of interfaces are read by `interfaces`.
    pub(crate) fn new(interfaces: SharedInterfaces, pair_key: PairKey) -> Self {
        Self {
            rows: RowReader::new(interfaces, pair_key),
            processes: HashMap::default(),
            clock: KernelClock::new(),
            boot_wall_us: 0,
        }
    }

    /// Sets the time at which the following events are read.
    pub(crate) fn begin(&mut self, now: Moment) {
        self.clock.begin(now);
        self.rows.namespaces.refresh();
        lock(&self.rows.interfaces).refresh(Instant::now());
        let since_boot = self.clock.since_boot_ns() / 1000;
        // Computed once, so that a process always has the same start time.
        if self.boot_wall_us == 0 {
            self.boot_wall_us = now.wall_us.saturating_sub_unsigned(since_boot);
        }
    }

    /// Decodes one event; `None` if it is cut, or of a kind that this version does not know.
    pub(crate) fn read(&mut self, record: &[u8]) -> Option<LifecycleEvent> {
        let (event, rest) = Event::ref_from_prefix(record).ok()?;
        let kind = match event.kind {
            EVENT_OPENED => EventKind::Opened,
            EVENT_ACCEPTED => EventKind::Accepted,
            EVENT_CLOSED => EventKind::Closed,
            EVENT_FAILED => EventKind::Failed,
            _ => return None,
        };
        let socket = if kind == EventKind::Closed {
            self.rows.closed(rest.get(..size_of::<TcpRow>())?)?
        } else {
            let (header, _) = SocketHeader::ref_from_prefix(rest).ok()?;
            let mut socket = SocketSample::from(self.rows.header(header)?);
            if kind == EventKind::Failed {
                socket.state = State::Close;
            }
            socket
        };
        let at = self.clock.moment(event.at_ns.get());
        Some(LifecycleEvent {
            at,
            kind,
            socket,
            direction: direction(event.flags),
            opened: self.opened(event, kind),
            closed: match kind {
                EventKind::Closed | EventKind::Failed => value(self.closed(event, at, kind)),
                EventKind::Opened | EventKind::Accepted => Known::NotApplicable,
            },
        })
    }

    fn opened(&mut self, event: &Event, kind: EventKind) -> Known<Arc<Opened>> {
        let [connect, opened, accepted] =
            [event.connect_ns, event.opened_ns, event.accepted_ns].map(|ns| ns.get());
        let began = if opened == 0 { connect } else { opened };
        if began == 0 {
            return Known::Unknown(Unknown::BeganBefore);
        }
        let span = |from: u64, to: u64| to.checked_sub(from).filter(|_| from > 0 && to > 0);
        let measured = |span: Option<u64>| {
            let us = span.map(|ns| ns / 1000);
            Known::from_option(us, Source::Ebpf, Unknown::NothingMeasured)
        };
        let is_inbound = event.flags & FLAG_INBOUND != 0;
        let by = self.process(event);
        value(Arc::new(Opened {
            at: self.clock.moment(began),
            handshake_us: match is_inbound {
                true => Known::NotApplicable,
                false if kind == EventKind::Failed => Known::Unknown(Unknown::NothingMeasured),
                false => measured(span(connect, opened)),
            },
            first_use_us: match is_inbound {
                true => measured(span(opened, accepted)),
                false => Known::NotApplicable,
            },
            by: Known::from_option(by, Source::Ebpf, Unknown::NoOwnerFound),
        }))
    }

    fn closed(&self, event: &Event, at: Moment, kind: EventKind) -> Closed {
        let began = match kind {
            EventKind::Failed => event.connect_ns.get(),
            _ => event.opened_ns.get(),
        };
        let lived_ns = event.at_ns.get().checked_sub(began).filter(|_| began > 0);
        let lived = lived_ns.map(|ns| ns / 1000);
        let how = if kind == EventKind::Failed { how_failed(event) } else { how_closed(event) };
        Closed {
            at,
            duration_us: Known::from_option(lived, Source::Ebpf, Unknown::BeganBefore),
            how,
            first_closer: first_closer(event, how),
            fin_received: event.flags & FLAG_FIN_RECEIVED != 0,
        }
    }

    /// The process of the event, if it has one.
    fn process(&mut self, event: &Event) -> Option<Arc<Process>> {
        let (pid, uid, started) = (event.pid.get(), event.uid.get(), event.started_boot_ns.get());
        if pid == 0 {
            return None;
        }
        let key = (pid, started, event.name);
        if let Some(known) = self.processes.get(&key) {
            return Some(Arc::clone(known));
        }
        let name = String::from_utf8_lossy(text(&event.name));
        let started_us = i64::try_from(started / 1000).unwrap_or(i64::MAX);
        let new = Arc::new(Process {
            uid: value(uid),
            started_wall_us: value(self.boot_wall_us.saturating_add(started_us)),
            ..Process::bare(pid, name, Unknown::SourceDoesNotReport)
        });
        if self.processes.len() >= MAX_PROCESSES {
            self.processes.clear();
        }
        self.processes.insert(key, Arc::clone(&new));
        Some(new)
    }
}

fn direction(flags: u8) -> Known<Direction> {
    match (flags & FLAG_OUTBOUND != 0, flags & FLAG_INBOUND != 0) {
        (true, _) => value(Direction::Outbound),
        (false, true) => value(Direction::Inbound),
        (false, false) => Known::Unknown(Unknown::BeganBefore),
    }
}

/// Why `connect` failed.
fn how_failed(event: &Event) -> CloseReason {
    match event.error.get() {
        _ if event.flags & FLAG_RST_RECEIVED != 0 => CloseReason::Refused,
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

/// Why an established connection was closed.
fn how_closed(event: &Event) -> CloseReason {
    let fin_received = event.flags & FLAG_FIN_RECEIVED != 0;
    match (event.error.get(), State::from_kernel(event.last_state)) {
        _ if event.flags & FLAG_RST_RECEIVED != 0 => CloseReason::ResetReceived,
        (error @ (ETIMEDOUT | EHOSTUNREACH | ENETUNREACH), _) => by_error(error),
        (_, Some(State::LastAck | State::Closing | State::TimeWait)) => CloseReason::Fin,
        // Both FINs were exchanged; or the socket is an orphan, and a minisock waits for the peer's FIN in its
        // place (`tcp_time_wait`).
        (0, Some(State::FinWait2)) if fin_received || event.flags & FLAG_ORPHAN != 0 => {
            CloseReason::Fin
        }
        (0, Some(State::FinWait1)) if fin_received => CloseReason::Fin,
        // Other states lead to CLOSE only by an abort: unread data at `close`, `SO_LINGER` of 0, data received after
        // `close`, or `ss --kill`.
        _ => CloseReason::ResetSent,
    }
}

/// Which side closed first.
fn first_closer(event: &Event, how: CloseReason) -> Known<Closer> {
    let seen = match (event.flags & FLAG_LOCAL_FIRST != 0, event.flags & FLAG_REMOTE_FIRST != 0) {
        (true, true) => Some(Closer::Both),
        (true, false) => Some(Closer::Local),
        (false, true) => Some(Closer::Remote),
        (false, false) => None,
    };
    value(seen.unwrap_or(match (how, State::from_kernel(event.last_state)) {
        (CloseReason::ResetReceived | CloseReason::Refused, _) => Closer::Remote,
        (CloseReason::TimedOut | CloseReason::Unreachable | CloseReason::Error(_), _) => {
            Closer::Neither
        }
        (CloseReason::ResetSent | CloseReason::GivenUp, _) => Closer::Local,
        // It was closing before the programs were attached; infer it from the last state.
        (CloseReason::Fin, Some(State::LastAck | State::CloseWait)) => Closer::Remote,
        (CloseReason::Fin, Some(State::Closing)) => Closer::Both,
        (CloseReason::Fin, _) => Closer::Local,
    }))
}

#[cfg(test)]
mod tests;
