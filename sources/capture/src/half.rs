//! One direction of a TCP connection: what one end sent, and what the other acknowledged of it.
//!
//! Positions count sequence numbers from the first one seen: from the SYN, or from the first byte seen of a
//! connection that began before. They are 64 bits wide, so that they do not wrap.

use conns_core::model::Moment;

use crate::round_trip::RoundTrip;
use crate::transport::{FIN, SYN, TcpSegment};

/// Most ranges that are missing at a time between bytes that were seen. Beyond it the oldest counts as missing for
/// good.
const MAX_HOLES: usize = 32;
/// A distance beyond it is not of this connection: the largest window (RFC 7323 section 2.3).
const MAX_DISTANCE: i64 = 1 << 30;
/// A segment that comes this late fills a hole because it was sent again, microseconds, where the round trip is not
/// known: as Wireshark decides it.
const REORDERED_WITHIN_US: u64 = 3_000;

/// What one end sent.
#[derive(Debug, Clone, Default)]
pub(crate) struct Half {
    /// The sequence number of position 0; `None` before the first segment.
    base: Option<u32>,
    pub(crate) began_at_syn: bool,
    /// The position behind the last byte, SYN or FIN.
    end: i64,
    /// The position of the FIN.
    fin: Option<i64>,
    /// Up to where the other end acknowledged.
    acked: i64,
    /// Ranges that were not captured, in ascending order, and when that was noticed.
    holes: Vec<Hole>,
    pub(crate) segments: u32,
    pub(crate) data_segments: u32,
    pub(crate) retransmitted_segments: u32,
    pub(crate) retransmitted_bytes: u64,
    pub(crate) reordered_segments: u32,
    /// Bytes that were acknowledged and not captured.
    pub(crate) missing_bytes: u64,
    pub(crate) last_data: Option<Moment>,
    /// When the other end last acknowledged.
    pub(crate) last_ack: Option<Moment>,
    /// The window that this end offers, as sent.
    pub(crate) window: Option<u16>,
    pub(crate) mss: Option<u16>,
    pub(crate) window_scale: Option<u8>,
    pub(crate) sack_permitted: bool,
    pub(crate) has_timestamps: bool,
    /// From the capture to the other end and back.
    pub(crate) round_trip: RoundTrip,
}

#[derive(Debug, Clone, Copy)]
struct Hole {
    start: i64,
    end: i64,
    since: Moment,
}

impl Half {
    /// The position of a sequence number; `None` if it is not of this connection.
    fn position(&self, sequence: u32) -> Option<i64> {
        let end = self.base?.wrapping_add(self.end as u32);
        let distance = i64::from(sequence.wrapping_sub(end).cast_signed());
        (distance.abs() <= MAX_DISTANCE).then_some(self.end + distance)
    }

    /// Whether a SYN with this sequence number begins another connection than this.
    pub(crate) fn is_other_syn(&self, sequence: u32) -> bool {
        self.base.is_some_and(|base| !self.began_at_syn || base != sequence)
    }

    /// Adds a segment of this end; false if it is not of this connection.
    pub(crate) fn apply(&mut self, segment: &TcpSegment<'_>, now: Moment) -> bool {
        let (syn, fin) = (segment.has(SYN), segment.has(FIN));
        if self.base.is_none() {
            self.base = Some(segment.sequence);
            self.began_at_syn = syn;
        }
        let Some(start) = self.position(segment.sequence) else { return false };
        self.segments = self.segments.wrapping_add(1);
        self.window = Some(segment.window);
        if syn {
            self.mss = segment.options.mss;
            self.window_scale = segment.options.window_scale;
            self.sack_permitted = segment.options.sack_permitted;
            self.has_timestamps = segment.options.timestamp.is_some();
        }
        let payload = i64::from(segment.payload_bytes());
        let data_end = start + i64::from(syn) + payload;
        let end = data_end + i64::from(fin);
        let is_keep_alive = !syn && !fin && payload <= 1 && start + 1 == self.end;
        if end == start || (is_keep_alive && self.segments > 1) {
            return true;
        }
        if payload > 0 {
            self.data_segments = self.data_segments.wrapping_add(1);
            self.last_data = Some(now);
        }
        if fin {
            self.fin.get_or_insert(data_end);
        }
        self.add_range(start, end, payload, now);
        true
    }

