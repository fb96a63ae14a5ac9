//! The header of the link layer: what is before the IP packet.

/// Most VLAN tags of one frame; 802.1ad has two.
const MAX_TAGS: usize = 4;

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
/// Tags of 802.1Q, 802.1ad, and of the time before that.
const TAGS: [u16; 3] = [0x8100, 0x88a8, 0x9100];

/// Which headers a link type has (tcpdump.org/linktypes.html).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Link {
    /// `LINKTYPE_NULL`, `LINKTYPE_LOOP`: an address family in four bytes.
    BsdLoopback,
    /// `LINKTYPE_ETHERNET`.
    Ethernet,
    /// `LINKTYPE_RAW`, `LINKTYPE_IPV4`, `LINKTYPE_IPV6`: none.
    RawIp,
    /// `LINKTYPE_LINUX_SLL`: packets of all interfaces.
    LinuxCooked,
    /// `LINKTYPE_LINUX_SLL2`.
    LinuxCooked2,
}

/// What a frame carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Frame<'a> {
    /// An IP packet, with what may follow it in the frame.
    Ip(&'a [u8]),
    /// Another protocol.
    Other,
    /// Less than the header.
    Malformed,
}

impl Link {
    /// The link type of this number, if it is supported. 12 and 14 are raw IP of some systems.
    pub(crate) fn of(number: u16) -> Option<Self> {
        Some(match number {
            0 | 108 => Self::BsdLoopback,
            1 => Self::Ethernet,
            12 | 14 | 101 | 228 | 229 => Self::RawIp,
            113 => Self::LinuxCooked,
            276 => Self::LinuxCooked2,
            _ => return None,
        })
    }

    /// The IP packet in a frame.
    pub(crate) fn frame(self, bytes: &[u8]) -> Frame<'_> {
        let parts = match self {
            Self::RawIp => return Frame::Ip(bytes),
            // The family is in the byte order of the machine that captured; the version of IP is enough.
            Self::BsdLoopback => return bytes.get(4..).map_or(Frame::Malformed, by_version),
            Self::Ethernet => (12, 14),
            Self::LinuxCooked => (14, 16),
            Self::LinuxCooked2 => (0, 20),
        };
        let (protocol_at, mut header) = parts;
        let Some(mut protocol) = number(bytes, protocol_at) else { return Frame::Malformed };
        for _ in 0..MAX_TAGS {
            if !TAGS.contains(&protocol) {
                break;
            }
            let Some(inner) = number(bytes, header + 2) else { return Frame::Malformed };
            (protocol, header) = (inner, header + 4);
        }
        match protocol {
            IPV4 | IPV6 => bytes.get(header..).map_or(Frame::Malformed, Frame::Ip),
            _ => Frame::Other,
        }
    }
}

fn by_version(packet: &[u8]) -> Frame<'_> {
    match packet.first().map(|byte| byte >> 4) {
        Some(4 | 6) => Frame::Ip(packet),
        Some(_) => Frame::Other,
        None => Frame::Malformed,
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}
