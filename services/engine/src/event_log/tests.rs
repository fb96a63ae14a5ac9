use std::ops::Range;

use super::*;
use crate::fakes;
use conns_core::model::LossKind;
use conns_core::track::{Retention, Tracker};

/// Events with these serial numbers.
fn events(serials: Range<u64>) -> Vec<Arc<Event>> {
    let mut tracker = Tracker::new(Retention::None);
    tracker.apply_events(vec![fakes::opened(1)]);
    let one = tracker.take_events().remove(0);
    serials.map(|serial| Arc::new(Event { serial, ..Event::clone(&one) })).collect()
}

/// The first and last serial number that is published, and since when that is complete.
fn publish(log: &mut EventLog) -> (u64, u64, u64) {
    let (shared, since) = log.publish();
    assert!(shared.is_sorted_by_key(|event| event.serial));
    let serial = |event: Option<&Arc<Event>>| event.map_or(0, |event| event.serial);
    (serial(shared.first()), serial(shared.last()), since)
}

#[test]
fn few_events_are_kept_however_old_and_nothing_new_is_not_shared_anew() {
    let mut log = EventLog::default();
    assert_eq!(publish(&mut log), (0, 0, 0));
    log.add(events(1..101));
    for _ in 0..9 {
        assert_eq!(publish(&mut log), (1, 100, 0));
    }
    let (one, other) = (log.publish().0, log.publish().0);
    assert!(Arc::ptr_eq(&one, &other));
    assert_eq!(log.loss(), None);
}

#[test]
fn all_of_the_last_two_beats_are_kept_and_little_of_what_is_older() {
    let mut log = EventLog::default();
    log.add(events(1..20_001));
    assert_eq!(publish(&mut log), (1, 20_000, 0));
    log.add(events(20_001..30_001));
    assert_eq!(publish(&mut log), (1, 30_000, 0));
    // The first 20 000 are two beats old.
    log.add(events(30_001..30_011));
    assert_eq!(publish(&mut log), (20_001, 30_010, 20_000));
    // Then they are more than is kept for late readers.
    assert_eq!(publish(&mut log), (30_010 - 4095, 30_010, 30_010 - 4096));
    assert_eq!(log.loss(), None);
}

#[test]
fn what_no_beat_ever_showed_is_a_loss_and_what_one_showed_is_none() {
    let most = EVENTS_KEPT_MOST as u64;
    let mut log = EventLog::default();
    log.add(events(1..most + 1));
    assert_eq!(publish(&mut log), (1, most, 0));
    // These were published.
    log.add(events(most + 1..most + 101));
    assert_eq!(log.loss(), None);
    assert_eq!(publish(&mut log), (101, most + 100, 100));
    // Of so many in one interval ten were never shown.
    log.add(events(most + 101..2 * most + 111));
    let loss = log.loss().unwrap();
    assert_eq!((loss.count, loss.kind()), (10, LossKind::BoundReached));
    assert_eq!(publish(&mut log), (most + 111, 2 * most + 110, most + 110));
}
