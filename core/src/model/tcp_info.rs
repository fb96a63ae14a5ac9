//! `struct tcp_info` of `linux/tcp.h`, kept as the bytes the kernel sent and read by length.
//!
//! Invariant: a field beyond the end of what this kernel sent is unknown, and bytes beyond the fields
//! known here are ignored. Of a connection in a capture file, only the fields that packets show are known, of one
//! on Windows the round trip time, and of one in the history those that it keeps. One table declares each field once; accessors and the catalogue of fields
//! are generated from it. Offsets are part of the kernel's stable user interface.

use std::borrow::Cow;
use std::fmt;

use super::Unknown;
use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::ser::{Serialize, Serializer};

/// The unit in which the kernel reports a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TcpInfoUnit {
    /// A plain number.
    Count,
    /// Bytes.
    Bytes,
    /// Bytes a second.
    BytesPerSecond,
    /// Microseconds.
    Micros,
    /// Milliseconds.
    Millis,
}

/// One field of `tcp_info`.
#[derive(Debug, Clone, Copy)]
pub struct TcpInfoField {
    /// The kernel's name without the `tcpi_` prefix.
    pub name: &'static str,
    /// The kernel's unit.
    pub unit: TcpInfoUnit,
    applies: Applies,
    /// First kernel version that reports it.
    pub since: &'static str,
    /// What it means.
    pub meaning: &'static str,
    /// Reads it; `None` if this kernel's answer ends before it.
    pub read: fn(&TcpInfo) -> Option<u64>,
    /// Whether it grows with time alone.
    is_since_last: bool,
    absence: Absence,
}

/// How the kernel writes that there is no value yet, or no bound (`net/ipv4/tcp.c`, `tcp_get_info`).
#[derive(Debug, Clone, Copy)]
enum Absence {
    /// Every number is a value.
    Never,
    /// This number is none.
    At(u64, Unknown),
    /// There is no value before the first round trip was measured.
    WithoutRoundTrip,
    /// There is no value while this counter is 0: the time is then since the handshake, or, before it,
    /// since the machine was booted.
    Without(fn(&TcpInfo) -> Option<u32>),
}

impl Absence {
    const fn at(offset: usize) -> Self {
        /// `TCP_INFINITE_SSTHRESH` of `net/tcp.h`.
        const INFINITE_SSTHRESH: u64 = 0x7fff_ffff;
        match offset {
            44 => Self::Without(TcpInfo::data_segs_out),
            52 => Self::Without(TcpInfo::data_segs_in),
            56 => Self::Without(TcpInfo::segs_in),
            60 | 92 | 160 => Self::At(0, Unknown::NothingMeasured),
            68 | 72 => Self::WithoutRoundTrip,
            76 => Self::At(INFINITE_SSTHRESH, Unknown::Unlimited),
            104 | 112 => Self::At(u64::MAX, Unknown::Unlimited),
            148 => Self::At(u32::MAX as u64, Unknown::NothingMeasured),
            _ => Self::Never,
        }
    }

    fn reason(self, tcp: &TcpInfo, raw: u64) -> Option<Unknown> {
        let has_no_round_trip = || tcp.rtt() == Some(0);
        match self {
            Self::Never => None,
            Self::At(none, why) => (raw == none).then_some(why),
            Self::WithoutRoundTrip => has_no_round_trip().then_some(Unknown::NothingMeasured),
            Self::Without(count) => {
                // Before Linux 4.6 there are no such counters.
                let is_none = count(tcp).map_or_else(has_no_round_trip, |count| count == 0);
                is_none.then_some(Unknown::NothingMeasured)
            }
        }
    }
}

/// The fields that are milliseconds since something last happened: `tcpi_last_data_sent`,
/// `tcpi_last_data_recv`, `tcpi_last_ack_recv`.
const SINCE_LAST: [usize; 3] = [44, 52, 56];

const fn is_since_last(offset: usize) -> bool {
    offset == SINCE_LAST[0] || offset == SINCE_LAST[1] || offset == SINCE_LAST[2]
}

/// `TCPI_OPT_ECN`: both ends agreed to explicit congestion notification (RFC 3168).
const OPTION_ECN: u8 = 8;

