//! A stream, and the columns in which it is listed.

use std::sync::Arc;

use crate::decode::{BothSides, Side};
use crate::model::{Kind, Known, ListColumn, Moment, Record, Scalar, Source, Unknown};

use super::input::Input;
use super::track::{Counted, Track};

/// What a stream was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::decode) enum Role {
    /// The end that opened the connection sends the media.
    Publish,
    /// The end that opened the connection gets the media.
    Play,
}

impl Role {
    /// `publish` or `play`.
    pub(in crate::decode) fn name(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::Play => "play",
        }
    }
}

/// The audio and video of a stream.
#[derive(Debug, Clone, Default)]
pub(in crate::decode) struct Tracks {
    pub(in crate::decode) audio: Track,
    pub(in crate::decode) video: Track,
}

/// A publication or a playback on a connection.
#[derive(Debug, Clone)]
pub(in crate::decode) struct Stream {
    /// Counts up from 1 on the connection.
    pub(in crate::decode) number: u64,
    pub(in crate::decode) role: Role,
    /// The side that sends the media.
    pub(in crate::decode) sender: Side,
    pub(in crate::decode) name: Option<Arc<str>>,
    /// What was asked to be published, with its parameters.
    pub(in crate::decode) ingest_point: Option<Arc<str>>,
    /// When it exists from on, by the side that the end sends.
    pub(in crate::decode) since: BothSides<Option<Moment>>,
    /// Declared by metadata or session description, kilobits a second; 0 is none.
    pub(in crate::decode) bandwidth_kbit_per_s: u64,
    pub(in crate::decode) tracks: Tracks,
    /// Of a playback: whether the stream of this name is published at the same server; `None` if that was
    /// never seen.
    pub(in crate::decode) is_linked: Option<bool>,
    /// What it is for the end that receives it, if its name there is not on the wire.
    pub(in crate::decode) input: Option<Arc<Input>>,
    /// Whether it began before it was seen, so that its name and its first packets are not known.
    pub(in crate::decode) began_before: bool,
}

/// The value of a column, of a stream as the end that sends `own` has it.
struct Seen<'a> {
    stream: &'a Stream,
    own: Side,
    now: Moment,
}

impl Seen<'_> {
    fn is_sent(&self) -> bool {
        self.stream.sender == self.own
    }

    fn counted(&self, track: &Track) -> Counted {
        if self.is_sent() { track.sent } else { track.received }
    }
}

