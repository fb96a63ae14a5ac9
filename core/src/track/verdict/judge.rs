//! The rule: evidence in, class and confidence out. Causes are tested before their effects: a timeout
//! before loss, a closed window before a full congestion window, a queue before the loss it causes.
//! `docs/verdict.md` explains each threshold; `make lab` measures them, and `corpus/verdict` replays
//! what it recorded.

use crate::model::{
    Basis, Class, CloseReason, EventKind, Evidence, Protocol, SocketSample, Source, State, TcpInfo,
    TimerKind, Verdict,
};

/// Factor on the confidence of a verdict on a whole life, during which conditions may have changed.
const LIFE: f64 = 0.6;
/// A share of time or samples that is no coincidence.
const MOSTLY: f64 = 0.5;
/// A share of time lost to one limit that is worth naming.
const NOTABLE: f64 = 0.25;
/// Loss that slows TCP, percent: below, a healthy queue's own drops are found.
const LOSS_PERCENT: f64 = 0.5;
/// Fewer lost segments than this are chance.
const MIN_LOST_SEGMENTS: u64 = 3;
/// A standing queue people notice, microseconds, and the factor by which it exceeds the path.
const QUEUE_US: u32 = 25_000;
const QUEUE_FACTOR: u32 = 3;
/// A path long enough for its window to matter, microseconds.
const LONG_PATH_US: u32 = 15_000;
/// A path so short that its round trip fills no time: data is in flight only while one of the two hosts
/// processes it, microseconds.
const SHORT_PATH_US: u32 = 1_000;
/// Without data for this time, a connection sampled once counts as idle, microseconds.
const QUIET_US: u64 = 1_000_000;
/// A stream is one-way if it sends more than this many times what it receives.
const ONE_WAY: u64 = 8;
/// A stream is one-way only if the peer sends less often than this, so that what is sent does not
/// answer requests, microseconds.
const REQUEST_INTERVAL_US: u64 = 1_000_000;
/// Fewer samples may all agree by chance.
const MIN_SAMPLES: u32 = 10;
/// A prompt reader reads its queue in less time, seconds: on loopback at full speed the queues contain
/// 16 to 47 ms of data.
const SLOW_DRAIN_S: f64 = 0.06;
/// A process that has not closed for this time after its peer did, without reading or writing, has forgotten to, milliseconds;
/// and the time after which nothing else is likely.
const LEAKED_MS: u32 = 10_000;
const SURELY_LEAKED_MS: f64 = 300_000.0;
/// No data moved for this time although some waits, milliseconds.
const STOPPED_MS: u32 = 200;

/// The verdict on a socket, from its latest sample and the evidence.
#[must_use]
pub fn judge(socket: &SocketSample, evidence: Evidence) -> Verdict {
    let (class, confidence) = match (socket.protocol, socket.state) {
        (Protocol::Tcp | Protocol::Mptcp, State::Listen) => listener(&evidence),
        (Protocol::Udp, _) => datagrams(socket, &evidence),
        // Of MPTCP the subflows have the evidence; of all others the kernel measures nothing.
        _ if socket.protocol != Protocol::Tcp => (Class::Unknown, 0.0),
        (_, State::SynSent | State::SynReceived) => handshake(socket),
        (_, State::TimeWait | State::Close | State::BoundInactive) => (Class::Idle, 0.9),
        // The process closed it; the kernel keeps a minisock without tcp_info.
        (_, State::FinWait2) if socket.tcp.value().is_none() => (Class::Idle, 0.9),
        (_, _) if !has_counters(socket) => (Class::Unknown, 0.0),
        (_, _) => stream(socket, &evidence),
    };
    // One sample may be an exception; a window of many samples is not.
    let coverage = match evidence.basis {
        Basis::Lifetime => LIFE,
        Basis::Window { .. } => 1.0 - 0.3 / f64::from(evidence.samples.max(1)),
    };
    verdict(class, confidence * coverage, evidence)
}

