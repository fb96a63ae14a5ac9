//! Evidence for a verdict, from the counters and gauges of one socket.

use crate::model::{Basis, Connection, Evidence, Moment};
use crate::track::sample::{Counters, Gauges, Span};

/// Evidence of one sample: counters since the connection began.
pub(in crate::track) fn evidence_of_life(
    c: &Connection,
    counters: Counters,
    gauges: Gauges,
) -> Evidence {
    evidence(c, Basis::Lifetime, counters, gauges)
}

/// Evidence of a window of samples that ends `now` with the counters `last`.
pub(in crate::track) fn evidence_of_window(
    c: &Connection,
    span: Span,
    now: Moment,
    last: Counters,
) -> Evidence {
    let us = u64::try_from(now.since(span.start).as_micros()).unwrap_or(u64::MAX);
    evidence(c, Basis::Window { us }, last.since(span.first), span.gauges)
}

fn evidence(c: &Connection, basis: Basis, counters: Counters, gauges: Gauges) -> Evidence {
    let mean_rtt = gauges.rtt_sum_us.checked_div(u64::from(gauges.samples)).unwrap_or(0);
    let min_rtt = c.tcp().and_then(|tcp| tcp.min_rtt());
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
        // The kernel says all ones before the first sample.
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
    }
}
