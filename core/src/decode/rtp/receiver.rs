//! The packets of one media of a session, counted to a track.

use crate::decode::media::{Track, sps};
use crate::model::Moment;

use super::packet::Packet;
use super::units::{Format, Order, Unit, Units};

/// The packets of one media.
#[derive(Debug)]
pub(in crate::decode) struct Receiver {
    format: Format,
    clock_hz: u32,
    /// As the sender counts: all units.
    sent: Units,
    /// As the receiver counts: without what it throws away because of gaps.
    received: Units,
    /// The timestamp of the last packet, and how far it is from the first one.
    last_timestamp: Option<u32>,
    ticks: i64,
    /// Whether the picture under way is known to be a key frame.
    is_key: bool,
}

impl Receiver {
    /// A clock of no rate has no timestamps.
    pub(in crate::decode) fn new(format: Format, clock_hz: u32) -> Self {
        let (sent, received) = (Units::default(), Units::default());
        let (last_timestamp, ticks, is_key) = (None, 0, false);
        Self { format, clock_hz, sent, received, last_timestamp, ticks, is_key }
    }

    /// Counts a packet; returns how many parameter sets of video were received with it.
    pub(in crate::decode) fn packet(
        &mut self,
        packet: &Packet<'_>,
        track: &mut Track,
        at: Moment,
    ) -> u64 {
        let format = self.format;
        let is_new = self.advance(packet.timestamp);
        let time_ms = self.time_ms();
        track.carried(packet.length, at);
        if let Some(is_key) = is_key(format, packet.payload) {
            if is_new {
                self.is_key = false;
                track.frame(time_ms, false, at);
            }
            if is_key && !self.is_key {
                self.is_key = true;
                track.key_frame(time_ms);
            }
        }
        self.sent.packet(format, packet, &mut |unit| {
            track.sent.add(unit.bytes);
            if unit.kind.is_none() {
                track.frame(time_ms, false, at);
            } else if let Some(video) = parameters(format, &unit) {
                track.format = Some(video);
                track.is_configured = true;
            }
        });
        let is_checked = format != Format::Packets;
        if is_checked && self.received.order(packet.sequence) == Order::BehindGap {
            track.dropped.add(packet.length);
            return 0;
        }
        let mut parameter_sets = 0;
        self.received.packet(format, packet, &mut |unit| {
            track.received.add(unit.bytes);
            parameter_sets += u64::from(is_parameter_set(format, unit.kind));
        });
        parameter_sets
    }

    /// Takes the timestamp of a packet; whether it is another one than that before.
    fn advance(&mut self, timestamp: u32) -> bool {
        let before = self.last_timestamp.replace(timestamp);
        let ahead = before.map_or(0, |before| timestamp.wrapping_sub(before).cast_signed());
        self.ticks = self.ticks.saturating_add(ahead.into());
        before.is_none_or(|before| before != timestamp)
    }

    fn time_ms(&self) -> Option<u64> {
        let ticks = u64::try_from(self.ticks).ok()?;
        ticks.saturating_mul(1000).checked_div(self.clock_hz.into())
    }
}

/// Whether a packet of video belongs to a key frame; `None` if it is none of video.
fn is_key(format: Format, payload: &[u8]) -> Option<bool> {
    let kind = || Units::begun(format, payload);
    match format {
        Format::H264 => Some(kind() == Some(5)),
        Format::H265 => Some(kind().is_some_and(|kind| (16..24).contains(&kind))),
        Format::AccessUnits { .. } | Format::Packets => None,
    }
}

/// Whether it is a parameter set of sequences or pictures.
fn is_parameter_set(format: Format, kind: Option<u8>) -> bool {
    match format {
        Format::H264 => matches!(kind, Some(7 | 8)),
        Format::H265 => matches!(kind, Some(32..=34)),
        Format::AccessUnits { .. } | Format::Packets => false,
    }
}

/// What a parameter set in band states.
fn parameters(format: Format, unit: &Unit<'_>) -> Option<sps::VideoFormat> {
    match (format, unit.kind?) {
        (Format::H264, 7) => sps::h264(unit.whole),
        (Format::H265, 33) => sps::h265(unit.whole),
        _ => None,
    }
}
