//! The byte budget of requests: bodies and unfinished lines, over all clients.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Bytes buffered now.
#[derive(Debug, Default)]
pub(crate) struct Budget(AtomicUsize);

/// A share of the budget; returned when dropped.
#[derive(Debug)]
pub(crate) struct Grant {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Budget {
    pub(crate) fn grant(self: &Arc<Self>) -> Grant {
        Grant { budget: Arc::clone(self), bytes: 0 }
    }
}

impl Grant {
    /// Sets the share to `bytes`; `false`, and no change, if all shares together would grow beyond
    /// `most`.
    pub(crate) fn resize(&mut self, bytes: usize, most: usize) -> bool {
        let change = |buffered: usize| {
            let buffered = buffered.saturating_sub(self.bytes).saturating_add(bytes);
            (buffered <= most || bytes <= self.bytes).then_some(buffered)
        };
        let changed = self.budget.0.fetch_update(Relaxed, Relaxed, change).is_ok();
        if changed {
            self.bytes = bytes;
        }
        changed
    }
}

impl Drop for Grant {
    fn drop(&mut self) {
        self.budget.0.fetch_sub(self.bytes, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_never_exceed_the_budget_and_are_returned() {
        let budget = Arc::new(Budget::default());
        let (mut one, mut other) = (budget.grant(), budget.grant());
        assert!(one.resize(60, 100));
        assert!(!other.resize(41, 100));
        assert!(other.resize(40, 100));
        assert!(!one.resize(61, 100));
        assert!(one.resize(10, 100) && other.resize(90, 100));
        // A share can shrink also under a budget that a reload made smaller.
        assert!(other.resize(80, 5));
        drop((one, other));
        assert_eq!(budget.0.load(Relaxed), 0);
    }
}
