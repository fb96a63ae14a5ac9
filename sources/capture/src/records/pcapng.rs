//! The format pcapng (draft-ietf-opsawg-pcapng): blocks, of which some have a packet.

use std::ops::Range;

use super::record::{Located, Order, Record};

/// Most interfaces of one section; a machine with as many network interfaces is not known.
const MAX_INTERFACES: usize = 65_536;
/// Bytes of type and length before, and of the length behind the body of a block.
const HEAD_BYTES: usize = 8;
const TAIL_BYTES: usize = 4;

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const BYTE_ORDER: u32 = 0x1a2b_3c4d;
const INTERFACE: u32 = 1;
const OLD_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const STATISTICS: u32 = 5;
const ENHANCED_PACKET: u32 = 6;

const OPTION_TIME_RESOLUTION: u16 = 9;
const OPTION_TIME_OFFSET: u16 = 14;
const OPTION_DROPPED_BY_INTERFACE: u16 = 5;
const OPTION_DROPPED_BY_SYSTEM: u16 = 7;

/// Whether a file begins with a section header.
pub(super) fn is_section(bytes: &[u8]) -> bool {
    let order = Order::default();
    let magic = order.u32(bytes, 8);
    order.u32(bytes, 0) == Some(SECTION_HEADER)
        && (magic == Some(BYTE_ORDER) || magic == Some(BYTE_ORDER.swap_bytes()))
}

/// What was read of the current section.
#[derive(Debug, Clone, Default)]
pub(super) struct Pcapng {
    order: Order,
    interfaces: Vec<Interface>,
    /// Packets that interfaces of earlier sections dropped.
    dropped_before: u64,
}

#[derive(Debug, Clone, Copy)]
struct Interface {
    link: u16,
    /// Most bytes of a packet that are captured; 0 is no limit.
    snap_length: u32,
    resolution: Resolution,
    /// Seconds to add to each time.
    offset_s: i64,
    /// Packets dropped, by the last statistics.
    dropped: u64,
}

/// The unit of times.
#[derive(Debug, Clone, Copy)]
enum Resolution {
    /// Ten to the power of minus this, seconds.
    Decimal(u32),
    /// Two to the power of minus this, seconds.
    Binary(u32),
}

impl Pcapng {
    /// Packets that the capturing program dropped, by its statistics.
    pub(super) fn dropped(&self) -> u64 {
        let now = self.interfaces.iter().map(|interface| interface.dropped);
        now.fold(self.dropped_before, u64::saturating_add)
    }

    /// The block at the begin of `bytes`.
    pub(super) fn locate(&mut self, bytes: &[u8]) -> Located {
        self.block(bytes).unwrap_or(Located::Needs(HEAD_BYTES + TAIL_BYTES))
    }

    /// Where a block begins among the first `searched` bytes of `tail`, the last bytes of a file: each has its length at
    /// its end too.
    pub(super) fn begin_in(&self, tail: &[u8], searched: usize) -> Option<usize> {
        let mut begin = tail.len();
        while begin >= searched {
            let length = self.order.length(tail, begin.checked_sub(TAIL_BYTES)?)?;
            begin = begin.checked_sub(length)?;
            let is_same = self.order.length(tail, begin + 4) == Some(length);
            if length < HEAD_BYTES + TAIL_BYTES || !is_same {
                return None;
            }
        }
        Some(begin)
    }

    fn block(&mut self, bytes: &[u8]) -> Option<Located> {
        let is_section = self.order.u32(bytes, 0)? == SECTION_HEADER;
        let mut order = self.order;
        if is_section {
            order = match Order::default().u32(bytes, 8)? {
                BYTE_ORDER => Order { is_big_endian: false },
                other if other == BYTE_ORDER.swap_bytes() => Order { is_big_endian: true },
                _ => return Some(Located::Broken("a section header without a byte order")),
            };
        }
        let length = order.length(bytes, 4)?;
        if length < HEAD_BYTES + TAIL_BYTES || !length.is_multiple_of(4) {
            return Some(Located::Broken("the length of a block is impossible"));
        }
        if bytes.len() < length {
            return Some(Located::Needs(length));
        }
        if is_section {
            self.dropped_before = self.dropped();
            self.order = order;
            self.interfaces.clear();
            return Some(Located::Other(length));
        }
        let body = bytes.get(HEAD_BYTES..length - TAIL_BYTES).unwrap_or_default();
        let packet = match order.u32(bytes, 0)? {
            INTERFACE => {
                if self.interfaces.len() >= MAX_INTERFACES {
                    return Some(Located::Broken("more than 65536 interfaces"));
                }
                match Interface::read(order, body) {
                    Some(interface) => self.interfaces.push(interface),
                    None => return Some(Located::Broken("an interface description is cut")),
                }
                return Some(Located::Other(length));
            }
            STATISTICS => {
                self.apply_statistics(body);
                return Some(Located::Other(length));
            }
            ENHANCED_PACKET => self.enhanced(body),
            OLD_PACKET => self.old(body),
            SIMPLE_PACKET => self.simple(body),
            _ => return Some(Located::Other(length)),
        };
        let Some((at_us, link, range, original)) = packet else {
            return Some(Located::Broken("a packet is longer than its block, or of no interface"));
        };
        let captured = range.len();
        let bytes = range.start + HEAD_BYTES..range.end + HEAD_BYTES;
        let cut = u32::try_from(original.saturating_sub(captured)).unwrap_or(u32::MAX);
        Some(Located::Packet(Record { at_us, link, cut, bytes, length }))
    }

