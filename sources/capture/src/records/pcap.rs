//! The format pcap (draft-ietf-opsawg-pcap): a header, and then records of packets.

use super::record::{Located, Order, Record};

/// Bytes of the header of a file.
pub(super) const HEADER_BYTES: usize = 24;
/// Bytes of the header of a record.
const RECORD_BYTES: usize = 16;

/// How long before the first packet another one may be dated, and how long after it, microseconds.
const MAX_BEFORE_US: i64 = 3600 * 1_000_000;
const MAX_AFTER_US: i64 = 10 * 366 * 24 * 3600 * 1_000_000;

const MICROSECONDS: u32 = 0xa1b2_c3d4;
const NANOSECONDS: u32 = 0xa1b2_3c4d;

/// The header of a file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pcap {
    order: Order,
    has_nanoseconds: bool,
    /// Most bytes of a packet that are captured.
    snap_length: usize,
    /// The link type of every packet.
    pub(super) link: u16,
}

impl Pcap {
    /// Reads the header; `None` if this is none.
    pub(super) fn read(header: &[u8]) -> Option<Self> {
        let order = [false, true].map(|is_big_endian| Order { is_big_endian });
        let magic = |order: &Order| order.u32(header, 0);
        let is_known = |order: &Order| matches!(magic(order), Some(MICROSECONDS | NANOSECONDS));
        let order = order.into_iter().find(is_known)?;
        // The upper bits are about checksums behind frames, which the IP length leaves out.
        let link = order.u32(header, 20)? as u16;
        let snap_length = order.length(header, 16)?;
        let has_nanoseconds = magic(&order) == Some(NANOSECONDS);
        Some(Self { order, has_nanoseconds, snap_length, link })
    }

    /// The record at the begin of `bytes`.
    pub(super) fn locate(&self, bytes: &[u8]) -> Located {
        self.record(bytes).unwrap_or(Located::Needs(RECORD_BYTES))
    }

    fn record(&self, bytes: &[u8]) -> Option<Located> {
        let seconds = i64::from(self.order.u32(bytes, 0)?);
        let fraction = i64::from(self.order.u32(bytes, 4)?);
        let captured = self.order.length(bytes, 8)?;
        let original = self.order.length(bytes, 12)?;
        let length = RECORD_BYTES.saturating_add(captured);
        if bytes.len() < length {
            return Some(Located::Needs(length));
        }
        let micros = if self.has_nanoseconds { fraction / 1000 } else { fraction };
        Some(Located::Packet(Record {
            at_us: Some(seconds * 1_000_000 + micros),
            link: self.link,
            cut: u32::try_from(original.saturating_sub(captured)).unwrap_or(u32::MAX),
            bytes: RECORD_BYTES..length,
            length,
        }))
    }

    /// Where a record begins among the first `searched` bytes of `tail`, the last bytes of a file: at a place from which
    /// plausible records follow each other to its end. The first packet of the file is of `first_us`.
    pub(super) fn begin_in(&self, tail: &[u8], searched: usize, first_us: i64) -> Option<usize> {
        // Each place is tried once.
        let mut is_tried = vec![false; tail.len()];
        (0..searched).find(|begin| {
            let mut at = *begin;
            while let Some(is_tried) = is_tried.get_mut(at)
                && !std::mem::replace(is_tried, true)
                && let Some(length) = self.plausible(tail.get(at..).unwrap_or_default(), first_us)
            {
                at += length;
            }
            at == tail.len()
        })
    }

    /// The length of the record at the begin of `bytes`; `None` if it is implausible.
    fn plausible(&self, bytes: &[u8], first_us: i64) -> Option<usize> {
        let captured = self.order.length(bytes, 8)?;
        let original = self.order.length(bytes, 12)?;
        if captured == 0 || captured > self.snap_length || captured > original {
            return None;
        }
        let fractions = if self.has_nanoseconds { 1_000_000_000 } else { 1_000_000 };
        let Located::Packet(record) = self.record(bytes)? else { return None };
        let after_us = record.at_us? - first_us;
        let is_plausible = self.order.u32(bytes, 4)? < fractions
            && (-MAX_BEFORE_US..MAX_AFTER_US).contains(&after_us);
        is_plausible.then_some(record.length)
    }
}
