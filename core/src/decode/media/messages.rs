//! The latest messages of a publication, among which those that its server sends are found.

use std::collections::VecDeque;

use super::track::Counted;

/// Most messages that are kept: those of ten seconds and more.
const MAX_MESSAGES: usize = 1024;

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
#[derive(Debug, Default)]
pub(super) struct Messages(VecDeque<Message>);

impl Messages {
    pub(super) fn add(&mut self, is_video: bool, timestamp: u32, length: u32, before: Counted) {
        if self.0.len() >= MAX_MESSAGES {
            self.0.pop_front();
        }
        self.0.push_back(Message { is_video, timestamp, length, before });
    }

    /// Bytes held on the heap.
    pub(super) fn memory(&self) -> usize {
        self.0.capacity() * size_of::<Message>()
    }

    /// The timestamp of the latest message of a track, if it has this length.
    pub(super) fn latest(&self, is_video: bool, length: u32) -> Option<u32> {
        let latest = self.0.iter().rev().find(|one| one.is_video == is_video)?;
        (latest.length == length).then_some(latest.timestamp)
    }

    /// What was published of a track before the message of this timestamp and length, if that is among the `last` ones.
    pub(super) fn before(
        &self,
        is_video: bool,
        timestamp: u32,
        length: u32,
        last: usize,
    ) -> Option<Counted> {
        let is_meant = |one: &&Message| {
            (one.is_video, one.timestamp, one.length) == (is_video, timestamp, length)
        };
        self.0.iter().rev().take(last).find(is_meant).map(|one| one.before)
    }
}
