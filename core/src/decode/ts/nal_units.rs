//! NAL units between start codes (ITU-T H.264 annex B), scanned as they come: of parameter sets the bytes are kept,
//! of all others the length.

use crate::decode::media::Counted;
use crate::decode::media::sps::{self, VideoFormat};

/// Most bytes of a parameter set that are kept.
const MAX_KEPT: usize = 256;

/// Which codec the units are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NalCodec {
    H264,
    H265,
}

/// What a unit is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum UnitKind {
    Sequence,
    Picture,
    KeySlice,
    Other,
}

impl NalCodec {
    fn kind(self, first: u8) -> UnitKind {
        match self {
            Self::H264 => match first & 0x1f {
                5 => UnitKind::KeySlice,
                7 => UnitKind::Sequence,
                8 => UnitKind::Picture,
                _ => UnitKind::Other,
            },
            Self::H265 => match first >> 1 & 0x3f {
                16..=23 => UnitKind::KeySlice,
                33 => UnitKind::Sequence,
                34 => UnitKind::Picture,
                _ => UnitKind::Other,
            },
        }
    }

    fn format(self, nal: &[u8]) -> Option<VideoFormat> {
        match self {
            Self::H264 => sps::h264(nal),
            Self::H265 => sps::h265(nal),
        }
    }
}

/// The units of the packet under way.
#[derive(Debug)]
pub(super) struct NalUnits {
    codec: NalCodec,
    /// Zeros before the next byte, three at most.
    zeros: usize,
    unit: Option<Unit>,
    /// The begin of a parameter set.
    kept: Vec<u8>,
    found: Found,
    /// A sequence parameter set that waits for one of pictures: a decoder needs both.
    sequence: Option<VideoFormat>,
}

#[derive(Debug, Clone, Copy)]
struct Unit {
    /// Bytes of its start code, three or four.
    code: u64,
    length: u64,
    kind: UnitKind,
}

/// What the units of a packet were.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Found {
    pub(super) units: Counted,
    pub(super) is_key: bool,
    /// Of parameter sets, of which both kinds came.
    pub(super) format: Option<VideoFormat>,
}

impl NalUnits {
    pub(super) fn new(codec: NalCodec) -> Self {
        let (unit, kept, found) = (None, Vec::new(), Found::default());
        Self { codec, zeros: 0, unit, kept, found, sequence: None }
    }

    /// Takes bytes of the packet.
    pub(super) fn data(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some((first, behind)) = rest.split_first() {
            if self.zeros > 0 || *first == 0 {
                self.byte(*first);
                rest = behind;
                continue;
            }
            // Up to the next two zeros nothing can begin.
            let (run, behind) = rest.split_at(next_zeros(rest));
            self.run(run);
            rest = behind;
        }
    }

    fn byte(&mut self, byte: u8) {
        if byte == 1 && self.zeros >= 2 {
            self.begin();
            return;
        }
        self.zeros = if byte == 0 { (self.zeros + 1).min(3) } else { 0 };
        self.run(&[byte]);
    }

    /// Bytes of a unit.
    fn run(&mut self, bytes: &[u8]) {
        let Some(unit) = &mut self.unit else { return };
        if unit.length == 0
            && let Some(first) = bytes.first()
        {
            unit.kind = self.codec.kind(*first);
        }
        unit.length += bytes.len() as u64;
        if unit.kind == UnitKind::Sequence {
            let room = MAX_KEPT.saturating_sub(self.kept.len()).min(bytes.len());
            self.kept.extend_from_slice(bytes.get(..room).unwrap_or_default());
        }
    }

    /// A unit begins behind a start code, whose zeros were counted to the one before.
    fn begin(&mut self) {
        let zeros = self.zeros as u64;
        if let Some(unit) = &mut self.unit {
            unit.length = unit.length.saturating_sub(zeros);
        }
        self.end_unit();
        self.unit = Some(Unit { code: zeros + 1, length: 0, kind: UnitKind::Other });
        self.zeros = 0;
    }