/// The verdict on a connection that closed, or on an attempt that failed, from its final counters.
/// `kind` is the event, `reason` why it closed.
#[must_use]
pub fn judge_closed(
    socket: &SocketSample,
    kind: EventKind,
    reason: Option<CloseReason>,
    evidence: Evidence,
) -> Verdict {
    let (class, confidence) = match (kind, reason) {
        // The kernel itself gave up.
        (EventKind::Failed, Some(CloseReason::TimedOut)) => (Class::HandshakeFailing, 0.98),
        (_, Some(CloseReason::TimedOut)) => (Class::Stalled, 0.98),
        (EventKind::Failed, _) => (Class::Unknown, 0.0),
        _ if !has_counters(socket) => (Class::Unknown, 0.0),
        _ => {
            let (class, confidence) = whole_life(socket, &evidence);
            (class, confidence * LIFE)
        }
    };
    verdict(class, confidence, evidence)
}

/// Whether what was moved is known: of some sockets nothing is, or the round trip time alone.
fn has_counters(socket: &SocketSample) -> bool {
    socket.tcp.value().is_some_and(|tcp| tcp.bytes_received().is_some())
}

fn verdict(class: Class, confidence: f64, evidence: Evidence) -> Verdict {
    Verdict { class, confidence_percent: (confidence * 100.0).round() as u8, evidence }
}

/// By counters alone: gauges of the last moment do not describe the life before.
fn whole_life(socket: &SocketSample, e: &Evidence) -> (Class, f64) {
    if e.bytes_out == 0 && e.bytes_in == 0 {
        return (Class::Idle, 0.95);
    }
    if let Some(limit) = path_or_buffer(socket, e) {
        return limit;
    }
    // The sum does not distinguish a peer that read slowly from a long path.
    if e.share_of_time(e.rwnd_limited_us) >= NOTABLE {
        return (Class::Unknown, 0.0);
    }
    // Every closed connection was limited by its application in the end, so that is no class here.
    (Class::Healthy, 0.9)
}

fn listener(evidence: &Evidence) -> (Class, f64) {
    let Evidence { drops, samples_accept_full, .. } = *evidence;
    let (overflowed, unread) = (evidence.samples_overflowed, evidence.samples_overflows_unread);
    // `sk_drops` also counts what IP_MINTTL, a filter or a lack of memory drops.
    let may_have_overflowed = overflowed > 0 || unread > 0;
    if drops > 0 && samples_accept_full > 0 && may_have_overflowed {
        return (Class::AcceptOverflow, 0.98);
    }
    if evidence.samples_syn_queue_full > 0 {
        return (Class::SynQueueFull, 0.9);
    }
    match evidence.basis {
        Basis::Window { .. } if drops > 0 && overflowed > 0 => (Class::AcceptOverflow, 0.7),
        Basis::Window { .. } if drops > 0 && unread > 0 => (Class::Unknown, 0.0),
        // It dropped connections some time in its life, but has room now.
        Basis::Window { .. } | Basis::Lifetime => (Class::Healthy, 0.9),
    }
}

/// The kernel measures no path for UDP; only the receive queue can be judged.
fn datagrams(socket: &SocketSample, evidence: &Evidence) -> (Class, f64) {
    let behind = evidence.share_of_samples(evidence.samples_reader_behind);
    if evidence.drops > 0 && behind > 0.0 {
        (Class::SlowReaderLocal, 0.9)
    } else if behind >= MOSTLY && socket.memory.value().is_some() {
        (Class::SlowReaderLocal, 0.7)
    } else {
        (Class::Unknown, 0.0)
    }
}

fn handshake(socket: &SocketSample) -> (Class, f64) {
    match socket.timer.get().map(|timer| timer.retransmits) {
        Some(0) | None => (Class::Unknown, 0.0),
        Some(1) => (Class::HandshakeFailing, 0.8),
        Some(_) => (Class::HandshakeFailing, 0.98),
    }
}

