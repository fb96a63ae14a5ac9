//! H.264 and H.265 sequence parameter sets (ITU-T H.264 7.3.2.1.1, H.265 7.3.2.2).

/// Size, profile and level of video.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::decode) struct VideoFormat {
    /// Pixels, cropping applied.
    pub(in crate::decode) width: u32,
    /// Pixels, cropping applied.
    pub(in crate::decode) height: u32,
    /// `profile_idc`.
    pub(in crate::decode) profile: u8,
    /// `level_idc`.
    pub(in crate::decode) level: u8,
}

/// Of an H.264 SPS.
pub(in crate::decode) fn h264(_nal: &[u8]) -> Option<VideoFormat> {
    None
}

/// Of an H.265 SPS.
pub(in crate::decode) fn h265(_nal: &[u8]) -> Option<VideoFormat> {
    None
}
