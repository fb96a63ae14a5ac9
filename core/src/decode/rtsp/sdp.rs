//! Session descriptions (RFC 8866): the title, the bandwidth, and how each media is packed.

use std::str::FromStr;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::decode::media::Codec;
use crate::decode::media::sps::{self, VideoFormat};
use crate::decode::rtp::Format;
use crate::decode::text::text;

/// Most media that are read.
pub(super) const MAX_MEDIA: usize = 16;
/// Longest parameter set that is read, bytes of base64: they have a few dozen.
const MAX_PARAMETER_SET: usize = 1024;
/// Longest path of a media that is kept, bytes.
const MAX_CONTROL: usize = 128;

/// A session.
#[derive(Debug, Default)]
pub(super) struct Description {
    /// `None` if it is blank.
    pub(super) title: Option<String>,
    /// The sum of what is stated, kilobits a second.
    pub(super) bandwidth_kbit_per_s: u64,
    pub(super) media: Vec<Media>,
}

/// What a media is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MediaKind {
    Audio,
    Video,
    Other,
}

/// A media of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Media {
    pub(super) kind: MediaKind,
    payload_type: u8,
    pub(super) codec: Option<Codec>,
    pub(super) format: Format,
    pub(super) clock_hz: u32,
    pub(super) video: Option<VideoFormat>,
    /// Whether the parameter sets or the configuration are there.
    pub(super) is_configured: bool,
    /// The end of the URL by which it is set up.
    pub(super) control: String,
}

/// Reads a description, or the begin of one.
pub(super) fn read(bytes: &[u8]) -> Description {
    let mut description = Description::default();
    for line in bytes.split(|byte| *byte == b'\n') {
        let Some(([kind, b'='], value)) = line.split_first_chunk() else { continue };
        let value = value.trim_ascii();
        match kind {
            b's' => description.title = Some(text(value)).filter(|title| !title.is_empty()),
            b'b' => {
                let rate = value.strip_prefix(b"AS:").and_then(number::<u32>);
                description.bandwidth_kbit_per_s += u64::from(rate.unwrap_or(0));
            }
            b'm' => {
                // What follows is of this media, also if that is not kept.
                let media = Media::read(value);
                if description.media.len() < MAX_MEDIA {
                    description.media.push(media);
                } else {
                    return description;
                }
            }
            b'a' => {
                if let Some(media) = description.media.last_mut() {
                    media.attribute(value);
                }
            }
            _ => {}
        }
    }
    description
}

impl Media {
    /// Of the value of `m=`: what it is, port, protocol, and the payload types.
    fn read(value: &[u8]) -> Self {
        let mut words = value.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
        let kind = match words.next() {
            Some(b"audio") => MediaKind::Audio,
            Some(b"video") => MediaKind::Video,
            _ => MediaKind::Other,
        };
        let payload_type = words.nth(2).and_then(number).unwrap_or(0);
        let (codec, clock_hz) = static_type(payload_type).unzip();
        Self {
            kind,
            payload_type,
            codec,
            format: Format::Packets,
            clock_hz: clock_hz.unwrap_or(0),
            video: None,
            is_configured: codec.is_some(),
            control: String::new(),
        }
    }

    fn attribute(&mut self, value: &[u8]) {
        let Some(at) = value.iter().position(|byte| *byte == b':') else { return };
        let (name, value) = value.split_at(at);
        let value = value.get(1..).unwrap_or_default();
        if name == b"control" {
            let control = value.get(..MAX_CONTROL).unwrap_or(value);
            self.control = text(control);
            return;
        }
        let Some(at) = value.iter().position(|byte| *byte == b' ') else { return };
        let (payload_type, value) = value.split_at(at);
        if number(payload_type) != Some(self.payload_type) {
            return;
        }
        match name {
            b"rtpmap" => self.map(value.trim_ascii()),
            b"fmtp" => self.parameters(value),
            _ => {}
        }
    }

    /// Name of the format, clock, and channels, with slashes between.
    fn map(&mut self, value: &[u8]) {
        let mut parts = value.split(|byte| *byte == b'/');
        let name = text(parts.next().unwrap_or_default()).to_ascii_uppercase();
        self.clock_hz = parts.next().and_then(number).unwrap_or(0);
        let aac = Format::AccessUnits { header_bits: 16 };
        let (codec, format) = match &*name {
            "H264" => (Some(Codec::H264), Format::H264),
            "H265" => (Some(Codec::H265), Format::H265),
            "MPEG4-GENERIC" => (Some(Codec::Aac), aac),
            "MP4A-LATM" => (Some(Codec::Aac), Format::Packets),
            "PCMA" => (Some(Codec::G711A), Format::Packets),
            "PCMU" => (Some(Codec::G711Mu), Format::Packets),
            "OPUS" => (Some(Codec::Opus), Format::Packets),
            "SPEEX" => (Some(Codec::Speex), Format::Packets),
            "MPA" => (Some(Codec::Mp2), Format::Packets),
            "AC3" => (Some(Codec::Ac3), Format::Packets),
            "L16" => (Some(Codec::Pcm), Format::Packets),
            "VP8" => (Some(Codec::Vp8), Format::Packets),
            "VP9" => (Some(Codec::Vp9), Format::Packets),
            "AV1" => (Some(Codec::Av1), Format::Packets),
            "JPEG" => (Some(Codec::Jpeg), Format::Packets),
            "MP4V-ES" => (Some(Codec::Mpeg4Video), Format::Packets),
            _ => (None, Format::Packets),
        };
        (self.codec, self.format) = (codec, format);
        // Those that are configured out of band state it below.
        self.is_configured |= !matches!(codec, None | Some(Codec::Aac | Codec::H264 | Codec::H265));
    }