fn stream(socket: &SocketSample, e: &Evidence) -> (Class, f64) {
    let timer = socket.timer.get();
    let probes = timer.is_some_and(|t| t.kind == TimerKind::ZeroWindowProbe);
    let timeouts_in_a_row =
        timer.filter(|t| t.kind == TimerKind::Retransmit).map_or(0, |t| t.retransmits);
    let timed_out = e.share_of_samples(e.samples_timed_out);
    if timeouts_in_a_row >= 2 || (timeouts_in_a_row == 1 && timed_out >= MOSTLY && e.bytes_in == 0)
    {
        return (Class::Stalled, 0.8 + 0.19 * timed_out);
    }

    if let Some(reader) = slow_reader(socket, e, probes) {
        return reader;
    }
    if is_quiet(socket, e) {
        return close_wait_leak(socket).unwrap_or((Class::Idle, 0.95));
    }
    if let Some(limit) = path_or_buffer(socket, e) {
        return limit;
    }
    // Packets of a capture file do not show what waits in the sender.
    let is_replayed = socket.source == Source::Capture;
    if !is_replayed && is_app_limited(e) {
        let share = e.share_of_samples(e.samples_app_limited);
        return (Class::AppLimited, 0.6 + 0.35 * share);
    }
    if fills_the_path(socket, e) {
        return (Class::PathLimited, 0.6 + 0.35 * e.share_of_samples(e.samples_unsent));
    }
    (Class::Healthy, if is_replayed { 0.5 } else { 0.9 })
}

/// Nothing has come since the peer's FIN, so its age is that of the last acknowledgement.
fn close_wait_leak(socket: &SocketSample) -> Option<(Class, f64)> {
    let age_ms = socket.since(TcpInfo::last_ack_recv).filter(|age_ms| *age_ms >= LEAKED_MS)?;
    let is_leak = socket.state == State::CloseWait;
    is_leak.then(|| {
        let share = (f64::from(age_ms) / SURELY_LEAKED_MS).min(1.0);
        (Class::CloseWaitLeak, 0.7 + 0.28 * share)
    })
}

/// A sender that always has more, on a path with a queue: nothing but the path's rate limits it. On a path within a machine there
/// is no such rate.
fn fills_the_path(socket: &SocketSample, e: &Evidence) -> bool {
    // BBR keeps its window open and paces.
    let is_paced = socket.congestion.value().is_some_and(|cc| &*cc.algorithm == "bbr");
    is_window(e)
        && socket.state == State::Established
        && e.min_rtt_us >= SHORT_PATH_US
        && is_pushing(e)
        && e.bytes_out > e.bytes_in.saturating_mul(ONE_WAY)
        && e.share_of_samples(e.samples_unsent) >= MOSTLY
        && (is_paced || e.share_of_samples(e.samples_cwnd_full) >= MOSTLY)
}

/// A reader, local or remote, that is slower than a prompt one.
fn slow_reader(socket: &SocketSample, e: &Evidence, probes: bool) -> Option<(Class, f64)> {
    let closed = e.share_of_samples(e.samples_window_closed);
    let rwnd = e.share_of_time(e.rwnd_limited_us);
    let waits_for_window = (closed >= MOSTLY
        && (probes || rwnd >= NOTABLE || e.rwnd_limited_us == 0))
        || (is_window(e) && rwnd >= MOSTLY);
    let queues = socket.queues.get()?;
    if waits_for_window {
        let waiting = f64::from(queues.send_bytes);
        let is_slow = match e.basis {
            Basis::Window { us } => waiting >= e.bytes_out as f64 * 1e6 / us as f64 * SLOW_DRAIN_S,
            // A whole life does not show how fast the peer reads; only that it reads no more.
            Basis::Lifetime => socket.since(TcpInfo::last_data_sent) >= Some(STOPPED_MS),
        };
        if is_slow {
            return Some((Class::SlowReaderRemote, 0.7 + 0.29 * closed.max(rwnd)));
        }
    }
    let behind = e.share_of_samples(e.samples_reader_behind);
    if behind < MOSTLY {
        return None;
    }
    let is_slow = match e.basis {
        Basis::Window { us } => {
            let rate = e.bytes_in as f64 * 1e6 / us as f64;
            f64::from(e.unread_max_bytes) >= rate * SLOW_DRAIN_S
        }
        Basis::Lifetime => socket.since(TcpInfo::last_data_recv) >= Some(STOPPED_MS),
    };
    is_slow.then_some((Class::SlowReaderLocal, 0.7 + 0.28 * behind))
}