    fn add_range(&mut self, start: i64, end: i64, payload: i64, now: Moment) {
        if end <= self.end {
            return self.add_earlier(start, end, payload, now);
        }
        if start > self.end {
            self.add_hole(Hole { start: self.end, end: start, since: now });
        }
        let repeated = self.end.max(start) - start;
        if repeated > 0 {
            self.retransmitted(repeated.min(payload));
        } else {
            self.round_trip.start(end, now);
        }
        self.end = end;
    }

    /// A range that lies before the end: reordered, or sent again.
    fn add_earlier(&mut self, start: i64, end: i64, payload: i64, now: Moment) {
        let since = self.holes.iter().find(|hole| hole.start < end && start < hole.end);
        let since = since.map(|hole| hole.since);
        let mut filled = Vec::new();
        for hole in std::mem::take(&mut self.holes) {
            let before = Hole { end: hole.end.min(start), ..hole };
            let after = Hole { start: hole.start.max(end), ..hole };
            filled.extend([before, after].into_iter().filter(|rest| rest.start < rest.end));
        }
        filled.truncate(MAX_HOLES);
        self.holes = filled;
        let within_us = self.round_trip.min_us().unwrap_or(0).max(REORDERED_WITHIN_US);
        let is_reordered =
            |since: Moment| now.monotonic_us.saturating_sub(since.monotonic_us) < within_us;
        if since.is_some_and(is_reordered) {
            self.reordered_segments = self.reordered_segments.wrapping_add(1);
        } else {
            self.retransmitted(payload);
        }
    }

    fn add_hole(&mut self, hole: Hole) {
        if self.holes.len() >= MAX_HOLES {
            let oldest = self.holes.remove(0);
            self.missing_bytes += (oldest.end - oldest.start).unsigned_abs();
        }
        self.holes.push(hole);
    }

    fn retransmitted(&mut self, bytes: i64) {
        self.retransmitted_segments = self.retransmitted_segments.wrapping_add(1);
        self.retransmitted_bytes += bytes.unsigned_abs();
        // An acknowledgement may be of either transmission (Karn's algorithm, RFC 6298 section 3).
        self.round_trip.cancel();
    }

    /// The other end acknowledged up to this sequence number.
    pub(crate) fn acknowledge(&mut self, sequence: u32, now: Moment) {
        self.base.get_or_insert(sequence);
        let Some(position) = self.position(sequence) else { return };
        self.last_ack = Some(now);
        if position <= self.acked {
            return;
        }
        self.acked = position;
        self.round_trip.complete(position, now);
        let mut missing = 0;
        for hole in &mut self.holes {
            let end = hole.end.min(position);
            missing += (end - hole.start).max(0);
            hole.start = hole.start.max(end);
        }
        self.holes.retain(|hole| hole.start < hole.end);
        if position > self.end {
            missing += position - self.end;
            self.end = position;
        }
        self.missing_bytes += missing.unsigned_abs();
    }

    /// Where the payload begins.
    fn first(&self) -> i64 {
        i64::from(self.began_at_syn)
    }

    /// Bytes of payload, without the SYN and the FIN, before a position.
    fn payload_before(&self, position: i64) -> u64 {
        let end = self.fin.map_or(position, |fin| position.min(fin));
        u64::try_from(end - self.first()).unwrap_or(0)
    }

    /// Bytes of payload sent, each counted once.
    pub(crate) fn payload_sent(&self) -> u64 {
        self.payload_before(self.end)
    }

    /// Bytes of payload that the other end has in order, as far as packets show.
    pub(crate) fn payload_received(&self) -> u64 {
        let contiguous = self.holes.first().map_or(self.end, |hole| hole.start);
        self.payload_before(contiguous.max(self.acked))
    }

    /// Sequence numbers acknowledged behind the first byte; of the end that sent the first SYN, one more, as in
    /// `tcpi_bytes_acked`.
    pub(crate) fn payload_acked(&self) -> u64 {
        self.payload_before(self.acked)
    }

    /// Whether a FIN was sent.
    pub(crate) fn is_finished(&self) -> bool {
        self.fin.is_some()
    }

    /// Whether it was acknowledged.
    pub(crate) fn is_fin_acked(&self) -> bool {
        self.fin.is_some_and(|fin| self.acked > fin)
    }

    /// Whether the SYN was acknowledged.
    pub(crate) fn is_syn_acked(&self) -> bool {
        self.began_at_syn && self.acked >= 1
    }

    /// Whether a RST with this sequence number is plausible (RFC 5961 section 3): near what was sent last.
    pub(crate) fn is_plausible(&self, sequence: u32) -> bool {
        self.base.is_none() || self.position(sequence).is_some()
    }
}