    fn parameters(&mut self, value: &[u8]) {
        let (mut size, mut index) = (13, 3);
        for parameter in value.split(|byte| *byte == b';') {
            let parameter = parameter.trim_ascii();
            let Some(at) = parameter.iter().position(|byte| *byte == b'=') else { continue };
            let (name, value) = parameter.split_at(at);
            let value = value.get(1..).unwrap_or_default();
            match &*text(name).to_ascii_lowercase() {
                "sprop-parameter-sets" => {
                    for set in value.split(|byte| *byte == b',') {
                        self.configured_by(decode(set).as_deref().and_then(sps::h264));
                    }
                }
                "sprop-sps" => {
                    self.configured_by(decode(value).as_deref().and_then(sps::h265));
                }
                "config" => self.is_configured |= !value.is_empty(),
                "sizelength" => size = number(value).unwrap_or(size),
                "indexlength" => index = number(value).unwrap_or(index),
                _ => {}
            }
        }
        if let Format::AccessUnits { header_bits } = &mut self.format {
            *header_bits = u16::from(u8::saturating_add(size, index));
        }
    }

    fn configured_by(&mut self, video: Option<VideoFormat>) {
        self.video = video.or(self.video);
        self.is_configured |= video.is_some();
    }
}

/// A parameter set in base64, with or without padding.
fn decode(text: &[u8]) -> Option<Vec<u8>> {
    const CONFIG: GeneralPurposeConfig =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    const ENGINE: GeneralPurpose = GeneralPurpose::new(&STANDARD, CONFIG);
    let is_read = text.len() <= MAX_PARAMETER_SET;
    is_read.then(|| ENGINE.decode(text.trim_ascii()).ok())?
}

/// Codec and clock of payload types that need no map (RFC 3551 section 6).
fn static_type(payload_type: u8) -> Option<(Codec, u32)> {
    Some(match payload_type {
        0 => (Codec::G711Mu, 8000),
        8 => (Codec::G711A, 8000),
        10 | 11 => (Codec::Pcm, 44_100),
        14 => (Codec::Mp2, 90_000),
        26 => (Codec::Jpeg, 90_000),
        _ => return None,
    })
}

/// The number that bytes are in decimal digits.
pub(super) fn number<T: FromStr>(bytes: &[u8]) -> Option<T> {
    std::str::from_utf8(bytes).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{Codec, Description, Format, MediaKind, VideoFormat, read};

    #[test]
    fn media_have_codec_size_and_configuration() {
        let Description { title, bandwidth_kbit_per_s, media } = read(
            b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=rtone\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\n\
              b=AS:113\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1; \
              sprop-parameter-sets=Z0LAC9oFBn58BEAAAAMAQAAABQPFCqg=,aM48gA==; profile-level-id=42C00B\r\n\
              a=control:streamid=0\r\nm=audio 0 RTP/AVP 97\r\nb=AS:32\r\n\
              a=rtpmap:97 MPEG4-GENERIC/44100/1\r\na=fmtp:97 profile-level-id=1;mode=AAC-hbr;\
              sizelength=13;indexlength=3;indexdeltalength=3; config=120856E500\r\n\
              a=control:streamid=1\r\nm=audio 0 RTP/AVP 8\r\nm=application 0 RTP/AVP 107\r\n",
        );
        assert_eq!((title.as_deref(), bandwidth_kbit_per_s), (Some("rtone"), 145));
        let [video, audio, telephone, other] = &media[..] else { panic!("{media:?}") };
        assert_eq!((video.kind, video.format), (MediaKind::Video, Format::H264));
        let size = VideoFormat { width: 320, height: 180, profile: 66, level: 11 };
        assert_eq!((video.video, video.is_configured), (Some(size), true));
        assert_eq!((&*video.control, video.clock_hz), ("streamid=0", 90_000));
        assert_eq!((audio.codec, audio.is_configured), (Some(Codec::Aac), true));
        assert_eq!(audio.format, Format::AccessUnits { header_bits: 16 });
        assert_eq!((telephone.codec, telephone.clock_hz), (Some(Codec::G711A), 8000));
        assert_eq!((other.kind, other.codec), (MediaKind::Other, None));
    }

    #[test]
    fn a_title_may_be_blank_and_media_may_be_too_many() {
        assert_eq!(read(b"s= \r\n").title, None);
        let many = b"m=audio 0 RTP/AVP 0\n".repeat(50_000);
        assert_eq!(read(&many).media.len(), super::MAX_MEDIA);
    }
}
