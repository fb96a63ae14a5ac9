//! H.264 and H.265 sequence parameter sets (ITU-T H.264 7.3.2.1.1, H.265 7.3.2.2).

mod bits;

use bits::Bits;

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

/// Largest width and height of a picture that any level of either codec allows, with room.
const MAX_PIXELS: u32 = 1 << 16;
/// Profiles whose SPS states the chroma format and scaling matrices.
const WITH_CHROMA: [u8; 13] = [100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135];
/// `num_ref_frames_in_pic_order_cnt_cycle` is at most that.
const MAX_CYCLE: u32 = 255;

/// Of an H.264 SPS with its header byte.
pub(in crate::decode) fn h264(nal: &[u8]) -> Option<VideoFormat> {
    const SPS: u8 = 7;
    let ([header, profile, _, level], rest) = nal.split_first_chunk()?;
    if header & 0x1f != SPS {
        return None;
    }
    let mut bits = Bits::new(rest);
    bits.unsigned()?;
    let mut chroma = Chroma::FOUR_TWO_ZERO;
    if WITH_CHROMA.contains(profile) {
        let format = bits.unsigned()?;
        chroma = Chroma::read(format, &mut bits)?;
        // Bit depths, and a flag of the transform.
        bits.unsigned()?;
        bits.unsigned()?;
        bits.flag()?;
        if bits.flag()? {
            for list in 0..if format == 3 { 12 } else { 8 } {
                if bits.flag()? {
                    skip_scaling_list(&mut bits, if list < 6 { 16 } else { 64 })?;
                }
            }
        }
    }
    bits.unsigned()?;
    match bits.unsigned()? {
        0 => bits.unsigned().map(drop)?,
        1 => {
            bits.flag()?;
            bits.signed()?;
            bits.signed()?;
            let cycle = bits.unsigned().filter(|cycle| *cycle <= MAX_CYCLE)?;
            for _ in 0..cycle {
                bits.signed()?;
            }
        }
        _ => {}
    }
    // Reference frames, and whether gaps are allowed.
    bits.unsigned()?;
    bits.flag()?;
    let width = bits.unsigned()?.checked_add(1)?.checked_mul(16)?;
    let map_units = bits.unsigned()?.checked_add(1)?;
    let is_frames_only = bits.flag()?;
    let fields = if is_frames_only { 1 } else { 2 };
    let height = map_units.checked_mul(16 * fields)?;
    if !is_frames_only {
        bits.flag()?;
    }
    bits.flag()?;
    let unit = (chroma.horizontal, chroma.vertical * fields);
    let (width, height) = cropped(&mut bits, unit, (width, height))?;
    Some(VideoFormat { width, height, profile: *profile, level: *level })
}

/// Of an H.265 SPS with its two header bytes.
pub(in crate::decode) fn h265(nal: &[u8]) -> Option<VideoFormat> {
    const SPS: u8 = 33;
    let ([header, _], rest) = nal.split_first_chunk()?;
    if header >> 1 & 0x3f != SPS {
        return None;
    }
    let mut bits = Bits::new(rest);
    bits.read(4)?;
    let sub_layers = bits.read(3)?;
    bits.flag()?;
    // profile_tier_level: space, tier and profile, compatibility and constraints, level.
    let profile = (bits.read(8)? & 0x1f) as u8;
    bits.skip(80)?;
    let level = bits.read(8)? as u8;
    let mut has = [(false, false); 8];
    for of in has.iter_mut().take(sub_layers as usize) {
        *of = (bits.flag()?, bits.flag()?);
    }
    if sub_layers > 0 {
        bits.skip(2 * (8 - sub_layers))?;
    }
    for (has_profile, has_level) in has {
        bits.skip(if has_profile { 88 } else { 0 } + if has_level { 8 } else { 0 })?;
    }
    bits.unsigned()?;
    let format = bits.unsigned()?;
    let chroma = Chroma::read(format, &mut bits)?;
    let size = (bits.unsigned()?, bits.unsigned()?);
    let (width, height) = cropped(&mut bits, (chroma.horizontal, chroma.vertical), size)?;
    Some(VideoFormat { width, height, profile, level })
}

/// How many pixels of luma an offset of the cropping window is.
#[derive(Clone, Copy)]
struct Chroma {
    horizontal: u32,
    vertical: u32,
}

impl Chroma {
    const FOUR_TWO_ZERO: Self = Self { horizontal: 2, vertical: 2 };

    /// By `chroma_format_idc`; of 4:4:4 a flag follows, whether the planes are separate.
    fn read(format: u32, bits: &mut Bits<'_>) -> Option<Self> {
        match format {
            1 => Some(Self::FOUR_TWO_ZERO),
            2 => Some(Self { horizontal: 2, vertical: 1 }),
            0 => Some(Self { horizontal: 1, vertical: 1 }),
            3 => bits.flag().map(|_| Self { horizontal: 1, vertical: 1 }),
            _ => None,
        }
    }
}

/// The size without what the cropping window cuts off: left, right, top, bottom.
fn cropped(bits: &mut Bits<'_>, unit: (u32, u32), size: (u32, u32)) -> Option<(u32, u32)> {
    let (mut horizontal, mut vertical) = (0_u32, 0_u32);
    if bits.flag()? {
        horizontal = bits.unsigned()?.checked_add(bits.unsigned()?)?;
        vertical = bits.unsigned()?.checked_add(bits.unsigned()?)?;
    }
    let of = |size: u32, offsets: u32, unit: u32| size.checked_sub(offsets.checked_mul(unit)?);
    let (width, height) = (of(size.0, horizontal, unit.0)?, of(size.1, vertical, unit.1)?);
    let is_possible = |pixels| (1..=MAX_PIXELS).contains(&pixels);
    (is_possible(width) && is_possible(height)).then_some((width, height))
}

/// Passes over a scaling list (H.264 7.3.2.1.1.1).
fn skip_scaling_list(bits: &mut Bits<'_>, size: usize) -> Option<()> {
    let (mut last, mut next) = (8_i32, 8_i32);
    for _ in 0..size {
        if next != 0 {
            next = last.wrapping_add(bits.signed()?) & 0xff;
        }
        last = if next == 0 { last } else { next };
    }
    Some(())
}

#[cfg(test)]
mod tests;
