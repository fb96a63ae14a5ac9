//! The header of a packet (RFC 3550 section 5.1).

/// Bytes of the fixed header.
const HEADER: usize = 12;
/// Payload types that reports of RTCP have there (RFC 5761 section 4): 200 to 213, without their highest bit.
const REPORTS: std::ops::RangeInclusive<u8> = 192..=223;

/// A packet of media.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::decode) struct Packet<'a> {
    pub(in crate::decode) is_marked: bool,
    pub(in crate::decode) payload_type: u8,
    pub(in crate::decode) sequence: u16,
    pub(in crate::decode) timestamp: u32,
    pub(in crate::decode) ssrc: u32,
    /// Without padding, as far as it is there.
    pub(in crate::decode) payload: &'a [u8],
    /// Bytes of the payload, with those that are not there.
    pub(in crate::decode) length: u64,
}

/// What a datagram of a session is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::decode) enum Read<'a> {
    Media(Packet<'a>),
    /// Of RTCP.
    Report,
    Other,
}

/// Reads a datagram or an interleaved frame, of which `cut` more bytes are not there.
pub(in crate::decode) fn read(bytes: &[u8], cut: u64) -> Read<'_> {
    let [first, second, ..] = *bytes else { return Read::Other };
    if first >> 6 != 2 {
        Read::Other
    } else if REPORTS.contains(&second) {
        Read::Report
    } else {
        media(bytes, cut).map_or(Read::Other, Read::Media)
    }
}

fn media(bytes: &[u8], cut: u64) -> Option<Packet<'_>> {
    let (header, mut payload) = bytes.split_first_chunk::<HEADER>()?;
    let [first, second, s0, s1, t0, t1, t2, t3, id @ ..] = *header;
    payload = payload.get(4 * usize::from(first & 15)..)?;
    let has_extension = first & 16 != 0;
    if has_extension {
        let ([_, _, high, low], behind) = payload.split_first_chunk()?;
        payload = behind.get(4 * usize::from(u16::from_be_bytes([*high, *low]))..)?;
    }
    let is_padded = first & 32 != 0 && cut == 0;
    if is_padded {
        let padding = usize::from(*payload.last()?);
        payload = payload.get(..payload.len().checked_sub(padding)?)?;
    }
    Some(Packet {
        is_marked: second & 128 != 0,
        payload_type: second & 127,
        sequence: u16::from_be_bytes([s0, s1]),
        timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
        ssrc: u32::from_be_bytes(id),
        payload,
        length: payload.len() as u64 + cut,
    })
}

#[cfg(test)]
mod tests {
    use super::{Read, read};

    #[test]
    fn sources_extension_and_padding_are_no_payload() {
        let mut bytes = vec![0x80 | 0x20 | 0x10 | 1, 0x80 | 96, 0xff, 0xdc, 0, 0, 0, 9, 1, 2, 3, 4];
        bytes.extend([5, 6, 7, 8]);
        bytes.extend([0xbe, 0xde, 0, 1, 0, 0, 0, 0]);
        bytes.extend(*b"media");
        bytes.extend([0, 0, 3]);
        let Read::Media(packet) = read(&bytes, 0) else { panic!("a packet") };
        assert_eq!((packet.payload, packet.length), (&b"media"[..], 5));
        assert_eq!((packet.sequence, packet.timestamp, packet.ssrc), (65_500, 9, 0x0102_0304));
        assert!(packet.is_marked && packet.payload_type == 96);
    }

    #[test]
    fn reports_and_other_bytes_are_no_media() {
        assert_eq!(read(&[0x80, 200, 0, 6, 0, 0, 0, 0], 0), Read::Report);
        assert_eq!(read(&[0x80, 96, 0], 0), Read::Other);
        assert_eq!(read(&[0x40, 96], 0), Read::Other);
        assert_eq!(read(&[], 0), Read::Other);
        // More padding than payload.
        assert_eq!(read(&[0xa0, 96, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9], 0), Read::Other);
    }
}
