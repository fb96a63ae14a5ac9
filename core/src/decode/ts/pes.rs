//! The header of a packet of an elementary stream (ISO/IEC 13818-1, 2.4.3.6).

/// Bytes before the optional fields.
const HEADER: usize = 9;
/// A time has 33 bits, 90 000 a second.
const TIME_BITS: u32 = 33;

/// The time of a packet, and its payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pes<'a> {
    /// When it is presented, in ticks.
    pub(super) presented: u64,
    pub(super) payload: &'a [u8],
}

/// Reads the header, which a media server wants whole and with a time; `None` if it is not.
pub(super) fn read(bytes: &[u8]) -> Option<Pes<'_>> {
    let ([0, 0, 1, id, _, _, _, flags, length], rest) = bytes.split_first_chunk::<HEADER>()? else {
        return None;
    };
    let is_media = id & 0xc0 == 0xc0 || *id == PRIVATE_STREAM;
    let (fields, payload) = rest.split_at_checked(usize::from(*length))?;
    let has_time = flags & 0x80 != 0;
    let [a, b, c, d, e, ..] = *fields else { return None };
    if !is_media || !has_time {
        return None;
    }
    let presented = u64::from(a >> 1 & 7) << 30
        | u64::from(b) << 22
        | u64::from(c >> 1) << 15
        | u64::from(d) << 7
        | u64::from(e >> 1);
    Some(Pes { presented, payload })
}

/// Audio that is no MPEG audio is in there.
const PRIVATE_STREAM: u8 = 0xbd;

/// Times that go on beyond their bits.
#[derive(Debug, Default)]
pub(super) struct Times {
    last: Option<u64>,
    ticks: i64,
}

impl Times {
    /// Takes a time; returns milliseconds since the first one, or since the first wrap.
    pub(super) fn next(&mut self, ticks: u64) -> Option<u64> {
        let range = 1_i64 << TIME_BITS;
        let ticks = ticks.cast_signed();
        match self.last {
            None => self.ticks = ticks,
            Some(last) => {
                let ahead = (ticks - last.cast_signed()).rem_euclid(range);
                let ahead = if ahead >= range / 2 { ahead - range } else { ahead };
                self.ticks = self.ticks.saturating_add(ahead);
            }
        }
        self.last = Some(ticks.cast_unsigned());
        u64::try_from(self.ticks / 90).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::{Pes, Times, read};

    #[test]
    fn a_header_has_the_time() {
        let bytes = [0, 0, 1, 0xe0, 0, 0, 0x80, 0x80, 5, 0x21, 0, 7, 0xd8, 0x61, 9, 9];
        assert_eq!(read(&bytes), Some(Pes { presented: 126_000, payload: &[9, 9] }));
        assert_eq!(read(&bytes[..12]), None);
        assert_eq!(read(&[0, 0, 1, 0xe0, 0, 0, 0x80, 0, 0, 1]), None);
    }

    #[test]
    fn times_go_on_behind_their_end() {
        let mut times = Times::default();
        let end = (1 << 33) - 90;
        assert_eq!(times.next(end), Some(end / 90));
        assert_eq!(times.next(90), Some(end / 90 + 2));
        assert_eq!(times.next(0), Some(end / 90 + 1));
    }
}