/// Which connections a field applies to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Applies {
    Always,
    /// It counts congestion marks.
    WithEcn,
    /// It is in the structure for compatibility only: `tcpi_fackets`, `tcpi_last_ack_sent`.
    Never,
}

impl Applies {
    const fn at(offset: usize) -> Self {
        match offset {
            40 | 48 => Self::Never,
            196 | 248.. => Self::WithEcn,
            _ => Self::Always,
        }
    }
}

impl TcpInfoField {
    /// The value, times in microseconds, of a socket that was reported `age_ms` ago and has not changed
    /// since.
    ///
    /// # Errors
    /// Why there is none: this kernel's answer ends before it, nothing was measured yet, or there is no
    /// limit.
    pub fn scaled(&self, tcp: &TcpInfo, age_ms: u32) -> Result<u64, Unknown> {
        let raw = (self.read)(tcp).ok_or(tcp.why_absent())?;
        if let Some(why) = self.absence.reason(tcp, raw) {
            return Err(why);
        }
        // As [`TcpInfo::advance`] adds it: the kernel's fields have 32 bits.
        let raw = if self.is_since_last {
            raw.saturating_add(age_ms.into()).min(u32::MAX.into())
        } else {
            raw
        };
        Ok(match self.unit {
            TcpInfoUnit::Millis => raw.saturating_mul(1000),
            _ => raw,
        })
    }

    /// Whether the field means anything for this connection.
    #[must_use]
    pub fn applies_to(&self, tcp: &TcpInfo) -> bool {
        match self.applies {
            Applies::Always => true,
            Applies::WithEcn => match tcp.options() {
                Some(bits) => bits & OPTION_ECN != 0,
                None => tcp.why_absent() == Unknown::NotKept,
            },
            Applies::Never => false,
        }
    }
}

/// The kernel's measures of one TCP socket, or those of them that its source knows.
#[derive(Clone, PartialEq, Eq)]
pub struct TcpInfo {
    length: u16,
    /// Which of the bytes are known.
    known: KnownBytes,
    bytes: [u8; MAX_BYTES],
}

/// Most bytes stored of one answer; the structure has 280 in Linux 6.18.
const MAX_BYTES: usize = 280;

/// Which bytes of the structure are known: a bit for each of the first eight, which are fields of one byte,
/// and then for each group of four.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct KnownBytes([u32; 3]);

/// Bytes of [`KnownBytes`] behind those of the structure, where not all are known.
const KNOWN_BYTES: usize = 12;

/// Marks what is of the history: as an offset behind the structure, so that its bit in [`KnownBytes`] is no field's.
const OF_HISTORY: usize = MAX_BYTES;

/// What the history keeps that is computed of several fields. It does not know the fields themselves.
#[derive(Debug, Clone, Copy)]
enum Kept {
    /// [`TcpInfo::idle`].
    Idle,
    /// [`TcpInfo::payload_sent`].
    PayloadSent,
    /// [`TcpInfo::payload_received`].
    PayloadReceived,
    /// [`TcpInfo::kept_loss_percent`].
    LossPercent,
}

impl Kept {
    /// Where its bytes are: in those of a field of the same width.
    const fn offset(self) -> usize {
        match self {
            Self::Idle => 44,
            Self::LossPercent => 104,
            Self::PayloadSent => 120,
            Self::PayloadReceived => 128,
        }
    }

    /// Its mark, as [`OF_HISTORY`].
    const fn mark(self) -> usize {
        match self {
            Self::Idle => OF_HISTORY + 4,
            Self::PayloadSent => OF_HISTORY + 8,
            Self::PayloadReceived => OF_HISTORY + 12,
            Self::LossPercent => OF_HISTORY + 16,
        }
    }
}

impl KnownBytes {
    const ALL: Self = Self([u32::MAX; 3]);
    const NONE: Self = Self([0; 3]);

    /// The word and the bit of the byte at `offset`.
    fn place(offset: usize) -> (usize, u32) {
        let bit = if offset < 8 { offset } else { 8 + (offset - 8) / 4 };
        (bit / 32, 1 << (bit % 32))
    }

    fn contains(self, offset: usize) -> bool {
        let (word, bit) = Self::place(offset);
        self.0.get(word).is_some_and(|bits| bits & bit != 0)
    }

    fn add(&mut self, offset: usize, width: usize) {
        for offset in offset..offset + width {
            let (word, bit) = Self::place(offset);
            if let Some(bits) = self.0.get_mut(word) {
                *bits |= bit;
            }
        }
    }
}

