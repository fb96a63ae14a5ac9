//! The bound on what all assemblers together hold back.

use super::MAX_TOTAL_PENDING_BYTES;

/// Bytes that may be held back, shared by the assemblers that are handed it.
#[derive(Debug, Clone)]
pub struct Room {
    limit: u64,
    used: u64,
    refused: u64,
}

impl Default for Room {
    fn default() -> Self {
        Self::new(MAX_TOTAL_PENDING_BYTES)
    }
}

impl Room {
    /// Room for `limit` bytes.
    #[must_use]
    pub fn new(limit: u64) -> Self {
        Self { limit, used: 0, refused: 0 }
    }

    /// Bytes in use.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.used
    }

    /// How many requests the bound refused; each gave up a gap.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// Whether there is room for `bytes`.
    #[must_use]
    pub fn has_room(&self, bytes: u64) -> bool {
        self.used.saturating_add(bytes) <= self.limit
    }

    /// Takes `bytes`, if there is room for them.
    pub(super) fn take(&mut self, bytes: u64) -> bool {
        let has_room = self.has_room(bytes);
        if has_room {
            self.used += bytes;
        } else {
            self.refused += 1;
        }
        has_room
    }

    pub(super) fn release(&mut self, bytes: u64) {
        self.used = self.used.saturating_sub(bytes);
    }
}
