//! Puts IP packets together of their fragments, in bounded memory.

use std::collections::HashMap;
use std::net::IpAddr;

use foldhash::fast::RandomState;

use crate::ip::{Fragment, IpPacket};

/// Most packets of which fragments are kept.
pub(crate) const MAX_PACKETS: usize = 1024;
/// Most fragments of one packet: 64 KiB in parts of 576 bytes, the least that every link carries.
const MAX_FRAGMENTS: usize = 128;
/// Most bytes of one packet.
const MAX_PACKET_BYTES: usize = 65_535;
/// How long fragments wait for the others, microseconds: as Linux does (`net.ipv4.ipfrag_time`).
const WAIT_US: u64 = 30_000_000;

/// The fragments of packets that are not complete.
#[derive(Debug, Default)]
pub(crate) struct Fragments {
    by_packet: HashMap<Key, Partial, RandomState>,
    /// Fragments of packets that did not become complete.
    incomplete: u64,
    /// Fragments beyond a bound.
    refused: u64,
}

/// RFC 791 section 3.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    source: IpAddr,
    destination: IpAddr,
    protocol: u8,
    id: u32,
}

#[derive(Debug)]
struct Partial {
    since_us: u64,
    /// By their offsets, without overlaps.
    parts: Vec<(usize, Box<[u8]>)>,
    /// Bytes of the packet, known by its last fragment.
    length: Option<usize>,
}

impl Fragments {
    /// Adds a fragment, and returns the payload of its packet if it is complete now.
    pub(crate) fn add(
        &mut self,
        packet: &IpPacket<'_>,
        fragment: Fragment,
        now_us: u64,
    ) -> Option<Vec<u8>> {
        let offset = usize::try_from(fragment.offset).ok()?;
        let end = offset + packet.payload.len();
        // What is cut can never be complete.
        if packet.cut > 0 || end > MAX_PACKET_BYTES {
            self.incomplete += 1;
            return None;
        }
        let key = Key {
            source: packet.source,
            destination: packet.destination,
            protocol: packet.protocol,
            id: packet.id,
        };
        if self.by_packet.len() >= MAX_PACKETS && !self.by_packet.contains_key(&key) {
            self.expire(now_us);
            if self.by_packet.len() >= MAX_PACKETS {
                self.refused += 1;
                return None;
            }
        }
        let new = || Partial { since_us: now_us, parts: Vec::new(), length: None };
        let partial = self.by_packet.entry(key).or_insert_with(new);
        if now_us.saturating_sub(partial.since_us) > WAIT_US {
            self.incomplete += partial.parts.len() as u64;
            *partial = new();
        }
        if partial.parts.len() >= MAX_FRAGMENTS {
            self.refused += 1;
            return None;
        }
        if !fragment.has_more {
            partial.length.get_or_insert(end);
        }
        partial.put(offset, packet.payload);
        if !partial.is_complete() {
            return None;
        }
        let partial = self.by_packet.remove(&key)?;
        Some(partial.parts.into_iter().flat_map(|(_, bytes)| bytes).collect())
    }

    fn expire(&mut self, now_us: u64) {
        let is_old =
            |_: &Key, partial: &mut Partial| now_us.saturating_sub(partial.since_us) > WAIT_US;
        let old = self.by_packet.extract_if(is_old);
        self.incomplete += old.map(|(_, partial)| partial.parts.len() as u64).sum::<u64>();
    }

    /// Fragments of packets that are not complete, so far.
    pub(crate) fn incomplete(&self) -> u64 {
        self.incomplete + self.by_packet.values().map(|p| p.parts.len() as u64).sum::<u64>()
    }

    /// Fragments beyond a bound.
    pub(crate) fn refused(&self) -> u64 {
        self.refused
    }
}

impl Partial {
    /// Adds a part, unless it overlaps another: the bytes seen first win.
    fn put(&mut self, offset: usize, bytes: &[u8]) {
        let at = self.parts.partition_point(|(start, _)| *start < offset);
        let is_free = |(start, part): &(usize, Box<[u8]>)| {
            start + part.len() <= offset || offset + bytes.len() <= *start
        };
        let neighbours = at.saturating_sub(1)..(at + 1).min(self.parts.len());
        if !bytes.is_empty() && self.parts.get(neighbours).unwrap_or_default().iter().all(is_free) {
            self.parts.insert(at, (offset, bytes.into()));
        }
    }

    fn is_complete(&self) -> bool {
        let mut next = 0;
        for (start, part) in &self.parts {
            if *start != next {
                return false;
            }
            next += part.len();
        }
        self.length.is_some_and(|length| length <= next)
    }
}