/// As [`TcpInfo::encoded`].
impl Serialize for TcpInfo {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.encoded())
    }
}

impl<'de> Deserialize<'de> for TcpInfo {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl Visitor<'_> for Bytes {
            type Value = TcpInfo;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the bytes of a tcp_info")
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<TcpInfo, E> {
                Ok(TcpInfo::of_encoded(bytes))
            }
        }
        deserializer.deserialize_bytes(Bytes)
    }
}

impl TcpInfo {
    /// Takes the payload of an `INET_DIAG_INFO` attribute of a TCP socket, whatever its length.
    #[must_use]
    pub fn new(payload: &[u8]) -> Self {
        let mut bytes = [0; MAX_BYTES];
        let length = payload.len().min(MAX_BYTES);
        for (kept, sent) in bytes.iter_mut().zip(payload) {
            *kept = *sent;
        }
        Self { length: length as u16, known: KnownBytes::ALL, bytes }
    }

    /// The bytes as the kernel sent them, so that no field is lost; with the bits of the known ones behind all of
    /// the structure, if not all are known.
    #[must_use]
    pub fn encoded(&self) -> Cow<'_, [u8]> {
        if !self.is_partial() {
            return Cow::Borrowed(self.as_bytes());
        }
        let known = self.known.0.map(u32::to_le_bytes);
        Cow::Owned(self.bytes.iter().chain(known.as_flattened()).copied().collect())
    }

    /// Takes what [`Self::encoded`] has made.
    #[must_use]
    pub fn of_encoded(bytes: &[u8]) -> Self {
        let mut tcp = Self::new(bytes);
        if let Some(known) = bytes.get(MAX_BYTES..).filter(|rest| rest.len() == KNOWN_BYTES) {
            let (words, _) = known.as_chunks::<4>();
            for (bits, word) in tcp.known.0.iter_mut().zip(words) {
                *bits = u32::from_le_bytes(*word);
            }
        }
        tcp
    }

    /// The bytes as the kernel sent them.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.length)).unwrap_or(&self.bytes)
    }

    /// Whether its source knows some of the fields only.
    fn is_partial(&self) -> bool {
        self.known != KnownBytes::ALL
    }

    /// Why a field is unknown that cannot be read.
    pub(crate) fn why_absent(&self) -> Unknown {
        match self.is_partial() {
            true if self.known.contains(OF_HISTORY) => Unknown::NotKept,
            true => Unknown::SourceDoesNotReport,
            false => Unknown::KernelDoesNotReport,
        }
    }

    /// Adds milliseconds to the times since something last happened.
    pub fn advance(&mut self, ms: u32) {
        for offset in SINCE_LAST {
            let later = self.take(offset).map(|b| u32::from_ne_bytes(b).saturating_add(ms));
            if let (Some(later), Some(place)) = (later, self.bytes.get_mut(offset..offset + 4)) {
                place.copy_from_slice(&later.to_ne_bytes());
            }
        }
    }

    /// Whether `other` has the same values, apart from the times since something last happened.
    #[must_use]
    pub fn shows_the_same(&self, other: &Self) -> bool {
        let (mine, others) = (self.as_bytes(), other.as_bytes());
        let before = SINCE_LAST[0].min(mine.len());
        let after = (SINCE_LAST[2] + 4).min(mine.len());
        mine.len() == others.len()
            && mine.get(..before) == others.get(..before)
            && mine.get(after..) == others.get(after..)
            && self.known == other.known
    }

    fn take<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        if !self.known.contains(offset) {
            return None;
        }
        self.as_bytes().get(offset..)?.first_chunk().copied()
    }

    /// What the history keeps in the place of a field, which is itself unknown.
    fn take_kept<const N: usize>(&self, kept: Kept) -> Option<[u8; N]> {
        if !self.is_partial() || !self.known.contains(kept.mark()) {
            return None;
        }
        self.as_bytes().get(kept.offset()..)?.first_chunk().copied()
    }

    /// Shift of the window the peer offers (RFC 7323), 0 to 14.
    #[must_use]
    pub fn snd_wscale(&self) -> Option<u8> {
        // Bit fields fill from the low end on little endian machines, from the high end on others.
        let [byte] = self.take(6)?;
        Some(if cfg!(target_endian = "little") { byte & 15 } else { byte >> 4 })
    }

    /// Shift of the window offered to the peer (RFC 7323), 0 to 14.
    #[must_use]
    pub fn rcv_wscale(&self) -> Option<u8> {
        let [byte] = self.take(6)?;
        Some(if cfg!(target_endian = "little") { byte >> 4 } else { byte & 15 })
    }

    /// Whether the latest delivery rate was limited by what the application wrote. Linux 4.9.
    #[must_use]
    pub fn is_app_limited(&self) -> Option<bool> {
        // Before 4.9 the byte was padding; a kernel with the delivery rate has the bit.
        self.delivery_rate()?;
        let [byte] = self.take(7)?;
        let bit = if cfg!(target_endian = "little") { 1 } else { 0x80 };
        Some(byte & bit != 0)
    }

    /// Payload bytes sent, retransmissions not counted. Before Linux 4.19 the acknowledged bytes.
    #[must_use]
    pub fn payload_sent(&self) -> Option<u64> {
        match (self.bytes_sent(), self.bytes_retrans()) {
            (Some(sent), Some(again)) => Some(sent.saturating_sub(again)),
            _ => self.bytes_acked().or(self.take_kept(Kept::PayloadSent).map(u64::from_ne_bytes)),
        }
    }

    /// Payload bytes received in order. The kernel counts the peer's FIN as one; it is subtracted if `fin_received`.
    #[must_use]
    pub fn payload_received(&self, fin_received: bool) -> Option<u64> {
        let received = self.bytes_received();
        let received = received.map(|bytes| bytes.saturating_sub(fin_received.into()));
        received.or(self.take_kept(Kept::PayloadReceived).map(u64::from_ne_bytes))
    }

    /// Loss in percent, where the history keeps it.
    pub(super) fn kept_loss_percent(&self) -> Option<f64> {
        self.take_kept(Kept::LossPercent).map(f64::from_ne_bytes)
    }

    /// Milliseconds since payload was last sent or received.
    #[must_use]
    pub fn idle(&self) -> Option<u32> {
        match (self.last_data_sent(), self.last_data_recv()) {
            (Some(sent), Some(received)) => Some(sent.min(received)),
            _ => self.take_kept(Kept::Idle).map(u32::from_ne_bytes),
        }
    }
}

