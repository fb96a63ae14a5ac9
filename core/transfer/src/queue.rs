//! The order in which the transfers of one destination run.

/// Wait after the first failure; each further failure doubles it.
pub const FIRST_RETRY_US: u64 = 1_000_000;
/// Longest wait between two attempts.
pub const MAX_RETRY_US: u64 = 300_000_000;

/// State of a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// Waits for its turn.
    Pending,
    /// Is sent.
    Running,
    /// Waits for a user.
    Paused,
    /// Waits for its next attempt after a failure of the connection.
    Retrying {
        /// Failures in a row, at least one.
        failures: u32,
        /// When the last one happened, in microseconds.
        failed_us: u64,
    },
    /// Failed for good: the source or the target is the cause.
    Failed,
    /// The receiver committed it.
    Done,
    /// A user cancelled it.
    Cancelled,
}

impl State {
    /// When the next attempt is due, in microseconds; `None` unless it is retrying.
    #[must_use]
    pub fn retry_us(self) -> Option<u64> {
        let Self::Retrying { failures, failed_us } = self else { return None };
        Some(failed_us.saturating_add(retry_delay_us(failures)))
    }

    fn may_start(self, now_us: u64) -> bool {
        self == Self::Pending || self.retry_us().is_some_and(|due_us| due_us <= now_us)
    }
}

/// Wait after this number of failures in a row.
#[must_use]
pub fn retry_delay_us(failures: u32) -> u64 {
    let doublings = failures.saturating_sub(1).min(16);
    (FIRST_RETRY_US << doublings).min(MAX_RETRY_US)
}

/// A transfer in the queue of a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<Id = u64> {
    /// Identifies the transfer, and breaks ties.
    pub id: Id,
    /// The lower number runs first.
    pub priority: i64,
    /// When it was queued, in microseconds; the oldest runs first.
    pub queued_us: u64,
    /// Its state.
    pub state: State,
}

/// The transfers that start at `now_us`, in order, so that at most `max_running` run. A running transfer is never
/// interrupted.
#[must_use]
pub fn to_start<Id: Copy + Ord>(entries: &[Entry<Id>], now_us: u64, max_running: usize) -> Vec<Id> {
    let running = entries.iter().filter(|entry| entry.state == State::Running).count();
    let mut waiting: Vec<&Entry<Id>> =
        entries.iter().filter(|entry| entry.state.may_start(now_us)).collect();
    waiting.sort_unstable_by_key(|entry| (entry.priority, entry.queued_us, entry.id));
    let free = max_running.saturating_sub(running);
    waiting.into_iter().take(free).map(|entry| entry.id).collect()
}

/// When the next retry is due, in microseconds; `None` without one.
#[must_use]
pub fn next_retry_us<Id>(entries: &[Entry<Id>]) -> Option<u64> {
    entries.iter().filter_map(|entry| entry.state.retry_us()).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(id: u64, priority: i64, queued_us: u64, state: State) -> Entry<u64> {
        Entry { id, priority, queued_us, state }
    }

    #[test]
    fn lower_number_first_then_the_oldest() {
        let entries = [
            entry(1, 5, 10, State::Pending),
            entry(2, 5, 9, State::Pending),
            entry(3, -1, 20, State::Pending),
            entry(4, 0, 1, State::Paused),
            entry(5, 0, 1, State::Failed),
            entry(6, 0, 1, State::Done),
            entry(7, 0, 1, State::Cancelled),
        ];
        assert_eq!(to_start(&entries, 100, 10), [3, 2, 1]);
        assert_eq!(to_start(&entries, 100, 2), [3, 2]);
    }

    #[test]
    fn running_transfers_count_and_stay() {
        let entries = [entry(1, 9, 1, State::Running), entry(2, 0, 2, State::Pending)];
        assert!(to_start(&entries, 100, 1).is_empty());
        assert_eq!(to_start(&entries, 100, 2), [2]);
    }

    #[test]
    fn retries_wait_up_to_five_minutes() {
        let waits: Vec<u64> =
            (1..12).map(|failures| retry_delay_us(failures) / 1_000_000).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        assert_eq!(retry_delay_us(u32::MAX), MAX_RETRY_US);
        let state = State::Retrying { failures: 2, failed_us: 5 };
        let entries = [entry(1, 0, 0, state)];
        assert_eq!(next_retry_us(&entries), Some(2_000_005));
        assert!(to_start(&entries, 2_000_004, 1).is_empty());
        assert_eq!(to_start(&entries, 2_000_005, 1), [1]);
    }
}
