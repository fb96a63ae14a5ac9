//! The part of a segment that is new.

/// What of a segment is new, and where it belongs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Range<'a> {
    pub(super) position: u64,
    pub(super) bytes: &'a [u8],
    pub(super) cut: u32,
}

impl Range<'_> {
    pub(super) fn end(&self) -> u64 {
        self.position + self.bytes.len() as u64 + u64::from(self.cut)
    }

    /// Removes up to `bytes` from its begin, the position unchanged; returns how many there were.
    pub(super) fn trim(&mut self, bytes: u64) -> u64 {
        let of_bytes = bytes.min(self.bytes.len() as u64);
        let of_cut = (bytes - of_bytes).min(self.cut.into());
        self.bytes = self.bytes.get(of_bytes as usize..).unwrap_or_default();
        self.cut -= of_cut as u32;
        of_bytes + of_cut
    }

    /// Removes what is at `end` or behind; returns how many bytes that are.
    pub(super) fn clip(&mut self, end: u64) -> u64 {
        let behind = self.end().saturating_sub(end);
        let of_cut = behind.min(self.cut.into());
        let of_bytes = (behind - of_cut).min(self.bytes.len() as u64);
        self.cut -= of_cut as u32;
        let kept = self.bytes.len() - of_bytes as usize;
        self.bytes = self.bytes.get(..kept).unwrap_or_default();
        of_cut + of_bytes
    }
}