/// Makes a [`TcpInfo`] of single fields, for a source that knows only these. Fields that are not set are unknown.
#[derive(Debug, Clone)]
pub struct TcpInfoBuilder(TcpInfo);

impl Default for TcpInfoBuilder {
    fn default() -> Self {
        let length = MAX_BYTES as u16;
        Self(TcpInfo { length, known: KnownBytes::NONE, bytes: [0; MAX_BYTES] })
    }
}

impl TcpInfoBuilder {
    /// The shifts of the window that the peer offers and of the one that is offered to it (RFC 7323), 0 to
    /// 14 each.
    pub fn window_scales(&mut self, snd: u8, rcv: u8) -> &mut Self {
        let (low, high) = if cfg!(target_endian = "little") { (snd, rcv) } else { (rcv, snd) };
        self.put(6, [(low & 15) | (high << 4)])
    }

    /// Makes the fields that are not set unknown as what the history does not keep.
    pub fn of_history(&mut self) -> &mut Self {
        self.0.known.add(OF_HISTORY, 1);
        self
    }

    /// Milliseconds since payload was last sent or received, whichever was later.
    pub fn kept_idle(&mut self, ms: u32) -> &mut Self {
        self.keep(Kept::Idle, ms.to_ne_bytes())
    }

    /// Payload bytes sent, each counted once.
    pub fn kept_payload_sent(&mut self, bytes: u64) -> &mut Self {
        self.keep(Kept::PayloadSent, bytes.to_ne_bytes())
    }

    /// Payload bytes received, without the FIN.
    pub fn kept_payload_received(&mut self, bytes: u64) -> &mut Self {
        self.keep(Kept::PayloadReceived, bytes.to_ne_bytes())
    }

    /// Loss in percent, without the counters of which it is computed.
    pub fn kept_loss_percent(&mut self, percent: f64) -> &mut Self {
        self.keep(Kept::LossPercent, percent.to_ne_bytes())
    }

