//! Gives memory back to the system after a peak.
//!
//! The allocator of glibc keeps what was freed, unless it is at the end of the heap. What is kept of closed
//! connections lies scattered between what was freed, and each of them holds a page: so it is copied first.

#![allow(unsafe_code, reason = "malloc_trim(3) has no safe wrapper")]

use std::time::Duration;

use conns_core::model::Moment;

/// Shortest time between two calls of `malloc_trim`, which takes some milliseconds for a large heap.
const MIN_INTERVAL: Duration = Duration::from_secs(2);
/// Fewer records are not worth it: about 3 MB.
const MIN_FREED: usize = 2048;

/// Finds out when much was freed.
#[derive(Debug, Default)]
pub(crate) struct Peak {
    /// Most records that were kept since the memory was given back last.
    records: usize,
    given_back: Option<Moment>,
}

impl Peak {
    /// Notes how many records are kept: connections, closed ones and events. Returns whether memory should be
    /// given back, as far fewer are kept than before.
    pub(crate) fn is_over(&mut self, records: usize, now: Moment) -> bool {
        self.records = self.records.max(records);
        let is_recent = self.given_back.is_some_and(|then| now.since(then) < MIN_INTERVAL);
        let is_over = !is_recent && self.records > records + records / 2 + MIN_FREED;
        if is_over {
            (self.records, self.given_back) = (records, Some(now));
        }
        is_over
    }
}

/// Gives memory back after a peak, for a thread that does not sample: after several updates, as others hold the ones
/// before for a while.
#[derive(Debug, Default)]
pub struct MemoryReturn {
    peak: Peak,
    /// After how many more updates memory is given back.
    left: u8,
}

/// After how many updates memory is given back.
const RETURNS: u8 = 6;

impl MemoryReturn {
    /// Notes how many records there are with an update. Returns whether memory should be given back now.
    pub fn is_due(&mut self, records: usize, now: Moment) -> bool {
        if self.peak.is_over(records, now) {
            self.left = RETURNS;
        }
        let is_due = self.left > 0;
        self.left = self.left.saturating_sub(1);
        is_due
    }
}

/// Gives free pages of the heap back to the system, where its allocator can.
pub fn give_back() {
    // SAFETY: it takes a number, and has no preconditions (malloc_trim(3)); it is safe in any thread.
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    unsafe {
        libc::malloc_trim(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment { monotonic_us: seconds * 1_000_000, ..Moment::default() }
    }

    #[test]
    fn a_peak_is_over_once_and_not_too_often() {
        let mut peak = Peak::default();
        let mut is_over = |records, second| peak.is_over(records, at(second));
        assert!(!is_over(10, 1));
        assert!(!is_over(60_000, 2));
        assert!(!is_over(50_000, 3));
        assert!(is_over(9_000, 4));
        // Within two seconds of the last time; then once more, and not again.
        assert!(!is_over(10, 5));
        assert!(is_over(10, 6));
        assert!(!is_over(10, 60));
        // Little was freed.
        assert!(!is_over(2_000, 61) && !is_over(10, 70));
    }

    #[test]
    fn memory_is_given_back_after_the_updates_that_follow_a_peak() {
        let mut memory = MemoryReturn::default();
        let due: Vec<bool> = [10, 60_000, 50_000, 9_000, 9_000, 9_000, 9_000, 9_000, 9_000, 9_000]
            .into_iter()
            .zip(1..)
            .map(|(records, second)| memory.is_due(records, at(second)))
            .collect();
        assert_eq!(due, [[false; 3].as_slice(), &[true; 6], &[false]].concat());
    }
}
