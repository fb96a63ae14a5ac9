//! Integers and byte strings of the frames: variable-length integers as in QUIC (RFC 9000, section 16).

mod numbered;

pub(crate) use numbered::{Numbered, numbered};

/// The greatest integer that can be written: 2^62 − 1.
pub(crate) const MAX_INTEGER: u64 = (1 << 62) - 1;

/// Appends an integer in its shortest form. An integer above [`MAX_INTEGER`] is written as that.
pub(crate) fn write_integer(out: &mut Vec<u8>, value: u64) {
    let value = value.min(MAX_INTEGER);
    let bytes = value.to_be_bytes();
    let (length, prefix) = match value {
        0..=0x3f => (1, 0x00),
        0x40..=0x3fff => (2, 0x40),
        0x4000..=0x3fff_ffff => (4, 0x80),
        _ => (8, 0xc0),
    };
    let start = out.len();
    out.extend(bytes.iter().skip(bytes.len() - length));
    if let Some(first) = out.get_mut(start) {
        *first |= prefix;
    }
}

/// Appends the length of a byte string, and the string.
pub(crate) fn write_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    write_integer(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Reads from the begin of bytes; `None` when they end too soon. Borrows and never allocates.
#[derive(Debug, Clone)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn integer(&mut self) -> Option<u64> {
        let first = *self.rest.first()?;
        let length = 1usize << (first >> 6);
        let bytes = self.take(length)?;
        let value = bytes.iter().fold(0, |value, byte| (value << 8) | u64::from(*byte));
        let bits = 8 * length as u32 - 2;
        Some(value & ((1 << bits) - 1))
    }

    pub(crate) fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.integer()?;
        self.take(usize::try_from(length).ok()?)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of RFC 9000, appendix A.1.
    #[test]
    fn integers_of_the_rfc() {
        let examples: [(&[u8], u64); 4] = [
            (&[0xc2, 0x19, 0x7c, 0x5e, 0xff, 0x14, 0xe8, 0x8c], 151_288_809_941_952_652),
            (&[0x9d, 0x7f, 0x3e, 0x7d], 494_878_333),
            (&[0x7b, 0xbd], 15_293),
            (&[0x25], 37),
        ];
        for (bytes, value) in examples {
            assert_eq!(Reader::new(bytes).integer(), Some(value));
            let mut out = Vec::new();
            write_integer(&mut out, value);
            assert_eq!(out, bytes);
            let cut = &bytes[..bytes.len() - 1];
            assert_eq!(Reader::new(cut).integer(), None);
        }
    }

    #[test]
    fn a_string_longer_than_its_bytes_is_refused() {
        assert_eq!(Reader::new(&[0xff; 8]).bytes(), None);
        assert_eq!(Reader::new(&[3, 1, 2]).bytes(), None);
        assert_eq!(Reader::new(&[2, 1, 2]).bytes(), Some(&[1, 2][..]));
    }
}
