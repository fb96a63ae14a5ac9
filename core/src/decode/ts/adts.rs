//! Frames of AAC in their transport format (ISO/IEC 13818-7, 6.2), scanned as they come.

use crate::decode::media::Counted;

/// Bytes up to the end of the length.
const HEADER: usize = 6;
/// A shorter frame is none.
const MIN_FRAME: usize = 8;
/// Samples a second, by their index (ISO/IEC 14496-3, table 1.18).
const RATES: [u32; 13] = [
    96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000,
    7_350,
];
/// Samples of a frame.
const FRAME_SAMPLES: u64 = 1024;

/// The frames of a stream.
#[derive(Debug, Default)]
pub(super) struct Adts {
    header: [u8; HEADER],
    filled: usize,
    /// Bytes of the frame, and how many of them are left.
    length: usize,
    left: usize,
    /// Whether a header was found, which configures a decoder.
    pub(super) is_configured: bool,
    complete: Counted,
    /// Samples a second; 0 before the first frame.
    rate: u32,
}

impl Adts {
    /// Takes bytes.
    pub(super) fn data(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.left > 0 {
                let (frame, rest) = bytes.split_at(self.left.min(bytes.len()));
                self.left -= frame.len();
                bytes = rest;
                if self.left == 0 {
                    self.complete.add(self.length as u64);
                }
                continue;
            }
            let Some((byte, rest)) = bytes.split_first() else { return };
            if let Some(place) = self.header.get_mut(self.filled) {
                *place = *byte;
            }
            self.filled += 1;
            bytes = rest;
            if self.filled == HEADER {
                self.frame();
            }
        }
    }

    /// A header is filled: a frame begins, or the next byte is tried.
    fn frame(&mut self) {
        let [first, second, third, fourth, fifth, sixth] = self.header;
        let is_marker = first == 0xff && second & 0xf0 == 0xf0;
        let rate = RATES.get(usize::from(third >> 2 & 15)).copied();
        let is_rate = rate.is_some();
        let length =
            usize::from(fourth & 3) << 11 | usize::from(fifth) << 3 | usize::from(sixth) >> 5;
        let is_frame = is_marker && (self.is_configured || is_rate) && length >= MIN_FRAME;
        self.is_configured |= is_marker && is_rate;
        if is_frame {
            (self.length, self.left, self.filled) = (length, length - HEADER, 0);
            self.rate = rate.unwrap_or(self.rate);
        } else {
            self.header.rotate_left(1);
            self.filled = HEADER - 1;
        }
    }

    /// The frames that were completed.
    pub(super) fn take_complete(&mut self) -> Counted {
        std::mem::take(&mut self.complete)
    }

    /// How long a number of frames plays, milliseconds.
    pub(super) fn played_ms(&self, frames: u64) -> u64 {
        frames.saturating_mul(FRAME_SAMPLES * 1000).checked_div(self.rate.into()).unwrap_or(0)
    }

    /// Bytes are missing: what was not taken is thrown away.
    pub(super) fn lose(&mut self) {
        let Self { is_configured, rate, .. } = *self;
        *self = Self { is_configured, rate, ..Self::default() };
    }
}

#[cfg(test)]
mod tests {
    use super::{Adts, Counted};

    /// A frame of that many bytes, header included.
    fn frame(length: usize) -> Vec<u8> {
        let mut frame = vec![
            0xff,
            0xf1,
            0x50,
            0x80 | (length >> 11) as u8,
            (length >> 3) as u8,
            (length << 5) as u8,
        ];
        frame.resize(length, 0x21);
        frame
    }

    #[test]
    fn frames_are_counted_when_they_are_complete() {
        let stream = [&b"garbage\xff\x00"[..], &frame(100), &frame(50), &frame(80)].concat();
        for size in [1, 7, 300] {
            let mut adts = Adts::default();
            stream[..200].chunks(size).for_each(|chunk| adts.data(chunk));
            assert!(adts.is_configured);
            assert_eq!(adts.take_complete(), Counted { packets: 2, bytes: 150 });
            stream[200..].chunks(size).for_each(|chunk| adts.data(chunk));
            assert_eq!(adts.take_complete(), Counted { packets: 1, bytes: 80 });
            assert_eq!(adts.played_ms(441), 10_240, "at 44.1 kHz");
        }
    }

    #[test]
    fn behind_a_gap_the_next_frame_is_found() {
        let mut adts = Adts::default();
        adts.data(&frame(100)[..60]);
        adts.lose();
        adts.data(&[&frame(100)[70..], &frame(40)].concat());
        assert_eq!(adts.take_complete(), Counted { packets: 1, bytes: 40 });
    }
}
