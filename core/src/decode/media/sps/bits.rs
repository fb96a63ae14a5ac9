//! Bits of a NAL unit, without the bytes that prevent start codes (H.264 7.4.1.1).

/// Most bytes that are read: what is behind the size of the picture is not.
const MAX_BYTES: usize = 512;

/// The bits that were not read.
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    /// Zero bytes before the next byte.
    zeros: u8,
    current: u8,
    /// Bits of `current` that were not read.
    left: u32,
}

impl<'a> Bits<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        let bytes = bytes.get(..MAX_BYTES).unwrap_or(bytes);
        Self { bytes, zeros: 0, current: 0, left: 0 }
    }

    fn byte(&mut self) -> Option<u8> {
        let (mut byte, mut rest) = self.bytes.split_first()?;
        if self.zeros >= 2 && *byte == 3 {
            (byte, rest) = rest.split_first()?;
            self.zeros = 0;
        }
        self.bytes = rest;
        self.zeros = if *byte == 0 { self.zeros.saturating_add(1) } else { 0 };
        Some(*byte)
    }

    pub(super) fn flag(&mut self) -> Option<bool> {
        if self.left == 0 {
            self.current = self.byte()?;
            self.left = 8;
        }
        self.left -= 1;
        Some(self.current >> self.left & 1 == 1)
    }

    /// A number of at most 32 bits.
    pub(super) fn read(&mut self, length: u32) -> Option<u32> {
        (0..length).try_fold(0, |number, _| Some(number << 1 | u32::from(self.flag()?)))
    }

    pub(super) fn skip(&mut self, length: u32) -> Option<()> {
        (0..length).try_for_each(|_| self.flag().map(drop))
    }

    /// `ue(v)`: as many zeros as bits follow behind a one (H.264 9.1).
    pub(super) fn unsigned(&mut self) -> Option<u32> {
        let mut length = 0;
        while !self.flag()? {
            length += 1;
        }
        (length < 32).then(|| self.read(length))?.map(|low| (1 << length) - 1 + low)
    }

    /// `se(v)`: 0, 1, -1, 2, -2, … (H.264 9.1.1).
    pub(super) fn signed(&mut self) -> Option<i32> {
        let number = self.unsigned()?;
        let half = number.div_ceil(2) as i32;
        Some(if number % 2 == 1 { half } else { -half })
    }
}