    fn keep<const N: usize>(&mut self, kept: Kept, value: [u8; N]) -> &mut Self {
        if let Some(place) = self.0.bytes.get_mut(kept.offset()..kept.offset() + N) {
            place.copy_from_slice(&value);
            self.0.known.add(kept.mark(), 1);
        }
        self
    }

    /// The fields as they were set.
    #[must_use]
    pub fn build(self) -> TcpInfo {
        self.0
    }

    fn put<const N: usize>(&mut self, offset: usize, value: [u8; N]) -> &mut Self {
        if let Some(place) = self.0.bytes.get_mut(offset..offset + N) {
            place.copy_from_slice(&value);
            self.0.known.add(offset, N);
        }
        self
    }
}

impl fmt::Debug for TcpInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        for field in TCP_INFO_FIELDS {
            if let Some(value) = (field.read)(self) {
                map.entry(&field.name, &value);
            }
        }
        map.finish()
    }
}

macro_rules! tcp_info_fields {
    ($($meaning:literal $name:ident: $width:ident at $offset:literal, $unit:ident, since $since:literal;)*) => {
        impl TcpInfo {
            $(
                #[doc = $meaning]
                ///
                #[doc = concat!("In the unit of the table below (", stringify!($unit), "); since Linux ", $since, ".")]
                #[must_use]
                pub fn $name(&self) -> Option<$width> {
                    self.take($offset).map(<$width>::from_ne_bytes)
                }
            )*
        }

        impl TcpInfoBuilder {
            $(
                #[doc = $meaning]
                ///
                #[doc = concat!("In the kernel's unit: ", stringify!($unit), ".")]
                pub fn $name(&mut self, value: $width) -> &mut Self {
                    self.put($offset, value.to_ne_bytes())
                }
            )*
        }

        /// Every field of `tcp_info` that stands alone in its bytes, in the kernel's order.
        pub const TCP_INFO_FIELDS: &[TcpInfoField] = &[
            $(TcpInfoField {
                name: stringify!($name),
                unit: TcpInfoUnit::$unit,
                applies: Applies::at($offset),
                since: $since,
                meaning: $meaning,
                read: |tcp| tcp.$name().map(u64::from),
                is_since_last: is_since_last($offset),
                absence: Absence::at($offset),
            },)*
        ];
    };
}

