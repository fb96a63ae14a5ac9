use proptest::prelude::*;

use super::{VideoFormat, h264, h265};

fn bytes(hex: &str) -> Vec<u8> {
    let digit = |at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal digits");
    (0..hex.len()).step_by(2).map(digit).collect()
}

fn format(width: u32, height: u32, profile: u8, level: u8) -> Option<VideoFormat> {
    Some(VideoFormat { width, height, profile, level })
}

#[test]
fn an_sps_of_h264_has_the_size_without_what_is_cropped() {
    // Of ffmpeg in corpus/ems-captures/rtsp-interleaved: 320 by 192, the last twelve lines cropped.
    let baseline = bytes("6742c00bda05067e7c0440000003004000000503c50aa8");
    assert_eq!(h264(&baseline), format(320, 180, 66, 11));
    // Of x264: 1088 lines, the last eight cropped.
    let high = bytes("67640028acd940780227e5c044000003000400000300c83c60c658");
    assert_eq!(h264(&high), format(1920, 1080, 100, 40));
}

#[test]
fn an_sps_of_h265_has_the_size() {
    // Of x265.
    let main =
        bytes("42010101600000030090000003000003005da00280802d165959a4932b9a80808082000003000200");
    assert_eq!(h265(&main), format(1280, 720, 1, 93));
}

/// Writes bits, with the bytes that prevent start codes.
#[derive(Default)]
struct Written(Vec<bool>);

impl Written {
    fn bits(mut self, bits: &str) -> Self {
        self.0.extend(bits.bytes().map(|bit| bit == b'1'));
        self
    }

    fn unsigned(self, number: u32) -> Self {
        let digits = format!("{:b}", number + 1);
        let zeros = "0".repeat(digits.len() - 1);
        self.bits(&zeros).bits(&digits)
    }

    fn nal(mut self, head: &[u8]) -> Vec<u8> {
        self.0.resize(self.0.len().next_multiple_of(8), false);
        let byte = |bits: &[bool]| bits.iter().fold(0, |byte, bit| byte << 1 | u8::from(*bit));
        let mut nal = head.to_vec();
        for byte in self.0.chunks(8).map(byte) {
            if byte <= 3 && nal.ends_with(&[0, 0]) {
                nal.push(3);
            }
            nal.push(byte);
        }
        nal
    }
}

#[test]
fn interlaced_pictures_have_twice_the_lines() {
    let sps = Written::default()
        .unsigned(0)
        .unsigned(0)
        // Order of type 1: a flag, two offsets, a cycle of two.
        .unsigned(1)
        .bits("0")
        .unsigned(1)
        .unsigned(2)
        .unsigned(2)
        .unsigned(0)
        .unsigned(70_000)
        .unsigned(4)
        .bits("0")
        .unsigned(44)
        .unsigned(17)
        .bits("000")
        .bits("1")
        .unsigned(4)
        .unsigned(4)
        .unsigned(0)
        .unsigned(0)
        .bits("0");
    assert_eq!(h264(&sps.nal(&[0x67, 77, 0, 30])), format(704, 576, 77, 30));
}

#[test]
fn scaling_lists_and_other_chroma_are_passed_over() {
    // 4:4:4 with twelve lists, the first one of which ends at once.
    let sps = Written::default()
        .unsigned(0)
        .unsigned(3)
        .bits("0")
        .unsigned(0)
        .unsigned(0)
        .bits("01")
        .bits("1")
        // A difference of -8 makes the next scale zero.
        .unsigned(16)
        .bits("00000000000")
        .unsigned(0)
        .unsigned(0)
        .unsigned(0)
        .unsigned(1)
        .bits("0")
        .unsigned(39)
        .unsigned(22)
        .bits("11")
        .bits("1")
        .unsigned(0)
        .unsigned(1)
        .unsigned(0)
        .unsigned(8)
        .bits("0");
    assert_eq!(h264(&sps.nal(&[0x67, 244, 0, 31])), format(639, 360, 244, 31));
}

#[test]
fn what_is_no_sps_has_no_size() {
    assert_eq!(h264(&[]), None);
    assert_eq!(h264(&[0x68, 0xce, 0x3c, 0x80, 0, 0]), None);
    assert_eq!(h265(&[0x40, 1, 0xff]), None);
    // Wider than any.
    let wide = Written::default().unsigned(0).unsigned(0).unsigned(2).unsigned(0).bits("0");
    let wide = wide.unsigned(1 << 28).unsigned(4).bits("110");
    assert_eq!(h264(&wide.nal(&[0x67, 77, 0, 30])), None);
}

proptest! {
    #[test]
    fn any_bytes_are_read(head in 0..4, bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let nal = |head: &[u8]| [head, &bytes[..]].concat();
        let heads: [&[u8]; 4] = [&[0x67, 100, 0, 30], &[0x67, 66, 0, 30], &[0x42, 1], &[]];
        let nal = nal(heads[head as usize]);
        for format in [h264(&nal), h265(&nal)].into_iter().flatten() {
            prop_assert!(format.width > 0 && format.height > 0);
        }
    }
}
