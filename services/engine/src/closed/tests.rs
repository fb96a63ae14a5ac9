use std::time::Duration;

use conns_core::model::{Moment, Observation, SocketSample, Source, State};
use conns_core::track::{Retention, Tracker};

use super::*;
use crate::fakes;

struct Stage {
    tracker: Tracker,
    log: ClosedLog,
    latest: Snapshot,
}

impl Stage {
    fn new() -> Self {
        let memory = Retention::Window(Duration::from_secs(5));
        let (tracker, latest) = (Tracker::new(memory), Snapshot::default());
        Self { tracker, log: ClosedLog::since(1), latest }
    }

    fn look(&mut self, sockets: Vec<SocketSample>) {
        let at = Moment { monotonic_us: self.latest.at.monotonic_us + 1_000_000, wall_us: 0 };
        let rows = Observation::new(Source::Ebpf, at).with_sockets(sockets);
        let snapshot = self.tracker.apply(vec![rows]);
        self.log.add(&self.latest, &snapshot, self.tracker.removed());
        self.latest = snapshot;
    }
}

#[test]
fn what_is_gone_is_kept_as_its_end_was_told_or_else_as_it_was_last_seen() {
    let mut stage = Stage::new();
    stage.look(vec![fakes::socket(1), fakes::socket(2)]);
    stage.tracker.apply_events(vec![fakes::closed(1)]);
    stage.look(vec![]);
    let kept = stage.log.shared();
    let states: Vec<_> = kept
        .iter()
        .map(|closed| (closed.connection.socket.id.cookie, closed.connection.socket.state))
        .collect();
    assert_eq!(states, [(1, State::Close), (2, State::Established)]);
    assert!(kept[0].connection.closed.value().is_some());
    assert!(kept[1].connection.closed.value().is_none());
    assert!(kept.iter().all(|closed| closed.sequence == 2));
    assert_eq!((stage.log.complete_since, stage.log.loss()), (1, None));
}

#[test]
fn the_last_are_kept_also_of_more_than_there_is_room_for() {
    let kept = u64::try_from(CLOSED_KEPT).unwrap();
    let mut stage = Stage::new();
    for (first, count) in [(0, 10), (10_000, kept - 5), (20_000, kept + 100), (30_000, 0)] {
        stage.look((first..first + count).map(fakes::socket).collect());
    }
    let shared = stage.log.shared();
    assert_eq!(shared.len(), CLOSED_KEPT);
    let ends =
        [shared.first(), shared.last()].map(|closed| closed.unwrap().connection.socket.id.cookie);
    assert_eq!(ends, [20_100, 20_099 + kept]);
    // The last look closed more than are kept: what closed in it is not complete.
    assert_eq!(stage.log.complete_since, 4);
    assert_eq!(stage.log.loss().unwrap().count, 10 + (kept - 5) + 100);
}
