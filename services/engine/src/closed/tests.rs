use conns_core::model::{Moment, Observation, SocketSample, Source, State};
use conns_core::track::Tracker;
use conns_fixtures::tracker;

use super::*;
use crate::fixture;

struct Fixture {
    tracker: Tracker,
    log: ClosedLog,
    latest: Snapshot,
}

impl Fixture {
    fn new() -> Self {
        Self { tracker: tracker(), log: ClosedLog::since(1), latest: Snapshot::default() }
    }

    fn sample(&mut self, sockets: Vec<SocketSample>) {
        let at = Moment { monotonic_us: self.latest.at.monotonic_us + 1_000_000, wall_us: 0 };
        let rows = Observation::new(Source::Ebpf, at).with_sockets(sockets);
        let snapshot = self.tracker.apply(vec![rows]);
        self.log.add(&self.latest, &snapshot, self.tracker.removed());
        self.latest = snapshot;
    }
}

#[test]
fn a_removed_connection_is_kept_as_its_closed_event_or_else_the_last_sample_shows_it() {
    let mut samples = Fixture::new();
    samples.sample(vec![fixture::socket(1), fixture::socket(2)]);
    samples.tracker.apply_events(vec![fixture::closed(1)]);
    samples.sample(vec![]);
    let kept = samples.log.shared();
    let states: Vec<_> = kept
        .iter()
        .map(|closed| (closed.connection.socket.id.cookie, closed.connection.socket.state))
        .collect();
    assert_eq!(states, [(1, State::Close), (2, State::Established)]);
    assert!(kept[0].connection.closed.value().is_some());
    assert!(kept[1].connection.closed.value().is_none());
    assert!(kept.iter().all(|closed| closed.sequence == 2));
    assert_eq!(samples.log.complete_since, 1);
}

#[test]
fn closed_connections_are_kept_until_the_capacity() {
    let kept = u64::try_from(CLOSED_CAPACITY).unwrap();
    let mut samples = Fixture::new();
    for (first, count) in [(0, 10), (10_000, kept - 5), (20_000, kept + 100), (30_000, 0)] {
        samples.sample((first..first + count).map(fixture::socket).collect());
    }
    let shared = samples.log.shared();
    assert_eq!(shared.len(), CLOSED_CAPACITY);
    let ends =
        [shared.first(), shared.last()].map(|closed| closed.unwrap().connection.socket.id.cookie);
    assert_eq!(ends, [20_100, 20_099 + kept]);
    // More closed in the last sample than are kept: the log is not complete for it.
    assert_eq!(samples.log.complete_since, 4);
}