macro_rules! columns {
    ($([$key:literal, $kind:ident, $always:literal, $meaning:literal, $read:expr],)*) => {
        /// The columns, in the order of the values of a record.
        pub(super) static COLUMNS: &[ListColumn] =
            &[$(ListColumn { key: $key, kind: Kind::$kind, meaning: $meaning, always: $always },)*];

        /// In the order of [`COLUMNS`].
        static READ: &[fn(&Seen<'_>) -> Option<Scalar>] = &[$($read,)*];
    };
}

fn text(text: &str) -> Scalar {
    Scalar::Text(text.into())
}

fn millis(ms: Option<u64>) -> Option<Scalar> {
    Some(Scalar::Micros(ms?.saturating_mul(1000)))
}

columns! {
    ["name", Text, false, "Name under which it is published or played.",
        |seen| seen.stream.name.clone().map(Scalar::Text)],
    ["number", Count, true, "Number of the stream on its connection, from 1.",
        |seen| Some(Scalar::Count(seen.stream.number))],
    ["role", Text, true, "publish or play: what the end that opened the connection asked for.",
        |seen| Some(text(seen.stream.role.name()))],
    ["direction", Text, true, "in if this end receives the media, out if it sends it.",
        |seen| Some(text(if seen.is_sent() { "out" } else { "in" }))],
    ["ingest_point", Text, false, "What was asked to be published, with its parameters.",
        |seen| seen.stream.ingest_point.clone().map(Scalar::Text)],
    ["played_as", Text, false, "Name under which this end sends on what it receives without one of its own, by the messages.",
        |seen| {
            let input = seen.stream.input.as_ref().filter(|_| !seen.is_sent())?;
            input.name().cloned().map(Scalar::Text)
        }],
    ["since_us", Time, false, "When it began.",
        |seen| {
            let since = seen.stream.since.of(seen.own).filter(|_| !seen.stream.began_before);
            since.map(|at| Scalar::Time(at.wall_us))
        }],
    ["began_before", Bool, true,
        "Whether it began before it was seen: name and decoder configuration are unknown until they come again, packets are counted from then on.",
        |seen| Some(Scalar::Bool(seen.stream.began_before))],
    ["bandwidth_kbit_per_s", Count, true,
        "Kilobits a second that metadata or session description declare; 0 is none.",
        |seen| Some(Scalar::Count(seen.stream.bandwidth_kbit_per_s))],
    ["is_linked", Bool, false,
        "Whether what is played is published at the same server now; null if that was never seen.",
        |seen| seen.stream.is_linked.map(Scalar::Bool)],
    ["audio_codec", Text, false, "Codec of the audio.",
        |seen| Some(text(seen.stream.tracks.audio.codec?.name()))],
    ["audio_is_configured", Bool, true, "Whether the audio's decoder configuration was seen.",
        |seen| Some(Scalar::Bool(seen.stream.tracks.audio.is_configured))],
    ["audio_packets", Count, true,
        "Audio in the packets of its protocol: received in chunks of RTMP, sent in its messages; access units of RTP and MPEG-TS; tags of FLV.",
        |seen| Some(Scalar::Count(seen.counted(&seen.stream.tracks.audio).packets))],
    ["audio_bytes", Bytes, true, "Payload of these packets.",
        |seen| Some(Scalar::Bytes(seen.counted(&seen.stream.tracks.audio).bytes))],
    ["audio_dropped_packets", Count, true, "Audio packets that the sender or the receiver dropped.",
        |seen| Some(Scalar::Count(seen.stream.tracks.audio.dropped.packets))],
    ["audio_dropped_bytes", Bytes, true, "Payload of these.",
        |seen| Some(Scalar::Bytes(seen.stream.tracks.audio.dropped.bytes))],
    ["audio_unsent_packets", Count, false,
        "Audio packets that were published and that the server has not sent to this player yet.",
        |seen| Some(Scalar::Count(seen.stream.tracks.audio.unsent?.packets))],
    ["audio_unsent_bytes", Bytes, false, "Payload of these.",
        |seen| Some(Scalar::Bytes(seen.stream.tracks.audio.unsent?.bytes))],
    ["audio_frames", Count, true, "Audio frames or messages that began.",
        |seen| Some(Scalar::Count(seen.stream.tracks.audio.frames))],
    ["audio_rate_bytes_per_s", BytesPerSecond, false, "Audio over the last five seconds.",
        |seen| Some(Scalar::BytesPerSecond(seen.stream.tracks.audio.rate(seen.now)?.bytes_per_s))],
    ["audio_time_us", Duration, false, "Highest timestamp of the audio.",
        |seen| millis(seen.stream.tracks.audio.highest_ms)],
    ["video_codec", Text, false, "Codec of the video.",
        |seen| Some(text(seen.stream.tracks.video.codec?.name()))],
    ["video_is_configured", Bool, true, "Whether the video's decoder configuration was seen.",
        |seen| Some(Scalar::Bool(seen.stream.tracks.video.is_configured))],
    ["width", Count, false, "Width of the picture in pixels, cropping applied.",
        |seen| Some(Scalar::Count(seen.stream.tracks.video.format?.width.into()))],
    ["height", Count, false, "Height of the picture in pixels, cropping applied.",
        |seen| Some(Scalar::Count(seen.stream.tracks.video.format?.height.into()))],
    ["profile", Count, false, "profile_idc of H.264 and H.265.",
        |seen| Some(Scalar::Count(seen.stream.tracks.video.format?.profile.into()))],
    ["level", Count, false, "level_idc of H.264 and H.265.",
        |seen| Some(Scalar::Count(seen.stream.tracks.video.format?.level.into()))],
    ["video_packets", Count, true,
        "Video in the packets of its protocol: received in chunks of RTMP, sent in its messages; NAL units of RTP and MPEG-TS; tags of FLV.",
        |seen| Some(Scalar::Count(seen.counted(&seen.stream.tracks.video).packets))],
    ["video_bytes", Bytes, true, "Payload of these packets.",
        |seen| Some(Scalar::Bytes(seen.counted(&seen.stream.tracks.video).bytes))],
    ["video_dropped_packets", Count, true, "Video packets that the sender or the receiver dropped.",
        |seen| Some(Scalar::Count(seen.stream.tracks.video.dropped.packets))],
    ["video_dropped_bytes", Bytes, true, "Payload of these.",
        |seen| Some(Scalar::Bytes(seen.stream.tracks.video.dropped.bytes))],
    ["video_unsent_packets", Count, false,
        "Video packets that were published and that the server has not sent to this player yet.",
        |seen| Some(Scalar::Count(seen.stream.tracks.video.unsent?.packets))],
    ["video_unsent_bytes", Bytes, false, "Payload of these.",
        |seen| Some(Scalar::Bytes(seen.stream.tracks.video.unsent?.bytes))],
    ["video_frames", Count, true, "Pictures or messages of video that began.",
        |seen| Some(Scalar::Count(seen.stream.tracks.video.frames))],
    ["video_rate_bytes_per_s", BytesPerSecond, false, "Video over the last five seconds.",
        |seen| Some(Scalar::BytesPerSecond(seen.stream.tracks.video.rate(seen.now)?.bytes_per_s))],
    ["video_frame_interval_us", Duration, false, "Mean time between pictures over the last five seconds.",
        |seen| {
            let rate = seen.stream.tracks.video.rate(seen.now)?.frames_per_s;
            (rate > 0.0).then(|| Scalar::Micros((1e6 / rate) as u64))
        }],
    ["video_time_us", Duration, false, "Highest timestamp of the video.",
        |seen| millis(seen.stream.tracks.video.highest_ms)],
    ["key_frames", Count, true, "Key frames.",
        |seen| Some(Scalar::Count(seen.stream.tracks.video.key_frames))],
    ["key_frame_interval_us", Duration, false, "Between the last two key frames, by their timestamps.",
        |seen| millis(seen.stream.tracks.video.key_interval_ms)],
    ["timestamp_jumps", Count, true, "How often timestamps of consecutive frames differed by more than two seconds.",
        |seen| Some(Scalar::Count(seen.stream.tracks.audio.jumps + seen.stream.tracks.video.jumps))],
    ["pace_percent", Percent, false,
        "Media time that passed in the last five seconds; 100 is real time.",
        |seen| {
            let tracks = &seen.stream.tracks;
            let paces = [tracks.audio.pace(seen.now), tracks.video.pace(seen.now)];
            let pace = paces.into_iter().flatten().reduce(f64::max)?;
            Some(Scalar::Percent(pace * 100.0))
        }],
    ["drift_us", Duration, false, "How far the last timestamps of audio and video are apart.",
        |seen| {
            let (audio, video) = (seen.stream.tracks.audio.last_ms?, seen.stream.tracks.video.last_ms?);
            millis(Some(audio.abs_diff(video)))
        }],
}

/// The streams that exist for the end that sends `own`.
pub(in crate::decode) fn records<'a>(
    streams: impl Iterator<Item = &'a Stream>,
    own: Side,
    now: Moment,
) -> Scalar {
    let exists = |stream: &&Stream| stream.since.of(own).is_some();
    let record = |stream| {
        let seen = Seen { stream, own, now };
        let value = |read: &fn(&Seen<'_>) -> Option<Scalar>| {
            Known::from_option(read(&seen), Source::Wire, Unknown::NothingMeasured)
        };
        Record { values: READ.iter().map(value).collect() }
    };
    Scalar::List(streams.filter(exists).map(record).collect::<Arc<[Record]>>())
}
