//! The order of a queue, whatever its states.

use conns_transfer::queue::{Entry, State, next_retry_us, retry_delay_us, to_start};
use proptest::prelude::*;

fn entries() -> impl Strategy<Value = Vec<Entry>> {
    let states = prop_oneof![
        Just(State::Pending),
        Just(State::Running),
        Just(State::Paused),
        (1..20u32, 0..400_000_000u64)
            .prop_map(|(failures, failed_us)| State::Retrying { failures, failed_us }),
        Just(State::Failed),
        Just(State::Done),
        Just(State::Cancelled),
    ];
    prop::collection::vec((-3..3i64, 0..5u64, states), 0..30).prop_map(|list| {
        let with_ids = (0..).zip(list);
        with_ids
            .map(|(id, (priority, queued_us, state))| Entry { id, priority, queued_us, state })
            .collect()
    })
}

proptest! {
    #[test]
    fn order_does_not_depend_on_the_list(entries in entries(), now_us in 0..700_000_000u64, max_running in 0..10usize) {
        let started = to_start(&entries, now_us, max_running);
        let reversed: Vec<Entry> = entries.iter().rev().copied().collect();
        prop_assert_eq!(&started, &to_start(&reversed, now_us, max_running));

        let is_ready = |entry: &&Entry| match entry.state {
            State::Pending => true,
            State::Retrying { failures, failed_us } => failed_us + retry_delay_us(failures) <= now_us,
            _ => false,
        };
        let key = |entry: &Entry| (entry.priority, entry.queued_us, entry.id);
        let running = entries.iter().filter(|entry| entry.state == State::Running).count();
        let ready = entries.iter().filter(is_ready).count();
        prop_assert_eq!(started.len(), ready.min(max_running.saturating_sub(running)));
        // Each that starts precedes each that is ready and does not.
        let (starts, waits): (Vec<&Entry>, Vec<&Entry>) =
            entries.iter().filter(is_ready).partition(|entry| started.contains(&entry.id));
        let last = starts.iter().map(|entry| key(entry)).max();
        prop_assert!(waits.iter().all(|entry| last.is_none_or(|last| last < key(entry))));
    }

    #[test]
    fn a_due_retry_starts(entries in entries()) {
        if let Some(due_us) = next_retry_us(&entries) {
            let is_due = |entry: &&Entry| entry.state.retry_us() == Some(due_us);
            let due = entries.iter().find(is_due).map(|entry| entry.id);
            prop_assert!(due.is_some_and(|id| to_start(&entries, due_us, usize::MAX).contains(&id)));
        }
    }
}
