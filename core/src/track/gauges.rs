//! The gauges of a socket that a verdict needs, added up over the samples of a window.

use crate::model::{Protocol, Socket, State, TcpInfo, TimerKind};

use super::listeners::QueueFacts;

/// In how many samples of a window each condition was true, and the extremes.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Gauges {
    pub(super) samples: u32,
    /// The receive queue filled most of the receive buffer or window.
    pub(super) reader_behind: u32,
    /// The peer's window had no room for a segment although data was waiting.
    pub(super) window_closed: u32,
    /// At least a segment was waiting that had not been sent once.
    pub(super) unsent: u32,
    /// As many segments were in flight as the congestion window allows.
    pub(super) cwnd_full: u32,
    /// The latest delivery rate was limited by the application.
    pub(super) app_limited: u32,
    /// A retransmission timeout had passed without an answer.
    pub(super) timed_out: u32,
    /// The accept queue was full.
    pub(super) accept_full: u32,
    /// An accept queue of the namespace has overflowed since the sample before.
    pub(super) overflowed: u32,
    /// These overflows could not be read.
    pub(super) overflows_unread: u32,
    /// The SYN queue was full, and the kernel dropped SYNs or answered with cookies.
    pub(super) syn_queue_full: u32,
    /// The receive queue was not empty.
    pub(super) unread: u32,
    /// Most bytes unread in any sample.
    pub(super) unread_max_bytes: u32,
    /// The send buffer was full, while path and peer had room for more.
    pub(super) sndbuf_full: u32,
    /// Sum of the smoothed round trips of all samples, for their mean.
    pub(super) rtt_sum_us: u64,
}

impl Gauges {
    /// The gauges of one sample.
    pub(super) fn of(socket: &Socket) -> Self {
        let mut gauges = Self { samples: 1, ..Self::default() };
        if let Some(queue) = socket.accept_queue.get() {
            // The kernel accepts one more than the limit (sk_acceptq_is_full).
            gauges.accept_full = u32::from(queue.length >= queue.limit.max(1));
        }
        gauges.reader_behind = u32::from(reader_is_behind(socket));
        let queues = socket.queues.get();
        gauges.unread_max_bytes = queues.map_or(0, |q| q.receive_bytes);
        gauges.unread = u32::from(gauges.unread_max_bytes > 0);
        let Some(tcp) = socket.tcp.value() else { return gauges };
        let segment = tcp.snd_mss().unwrap_or(1).max(1);
        let waiting = tcp.notsent_bytes().unwrap_or(0);
        let probing = socket.timer.get().is_some_and(|t| t.kind == TimerKind::ZeroWindowProbe);
        let in_flight = tcp.unacked().unwrap_or(0).saturating_sub(tcp.sacked().unwrap_or(0));
        // One more, or a sixteenth more, would not fit.
        let next = u64::from(in_flight) + u64::from(in_flight / 16) + 1;
        let cwnd = u64::from(tcp.snd_cwnd().unwrap_or(u32::MAX));
        // Less than a segment may wait because of Nagle's algorithm.
        gauges.unsent = u32::from(waiting >= segment);
        gauges.window_closed =
            u32::from(waiting > 0 && (probing || window_is_closed(tcp, segment)));
        gauges.cwnd_full = u32::from(next >= cwnd);
        gauges.sndbuf_full = u32::from(
            waiting < segment
                && next < cwnd
                && !window_is_closed(tcp, segment)
                && socket.memory.get().is_some_and(|m| m.queued_bytes >= m.send_limit_bytes),
        );
        gauges.app_limited = u32::from(tcp.is_app_limited() == Some(true));
        gauges.timed_out = u32::from(tcp.retransmits() > Some(0) && !probing);
        gauges.rtt_sum_us = u64::from(tcp.rtt().unwrap_or(0));
        gauges
    }

    /// The same of a listener, with what is known of its queues besides its row.
    pub(super) fn with_queues(self, queues: Option<QueueFacts>) -> Self {
        let Some(queues) = queues else { return self };
        Self {
            overflowed: u32::from(queues.has_overflowed == Some(true)),
            overflows_unread: u32::from(queues.has_overflowed.is_none()),
            syn_queue_full: u32::from(queues.syn_queue_is_full),
            ..self
        }
    }

    pub(super) fn plus(self, other: Self) -> Self {
        Self {
            samples: self.samples.saturating_add(other.samples),
            reader_behind: self.reader_behind.saturating_add(other.reader_behind),
            window_closed: self.window_closed.saturating_add(other.window_closed),
            unsent: self.unsent.saturating_add(other.unsent),
            cwnd_full: self.cwnd_full.saturating_add(other.cwnd_full),
            app_limited: self.app_limited.saturating_add(other.app_limited),
            timed_out: self.timed_out.saturating_add(other.timed_out),
            accept_full: self.accept_full.saturating_add(other.accept_full),
            overflowed: self.overflowed.saturating_add(other.overflowed),
            overflows_unread: self.overflows_unread.saturating_add(other.overflows_unread),
            syn_queue_full: self.syn_queue_full.saturating_add(other.syn_queue_full),
            unread: self.unread.saturating_add(other.unread),
            unread_max_bytes: self.unread_max_bytes.max(other.unread_max_bytes),
            sndbuf_full: self.sndbuf_full.saturating_add(other.sndbuf_full),
            rtt_sum_us: self.rtt_sum_us.saturating_add(other.rtt_sum_us),
        }
    }
}

/// Less room in the peer's window than one more segment needs.
fn window_is_closed(tcp: &TcpInfo, segment: u32) -> bool {
    let in_flight = u64::from(tcp.unacked().unwrap_or(0)) * u64::from(segment);
    tcp.snd_wnd().is_some_and(|window| in_flight + u64::from(segment) > u64::from(window))
}

/// Unread bytes fill at least half of the receive buffer, or the window it could offer.
fn reader_is_behind(socket: &Socket) -> bool {
    let Some(queues) = socket.queues.get().filter(|q| q.receive_bytes > 0) else { return false };
    if let Some(memory) = socket.memory.get()
        && memory.receive_bytes >= memory.receive_limit_bytes / 2
    {
        return true;
    }
    let is_tcp = socket.protocol == Protocol::Tcp && socket.state == State::Established;
    let window = socket.tcp.value().and_then(TcpInfo::rcv_wnd);
    is_tcp && window.is_some_and(|window| queues.receive_bytes >= window)
}
