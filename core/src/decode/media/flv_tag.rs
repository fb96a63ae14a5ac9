//! The first bytes of an audio or video tag of FLV, which RTMP messages have too (Adobe Flash Video File Format
//! 10.1, E.4.2 and E.4.3; Enhanced RTMP 2).

use super::codec::Codec;
use super::sps::VideoFormat;
use super::track::Track;

/// What the first bytes of a tag state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::decode) struct FlvTag {
    pub(in crate::decode) codec: Option<Codec>,
    pub(in crate::decode) is_key: bool,
    /// Whether it is the decoder configuration and no frame.
    pub(in crate::decode) is_configuration: bool,
    /// Where the configuration or the frame begins.
    body: usize,
}

/// `PacketType` of extended tags: configuration.
const SEQUENCE_START: u8 = 0;

impl FlvTag {
    /// Of audio; `None` if the bytes are too few.
    pub(in crate::decode) fn audio(bytes: &[u8]) -> Option<Self> {
        let first = *bytes.first()?;
        if first >> 4 == 9 {
            return Self::extended(first & 0x0f, false, bytes);
        }
        let codec = Codec::of_flv_audio(first >> 4);
        let is_aac = codec == Some(Codec::Aac);
        let is_configuration = is_aac && *bytes.get(1)? == 0;
        Some(Self { codec, is_key: false, is_configuration, body: if is_aac { 2 } else { 1 } })
    }

    /// Of video; `None` if the bytes are too few.
    pub(in crate::decode) fn video(bytes: &[u8]) -> Option<Self> {
        let first = *bytes.first()?;
        if first & 0x80 != 0 {
            return Self::extended(first & 0x0f, first >> 4 & 7 == 1, bytes);
        }
        let codec = Codec::of_flv_video(first & 0x0f);
        let has_packet_type = matches!(codec, Some(Codec::H264 | Codec::H265));
        let is_configuration = has_packet_type && *bytes.get(1)? == 0;
        let body = if has_packet_type { 5 } else { 1 };
        Some(Self { codec, is_key: first >> 4 == 1 && !is_configuration, is_configuration, body })
    }

    fn extended(packet_type: u8, is_key: bool, bytes: &[u8]) -> Option<Self> {
        let code = bytes.get(1..5)?.try_into().ok()?;
        let is_configuration = packet_type == SEQUENCE_START;
        let is_key = is_key && !is_configuration;
        Some(Self { codec: Codec::of_four_cc(code), is_key, is_configuration, body: 5 })
    }

    /// Takes the decoder configuration of a whole tag of audio or video.
    pub(in crate::decode) fn configure(&self, tag: &[u8], track: &mut Track) {
        track.is_configured = true;
        let body = tag.get(self.body..).unwrap_or_default();
        let format = match self.codec {
            Some(Codec::H264) => avc_sps(body).and_then(super::sps::h264),
            Some(Codec::H265) => hevc_sps(body).and_then(super::sps::h265),
            _ => None,
        };
        track.format = format.or(track.format);
    }

    /// The size of a picture whose codec states it in the picture.
    pub(in crate::decode) fn picture_format(&self, tag: &[u8]) -> Option<VideoFormat> {
        (self.codec == Some(Codec::H263)).then(|| h263_size(tag.get(self.body..)?))?
    }
}

/// The first SPS of an `AVCDecoderConfigurationRecord` (ISO 14496-15, 5.2.4.1).
fn avc_sps(record: &[u8]) -> Option<&[u8]> {
    let (count, rest) = record.get(5..)?.split_first()?;
    (count & 0x1f > 0).then(|| sized(rest))?.map(|(sps, _)| sps)
}

/// The first SPS of an `HEVCDecoderConfigurationRecord` (ISO 14496-15, 8.3.3.1).
fn hevc_sps(record: &[u8]) -> Option<&[u8]> {
    const SPS: u8 = 33;
    let (arrays, mut rest) = record.get(22..)?.split_first()?;
    for _ in 0..*arrays {
        let ([kind, high, low], after) = rest.split_first_chunk()?;
        rest = after;
        for _ in 0..u16::from_be_bytes([*high, *low]) {
            let (unit, after) = sized(rest)?;
            if kind & 0x3f == SPS {
                return Some(unit);
            }
            rest = after;
        }
    }
    None
}

/// Bytes behind their length in 16 bits, and what follows.
fn sized(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(u16::from_be_bytes(*length).into())
}

/// Size of a picture of Sorenson H.263 (FLV format, `H263VIDEOPACKET`): 17 bits start code, 5 version, 8
/// reference, 3 size.
fn h263_size(picture: &[u8]) -> Option<VideoFormat> {
    let bytes: [u8; 8] = picture.first_chunk().copied()?;
    let bits = u64::from_be_bytes(bytes);
    let field = |at: u32, length: u32| (bits >> (64 - at - length)) as u32 & ((1 << length) - 1);
    if field(0, 17) != 1 {
        return None;
    }
    let (width, height) = match field(30, 3) {
        0 => (field(33, 8), field(41, 8)),
        // 16 bits each; the last one is in the next byte.
        1 => (field(33, 16), u32::from(*picture.get(8)?) >> 7 | (field(49, 15) << 1)),
        2 => (352, 288),
        3 => (176, 144),
        4 => (128, 96),
        5 => (320, 240),
        6 => (160, 120),
        _ => return None,
    };
    Some(VideoFormat { width, height, profile: 0, level: 0 })
}

#[cfg(test)]
mod tests {
    use super::{Codec, FlvTag, VideoFormat};

    #[test]
    fn sequence_headers_are_no_frames() {
        let header = FlvTag::audio(&[0xaf, 0, 0x12, 0x10]).unwrap();
        assert!(header.is_configuration && header.codec == Some(Codec::Aac));
        let key = FlvTag::video(&[0x17, 1, 0, 0, 0]).unwrap();
        assert!(key.is_key && !key.is_configuration && key.codec == Some(Codec::H264));
        let config = FlvTag::video(&[0x17, 0, 0, 0, 0]).unwrap();
        assert!(!config.is_key && config.is_configuration);
        assert_eq!(FlvTag::video(&[0x17]), None);
        let hevc = FlvTag::video(b"\x90hvc1").unwrap();
        assert!(hevc.is_configuration && hevc.codec == Some(Codec::H265));
    }

    #[test]
    fn a_picture_of_h263_states_its_size() {
        // 0000 0000 0000 0000 1 00000 00000000 101 …: 320 by 240
        let tag = [0x22, 0x00, 0x00, 0x80, 0x02, 0x80, 0, 0, 0];
        let format = FlvTag::video(&tag).and_then(|one| one.picture_format(&tag));
        assert_eq!(format, Some(VideoFormat { width: 320, height: 240, profile: 0, level: 0 }));
    }
}
