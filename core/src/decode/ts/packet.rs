//! A packet (ISO/IEC 13818-1, 2.4.3.2).

/// Bytes of a packet.
pub(super) const PACKET: usize = 188;
/// Its first byte.
pub(super) const SYNC: u8 = 0x47;
/// Highest number of packets that belong together.
pub(super) const MAX_PID: u16 = 0x1fff;

/// A packet of which the payload is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Packet<'a> {
    pub(super) pid: u16,
    /// Whether a section or a packet of an elementary stream begins in it.
    pub(super) is_start: bool,
    pub(super) counter: u8,
    /// Whether the sender states that the counter does not follow that before.
    pub(super) is_discontinuous: bool,
    /// `None` if it has none: then the counter does not count it.
    pub(super) payload: Option<&'a [u8]>,
}

/// Whether a header begins here, as far as it is there.
pub(super) fn is_header(bytes: &[u8]) -> bool {
    // An error of the transport, and the reserved value of the adaptation field, are in no clean stream.
    let is_sound = |second: &u8| second & 0x80 == 0;
    let has_content = |fourth: &u8| fourth & 0x30 != 0;
    bytes.first() == Some(&SYNC)
        && bytes.get(1).is_none_or(is_sound)
        && bytes.get(3).is_none_or(has_content)
}

impl<'a> Packet<'a> {
    /// Reads a packet; `None` if it is damaged.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let ([SYNC, second, third, fourth], mut rest) = bytes.split_first_chunk()? else {
            return None;
        };
        if second & 0x80 != 0 {
            return None;
        }
        let mut is_discontinuous = false;
        if fourth & 0x20 != 0 {
            let (length, behind) = rest.split_first()?;
            let (field, behind) = behind.split_at_checked(usize::from(*length))?;
            is_discontinuous = field.first().is_some_and(|flags| flags & 0x80 != 0);
            rest = behind;
        }
        Some(Self {
            pid: u16::from_be_bytes([second & 0x1f, *third]),
            is_start: second & 0x40 != 0,
            counter: fourth & 15,
            is_discontinuous,
            payload: (fourth & 0x10 != 0).then_some(rest),
        })
    }
}
