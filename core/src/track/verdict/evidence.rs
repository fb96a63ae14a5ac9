//! Evidence for a verdict, from the counters and gauges of one socket.

use crate::model::{Basis, Evidence, Moment, Socket};
use crate::track::counters::Counters;
use crate::track::gauges::Gauges;
use crate::track::window::Span;

/// Evidence of one sample: counters since the connection began.
pub(in crate::track) fn evidence_of_life(
    socket: &Socket,
    counters: Counters,
    gauges: Gauges,
) -> Evidence {
    evidence(socket, Basis::Lifetime, counters, gauges)
}

/// Evidence of the samples of `span`, which ends at `now` with the counters `last`.
pub(in crate::track) fn evidence_of_window(
    socket: &Socket,
    span: Span,
    now: Moment,
    last: Counters,
) -> Evidence {
    let us = u64::try_from(now.since(span.start).as_micros()).unwrap_or(u64::MAX);
    evidence(socket, Basis::Window { us }, last.since(span.first), span.gauges)
}

fn evidence(socket: &Socket, basis: Basis, counters: Counters, gauges: Gauges) -> Evidence {
    let mean_rtt = gauges.rtt_sum_us.checked_div(u64::from(gauges.samples)).unwrap_or(0);
    let min_rtt = socket.tcp.value().and_then(|tcp| tcp.min_rtt());
    Evidence {
        basis,
        samples: gauges.samples,
        bytes_out: counters.bytes_out,
        bytes_in: counters.bytes_in,
        segments_out: counters.segments_out,
        segments_in: counters.segments_in,
        segments_lost: counters.segments_lost,
        timeouts: counters.timeouts,
        busy_us: counters.busy_us,
        rwnd_limited_us: counters.rwnd_limited_us,
        sndbuf_limited_us: counters.sndbuf_limited_us,
        drops: counters.drops,
        rtt_us: u32::try_from(mean_rtt).unwrap_or(u32::MAX),
        // The kernel reports all ones before the first measurement.
        min_rtt_us: min_rtt.filter(|us| *us != u32::MAX).unwrap_or(0),
        samples_reader_behind: gauges.reader_behind,
        samples_unread: gauges.unread,
        unread_max_bytes: gauges.unread_max_bytes,
        samples_sndbuf_full: gauges.sndbuf_full,
        samples_window_closed: gauges.window_closed,
        samples_unsent: gauges.unsent,
        samples_cwnd_full: gauges.cwnd_full,
        samples_app_limited: gauges.app_limited,
        samples_timed_out: gauges.timed_out,
        samples_accept_full: gauges.accept_full,
        samples_overflowed: gauges.overflowed,
        samples_overflows_unread: gauges.overflows_unread,
        samples_syn_queue_full: gauges.syn_queue_full,
    }
}
