//! Which counts of which nonces have been used.
//!
//! The one idea: nonces are numbered, so what was forgotten of old ones is one number: those below
//! it are refused unless they are still in the table.

use std::collections::BTreeMap;

/// Most nonces whose counts are kept. A client uses one for all of its requests; the oldest goes
/// first, and its client is told that it is stale.
const MOST: usize = 1024;

#[derive(Debug, Default)]
pub(super) struct Counts {
    /// The last count by the nonce's serial number.
    last: BTreeMap<u64, u32>,
    /// Nonces below it that are not in the table were in it once, or came too late.
    forgotten_below: u64,
}

impl Counts {
    /// Takes a count, which must be higher than all before it with this nonce; without a count
    /// (RFC 2069) a nonce is good for once.
    pub(super) fn take(&mut self, serial: u64, count: Option<u32>) -> bool {
        match self.last.get_mut(&serial) {
            Some(last) => {
                let is_new = count.is_some_and(|count| count > *last);
                *last = count.unwrap_or(u32::MAX).max(*last);
                is_new
            }
            None if serial < self.forgotten_below => false,
            None => {
                self.last.insert(serial, count.unwrap_or(u32::MAX));
                if self.last.len() > MOST
                    && let Some((oldest, _)) = self.last.pop_first()
                {
                    self.forgotten_below = oldest + 1;
                }
                true
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Counts, MOST};

    #[test]
    fn a_count_is_taken_once_and_only_upwards() {
        let mut counts = Counts::default();
        assert!(counts.take(7, Some(1)));
        assert!(!counts.take(7, Some(1)));
        assert!(counts.take(7, Some(3)));
        assert!(!counts.take(7, Some(2)));
        assert!(!counts.take(7, None));
        assert!(!counts.take(7, Some(u32::MAX)));
        assert!(counts.take(8, None));
        assert!(!counts.take(8, None));
    }

    #[test]
    fn what_is_forgotten_is_refused() {
        let mut counts = Counts::default();
        let most = MOST as u64;
        for serial in 0..=most {
            assert!(counts.take(serial, Some(1)));
        }
        assert_eq!(counts.last.len(), MOST);
        assert!(!counts.take(0, Some(1)));
        assert!(!counts.take(0, Some(2)));
        assert!(counts.take(1, Some(2)));
    }
}
