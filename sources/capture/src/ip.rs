//! The IP header (RFC 791, RFC 8200), with the extension headers of IPv6.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Most extension headers of one packet; there are six kinds, each at most twice.
const MAX_EXTENSIONS: usize = 12;

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
const DESTINATION: u8 = 60;
const MOBILITY: u8 = 135;

/// An IP packet, or a fragment of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct IpPacket<'a> {
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    /// The protocol of the payload: 6 is TCP, 17 is UDP.
    pub(crate) protocol: u8,
    /// The identification of IPv4, or of a fragment of IPv6.
    pub(crate) id: u32,
    pub(crate) fragment: Option<Fragment>,
    pub(crate) payload: &'a [u8],
    /// Bytes of the payload that were not captured.
    pub(crate) cut: u32,
}

/// Which part of a packet a fragment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fragment {
    /// Where its payload begins in that of the packet, bytes.
    pub(crate) offset: u32,
    /// Whether it is not the last one.
    pub(crate) has_more: bool,
}

impl<'a> IpPacket<'a> {
    /// Reads a packet; `None` if its headers break the format or are cut.
    pub(crate) fn read(bytes: &'a [u8]) -> Option<Self> {
        match bytes.first()? >> 4 {
            4 => Self::read_v4(bytes),
            6 => Self::read_v6(bytes),
            _ => None,
        }
    }

    fn read_v4(bytes: &'a [u8]) -> Option<Self> {
        let header: &[u8; 20] = bytes.first_chunk()?;
        let header_bytes = usize::from(header[0] & 15) * 4;
        let total = match usize::from(u16::from_be_bytes([header[2], header[3]])) {
            // Segments that the network device cuts later, beyond 64 KiB.
            0 => bytes.len(),
            total => total,
        };
        if header_bytes < 20 || total < header_bytes {
            return None;
        }
        let part = u16::from_be_bytes([header[6], header[7]]);
        let (offset, has_more) = (u32::from(part & 0x1fff) * 8, part & 0x2000 != 0);
        let is_fragment = has_more || offset > 0;
        let [.., a, b, c, d, e, f, g, h] = *header;
        let payload = bytes.get(header_bytes..total.min(bytes.len()))?;
        Some(Self {
            source: Ipv4Addr::new(a, b, c, d).into(),
            destination: Ipv4Addr::new(e, f, g, h).into(),
            protocol: header[9],
            id: u16::from_be_bytes([header[4], header[5]]).into(),
            fragment: is_fragment.then_some(Fragment { offset, has_more }),
            payload,
            cut: missing(total - header_bytes, payload),
        })
    }

    fn read_v6(bytes: &'a [u8]) -> Option<Self> {
        let header: &[u8; 40] = bytes.first_chunk()?;
        let address = |at: usize| {
            let octets: [u8; 16] = *header.get(at..)?.first_chunk()?;
            Some(IpAddr::from(Ipv6Addr::from(octets)))
        };
        let behind = bytes.get(40..)?;
        let length = match usize::from(u16::from_be_bytes([header[4], header[5]])) {
            // A jumbogram (RFC 2675), or segments that the network device cuts later.
            0 => behind.len(),
            length => length,
        };
        let mut packet = Self {
            source: address(8)?,
            destination: address(24)?,
            protocol: header[6],
            id: 0,
            fragment: None,
            payload: behind.get(..length.min(behind.len()))?,
            cut: missing(length, behind),
        };
        for _ in 0..MAX_EXTENSIONS {
            let Some(header_bytes) = packet.extension_bytes() else { return Some(packet) };
            let header = packet.payload.get(..header_bytes?)?;
            if packet.protocol == FRAGMENT {
                let [_, _, high, low, id @ ..] = header else { return None };
                let part = u16::from_be_bytes([*high, *low]);
                let (offset, has_more) = (u32::from(part & 0xfff8), part & 1 != 0);
                packet.id = u32::from_be_bytes(*id.first_chunk()?);
                // An atomic fragment is a whole packet (RFC 6946).
                let is_fragment = has_more || offset > 0;
                packet.fragment = is_fragment.then_some(Fragment { offset, has_more });
            }
            let next = *header.first()?;
            packet.payload = packet.payload.get(header.len()..)?;
            packet.protocol = next;
            // Headers behind the first fragment header are of the whole packet.
            if packet.fragment.is_some() {
                return Some(packet);
            }
        }
        None
    }

    /// How long the extension header is that comes next: `None` if none comes, `Some(None)` if it is cut.
    #[expect(clippy::option_option, reason = "no header, and a header that is cut")]
    fn extension_bytes(&self) -> Option<Option<usize>> {
        let length = || self.payload.get(1).map(|length| usize::from(*length));
        Some(match self.protocol {
            HOP_BY_HOP | ROUTING | DESTINATION | MOBILITY => length().map(|units| (units + 1) * 8),
            AUTHENTICATION => length().map(|units| (units + 2) * 4),
            FRAGMENT => Some(8),
            _ => return None,
        })
    }
}

/// Bytes of `length` that are not in `captured`.
fn missing(length: usize, captured: &[u8]) -> u32 {
    u32::try_from(length.saturating_sub(captured.len())).unwrap_or(u32::MAX)
}
