//! What a verdict needs of one look at a socket: counters that only grow, and gauges, added up
//! over a window of looks.

use crate::model::{Connection, Moment, Protocol, State, TcpInfo, TimerKind};

/// Counters of one socket at one moment; each only grows during its life.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Counters {
    pub(super) bytes_out: u64,
    pub(super) bytes_in: u64,
    pub(super) segments_out: u32,
    pub(super) segments_in: u32,
    /// Retransmitted, less duplicates; may shrink when a duplicate is reported late.
    pub(super) segments_lost: u32,
    pub(super) timeouts: u16,
    pub(super) busy_us: u64,
    pub(super) rwnd_limited_us: u64,
    pub(super) sndbuf_limited_us: u64,
    pub(super) drops: u32,
}

impl Counters {
    pub(super) fn of(connection: &Connection) -> Self {
        let drops = connection.socket.memory.get().and_then(|m| m.drops).unwrap_or(0);
        let bytes_out = connection.bytes_out().get().unwrap_or(0);
        let bytes_in = connection.bytes_in().get().unwrap_or(0);
        let Some(tcp) = connection.tcp() else {
            return Self { bytes_out, bytes_in, drops, ..Self::default() };
        };
        let retransmitted = tcp.total_retrans().unwrap_or(0);
        Self {
            bytes_out,
            bytes_in,
            segments_out: tcp.data_segs_out().unwrap_or(0),
            segments_in: tcp.data_segs_in().unwrap_or(0),
            segments_lost: retransmitted.saturating_sub(tcp.dsack_dups().unwrap_or(0)),
            timeouts: tcp.total_rto().unwrap_or(0),
            busy_us: tcp.busy_time().unwrap_or(0),
            rwnd_limited_us: tcp.rwnd_limited().unwrap_or(0),
            sndbuf_limited_us: tcp.sndbuf_limited().unwrap_or(0),
            drops,
        }
    }

    /// What was added since `earlier`. A counter that went back (a late duplicate, a kernel's
    /// reset) added nothing.
    pub(super) fn since(self, earlier: Self) -> Self {
        Self {
            bytes_out: self.bytes_out.saturating_sub(earlier.bytes_out),
            bytes_in: self.bytes_in.saturating_sub(earlier.bytes_in),
            segments_out: self.segments_out.saturating_sub(earlier.segments_out),
            segments_in: self.segments_in.saturating_sub(earlier.segments_in),
            segments_lost: self.segments_lost.saturating_sub(earlier.segments_lost),
            timeouts: self.timeouts.saturating_sub(earlier.timeouts),
            busy_us: self.busy_us.saturating_sub(earlier.busy_us),
            rwnd_limited_us: self.rwnd_limited_us.saturating_sub(earlier.rwnd_limited_us),
            sndbuf_limited_us: self.sndbuf_limited_us.saturating_sub(earlier.sndbuf_limited_us),
            drops: self.drops.saturating_sub(earlier.drops),
        }
    }
}

/// How many looks of a window saw what, and the extremes.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Gauges {
    pub(super) samples: u32,
    /// The receive queue held most of what the receive buffer or window allows.
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
    /// The receive queue was not empty.
    pub(super) unread: u32,
    /// Most bytes unread at any look.
    pub(super) unread_max_bytes: u32,
    /// The send buffer was full, while path and peer had room for more.
    pub(super) sndbuf_full: u32,
    /// Sum of smoothed round trips over looks, for their mean.
    pub(super) rtt_sum_us: u64,
}

impl Gauges {
    pub(super) fn look_at(connection: &Connection) -> Self {
        let socket = &connection.socket;
        let mut gauges = Self { samples: 1, ..Self::default() };
        if let Some(queue) = socket.accept_queue.get() {
            // The kernel lets one more in than the limit says (sk_acceptq_is_full).
            gauges.accept_full = u32::from(queue.length >= queue.limit.max(1));
        }
        gauges.reader_behind = u32::from(reader_is_behind(connection));
        let queues = socket.queues.get();
        gauges.unread_max_bytes = queues.map_or(0, |q| q.receive_bytes);
        gauges.unread = u32::from(gauges.unread_max_bytes > 0);
        let Some(tcp) = connection.tcp() else { return gauges };
        let segment = tcp.snd_mss().unwrap_or(1).max(1);
        let waiting = tcp.notsent_bytes().unwrap_or(0);
        let probing = socket.timer.get().is_some_and(|t| t.kind == TimerKind::ZeroWindowProbe);
        let in_flight = tcp.unacked().unwrap_or(0).saturating_sub(tcp.sacked().unwrap_or(0));
        // One more, or a sixteenth more, would not fit.
        let next = u64::from(in_flight) + u64::from(in_flight / 16) + 1;
        let cwnd = u64::from(tcp.snd_cwnd().unwrap_or(u32::MAX));
        // Less than a segment may wait for nothing but more of it (Nagle).
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

/// What has arrived fills at least half of the receive buffer, or of the window it could offer.
fn reader_is_behind(connection: &Connection) -> bool {
    let socket = &connection.socket;
    let Some(queues) = socket.queues.get().filter(|q| q.receive_bytes > 0) else { return false };
    if let Some(memory) = socket.memory.get()
        && memory.receive_bytes >= memory.receive_limit_bytes / 2
    {
        return true;
    }
    let is_tcp = socket.protocol == Protocol::Tcp && socket.state == State::Established;
    let window = connection.tcp().and_then(TcpInfo::rcv_wnd);
    is_tcp && window.is_some_and(|window| queues.receive_bytes >= window)
}

/// A stretch of looks at one socket.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Span {
    pub(super) start: Moment,
    pub(super) first: Counters,
    pub(super) gauges: Gauges,
}
