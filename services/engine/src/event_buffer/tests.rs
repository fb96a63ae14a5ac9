use std::ops::Range;

use super::*;
use crate::fixture;
use conns_core::model::LossKind;
use conns_core::track::{Retention, Tracker};
use conns_fixtures::at;

/// Events with these serial numbers, at this second.
fn events(serials: Range<u64>, second: u64) -> Vec<Arc<Event>> {
    let mut tracker = Tracker::new(Retention::None);
    tracker.apply_events(vec![fixture::opened(1)]);
    let one = Event { at: at(second), ..Event::clone(&tracker.take_events()[0]) };
    serials.map(|serial| Arc::new(Event { serial, ..one.clone() })).collect()
}

/// The first and last serial number that is published, and since when the log is complete.
fn publish(buffer: &mut EventBuffer, now: u64) -> (u64, u64, u64) {
    buffer.publish(at(now), Duration::ZERO, &[]);
    let log = buffer.published();
    let serials: Vec<u64> = log.iter().map(|event| event.serial).collect();
    assert!(serials.iter().copied().eq(log.complete_since() + 1..=log.last_serial()));
    assert_eq!(serials.len(), log.len());
    (serials.first().copied().unwrap_or(0), log.last_serial(), log.complete_since())
}

#[test]
fn few_events_are_buffered_at_any_age_and_an_unchanged_log_is_not_published_again() {
    let mut buffer = EventBuffer::new(7, MAX_EVENTS);
    assert_eq!(publish(&mut buffer, 0), (0, 0, 0));
    buffer.add(events(1..101, 0));
    for now in 0..9 {
        assert_eq!(publish(&mut buffer, now * 1000), (1, 100, 0));
    }
    assert!(buffer.publish(at(9000), Duration::ZERO, &[]).is_none());
    assert_eq!((buffer.loss(), buffer.published().instance), (None, 7));
}

#[test]
fn events_are_buffered_for_the_retention_and_the_minimum_beyond_it() {
    let mut buffer = EventBuffer::new(7, MAX_EVENTS);
    buffer.add(events(1..20_001, 0));
    assert_eq!(publish(&mut buffer, 0), (1, 20_000, 0));
    buffer.add(events(20_001..30_001, 2));
    assert_eq!(publish(&mut buffer, 2), (1, 30_000, 0));
    // At second 3 the first 20 000 are too old: whole chunks of 1024 are removed.
    let first = 19 * 1024;
    assert_eq!(publish(&mut buffer, 3), (first + 1, 30_000, first));
    // 1328 are left: one chunk less were fewer than the minimum.
    let first = 28 * 1024;
    assert_eq!(publish(&mut buffer, 9), (first + 1, 30_000, first));
    assert_eq!(buffer.loss(), None);
}

#[test]
fn a_longer_retention_is_honoured() {
    let mut buffer = EventBuffer::new(7, MAX_EVENTS);
    buffer.add(events(1..20_001, 0));
    buffer.publish(at(40), Duration::from_secs(40), &[]);
    assert_eq!(buffer.published().len(), 20_000);
}

#[test]
fn events_dropped_before_publication_are_a_loss_and_later_ones_are_not() {
    let max = MAX_EVENTS as u64;
    let mut buffer = EventBuffer::new(7, MAX_EVENTS);
    buffer.add(events(1..max + 1, 0));
    assert_eq!(publish(&mut buffer, 0), (1, max, 0));
    // The first chunk was published.
    buffer.add(events(max + 1..max + 101, 0));
    assert_eq!(buffer.loss(), None);
    assert_eq!(publish(&mut buffer, 0), (1025, max + 100, 1024));
    // One chunk of these was never published: 1024 events, of which 100 were.
    buffer.add(events(max + 101..2 * max + 1025, 0));
    let loss = buffer.loss().unwrap();
    assert_eq!((loss.count, loss.kind()), (1024 - 100, LossKind::BoundReached));
    assert_eq!(publish(&mut buffer, 0), (max + 1025, 2 * max + 1024, max + 1024));
}

#[test]
fn a_storm_is_buffered_within_the_bound_batch_by_batch() {
    let mut buffer = EventBuffer::new(7, MAX_EVENTS);
    let template = events(0..1, 0).remove(0);
    for batch in 0..16_u64 {
        let serials = batch * 32_768 + 1..(batch + 1) * 32_768 + 1;
        buffer.add(serials.map(|serial| Arc::new(Event { serial, ..(*template).clone() })));
        assert!(buffer.log.len() <= MAX_EVENTS);
    }
    assert_eq!(buffer.loss().unwrap().count, 16 * 32_768 - MAX_EVENTS as u64);
}

#[test]
fn publications_share_their_events_and_stay_as_they_were() {
    let mut buffer = EventBuffer::new(7, MAX_EVENTS);
    buffer.add(events(1..2001, 0));
    publish(&mut buffer, 0);
    let earlier = Arc::clone(buffer.published());
    buffer.add(events(2001..5001, 0));
    publish(&mut buffer, 0);
    let later = buffer.published();
    assert_eq!((earlier.last_serial(), later.last_serial()), (2000, 5000));
    assert!(earlier.iter().zip(later.iter()).all(|(one, other)| Arc::ptr_eq(one, other)));
    // The first chunk of 1024 is the same allocation.
    assert!(std::ptr::eq(earlier.oldest(), later.oldest()));
}

#[test]
fn events_since_a_serial_are_exactly_those_after_it() {
    let mut log = EventLog::after(7, 10);
    log.append(events(11..3001, 0));
    let serials = |log: &EventLog, after| {
        log.since(after).map(|events| events.map(|event| event.serial).collect::<Vec<_>>())
    };
    for after in [10, 11, 1033, 1034, 1035, 2999, 3000] {
        assert_eq!(serials(&log, after), Some((after + 1..=3000).collect()));
    }
    assert_eq!((serials(&log, 9), serials(&log, 3001)), (None, None));
    log.remove_oldest();
    assert_eq!(log.complete_since(), 10 + 1024);
    assert_eq!(serials(&log, 1033), None);
    assert_eq!(log.buffered_after(5).count(), log.len());
}