tcp_info_fields! {
    "Congestion state: 0 open, 1 disorder, 2 window reduced, 3 recovery, 4 loss."
    ca_state: u8 at 1, Count, since "2.6.0";
    "Retransmission timeouts in a row without an answer."
    retransmits: u8 at 2, Count, since "2.6.0";
    "Window or keep-alive probes in a row without an answer."
    probes: u8 at 3, Count, since "2.6.0";
    "How often the retransmission timeout has been doubled."
    backoff: u8 at 4, Count, since "2.6.0";
    "Options in use: 1 timestamps, 2 SACK, 4 window scale, 8 ECN, 16 ECN seen, 32 fast open, 64 usec timestamps."
    options: u8 at 5, Count, since "2.6.0";
    "Retransmission timeout (RFC 6298)."
    rto: u32 at 8, Micros, since "2.6.0";
    "Delayed acknowledgement timeout."
    ato: u32 at 12, Micros, since "2.6.0";
    "Largest segment sent."
    snd_mss: u32 at 16, Bytes, since "2.6.0";
    "Largest segment received."
    rcv_mss: u32 at 20, Bytes, since "2.6.0";
    "Segments sent and not acknowledged."
    unacked: u32 at 24, Count, since "2.6.0";
    "Segments of them selectively acknowledged."
    sacked: u32 at 28, Count, since "2.6.0";
    "Segments of them presumed lost."
    lost: u32 at 32, Count, since "2.6.0";
    "Segments of them retransmitted."
    retrans: u32 at 36, Count, since "2.6.0";
    "Forward acknowledged segments (not maintained since Linux 4.15)."
    fackets: u32 at 40, Count, since "2.6.0";
    "Time since payload was last sent."
    last_data_sent: u32 at 44, Millis, since "2.6.0";
    "Time since an acknowledgement was last sent (never maintained by Linux)."
    last_ack_sent: u32 at 48, Millis, since "2.6.0";
    "Time since payload was last received."
    last_data_recv: u32 at 52, Millis, since "2.6.0";
    "Time since an acknowledgement was last received."
    last_ack_recv: u32 at 56, Millis, since "2.6.0";
    "Path MTU."
    pmtu: u32 at 60, Bytes, since "2.6.0";
    "Receive window the kernel would offer at most just now."
    rcv_ssthresh: u32 at 64, Bytes, since "2.6.0";
    "Smoothed round trip time (RFC 6298 SRTT)."
    rtt: u32 at 68, Micros, since "2.6.0";
    "Mean deviation of the round trip time (RFC 6298 RTTVAR)."
    rttvar: u32 at 72, Micros, since "2.6.0";
    "Slow start threshold in segments."
    snd_ssthresh: u32 at 76, Count, since "2.6.0";
    "Congestion window in segments."
    snd_cwnd: u32 at 80, Count, since "2.6.0";
    "Segment size advertised to the peer."
    advmss: u32 at 84, Bytes, since "2.6.0";
    "Reordering tolerated, in segments."
    reordering: u32 at 88, Count, since "2.6.0";
    "Round trip time estimated from received data."
    rcv_rtt: u32 at 92, Micros, since "2.6.11";
    "What the application reads in a round trip; the receive buffer grows from it."
    rcv_space: u32 at 96, Bytes, since "2.6.11";
    "Segments retransmitted, over the connection's life."
    total_retrans: u32 at 100, Count, since "2.6.13";
    "Rate at which segments are paced out."
    pacing_rate: u64 at 104, BytesPerSecond, since "3.15";
    "Most that pacing may reach (SO_MAX_PACING_RATE)."
    max_pacing_rate: u64 at 112, BytesPerSecond, since "3.15";
    "Bytes acknowledged by the peer; one more on the side that sent the SYN."
    bytes_acked: u64 at 120, Bytes, since "4.1";
    "Bytes received in order; one more after the peer's FIN."
    bytes_received: u64 at 128, Bytes, since "4.1";
    "Segments sent."
    segs_out: u32 at 136, Count, since "4.2";
    "Segments received."
    segs_in: u32 at 140, Count, since "4.2";
    "Bytes written by the application and not sent once."
    notsent_bytes: u32 at 144, Bytes, since "4.6";
    "Lowest round trip time of the last minutes (tcp_min_rtt_wlen)."
    min_rtt: u32 at 148, Micros, since "4.6";
    "Segments with payload received."
    data_segs_in: u32 at 152, Count, since "4.6";
    "Segments with payload sent, retransmissions included."
    data_segs_out: u32 at 156, Count, since "4.6";
    "Latest measured rate of delivery to the peer."
    delivery_rate: u64 at 160, BytesPerSecond, since "4.9";
    "Time during which there was something to send."
    busy_time: u64 at 168, Micros, since "4.10";
    "Part of busy_time limited by the peer's receive window."
    rwnd_limited: u64 at 176, Micros, since "4.10";
    "Part of busy_time limited by the send buffer."
    sndbuf_limited: u64 at 184, Micros, since "4.10";
    "Segments delivered, as far as acknowledged."
    delivered: u32 at 192, Count, since "4.18";
    "Segments of them with congestion marks (ECN)."
    delivered_ce: u32 at 196, Count, since "4.18";
    "Payload bytes sent, retransmissions included."
    bytes_sent: u64 at 200, Bytes, since "4.19";
    "Payload bytes retransmitted."
    bytes_retrans: u64 at 208, Bytes, since "4.19";
    "Retransmissions that the peer reported as duplicates (RFC 2883)."
    dsack_dups: u32 at 216, Count, since "4.19";
    "Times reordering was seen."
    reord_seen: u32 at 220, Count, since "4.19";
    "Segments received out of order."
    rcv_ooopack: u32 at 224, Count, since "5.4";
    "Receive window the peer offers now."
    snd_wnd: u32 at 228, Bytes, since "5.4";
    "Receive window offered to the peer now."
    rcv_wnd: u32 at 232, Bytes, since "6.2";
    "Times another path was tried by changing the flow label."
    rehash: u32 at 236, Count, since "6.2";
    "Retransmission timeouts, over the connection's life."
    total_rto: u16 at 240, Count, since "6.7";
    "Recoveries from retransmission timeouts."
    total_rto_recoveries: u16 at 242, Count, since "6.7";
    "Time spent in recovery from retransmission timeouts."
    total_rto_time: u32 at 244, Millis, since "6.7";
    "Segments received with congestion marks (accurate ECN)."
    received_ce: u32 at 248, Count, since "6.18";
    "Bytes delivered marked ECT(1)."
    delivered_e1_bytes: u32 at 252, Bytes, since "6.18";
    "Bytes delivered marked ECT(0)."
    delivered_e0_bytes: u32 at 256, Bytes, since "6.18";
    "Bytes delivered marked CE."
    delivered_ce_bytes: u32 at 260, Bytes, since "6.18";
    "Bytes received marked ECT(1)."
    received_e1_bytes: u32 at 264, Bytes, since "6.18";
    "Bytes received marked ECT(0)."
    received_e0_bytes: u32 at 268, Bytes, since "6.18";
    "Bytes received marked CE."
    received_ce_bytes: u32 at 272, Bytes, since "6.18";
    "Why accurate ECN is off, as bits."
    accecn_fail_mode: u16 at 276, Count, since "6.18";
    "Which accurate ECN options were seen."
    accecn_opt_seen: u16 at 278, Count, since "6.18";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_that_are_not_set_are_unknown_and_stay_so_in_bytes() {
        let mut builder = TcpInfoBuilder::default();
        builder.rtt(700).bytes_sent(5).total_rto(2).window_scales(7, 9);
        let tcp = builder.build();
        let copy: TcpInfo = postcard::from_bytes(&postcard::to_allocvec(&tcp).unwrap()).unwrap();
        for tcp in [tcp, copy] {
            assert_eq!(
                (tcp.rtt(), tcp.bytes_sent(), tcp.total_rto()),
                (Some(700), Some(5), Some(2))
            );
            assert_eq!((tcp.snd_wscale(), tcp.rcv_wscale()), (Some(7), Some(9)));
            assert_eq!((tcp.rttvar(), tcp.bytes_retrans(), tcp.options()), (None, None, None));
            assert_eq!((tcp.busy_time(), tcp.is_app_limited()), (None, None));
            let field = TCP_INFO_FIELDS.iter().find(|field| field.name == "snd_cwnd").unwrap();
            assert_eq!(field.scaled(&tcp, 0), Err(Unknown::SourceDoesNotReport));
        }
        let mut builder = TcpInfoBuilder::default();
        builder.of_history().kept_idle(9).kept_payload_sent(10).kept_payload_received(11).rtt(1);
        let tcp = builder.build();
        let copy = TcpInfo::of_encoded(&tcp.encoded());
        for tcp in [tcp, copy] {
            assert_eq!((tcp.idle(), tcp.payload_sent()), (Some(9), Some(10)));
            assert_eq!(
                (tcp.payload_received(false), tcp.payload_received(true)),
                (Some(11), Some(11))
            );
            let known = TCP_INFO_FIELDS.iter().filter(|field| (field.read)(&tcp).is_some());
            assert_eq!(known.map(|field| field.name).collect::<Vec<_>>(), ["rtt"]);
            assert_eq!(tcp.why_absent(), Unknown::NotKept);
        }
        let kernel = TcpInfo::new(&[1; 200]);
        let copy: TcpInfo = postcard::from_bytes(&postcard::to_allocvec(&kernel).unwrap()).unwrap();
        assert_eq!(kernel, copy);
        assert!(!copy.is_partial());
    }

    /// The numbers of a socket in SYN-SENT of Linux 6.18, and those of an ordinary one.
    #[test]
    fn numbers_of_the_kernel_that_are_none_are_unknown() {
        let field = |name: &str| TCP_INFO_FIELDS.iter().find(|f| f.name == name).unwrap();
        let mut bytes = [0_u8; MAX_BYTES];
        let mut set = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
        for (at, value) in [(44, 14_685_976), (52, 14_685_976), (56, 14_685_976), (72, 250_000)] {
            set(at, &u32::to_ne_bytes(value));
        }
        set(76, &0x7fff_ffff_u32.to_ne_bytes());
        set(148, &u32::MAX.to_ne_bytes());
        set(104, &[u8::MAX; 16]);
        let unmeasured = TcpInfo::new(&bytes);
        for (name, why) in [
            ("last_data_sent", Unknown::NothingMeasured),
            ("last_data_recv", Unknown::NothingMeasured),
            ("last_ack_recv", Unknown::NothingMeasured),
            ("rtt", Unknown::NothingMeasured),
            ("rttvar", Unknown::NothingMeasured),
            ("min_rtt", Unknown::NothingMeasured),
            ("rcv_rtt", Unknown::NothingMeasured),
            ("delivery_rate", Unknown::NothingMeasured),
            ("snd_ssthresh", Unknown::Unlimited),
            ("pacing_rate", Unknown::Unlimited),
            ("max_pacing_rate", Unknown::Unlimited),
        ] {
            assert_eq!(field(name).scaled(&unmeasured, 0), Err(why), "{name}");
        }
        for at in [68, 76, 92, 140, 148, 152, 156] {
            bytes[at..at + 4].copy_from_slice(&1_u32.to_ne_bytes());
        }
        for at in [104, 112, 160] {
            bytes[at..at + 8].copy_from_slice(&1_u64.to_ne_bytes());
        }
        let measured = TcpInfo::new(&bytes);
        assert_eq!(field("last_data_sent").scaled(&measured, 1), Ok(14_685_977_000));
        for name in ["rtt", "snd_ssthresh", "min_rtt", "pacing_rate", "delivery_rate"] {
            assert_eq!(field(name).scaled(&measured, 1), Ok(1), "{name}");
        }
        // Linux 3.10 has no counters of segments: before the first round trip there is no value.
        let mut old = bytes[..104].to_vec();
        assert!(field("last_data_sent").scaled(&TcpInfo::new(&old), 0).is_ok());
        old[68..72].fill(0);
        assert!(field("last_data_sent").scaled(&TcpInfo::new(&old), 0).is_err());
    }

    #[test]
    fn a_short_answer_has_the_fields_it_reaches_and_no_more() {
        // Linux 3.10 sent 104 bytes: everything up to total_retrans.
        let mut bytes = [0_u8; 104];
        bytes[68..72].copy_from_slice(&80_000_u32.to_ne_bytes());
        let tcp = TcpInfo::new(&bytes);
        assert_eq!(tcp.rtt(), Some(80_000));
        assert_eq!(tcp.total_retrans(), Some(0));
        assert_eq!(tcp.pacing_rate(), None);
        assert_eq!(tcp.is_app_limited(), None);
        // Half a field is no field.
        assert_eq!(TcpInfo::new(&bytes[..70]).rtt(), None);
        assert_eq!(TcpInfo::new(&[]).ca_state(), None);
    }

    #[test]
    fn the_age_of_a_sample_may_be_beside_the_fields_or_in_them() {
        for (ms, age_ms) in [(0, 0), (5, 7), (u32::MAX - 1, 1), (u32::MAX - 1, 2), (7, u32::MAX)] {
            let mut bytes = [1; MAX_BYTES];
            for offset in SINCE_LAST {
                bytes[offset..offset + 4].copy_from_slice(&ms.to_ne_bytes());
            }
            let tcp = TcpInfo::new(&bytes);
            let mut advanced = tcp.clone();
            advanced.advance(age_ms);
            for field in TCP_INFO_FIELDS {
                assert_eq!(
                    field.scaled(&tcp, age_ms),
                    field.scaled(&advanced, 0),
                    "{}",
                    field.name
                );
            }
        }
    }

    #[test]
    fn a_longer_answer_is_read_and_cut() {
        let tcp = TcpInfo::new(&[7; 400]);
        assert_eq!(tcp.accecn_opt_seen(), Some(0x0707));
        assert_eq!(tcp.as_bytes().len(), MAX_BYTES);
    }

    #[test]
    fn fields_do_not_overlap_and_are_in_order() {
        // Each byte that a field reads is set alone; exactly one field may change.
        for at in 8..MAX_BYTES {
            let mut bytes = [0_u8; MAX_BYTES];
            bytes[at] = 1;
            let tcp = TcpInfo::new(&bytes);
            let changed: Vec<_> = TCP_INFO_FIELDS
                .iter()
                .filter(|field| (field.read)(&tcp) != Some(0))
                .map(|field| field.name)
                .collect();
            assert_eq!(changed.len(), 1, "byte {at} belongs to {changed:?}");
        }
    }
}
