//! The time at which a file ends, out of its last bytes alone.
//!
//! It is an estimate: a file whose earlier packets are dated later, or that breaks in its middle, ends at another time.

use super::{Format, Records};
use crate::buffer::MAX_RECORD_BYTES;
use crate::records::record::Located;

/// Bytes at the end of a file that are read for it.
pub(crate) const TAIL_BYTES: usize = 4 * MAX_RECORD_BYTES;
/// A time this much before an earlier packet's is no reordering of the capture but another clock, microseconds.
const MAX_BACK_US: i64 = 1_000_000;

impl Records {
    /// The latest time in `tail`, the last bytes of a file whose first packet was peeked; `None` if they do not show it.
    pub(crate) fn latest_in(&self, tail: &[u8]) -> Option<i64> {
        let first_us = self.next.as_ref()?.at_us?;
        // A record begins in there: with as many bytes as are read of a file, none is longer.
        let searched = tail.len() / 4;
        let begin = match &self.format {
            Format::Pcap(pcap) => pcap.begin_in(tail, searched, first_us)?,
            Format::Pcapng(pcapng) => pcapng.begin_in(tail, searched)?,
        };
        let mut format = self.format.clone();
        let (mut rest, mut latest) = (tail.get(begin..)?, None);
        while !rest.is_empty() {
            let length = match format.locate(rest) {
                Located::Packet(record) => {
                    // Records that a packet contains may have led to the first ones.
                    let at_us = record.at_us.filter(|_| rest.len() <= tail.len() / 2);
                    if latest.zip(at_us).is_some_and(|(latest, at)| latest - at > MAX_BACK_US) {
                        return None;
                    }
                    latest = latest.max(at_us);
                    record.length
                }
                Located::Other(length) => length,
                Located::Needs(_) | Located::Broken(_) => return None,
            };
            rest = rest.get(length..).filter(|_| length <= MAX_RECORD_BYTES)?;
        }
        latest
    }
}
