//! Payload of packets, put together to what is counted: NAL units of video (RFC 6184, RFC 7798), access units of
//! AAC (RFC 3640), packets of all others.

use super::Packet;

/// How payload is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::decode) enum Format {
    H264,
    H265,
    /// Access units behind as many bits of a header for each.
    AccessUnits {
        header_bits: u16,
    },
    /// Packets without checks of their order.
    Packets,
}

/// A unit that is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unit<'a> {
    pub(super) bytes: u64,
    /// `nal_unit_type` of video.
    pub(super) kind: Option<u8>,
    /// All of it, if it is in one packet.
    pub(super) whole: &'a [u8],
}

/// What a packet is to a side that counts units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Next,
    /// It is behind a gap, and thrown away.
    BehindGap,
}

/// Puts units together.
#[derive(Debug, Default)]
pub(super) struct Units {
    /// The sequence number of the last packet; 0 is none, as a media server has it.
    last: u16,
    /// The unit under way: its type, and its bytes so far.
    fragments: Option<(u8, u64)>,
}

/// A fragmented unit begins or ends with this packet.
const FRAGMENT_START: u8 = 128;
const FRAGMENT_END: u8 = 64;

impl Units {
    /// Checks the order. Behind a gap, however long, one packet is thrown away, and a unit under way.
    pub(super) fn order(&mut self, sequence: u16) -> Order {
        if self.last != 0 && self.last.wrapping_add(1) != sequence {
            (self.last, self.fragments) = (0, None);
            return Order::BehindGap;
        }
        self.last = sequence;
        Order::Next
    }

    /// Takes the payload of a packet.
    pub(super) fn packet<'a>(
        &mut self,
        format: Format,
        packet: &Packet<'a>,
        sink: &mut dyn FnMut(Unit<'a>),
    ) {
        match format {
            Format::H264 => self.h264(packet, sink),
            Format::H265 => self.h265(packet, sink),
            Format::AccessUnits { header_bits } => access_units(header_bits, packet, sink),
            Format::Packets => sink(Unit { bytes: packet.length, kind: None, whole: &[] }),
        }
    }

    fn h264<'a>(&mut self, packet: &Packet<'a>, sink: &mut dyn FnMut(Unit<'a>)) {
        const AGGREGATE: u8 = 24;
        const FRAGMENT: u8 = 28;
        let Some((first, rest)) = packet.payload.split_first() else { return };
        match first & 0x1f {
            kind @ 0..AGGREGATE => sink(single(kind, packet)),
            AGGREGATE => {
                if !aggregated(rest, |unit| unit.first().map(|first| first & 0x1f), sink) {
                    self.reset();
                }
            }
            // The header of the unit is one byte, made of both of the fragment.
            FRAGMENT => self.fragment(rest.first().copied(), 0x1f, packet.length, 2, 1, sink),
            _ => self.reset(),
        }
    }

    fn h265<'a>(&mut self, packet: &Packet<'a>, sink: &mut dyn FnMut(Unit<'a>)) {
        const AGGREGATE: u8 = 48;
        const FRAGMENT: u8 = 49;
        let Some(([first, _], rest)) = packet.payload.split_first_chunk() else { return };
        match first >> 1 & 0x3f {
            kind @ 0..AGGREGATE => sink(single(kind, packet)),
            AGGREGATE => {
                if !aggregated(rest, |unit| unit.first().map(|first| first >> 1 & 0x3f), sink) {
                    self.reset();
                }
            }
            FRAGMENT => self.fragment(rest.first().copied(), 0x3f, packet.length, 3, 2, sink),
            _ => self.reset(),
        }
    }

    /// Takes a fragment: `headers` bytes before its part of the unit, which has a header of `own` bytes.
    fn fragment<'a>(
        &mut self,
        header: Option<u8>,
        kinds: u8,
        length: u64,
        headers: u64,
        own: u64,
        sink: &mut dyn FnMut(Unit<'a>),
    ) {
        let Some(header) = header else { return };
        let part = length.saturating_sub(headers);
        match &mut self.fragments {
            None if header & FRAGMENT_START != 0 => {
                self.fragments = Some((header & kinds, own + part));
            }
            None => {}
            Some((kind, bytes)) => {
                *bytes += part;
                if header & FRAGMENT_END != 0 {
                    sink(Unit { bytes: *bytes, kind: Some(*kind), whole: &[] });
                    self.fragments = None;
                }
            }
        }
    }

    fn reset(&mut self) {
        (self.last, self.fragments) = (0, None);
    }

    /// The type of the unit of video that a packet begins, or is within.
    pub(super) fn begun(format: Format, payload: &[u8]) -> Option<u8> {
        let kind_at = |at: usize| payload.get(at).copied();
        match format {
            Format::H264 => match kind_at(0)? & 0x1f {
                24 => kind_at(3).map(|first| first & 0x1f),
                28 => kind_at(1).map(|header| header & 0x1f),
                kind => Some(kind),
            },
            Format::H265 => match kind_at(0)? >> 1 & 0x3f {
                48 => kind_at(4).map(|first| first >> 1 & 0x3f),
                49 => kind_at(2).map(|header| header & 0x3f),
                kind => Some(kind),
            },
            Format::AccessUnits { .. } | Format::Packets => None,
        }
    }
}

fn single<'a>(kind: u8, packet: &Packet<'a>) -> Unit<'a> {
    let is_whole = packet.payload.len() as u64 == packet.length;
    let whole = if is_whole { packet.payload } else { &[] };
    Unit { bytes: packet.length, kind: Some(kind), whole }
}

/// Takes the units of a packet, each behind its length in 16 bits; `false` if one is longer than the packet.
fn aggregated<'a>(
    mut rest: &'a [u8],
    kind: impl Fn(&[u8]) -> Option<u8>,
    sink: &mut dyn FnMut(Unit<'a>),
) -> bool {
    while let Some(([high, low], behind)) = rest.split_first_chunk()
        && behind.len() > 1
    {
        let length = u16::from_be_bytes([*high, *low]).into();
        let Some((unit, behind)) = behind.split_at_checked(length) else { return false };
        sink(Unit { bytes: unit.len() as u64, kind: kind(unit), whole: unit });
        rest = behind;
    }
    true
}

/// Takes access units: the bits of their headers in 16 bits, the headers, then the units. The last one has all
/// that is left.
fn access_units<'a>(header_bits: u16, packet: &Packet<'a>, sink: &mut dyn FnMut(Unit<'a>)) {
    let Some(([high, low], _)) = packet.payload.split_first_chunk() else { return };
    let bits = u16::from_be_bytes([*high, *low]);
    let headers = u64::from(bits).div_ceil(8) + 2;
    let (Some(units), Some(mut left)) =
        (bits.checked_div(header_bits), packet.length.checked_sub(headers))
    else {
        return;
    };
    // Sizes are read as far as they are in whole bytes: 13 bits and 3 of an index.
    const SIZE_BITS: u16 = 13;
    for index in 0..usize::from(units) {
        let is_last = index + 1 == usize::from(units);
        let size = || {
            let at = 2 + 2 * index;
            let header = packet.payload.get(at..at + 2)?;
            (header_bits == 16).then(|| {
                u64::from(
                    header.iter().fold(0, |size, byte| size << 8 | u16::from(*byte))
                        >> (16 - SIZE_BITS),
                )
            })
        };
        let bytes = if is_last { left } else { size().unwrap_or(0) };
        let Some(behind) = left.checked_sub(bytes) else { return };
        left = behind;
        sink(Unit { bytes, kind: None, whole: &[] });
    }
}
