//! Where packets are in a stream of bytes: one behind the other, with a time code before each (M2TS), or with a
//! checksum behind each.

use super::packet::{PACKET, SYNC, is_header};

/// How many packets in a row are no accident.
const IN_A_ROW: usize = 3;

/// How packets are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    before: usize,
    behind: usize,
}

impl Layout {
    /// Of a datagram, and of most streams.
    pub(super) const PLAIN: Self = Self { before: 0, behind: 0 };
    pub(super) const ALL: [Self; 3] =
        [Self::PLAIN, Self { before: 4, behind: 0 }, Self { before: 0, behind: 16 }];

    /// Bytes from one packet to the next one.
    fn stride(self) -> usize {
        self.before + PACKET + self.behind
    }

    /// Whether what is there of the first packets is in this layout.
    pub(super) fn could_begin(self, bytes: &[u8]) -> bool {
        let headers = (0..IN_A_ROW).map(|number| self.before + number * self.stride());
        headers.filter_map(|at| bytes.get(at..)).all(|bytes| bytes.is_empty() || is_header(bytes))
    }

    fn begins(self, bytes: &[u8]) -> bool {
        let last = self.before + (IN_A_ROW - 1) * self.stride();
        bytes.len() >= last + 4 && self.could_begin(bytes)
    }

    /// The layout in which packets begin here.
    pub(super) fn at_begin(bytes: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|layout| layout.begins(bytes))
    }

    /// The first place from which on packets follow each other, and their layout.
    pub(super) fn find(bytes: &[u8]) -> Option<(usize, Self)> {
        let at = |at: usize| Some((at, Self::at_begin(bytes.get(at..)?)?));
        (0..bytes.len()).find_map(at)
    }
}

/// The packets of a stream of bytes.
#[derive(Debug, Default)]
pub(super) struct Packets {
    layout: Option<Layout>,
    /// Bytes of a packet that is not complete, or in which packets are searched for.
    kept: Vec<u8>,
    /// How often packets had to be searched for.
    pub(super) searches: u64,
}

/// Most bytes in which packets are searched for: three of the longest, and the begin of the next one.
const MAX_SEARCHED: usize = 3 * (PACKET + 16) + PACKET;

impl Packets {
    /// Takes bytes, and hands over each packet.
    pub(super) fn data(&mut self, mut bytes: &[u8], sink: &mut dyn FnMut(&[u8])) {
        if let Some(layout) = self.layout
            && !self.kept.is_empty()
        {
            let missing = layout.stride().saturating_sub(self.kept.len()).min(bytes.len());
            let (taken, rest) = bytes.split_at(missing);
            self.kept.extend_from_slice(taken);
            bytes = rest;
            if self.kept.len() < layout.stride() {
                return;
            }
            let kept = std::mem::take(&mut self.kept);
            self.packets(layout, &kept, sink);
        }
        match self.layout {
            Some(layout) => self.packets(layout, bytes, sink),
            None => self.kept.extend_from_slice(bytes),
        }
        while self.layout.is_none() {
            let Some((at, layout)) = Layout::find(&self.kept) else {
                let surplus = self.kept.len().saturating_sub(MAX_SEARCHED);
                self.kept.drain(..surplus);
                self.kept.shrink_to(2 * MAX_SEARCHED);
                return;
            };
            self.layout = Some(layout);
            let kept = std::mem::take(&mut self.kept);
            self.packets(layout, kept.get(at..).unwrap_or_default(), sink);
        }
    }

    /// Hands over the packets in bytes that begin with one; keeps what is left.
    fn packets(&mut self, layout: Layout, mut bytes: &[u8], sink: &mut dyn FnMut(&[u8])) {
        while let Some((packet, rest)) = bytes.split_at_checked(layout.stride()) {
            let packet = packet.get(layout.before..).unwrap_or_default();
            if packet.first() != Some(&SYNC) {
                self.lose();
                break;
            }
            sink(packet.get(..PACKET).unwrap_or(packet));
            bytes = rest;
        }
        self.kept.extend_from_slice(bytes);
    }

    /// Bytes are missing: packets are searched for.
    pub(super) fn lose(&mut self) {
        self.kept.clear();
        self.layout = None;
        self.searches += 1;
    }

    pub(super) fn memory(&self) -> usize {
        self.kept.capacity()
    }
}