    fn enhanced(&self, body: &[u8]) -> Option<Packet> {
        let interface = self.interfaces.get(self.order.length(body, 0)?)?;
        self.timed(interface, body, 4, 20)
    }

    fn old(&self, body: &[u8]) -> Option<Packet> {
        let interface = self.interfaces.get(usize::from(self.order.u16(body, 0)?))?;
        self.timed(interface, body, 4, 20)
    }

    /// A packet with a time at `at`, and bytes from `from` on.
    fn timed(&self, interface: &Interface, body: &[u8], at: usize, from: usize) -> Option<Packet> {
        let high = u64::from(self.order.u32(body, at)?);
        let low = u64::from(self.order.u32(body, at + 4)?);
        let captured = self.order.length(body, at + 8)?;
        let original = self.order.length(body, at + 12)?;
        let end = from.checked_add(captured)?;
        body.get(from..end)?;
        Some((Some(interface.time_us(high << 32 | low)), interface.link, from..end, original))
    }

    fn simple(&self, body: &[u8]) -> Option<Packet> {
        let interface = self.interfaces.first()?;
        let original = self.order.length(body, 0)?;
        let limit = match usize::try_from(interface.snap_length) {
            Ok(0) | Err(_) => usize::MAX,
            Ok(limit) => limit,
        };
        let end = 4 + original.min(limit).min(body.len().checked_sub(4)?);
        Some((None, interface.link, 4..end, original))
    }

    fn apply_statistics(&mut self, body: &[u8]) {
        let order = self.order;
        let Some(id) = order.length(body, 0) else { return };
        let Some(interface) = self.interfaces.get_mut(id) else { return };
        let mut dropped = 0_u64;
        for (code, value) in options(order, body.get(12..).unwrap_or_default()) {
            if matches!(code, OPTION_DROPPED_BY_INTERFACE | OPTION_DROPPED_BY_SYSTEM) {
                dropped = dropped.saturating_add(order.u64(value, 0).unwrap_or(0));
            }
        }
        interface.dropped = dropped;
    }
}

/// Time, link type, place of the bytes, and their number on the wire.
type Packet = (Option<i64>, u16, Range<usize>, usize);

impl Interface {
    fn read(order: Order, body: &[u8]) -> Option<Self> {
        let mut interface = Self {
            link: order.u16(body, 0)?,
            snap_length: order.u32(body, 4)?,
            resolution: Resolution::Decimal(6),
            offset_s: 0,
            dropped: 0,
        };
        for (code, value) in options(order, body.get(8..)?) {
            match (code, value) {
                (OPTION_TIME_RESOLUTION, [power, ..]) => {
                    let exponent = u32::from(*power & 0x7f);
                    interface.resolution = match power & 0x80 {
                        0 => Resolution::Decimal(exponent),
                        _ => Resolution::Binary(exponent),
                    };
                }
                (OPTION_TIME_OFFSET, value) => {
                    let offset = order.u64(value, 0).unwrap_or(0).cast_signed();
                    interface.offset_s = offset;
                }
                _ => {}
            }
        }
        Some(interface)
    }

    /// A time in microseconds since 1970-01-01 UTC.
    fn time_us(&self, ticks: u64) -> i64 {
        let ticks = u128::from(ticks);
        let micros = match self.resolution {
            Resolution::Decimal(power @ 0..=6) => ticks * 10_u128.pow(6 - power),
            // 64 bits have at most 20 digits.
            Resolution::Decimal(power) => ticks / 10_u128.pow((power - 6).min(20)),
            Resolution::Binary(power) => (ticks * 1_000_000) >> power.min(127),
        };
        let offset_us = self.offset_s.saturating_mul(1_000_000);
        i64::try_from(micros).unwrap_or(i64::MAX).saturating_add(offset_us)
    }
}

/// The options of a block: code and value each.
fn options(order: Order, bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let (code, length) = (order.u16(rest, 0)?, usize::from(order.u16(rest, 2)?));
        let value = rest.get(4..4 + length)?;
        // Values are padded to four bytes; code 0 is the end.
        rest = rest.get(4 + length.next_multiple_of(4)..).unwrap_or_default();
        (code != 0).then_some((code, value))
    })
}