/// Limits of a sender that has something to send.
fn path_or_buffer(socket: &SocketSample, e: &Evidence) -> Option<(Class, f64)> {
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
    if loss >= LOSS_PERCENT && e.segments_lost >= MIN_LOST_SEGMENTS {
        return Some((Class::PathLoss, (0.7 + 0.1 * loss).min(0.98)));
    }

    let sndbuf = e.share_of_time(e.sndbuf_limited_us);
    // The kernel measures sndbuf_limited only where pacing is on.
    let full = e.share_of_samples(e.samples_sndbuf_full);
    if sndbuf >= NOTABLE || (full >= MOSTLY && is_window(e) && is_pushing(e) && is_unrequested(e)) {
        return Some((Class::SndbufLimited, 0.7 + 0.28 * sndbuf.max(full)));
    }

    let cwnd_full = e.share_of_samples(e.samples_cwnd_full);
    let unsent = e.share_of_samples(e.samples_unsent);
    let path_is_empty = queue_us <= e.min_rtt_us / 4;
    if e.min_rtt_us >= LONG_PATH_US
        && path_is_empty
        && cwnd_full >= MOSTLY
        && unsent >= MOSTLY
        && socket.state == State::Established
    {
        if loss_sets_the_window(socket, e) {
            return Some((Class::PathLoss, 0.65));
        }
        return Some((Class::CwndLimited, 0.6 + 0.35 * cwnd_full.min(unsent)));
    }
    None
}

/// Whether the congestion window is about as large as loss at this rate lets it grow: 1.22/sqrt(p)
/// segments (Mathis et al., 1997).
fn loss_sets_the_window(socket: &SocketSample, e: &Evidence) -> bool {
    if e.segments_lost < MIN_LOST_SEGMENTS {
        return false;
    }
    let allowed = 1.22 / (e.loss_percent() / 100.0).sqrt();
    let cwnd = socket.tcp.value().and_then(|tcp| tcp.snd_cwnd());
    cwnd.is_some_and(|cwnd| f64::from(cwnd) <= 2.0 * allowed)
}

/// Whether the sender had something to send most of the time.
fn is_pushing(e: &Evidence) -> bool {
    match e.basis {
        Basis::Window { .. } => e.share_of_time(e.busy_us) >= MOSTLY,
        Basis::Lifetime => e.share_of_samples(e.samples_unsent) > 0.0,
    }
}

fn is_window(e: &Evidence) -> bool {
    matches!(e.basis, Basis::Window { .. })
}

/// No data moved, and none waits.
fn is_quiet(socket: &SocketSample, e: &Evidence) -> bool {
    let waiting = socket.queues.get().is_some_and(|q| q.send_bytes > 0);
    let moved = match e.basis {
        Basis::Window { .. } => e.bytes_out > 0 || e.bytes_in > 0,
        Basis::Lifetime => socket.idle_us().get().is_some_and(|us| us < QUIET_US),
    };
    !waiting && !moved
}

/// A stream one way, whose sender mostly waits for its application.
fn is_app_limited(e: &Evidence) -> bool {
    let more_out = e.bytes_out > e.bytes_in.saturating_mul(ONE_WAY);
    let has_nothing_waiting = e.share_of_samples(e.samples_unsent) < MOSTLY;
    let reported = e.share_of_samples(e.samples_app_limited) >= MOSTLY;
    let is_often_idle = is_window(e) && e.share_of_time(e.busy_us) < 0.6;
    // A sender with more to send keeps the buffer filled; here the path always had room for all of it.
    let never_waits = e.samples >= MIN_SAMPLES
        && e.samples_unsent == 0
        && e.share_of_samples(e.samples_cwnd_full) < MOSTLY;
    // A fast reader empties the queue between two samples although the application writes without a pause:
    // on a short path the busy time shows that, the samples do not.
    let busy_time_decides = is_window(e) && (1..SHORT_PATH_US).contains(&e.min_rtt_us);
    let has_nothing_more = is_often_idle || (!busy_time_decides && (reported || never_waits));
    more_out && is_unrequested(e) && has_nothing_waiting && has_nothing_more
}

/// Whether the peer sends too rarely for what is sent to be answers.
fn is_unrequested(e: &Evidence) -> bool {
    match e.basis {
        Basis::Window { us } => e.segments_in.saturating_mul(REQUEST_INTERVAL_US) <= us,
        Basis::Lifetime => e.segments_in <= 1,
    }
}
