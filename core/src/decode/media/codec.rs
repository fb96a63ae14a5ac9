//! Codecs of audio and video, by the names in which media tools list them.

/// A codec.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::decode) enum Codec {
    Aac,
    Ac3,
    Adpcm,
    Eac3,
    Flac,
    G711A,
    G711Mu,
    Mp2,
    Mp3,
    Nellymoser,
    Opus,
    Pcm,
    Speex,
    Av1,
    H263,
    H264,
    H265,
    Mpeg2Video,
    Mpeg4Video,
    Screen,
    Screen2,
    Vp6,
    Vp6Alpha,
    Vp8,
    Vp9,
    Jpeg,
}

impl Codec {
    /// The name in lower case, as in `ffprobe` where it lists the codec.
    pub(in crate::decode) fn name(self) -> &'static str {
        match self {
            Self::Aac => "aac",
            Self::Ac3 => "ac3",
            Self::Adpcm => "adpcm_swf",
            Self::Eac3 => "eac3",
            Self::Flac => "flac",
            Self::G711A => "pcm_alaw",
            Self::G711Mu => "pcm_mulaw",
            Self::Mp2 => "mp2",
            Self::Mp3 => "mp3",
            Self::Nellymoser => "nellymoser",
            Self::Opus => "opus",
            Self::Pcm => "pcm",
            Self::Speex => "speex",
            Self::Av1 => "av1",
            Self::H263 => "flv1",
            Self::H264 => "h264",
            Self::H265 => "hevc",
            Self::Mpeg2Video => "mpeg2video",
            Self::Mpeg4Video => "mpeg4",
            Self::Screen => "flashsv",
            Self::Screen2 => "flashsv2",
            Self::Vp6 => "vp6f",
            Self::Vp6Alpha => "vp6a",
            Self::Vp8 => "vp8",
            Self::Vp9 => "vp9",
            Self::Jpeg => "mjpeg",
        }
    }

    /// By the SoundFormat of an FLV audio tag (Adobe Flash Video File Format 10.1, E.4.2.1).
    pub(in crate::decode) fn of_flv_audio(format: u8) -> Option<Self> {
        Some(match format {
            0 | 3 => Self::Pcm,
            1 => Self::Adpcm,
            2 | 14 => Self::Mp3,
            4..=6 => Self::Nellymoser,
            7 => Self::G711A,
            8 => Self::G711Mu,
            10 => Self::Aac,
            11 => Self::Speex,
            _ => return None,
        })
    }

    /// By the CodecID of an FLV video tag (the same, E.4.3.1).
    pub(in crate::decode) fn of_flv_video(id: u8) -> Option<Self> {
        Some(match id {
            1 => Self::Jpeg,
            2 => Self::H263,
            3 => Self::Screen,
            4 => Self::Vp6,
            5 => Self::Vp6Alpha,
            6 => Self::Screen2,
            7 => Self::H264,
            12 => Self::H265,
            _ => return None,
        })
    }

    /// By the FourCC of an extended tag (Enhanced RTMP 2).
    pub(in crate::decode) fn of_four_cc(code: [u8; 4]) -> Option<Self> {
        Some(match &code {
            b"avc1" => Self::H264,
            b"hvc1" => Self::H265,
            b"av01" => Self::Av1,
            b"vp08" => Self::Vp8,
            b"vp09" => Self::Vp9,
            b"mp4a" => Self::Aac,
            b".mp3" => Self::Mp3,
            b"Opus" => Self::Opus,
            b"fLaC" => Self::Flac,
            b"ac-3" => Self::Ac3,
            b"ec-3" => Self::Eac3,
            _ => return None,
        })
    }
}
