//! The rule: evidence in, class and confidence out. Causes come before their effects: a timeout
//! before loss, a closed window before a full congestion window, a queue before the loss it causes.
//! `docs/verdict.md` explains each threshold; `make lab` measures them.

use crate::model::{Connection, Protocol, State, TimerKind};

use super::{Basis, Class, Evidence, Verdict};

/// A share of time or looks that is no coincidence.
const MOSTLY: f64 = 0.5;
/// A share of time lost to one limit that is worth naming.
const NOTABLE: f64 = 0.25;
/// Loss that slows TCP, percent: below, a healthy queue's own drops are found.
const LOSS_PERCENT: f64 = 0.5;
/// Fewer lost segments than this are chance.
const LOST_SEGMENTS: u32 = 3;
/// A standing queue people notice, microseconds, and the factor by which it exceeds the path.
const QUEUE_US: u32 = 25_000;
const QUEUE_FACTOR: u32 = 3;
/// A path long enough for its window to matter, microseconds.
const LONG_PATH_US: u32 = 15_000;
/// Without data for so long, a life seen once counts as idle, microseconds.
const QUIET_US: u64 = 1_000_000;
/// A stream is one-way if it sends so many times what it receives.
const ONE_WAY: u64 = 8;

/// The verdict on a connection.
pub(in crate::track) fn judge(connection: &Connection, evidence: Evidence) -> Verdict {
    let (class, confidence) = match (connection.socket.protocol, connection.socket.state) {
        (Protocol::Tcp, State::Listen) | (Protocol::Mptcp, State::Listen) => listener(&evidence),
        (Protocol::Udp, _) => datagrams(connection, &evidence),
        // What an MPTCP connection suffers from, its subflows show.
        (Protocol::Mptcp, _) => (Class::Unknown, 0.0),
        (Protocol::Tcp, State::SynSent | State::SynReceived) => handshake(connection),
        (Protocol::Tcp, State::TimeWait | State::Close | State::BoundInactive) => (Class::Idle, 0.9),
        (Protocol::Tcp, _) if connection.tcp().is_none() => (Class::Unknown, 0.0),
        (Protocol::Tcp, _) => stream(connection, &evidence),
    };
    // A single look may have met an exception; a window of many looks has not.
    let seen = match evidence.basis {
        Basis::Life => 0.6,
        Basis::Window { .. } => 1.0 - 0.3 / f64::from(evidence.looks.max(1)),
    };
    Verdict { class, confidence_percent: (confidence * seen * 100.0).round() as u8, evidence }
}

fn listener(evidence: &Evidence) -> (Class, f64) {
    let is_full = evidence.share_of_looks(evidence.looks_accept_full) > 0.0;
    match (evidence.basis, evidence.drops, is_full) {
        (_, 1.., true) => (Class::AcceptOverflow, 0.98),
        // It dropped some time in its life, but has room now.
        (Basis::Life, 1.., false) | (_, 0, _) => (Class::Healthy, 0.9),
        (Basis::Window { .. }, 1.., false) => (Class::AcceptOverflow, 0.7),
    }
}

/// UDP has no path health in the kernel; only its own queue can be judged.
fn datagrams(connection: &Connection, evidence: &Evidence) -> (Class, f64) {
    let behind = evidence.share_of_looks(evidence.looks_reader_behind);
    if evidence.drops > 0 && behind > 0.0 {
        (Class::SlowReaderLocal, 0.9)
    } else if behind >= MOSTLY && connection.socket.memory.value().is_some() {
        (Class::SlowReaderLocal, 0.7)
    } else {
        (Class::Unknown, 0.0)
    }
}

fn handshake(connection: &Connection) -> (Class, f64) {
    match connection.socket.timer.get().map(|timer| timer.retransmits) {
        Some(0) | None => (Class::Unknown, 0.0),
        Some(1) => (Class::HandshakeFailing, 0.8),
        Some(_) => (Class::HandshakeFailing, 0.98),
    }
}

