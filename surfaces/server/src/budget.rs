//! Bytes that clients make the agent hold, counted over all of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Bytes held at once.
#[derive(Debug, Default)]
pub(crate) struct Budget(AtomicUsize);

/// A part of the budget, given back when dropped.
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
    /// Makes it `bytes` in all, less or more than before; `false`, and no change, if that would be
    /// more than `most` over everybody.
    pub(crate) fn resize(&mut self, bytes: usize, most: usize) -> bool {
        let change = |held: usize| {
            let held = held.saturating_sub(self.bytes).saturating_add(bytes);
            (held <= most || bytes <= self.bytes).then_some(held)
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
    fn no_more_is_held_than_the_budget_and_all_is_given_back() {
        let budget = Arc::new(Budget::default());
        let (mut one, mut other) = (budget.grant(), budget.grant());
        assert!(one.resize(60, 100));
        assert!(!other.resize(41, 100));
        assert!(other.resize(40, 100));
        assert!(!one.resize(61, 100));
        assert!(one.resize(10, 100) && other.resize(90, 100));
        // A smaller budget after a reload still lets everybody give back.
        assert!(other.resize(80, 5));
        drop((one, other));
        assert_eq!(budget.0.load(Relaxed), 0);
    }
}
