use std::panic::{AssertUnwindSafe, catch_unwind};

use conns_contract::ReplayClock;
use conns_core::model::{Moment, Source};
use conns_core::track::Retention;

use super::*;
use crate::fixture::{Ring, Shared, opened};

/// The cookies of the events, and how often they were flushed.
#[derive(Default)]
struct Cookies {
    cookies: Vec<u64>,
    flushes: usize,
}

impl EventSink for Cookies {
    fn add(&mut self, events: Vec<Arc<Event>>, _: Vec<Loss>) {
        self.cookies.extend(events.iter().map(|event| event.connection.socket.id.cookie));
    }

    fn flush(&mut self) {
        self.flushes += 1;
    }
}

struct Fixture {
    ring: Shared<Ring>,
    tracker: Tracker,
    clock: ReplayClock,
    collected: Cookies,
}

impl Fixture {
    fn new() -> Self {
        Self {
            ring: Shared::default(),
            tracker: Tracker::new(Retention::None),
            clock: ReplayClock::at(Moment::default()),
            collected: Cookies::default(),
        }
    }

    /// Does `work`, which is handed the clock and the tracker.
    fn during<R>(
        &mut self,
        work: impl FnOnce(&ReplayClock, &Mutex<&mut Tracker>) -> R,
    ) -> (R, VecDeque<Observation>) {
        let (tracker, clock) = (Mutex::new(&mut self.tracker), &self.clock);
        let mut source = self.ring.clone();
        let mut drained = Drained { events: &mut source, tap: None };
        during(&mut drained, &tracker, MAX_BUFFERED_EVENTS, clock, &mut self.collected, || {
            work(clock, &tracker)
        })
    }
}

fn add(ring: &Shared<Ring>, cookies: std::ops::Range<u64>) {
    ring.set(|ring| ring.lifecycle_events.extend(cookies.map(opened)));
}

#[test]
fn events_are_applied_at_each_interval_while_the_tracker_is_free() {
    let mut fixture = Fixture::new();
    let ring = fixture.ring.clone();
    let (drains, rest) = fixture.during(|clock, _| {
        let mut drains = Vec::new();
        for begin in [0, 10, 20] {
            add(&ring, begin..begin + 10);
            clock.run(THREAD, DRAIN_INTERVAL);
            drains.push(ring.lock().drains);
        }
        drains
    });
    assert_eq!((drains, rest.len()), (vec![1, 2, 3], 0));
    assert!(fixture.collected.cookies.iter().copied().eq(0..30));
    assert_eq!(fixture.collected.flushes, 3);
}

#[test]
fn events_are_buffered_up_to_the_bound_while_the_tracker_is_locked() {
    let mut fixture = Fixture::new();
    let ring = fixture.ring.clone();
    let batch = MAX_BUFFERED_EVENTS / 4 + 1;
    ring.set(|ring| ring.batch = Some(batch));
    add(&ring, 0..2 * MAX_BUFFERED_EVENTS as u64);
    let (_, rest) = fixture.during(|clock, tracker| {
        let _busy = tracker.lock().unwrap();
        clock.run(THREAD, DRAIN_INTERVAL * 9);
    });
    assert_eq!((ring.lock().drains, rest.len()), (4, 4));
    let events = rest.iter().flat_map(Observation::events).map(|event| event.socket.id.cookie);
    assert!(events.eq(0..4 * batch as u64));
    assert_eq!(fixture.collected.cookies, [0_u64; 0]);
}

#[test]
fn buffered_events_are_applied_in_order_once_the_tracker_is_free() {
    let mut fixture = Fixture::new();
    let ring = fixture.ring.clone();
    ring.set(|ring| ring.batch = Some(5));
    add(&ring, 0..15);
    let (_, rest) = fixture.during(|clock, tracker| {
        let busy = tracker.lock().unwrap();
        clock.run(THREAD, DRAIN_INTERVAL * 2);
        drop(busy);
        clock.run(THREAD, DRAIN_INTERVAL);
    });
    assert_eq!(rest.len(), 0);
    assert!(fixture.collected.cookies.iter().copied().eq(0..15));
    assert_eq!(fixture.collected.flushes, 1);
}

#[test]
fn work_that_panics_ends_the_thread() {
    let mut fixture = Fixture::new();
    let work = || fixture.during(|_, _| panic!("a panic of the test"));
    assert!(catch_unwind(AssertUnwindSafe(work)).is_err());
}

#[test]
fn work_shorter_than_the_interval_leaves_the_source_alone() {
    let mut fixture = Fixture::new();
    add(&fixture.ring, 0..1);
    let (result, rest) = fixture.during(|clock, _| {
        clock.run(THREAD, DRAIN_INTERVAL - Duration::from_micros(1));
        7
    });
    assert_eq!((result, rest.len(), fixture.ring.lock().drains), (7, 0, 0));
}

#[test]
fn losses_of_the_source_are_handed_on() {
    let loss = Loss::one(Source::Ebpf, conns_core::model::LossCause::PayloadDropped);
    struct Losses(Vec<Loss>);
    impl EventSink for Losses {
        fn add(&mut self, _: Vec<Arc<Event>>, losses: Vec<Loss>) {
            self.0.extend(losses);
        }
    }
    let mut tracker = Tracker::new(Retention::None);
    let observation =
        Observation::new(Source::Ebpf, Moment::default()).with_losses(vec![loss.clone()]);
    let mut losses = Losses(Vec::new());
    apply(&mut tracker, observation, &mut losses);
    assert_eq!(losses.0, [loss]);
}
