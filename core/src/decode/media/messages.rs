//! The latest messages of a publication, among which those that its server sends are found.

use std::collections::VecDeque;

use super::track::Counted;

/// Most messages that are kept: those of ten seconds and more.
const MAX_MESSAGES: usize = 1024;
/// Most bytes of media in them but the last: what waits for a player at most (512 KiB), and as much again.
const MAX_MESSAGE_BYTES: u64 = 1024 * 1024;
/// Most that are kept where none waits.
const FEW_MESSAGES: usize = 64;
/// Messages found in a row after which the difference of the timestamps counts as known.
const MIN_FOUND: u32 = 4;
/// Messages in a row that are not found, after which it no longer does.
const MAX_MISSED: u32 = 16;
/// Messages that are searched before it is known: where timestamps cannot be compared, the search is in vain.
const SEARCHED_FIRST: usize = 16;

/// A message that was published.
#[derive(Debug)]
struct Message {
    is_video: bool,
    /// Milliseconds, modulo 2^32.
    timestamp: u32,
    length: u32,
    /// What of its track was published before it.
    before: Counted,
}

/// The latest messages of a publication, oldest first.
#[derive(Debug)]
pub(in crate::decode) struct Messages {
    latest: VecDeque<Message>,
    /// Sum of their lengths.
    bytes: u64,
    most: usize,
}

impl Default for Messages {
    fn default() -> Self {
        Self { latest: VecDeque::new(), bytes: 0, most: MAX_MESSAGES }
    }
}

impl Messages {
    /// Of an input of which none waits.
    pub(super) fn few() -> Self {
        Self { most: FEW_MESSAGES, ..Self::default() }
    }

    /// A message begins; `before` is what was published of its track.
    pub(super) fn add(&mut self, is_video: bool, timestamp: u32, length: u32, before: Counted) {
        while self.latest.len() >= self.most || self.bytes > MAX_MESSAGE_BYTES {
            let Some(oldest) = self.latest.pop_front() else { break };
            self.bytes -= u64::from(oldest.length);
        }
        self.bytes += u64::from(length);
        self.latest.push_back(Message { is_video, timestamp, length, before });
    }

    /// Bytes held on the heap.
    pub(in crate::decode) fn memory(&self) -> usize {
        self.latest.capacity() * size_of::<Message>()
    }

    /// The timestamp of the latest message of a track, if it has this length.
    fn latest(&self, is_video: bool, length: u32) -> Option<u32> {
        let latest = self.latest.iter().rev().find(|one| one.is_video == is_video)?;
        (latest.length == length).then_some(latest.timestamp)
    }

    /// What was published of a track before the message of this timestamp and length, if that is among the `last` ones.
    fn before(&self, is_video: bool, timestamp: u32, length: u32, last: usize) -> Option<Counted> {
        let is_meant = |one: &&Message| {
            (one.is_video, one.timestamp, one.length) == (is_video, timestamp, length)
        };
        self.latest.iter().rev().take(last).find(is_meant).map(|one| one.before)
    }
}

/// By how much the timestamps of a playback differ from those of its publication: servers begin each at 0, or do not.
#[derive(Debug, Default)]
pub(in crate::decode) struct Clock {
    behind_ms: Option<u32>,
    /// Messages that were found since it is so.
    pub(in crate::decode) found: u32,
    missed: u32,
}

impl Clock {
    /// What was published of a track before a message that is sent.
    pub(in crate::decode) fn before(
        &mut self,
        published: &Messages,
        is_video: bool,
        timestamp: u32,
        length: u32,
    ) -> Option<Counted> {
        if let Some(behind) = self.behind_ms {
            let timestamp = timestamp.wrapping_add(behind);
            let last = if self.is_known() { usize::MAX } else { SEARCHED_FIRST };
            if let Some(before) = published.before(is_video, timestamp, length, last) {
                self.found = self.found.saturating_add(1);
                self.missed = 0;
                return Some(before).filter(|_| self.is_known());
            }
            self.missed += 1;
            // The server inserts messages of its own.
            if self.is_known() && self.missed <= MAX_MISSED {
                return None;
            }
        }
        // Unless something waits, the latest one is sent.
        let latest = published.latest(is_video, length);
        let behind_ms = latest.map(|latest| latest.wrapping_sub(timestamp));
        *self = Self { behind_ms, ..Self::default() };
        None
    }

    pub(in crate::decode) fn is_known(&self) -> bool {
        self.found >= MIN_FOUND
    }
}
