//! The used counts of nonces.
//!
//! Nonces have ascending serial numbers: those below `forgotten_below` are refused unless they are
//! still in the table.

use std::collections::BTreeMap;

/// Most nonces in the table. A client uses one for all its requests. The oldest is evicted first, and
/// its client receives `stale=true`.
const MAX_NONCES: usize = 1024;

#[derive(Debug, Default)]
pub(super) struct Counts {
    /// The last count by the nonce's serial number.
    last: BTreeMap<u64, u32>,
    /// Nonces below this that are not in the table were evicted or came too late.
    forgotten_below: u64,
}

impl Counts {
    /// Accepts a count that is higher than all before it with this nonce; without a count (RFC 2069)
    /// a nonce is accepted once.
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
                if self.last.len() > MAX_NONCES
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
    use super::{Counts, MAX_NONCES};

    #[test]
    fn a_count_is_accepted_once_and_only_upwards() {
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
    fn an_evicted_nonce_is_refused() {
        let mut counts = Counts::default();
        let most = MAX_NONCES as u64;
        for serial in 0..=most {
            assert!(counts.take(serial, Some(1)));
        }
        assert_eq!(counts.last.len(), MAX_NONCES);
        assert!(!counts.take(0, Some(1)));
        assert!(!counts.take(0, Some(2)));
        assert!(counts.take(1, Some(2)));
    }
}
