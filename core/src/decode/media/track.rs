//! A track of a stream: its codec, what was counted, and its frames.

use crate::model::Moment;

use super::codec::Codec;
use super::rates::{Rate, Rates};
use super::sps::VideoFormat;

/// Timestamps of consecutive frames that differ by more, or go back by as much, have jumped: two seconds.
const JUMP_MS: u64 = 2000;

/// Packets and their bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::decode) struct Counted {
    pub(in crate::decode) packets: u64,
    pub(in crate::decode) bytes: u64,
}

impl Counted {
    /// Counts a packet.
    pub(in crate::decode) fn add(&mut self, bytes: u64) {
        self.packets += 1;
        self.bytes += bytes;
    }

    /// What was counted since `earlier`.
    pub(in crate::decode) fn since(self, earlier: Self) -> Self {
        Self {
            packets: self.packets.saturating_sub(earlier.packets),
            bytes: self.bytes.saturating_sub(earlier.bytes),
        }
    }
}

/// What was published of each track.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::decode) struct Offered {
    pub(in crate::decode) audio: Counted,
    pub(in crate::decode) video: Counted,
}

impl Offered {
    pub(in crate::decode) fn of(&self, is_video: bool) -> Counted {
        if is_video { self.video } else { self.audio }
    }

    pub(in crate::decode) fn of_mut(&mut self, is_video: bool) -> &mut Counted {
        if is_video { &mut self.video } else { &mut self.audio }
    }
}

/// Audio or video of a stream.
#[derive(Debug, Clone, Default)]
pub(in crate::decode) struct Track {
    pub(in crate::decode) codec: Option<Codec>,
    /// Whether its decoder configuration was seen: the sequence header, the parameter sets.
    pub(in crate::decode) is_configured: bool,
    /// Of video whose parameter set was seen.
    pub(in crate::decode) format: Option<VideoFormat>,
    /// In the unit in which a media server counts what it receives: chunks of RTMP, NAL units and access
    /// units of RTP and MPEG-TS, tags of FLV.
    pub(in crate::decode) received: Counted,
    /// In the unit in which a media server counts what it sends: messages of RTMP; else as received.
    pub(in crate::decode) sent: Counted,
    /// What the receiver throws away because of gaps, or the sender does not send.
    pub(in crate::decode) dropped: Counted,
    /// Of a playback: what was published since the last message that was sent. It waits at the sender, which may
    /// still drop it.
    pub(in crate::decode) unsent: Option<Counted>,
    /// Messages, access units or pictures that began.
    pub(in crate::decode) frames: u64,
    pub(in crate::decode) key_frames: u64,
    /// Highest timestamp of a frame, milliseconds.
    pub(in crate::decode) highest_ms: Option<u64>,
    /// Timestamp of the last frame, milliseconds.
    pub(in crate::decode) last_ms: Option<u64>,
    /// How often timestamps of consecutive frames jumped.
    pub(in crate::decode) jumps: u64,
    /// Between the last two key frames, milliseconds of their timestamps.
    pub(in crate::decode) key_interval_ms: Option<u64>,
    last_key_ms: Option<u64>,
    rates: Rates,
}

impl Track {
    /// Counts a packet of a protocol that counts received and sent alike.
    pub(in crate::decode) fn packet(&mut self, bytes: u64) {
        self.received.add(bytes);
        self.sent.add(bytes);
    }

    /// A frame began; its bytes are counted by [`Track::carried`].
    pub(in crate::decode) fn frame(&mut self, timestamp_ms: Option<u64>, is_key: bool, at: Moment) {
        self.frames += 1;
        self.rates.frame(timestamp_ms, at);
        if let (Some(last), Some(now)) = (self.last_ms, timestamp_ms)
            && now.abs_diff(last) > JUMP_MS
        {
            self.jumps += 1;
        }
        self.last_ms = timestamp_ms.or(self.last_ms);
        self.highest_ms = self.highest_ms.max(timestamp_ms);
        if is_key {
            self.key_frame(timestamp_ms);
        }
    }

    /// The frame that began last is a key frame.
    pub(in crate::decode) fn key_frame(&mut self, timestamp_ms: Option<u64>) {
        self.key_frames += 1;
        let interval =
            timestamp_ms.zip(self.last_key_ms).and_then(|(now, last)| now.checked_sub(last));
        self.key_interval_ms = interval.or(self.key_interval_ms);
        self.last_key_ms = timestamp_ms;
    }

    /// Bytes of the track passed.
    pub(in crate::decode) fn carried(&mut self, bytes: u64, at: Moment) {
        self.rates.bytes(bytes, at);
    }

    /// Media time that passed for each unit of real time, over the last seconds.
    pub(super) fn pace(&self, now: Moment) -> Option<f64> {
        self.rates.pace(self.last_ms, now)
    }

    /// Over the last seconds.
    pub(super) fn rate(&self, now: Moment) -> Option<Rate> {
        self.rates.rate(now)
    }
}
