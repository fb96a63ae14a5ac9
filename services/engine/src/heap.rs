//! Gives memory back to the system after a peak.
//!
//! The allocator of glibc keeps what was freed, unless it is at the end of the heap. What is kept of closed
//! connections lies scattered between what was freed, and each of them holds a page: so it is copied first. The allocator
//! also touches free pages again that it has given back; so from time to time they are searched for.

#![allow(unsafe_code, reason = "malloc_trim(3), mallinfo(3) and mallopt(3) have no safe wrapper")]

use std::time::Duration;

use conns_core::model::Moment;

/// Shortest time between two calls of `malloc_trim`, which takes some milliseconds for a large heap.
const MIN_INTERVAL: Duration = Duration::from_secs(2);
/// Fewer records are not worth it: about 3 MB.
const MIN_FREED: usize = 2048;

/// Finds out when much was freed.
#[derive(Debug, Default)]
struct Peak {
    /// Most records that were kept since the memory was given back last.
    records: usize,
    given_back: Option<Moment>,
}

impl Peak {
    /// Notes how many records are kept: connections, closed ones and events. Returns whether memory should be
    /// given back, as far fewer are kept than before.
    fn is_over(&mut self, records: usize, now: Moment) -> bool {
        self.records = self.records.max(records);
        let is_recent = self.given_back.is_some_and(|then| now.since(then) < MIN_INTERVAL);
        let is_over = !is_recent && self.records > records + records / 2 + MIN_FREED;
        if is_over {
            (self.records, self.given_back) = (records, Some(now));
        }
        is_over
    }
}

/// Gives memory back to the system, for a thread that is called with each update.
#[derive(Debug, Default)]
pub struct MemoryReturn {
    peak: Peak,
    /// With how many more updates what is kept is copied: others hold the updates before for a while, and a copy may lie
    /// in a page that others have left since.
    copies_left: u8,
    checked: Option<Moment>,
}

/// With how many updates after a peak what is kept is copied.
const COPIES: u8 = 6;
/// How often a thread checks for free memory that no peak explains, such as that of a long answer.
const CHECK_INTERVAL: Duration = Duration::from_secs(10);
/// What may be free at the end of the heap of a program that is to be small, bytes: the bound of glibc before it grows.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const MAX_FREE_END: libc::c_int = 128 << 10;
/// Less free memory is not worth a call.
const MIN_FREE_BYTES: usize = 8 << 20;

impl MemoryReturn {
    /// Notes with an update how many records are kept, and gives memory back if there is any. After a peak `copy`
    /// copies the records first.
    pub fn after_update(&mut self, records: usize, now: Moment, copy: impl FnOnce()) {
        if self.is_copy_due(records, now) {
            copy();
            give_back();
        } else if self.checked.is_none_or(|then| now.since(then) >= CHECK_INTERVAL) {
            self.checked = Some(now);
            if free_bytes() >= MIN_FREE_BYTES {
                give_back();
            }
        }
    }

    fn is_copy_due(&mut self, records: usize, now: Moment) -> bool {
        if self.peak.is_over(records, now) {
            self.copies_left = COPIES;
        }
        let is_due = self.copies_left > 0;
        self.copies_left = self.copies_left.saturating_sub(1);
        is_due
    }
}

/// Bytes that the allocator holds and that are not in use, whether the system has them back or not.
fn free_bytes() -> usize {
    // SAFETY: it takes nothing, and has no preconditions (mallinfo(3)). The numbers wrap at 4 GiB: mallinfo2, which does not,
    // is missing in the libraries of Debian 11.
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    return unsafe { libc::mallinfo() }.fordblks.cast_unsigned() as usize;
    #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
    0
}

/// Makes all threads of an agent share one heap, before any thread is started. By default glibc has a heap for each thread, and
/// what is free at the end of any but the first is not given back by `malloc_trim`: up to 64 MiB each.
pub fn share_heap() {
    // SAFETY: it takes numbers, and has no preconditions (mallopt(3)).
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}

/// Makes the allocator give back the end of the heap whenever more than `MAX_FREE_END` is free there, before any thread is
/// started. By default the bound of glibc grows with what is freed, up to 64 MiB.
pub fn give_back_soon() {
    // SAFETY: as above.
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    unsafe {
        libc::mallopt(libc::M_TRIM_THRESHOLD, MAX_FREE_END);
    }
}

/// Gives free pages of the heap back to the system, where its allocator can.
pub(crate) fn give_back() {
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
    fn records_are_copied_with_the_updates_that_follow_a_peak() {
        let mut memory = MemoryReturn::default();
        let due: Vec<bool> = [10, 60_000, 50_000, 9_000, 9_000, 9_000, 9_000, 9_000, 9_000, 9_000]
            .into_iter()
            .zip(1..)
            .map(|(records, second)| memory.is_copy_due(records, at(second)))
            .collect();
        assert_eq!(due, [[false; 3].as_slice(), &[true; 6], &[false]].concat());
    }

    #[test]
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    fn what_was_freed_is_found() {
        let kept: Vec<Box<[u8]>> = (0..20_000).map(|_| vec![1; 1000].into_boxed_slice()).collect();
        let (freed, kept): (Vec<_>, Vec<_>) =
            kept.into_iter().enumerate().partition(|(number, _)| number % 2 == 0);
        let before = free_bytes();
        drop(freed);
        // Other tests run in other threads, and need less.
        assert!(free_bytes() > before + 5_000_000, "{before} {}", free_bytes());
        drop(kept);
    }
}
