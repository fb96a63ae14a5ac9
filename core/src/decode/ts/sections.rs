//! Tables: which programs there are (ISO/IEC 13818-1, 2.4.4.3), and of which elementary streams each is (2.4.4.8).

use crate::decode::media::Codec;

/// Longest section of these tables, bytes.
const MAX_SECTION: usize = 1024;
/// Table id, length, id of the table, version, number of the section and of the last one.
const HEADER: usize = 8;
/// The checksum at the end.
const CHECKSUM: usize = 4;
const PROGRAMS: u8 = 0;
const STREAMS: u8 = 2;

/// The section under way of a table.
#[derive(Debug, Default)]
pub(super) struct Section {
    bytes: Vec<u8>,
    is_begun: bool,
}

impl Section {
    /// Takes the payload of a packet; returns a section that is complete with it.
    pub(super) fn packet(&mut self, payload: &[u8], is_start: bool) -> Option<Vec<u8>> {
        let mut payload = payload;
        if is_start {
            // The end of the section before is in front of the pointer.
            let (pointer, rest) = payload.split_first()?;
            payload = rest.get(usize::from(*pointer)..)?;
            self.bytes.clear();
            self.is_begun = true;
        }
        if !self.is_begun {
            return None;
        }
        let room = MAX_SECTION.saturating_sub(self.bytes.len()).min(payload.len());
        self.bytes.extend_from_slice(payload.get(..room).unwrap_or_default());
        let [_, high, low, ..] = self.bytes[..] else { return None };
        let length = 3 + usize::from(u16::from_be_bytes([high & 15, low]));
        if length > MAX_SECTION {
            self.lose();
            return None;
        }
        if self.bytes.len() < length {
            return None;
        }
        self.is_begun = false;
        self.bytes.truncate(length);
        Some(std::mem::take(&mut self.bytes))
    }

    /// Bytes are missing.
    pub(super) fn lose(&mut self) {
        self.is_begun = false;
        self.bytes.clear();
    }

    pub(super) fn memory(&self) -> usize {
        self.bytes.capacity()
    }
}

/// What is between header and checksum of a section of this table that is valid now, and its id.
fn content(section: &[u8], table: u8) -> Option<(u16, &[u8])> {
    let ([id, _, _, high, low, version, _, _], rest) = section.split_first_chunk::<HEADER>()?;
    let end = rest.len().checked_sub(CHECKSUM)?;
    let is_current = version & 1 != 0;
    let content = rest.get(..end)?;
    (*id == table && is_current).then_some((u16::from_be_bytes([*high, *low]), content))
}

fn pid(high: u8, low: u8) -> u16 {
    u16::from_be_bytes([high & 0x1f, low])
}

/// The programs that a section lists: number, and where its streams are listed.
pub(super) fn programs(section: &[u8]) -> Option<impl Iterator<Item = (u16, u16)>> {
    let (_, content) = content(section, PROGRAMS)?;
    let program = |entry: &[u8; 4]| {
        let [n0, n1, high, low] = *entry;
        (u16::from_be_bytes([n0, n1]), pid(high, low))
    };
    let (entries, _) = content.as_chunks();
    // Number 0 is the network's information.
    Some(entries.iter().map(program).filter(|(number, _)| *number != 0))
}

/// An elementary stream that a program has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) pid: u16,
    /// `None` if it is neither audio nor video that is known.
    pub(super) codec: Option<Codec>,
}

/// The number of a program and its elementary streams.
pub(super) fn streams(section: &[u8]) -> Option<(u16, Vec<Listed>)> {
    let (number, content) = content(section, STREAMS)?;
    let ([_, _, high, low], rest) = content.split_first_chunk()?;
    let descriptors = usize::from(u16::from_be_bytes([high & 15, *low]));
    let mut rest = rest.get(descriptors..)?;
    let mut listed = Vec::new();
    while let Some(([kind, p0, p1, high, low], behind)) = rest.split_first_chunk() {
        let length = usize::from(u16::from_be_bytes([high & 15, *low]));
        let descriptors = behind.get(..length).unwrap_or(behind);
        listed.push(Listed { pid: pid(*p0, *p1), codec: codec(*kind, descriptors) });
        rest = behind.get(length..).unwrap_or_default();
    }
    Some((number, listed))
}

/// By `stream_type`; of private data, by a descriptor (ETSI EN 300 468 annex D).
fn codec(kind: u8, descriptors: &[u8]) -> Option<Codec> {
    Some(match kind {
        0x01 | 0x02 => Codec::Mpeg2Video,
        0x03 | 0x04 => Codec::Mp2,
        0x0f => Codec::Aac,
        0x10 => Codec::Mpeg4Video,
        0x1b => Codec::H264,
        0x24 => Codec::H265,
        0x81 => Codec::Ac3,
        0x87 => Codec::Eac3,
        0x06 => match descriptors {
            [0x6a, ..] => Codec::Ac3,
            [0x7a, ..] => Codec::Eac3,
            [0x05, 4, b'O', b'p', b'u', b's', ..] => Codec::Opus,
            _ => return None,
        },
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::{Codec, Listed, Section, programs, streams};

    const PROGRAMS: &[u8] = &[0, 0xb0, 13, 0, 1, 0xc1, 0, 0, 0, 1, 0xf0, 0, 1, 2, 3, 4];
    const STREAMS: &[u8] = &[
        2, 0xb0, 25, 0, 1, 0xc1, 0, 0, 0xe1, 0, 0xf0, 0, 0x1b, 0xe1, 0, 0xf0, 0, 0x0f, 0xe1, 1,
        0xf0, 2, 0x7c, 0, 1, 2, 3, 4,
    ];

    #[test]
    fn tables_name_programs_and_streams() {
        let found: Vec<_> = programs(PROGRAMS).unwrap().collect();
        assert_eq!(found, [(1, 0x1000)]);
        let (number, found) = streams(STREAMS).unwrap();
        let listed = |pid, codec| Listed { pid, codec: Some(codec) };
        assert_eq!(
            (number, &found[..]),
            (1, &[listed(256, Codec::H264), listed(257, Codec::Aac)][..])
        );
        assert!(programs(STREAMS).is_none() && streams(&STREAMS[..10]).is_none());
    }

    #[test]
    fn a_section_may_be_in_several_packets() {
        let mut section = Section::default();
        assert_eq!(section.packet(&STREAMS[..9], false), None);
        let first = [&[2, 0xff, 0xff][..], &STREAMS[..9]].concat();
        assert_eq!(section.packet(&first, true), None);
        let second = [&STREAMS[9..], &[0xff; 50]].concat();
        assert_eq!(section.packet(&second, false).as_deref(), Some(STREAMS));
        // Longer than any.
        assert_eq!(section.packet(&[0, 2, 0xbf, 0xff], true), None);
        assert!(section.memory() < 2048);
    }
}