    fn end_unit(&mut self) {
        let Some(unit) = self.unit.take().filter(|unit| unit.length > 0) else { return };
        self.found.units.add(unit.length);
        match unit.kind {
            UnitKind::KeySlice => self.found.is_key = true,
            UnitKind::Sequence => {
                self.sequence = self.codec.format(&self.kept);
                self.kept.clear();
            }
            UnitKind::Picture => {
                // Only the first one behind a sequence parameter set makes a pair.
                self.found.format = self.sequence.take().or(self.found.format);
            }
            UnitKind::Other => {}
        }
    }

    /// The packet ends.
    pub(super) fn finish(&mut self) -> Found {
        // A start code so close to the end begins nothing.
        if let Some(unit) = &self.unit
            && unit.code + unit.length < 5
        {
            if self.found.units.packets > 0 {
                self.found.units.bytes += unit.code + unit.length;
            }
            self.unit = None;
        }
        self.end_unit();
        self.zeros = 0;
        std::mem::take(&mut self.found)
    }

    /// Bytes of the packet are missing: what came of it is thrown away.
    pub(super) fn lose(&mut self) {
        (self.unit, self.zeros, self.found) = (None, 0, Found::default());
        self.kept.clear();
    }

    pub(super) fn memory(&self) -> usize {
        self.kept.capacity()
    }
}

/// Where two zeros, or one at the end, are in bytes that begin with none; else the length.
fn next_zeros(bytes: &[u8]) -> usize {
    // Of two zeros one is at an odd place.
    let mut at = 1;
    while let Some(byte) = bytes.get(at) {
        if *byte == 0 {
            if bytes.get(at - 1) == Some(&0) {
                return at - 1;
            }
            if bytes.get(at + 1).is_none_or(|next| *next == 0) {
                return at;
            }
        }
        at += 2;
    }
    match bytes.split_last() {
        Some((0, before)) => before.len(),
        _ => bytes.len(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Counted, NalCodec, NalUnits, next_zeros};

    fn counted(chunks: &[&[u8]]) -> Counted {
        let mut units = NalUnits::new(NalCodec::H264);
        chunks.iter().for_each(|chunk| units.data(chunk));
        units.finish().units
    }

    #[test]
    fn units_are_what_is_between_start_codes() {
        let stream = b"\0\0\0\x01\x09\x10\0\0\x01\x41\x01\x02\0\0\0\x01\x06\x05\0\0";
        assert_eq!(counted(&[stream]), Counted { packets: 3, bytes: 2 + 3 + 4 });
        let single: Vec<_> = stream.chunks(1).collect();
        assert_eq!(counted(&single), counted(&[stream]));
        // One zero more than a start code has belongs to the unit before.
        assert_eq!(counted(&[b"\0\0\x01\x41\0\0\0\0\x01\x41\x02"]).bytes, 2 + 2);
        // What ends too early begins nothing.
        assert_eq!(counted(&[b"\0\0\x01\x41\x09\0\0\x01\x0b"]), Counted { packets: 1, bytes: 6 });
        assert_eq!(counted(&[b"no start code"]), Counted::default());
    }

    #[test]
    fn a_pair_of_parameter_sets_has_the_format() {
        let sps = b"\0\0\0\x01\x67\x42\xc0\x0b\xda\x05\x06\x7e\x7c\x04\x40\0\0\x03\0\x40\0\0\x05\x03\xc5\x0a\xa8";
        let mut units = NalUnits::new(NalCodec::H264);
        units.data(sps);
        assert!(units.finish().format.is_none());
        units.data(b"\0\0\x01\x68\xce\x3c\x80\0\0\x01\x65\x01");
        let found = units.finish();
        assert_eq!(found.format.map(|format| (format.width, format.height)), Some((320, 180)));
        assert!(found.is_key);
    }

    proptest! {
        #[test]
        fn units_do_not_depend_on_chunks(
            bytes in prop::collection::vec(prop::sample::select(vec![0, 0, 0, 1, 1, 5, 0x67, 0x68]), 0..80),
            size in 1..20_usize,
        ) {
            let chunks: Vec<_> = bytes.chunks(size).collect();
            prop_assert_eq!(counted(&chunks), counted(&[&bytes]));
            let zeros = bytes.iter().enumerate().position(|(at, byte)| {
                *byte == 0 && bytes.get(at + 1).is_none_or(|next| *next == 0)
            });
            if bytes.first() != Some(&0) {
                prop_assert_eq!(next_zeros(&bytes), zeros.unwrap_or(bytes.len()));
            }
        }
    }
}