fn stream(connection: &Connection, e: &Evidence) -> (Class, f64) {
    let timer = connection.socket.timer.get();
    let probes = timer.is_some_and(|t| t.kind == TimerKind::ZeroWindowProbe);
    let timeouts_in_a_row = timer
        .filter(|t| t.kind == TimerKind::Retransmit)
        .map_or(0, |t| t.retransmits);
    let timed_out = e.share_of_looks(e.looks_timed_out);
    if timeouts_in_a_row >= 2 || (timeouts_in_a_row == 1 && timed_out >= MOSTLY && e.bytes_in == 0) {
        return (Class::Stalled, 0.8 + 0.19 * timed_out);
    }

    let closed = e.share_of_looks(e.looks_window_closed);
    let rwnd = e.share_of_time(e.rwnd_limited_us);
    if closed >= MOSTLY && (probes || rwnd >= NOTABLE || e.rwnd_limited_us == 0) {
        return (Class::SlowReaderRemote, 0.75 + 0.24 * closed.max(rwnd));
    }
    if is_window(e) && rwnd >= MOSTLY {
        return (Class::SlowReaderRemote, 0.6 + 0.35 * rwnd);
    }

    let behind = e.share_of_looks(e.looks_reader_behind);
    if behind >= MOSTLY {
        return (Class::SlowReaderLocal, 0.7 + 0.28 * behind);
    }

    if is_quiet(connection, e) {
        return (Class::Idle, 0.95);
    }
    if let Some(limit) = path_or_buffer(connection, e) {
        return limit;
    }
    if is_app_limited(e) {
        let share = e.share_of_looks(e.looks_app_limited);
        return (Class::AppLimited, 0.6 + 0.35 * share);
    }
    (Class::Healthy, 0.9)
}

/// Limits of a sender that has something to send.
fn path_or_buffer(connection: &Connection, e: &Evidence) -> Option<(Class, f64)> {
    let queue_us = e.rtt_us.saturating_sub(e.min_rtt_us);
    let is_bloated = e.min_rtt_us > 0
        && queue_us >= QUEUE_US
        && e.rtt_us >= e.min_rtt_us.saturating_mul(QUEUE_FACTOR)
        && is_pushing(e);
    if is_bloated {
        let times = f64::from(e.rtt_us) / f64::from(e.min_rtt_us);
        return Some((Class::Bufferbloat, (0.6 + 0.05 * times).min(0.97)));
    }

    let loss = e.loss_percent();
    if loss >= LOSS_PERCENT && e.segments_lost >= LOST_SEGMENTS {
        return Some((Class::PathLoss, (0.7 + 0.1 * loss).min(0.98)));
    }

    let sndbuf = e.share_of_time(e.sndbuf_limited_us);
    if sndbuf >= NOTABLE {
        return Some((Class::SndbufLimited, 0.7 + 0.28 * sndbuf));
    }

    let cwnd_full = e.share_of_looks(e.looks_cwnd_full);
    let unsent = e.share_of_looks(e.looks_unsent);
    let path_is_empty = queue_us <= e.min_rtt_us / 4;
    if e.min_rtt_us >= LONG_PATH_US
        && path_is_empty
        && cwnd_full >= MOSTLY
        && unsent >= MOSTLY
        && connection.socket.state == State::Established
    {
        return Some((Class::CwndLimited, 0.6 + 0.35 * cwnd_full.min(unsent)));
    }
    None
}

/// Whether the sender had something to send most of the time.
fn is_pushing(e: &Evidence) -> bool {
    match e.basis {
        Basis::Window { .. } => e.share_of_time(e.busy_us) >= MOSTLY,
        Basis::Life => e.share_of_looks(e.looks_unsent) > 0.0,
    }
}

fn is_window(e: &Evidence) -> bool {
    matches!(e.basis, Basis::Window { .. })
}

/// Nothing moved, and nothing waits.
fn is_quiet(connection: &Connection, e: &Evidence) -> bool {
    let waiting = connection.socket.queues.get().is_some_and(|q| q.send_bytes > 0);
    let moved = match e.basis {
        Basis::Window { .. } => e.bytes_out > 0 || e.bytes_in > 0,
        Basis::Life => connection.idle_us().get().is_some_and(|us| us < QUIET_US),
    };
    !waiting && !moved
}

/// A stream one way, whose sender mostly waits for its application.
fn is_app_limited(e: &Evidence) -> bool {
    let one_way = e.bytes_out > e.bytes_in.saturating_mul(ONE_WAY);
    let waits = e.share_of_looks(e.looks_unsent) < MOSTLY;
    let said = e.share_of_looks(e.looks_app_limited) >= MOSTLY;
    let has_time = is_window(e) && e.share_of_time(e.busy_us) < 0.9;
    one_way && waits && said && (has_time || !is_window(e))
}
