//! An elementary stream: its packets, and the units in them. A packet is complete when the next one begins.

use crate::decode::media::sps::VideoFormat;
use crate::decode::media::{Codec, Counted};

use super::adts::Adts;
use super::nal_units::{NalCodec, NalUnits};
use super::packet::Packet;
use super::pes::{self, Times};

/// One stream.
#[derive(Debug)]
pub(super) struct Elementary {
    pub(super) pid: u16,
    pub(super) codec: Codec,
    counter: Option<u8>,
    /// How often the counter was not the next one.
    pub(super) discontinuities: u64,
    times: Times,
    /// Of the packet under way: when it is presented, in ticks and in milliseconds.
    presented: u64,
    time_ms: Option<u64>,
    /// Payload bytes of the packet under way; `None` before one began.
    bytes: Option<u64>,
    units: Units,
    /// Whether its decoder configuration was seen.
    pub(super) is_configured: bool,
    /// Units of the packets of one time, as long as it was not: they count once it was.
    before: (u64, Counted),
}

#[derive(Debug)]
enum Units {
    Nal(NalUnits),
    Adts(Adts),
    /// The packets themselves.
    Packets,
}

/// A packet that is complete.
#[derive(Debug, Clone, Copy)]
pub(super) struct Complete {
    pub(super) units: Counted,
    /// Of its first unit.
    pub(super) time_ms: Option<u64>,
    /// From its first unit to its last one.
    pub(super) span_ms: u64,
    pub(super) is_key: bool,
    pub(super) format: Option<VideoFormat>,
    /// Payload bytes.
    pub(super) bytes: u64,
}

impl Elementary {
    pub(super) fn new(pid: u16, codec: Codec, is_configured: bool) -> Self {
        let units = match codec {
            Codec::H264 => Units::Nal(NalUnits::new(NalCodec::H264)),
            Codec::H265 => Units::Nal(NalUnits::new(NalCodec::H265)),
            Codec::Aac => Units::Adts(Adts::default()),
            _ => Units::Packets,
        };
        Self {
            pid,
            codec,
            counter: None,
            discontinuities: 0,
            times: Times::default(),
            presented: 0,
            time_ms: None,
            bytes: None,
            is_configured: is_configured || matches!(units, Units::Packets),
            units,
            before: (0, Counted::default()),
        }
    }

    pub(super) fn is_video(&self) -> bool {
        is_video(self.codec)
    }

    /// Takes a packet of the transport stream; returns the packet of this stream that is complete with it.
    pub(super) fn packet(&mut self, packet: &Packet<'_>) -> Option<Complete> {
        let payload = packet.payload?;
        let before = self.counter.replace(packet.counter);
        if let Some(before) = before
            && (before + 1) & 15 != packet.counter
        {
            let is_repeated = before == packet.counter;
            self.discontinuities += u64::from(!is_repeated && !packet.is_discontinuous);
            // A media server throws away what came of the packet under way, and this.
            self.lose();
            return None;
        }
        if !packet.is_start {
            self.data(payload);
            return None;
        }
        let complete = self.finish();
        match pes::read(payload) {
            Some(pes) => {
                self.presented = pes.presented;
                self.time_ms = self.times.next(pes.presented);
                self.bytes = Some(0);
                self.data(pes.payload);
            }
            None => self.lose(),
        }
        complete
    }

    fn data(&mut self, bytes: &[u8]) {
        if let Some(sum) = &mut self.bytes {
            *sum += bytes.len() as u64;
        }
        match &mut self.units {
            Units::Nal(units) => units.data(bytes),
            Units::Adts(adts) => adts.data(bytes),
            Units::Packets => {}
        }
    }

    /// The packet under way is complete.
    fn finish(&mut self) -> Option<Complete> {
        let bytes = self.bytes.take();
        let (time_ms, mut is_key, mut format) = (self.time_ms, false, None);
        let mut span_ms = 0;
        let units = match &mut self.units {
            Units::Nal(nal) => {
                let found = nal.finish();
                (is_key, format) = (found.is_key, found.format);
                self.is_configured |= format.is_some();
                if self.is_configured {
                    sum(std::mem::take(&mut self.before).1, found.units)
                } else {
                    let (time, before) = &mut self.before;
                    if *time != self.presented {
                        (*time, *before) = (self.presented, Counted::default());
                    }
                    *before = sum(*before, found.units);
                    Counted::default()
                }
            }
            Units::Adts(adts) => {
                self.is_configured |= adts.is_configured;
                let frames = adts.take_complete();
                span_ms = adts.played_ms(frames.packets.saturating_sub(1));
                frames
            }
            Units::Packets => {
                let bytes = bytes?;
                Counted { packets: 1, bytes }
            }
        };
        Some(Complete { units, time_ms, span_ms, is_key, format, bytes: bytes.unwrap_or(0) })
    }

    /// Bytes are missing.
    pub(super) fn lose(&mut self) {
        self.bytes = None;
        match &mut self.units {
            Units::Nal(units) => units.lose(),
            Units::Adts(adts) => adts.lose(),
            Units::Packets => {}
        }
    }

    pub(super) fn memory(&self) -> usize {
        match &self.units {
            Units::Nal(units) => units.memory(),
            Units::Adts(_) | Units::Packets => 0,
        }
    }
}

/// Whether it is a codec of video.
pub(super) fn is_video(codec: Codec) -> bool {
    matches!(codec, Codec::H264 | Codec::H265 | Codec::Mpeg2Video | Codec::Mpeg4Video)
}

pub(super) fn sum(one: Counted, other: Counted) -> Counted {
    Counted { packets: one.packets + other.packets, bytes: one.bytes + other.bytes }
}
