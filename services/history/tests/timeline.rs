//! The time line has the figures that SQL finds in the rows, and none where no agent sampled or rows were removed.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "clippy knows only the functions marked #[test] as tests"
)]

mod made;

use std::path::Path;
use std::time::Duration;

use conns_core::model::{Class, Connection, EventKind, EventLog, Known};
use conns_fixtures::{connection, established, with_cookie};
use conns_history::{
    BoundedTables, HistoryReader, PastError, ReadAccess, Timeline, Times, timeline, update_at,
};
use made::{Folder, MIB, at, ended, event, number, open, update};

/// Seconds between the samples of a test.
const MINUTE: u64 = 60;

fn is_problem(class: Class) -> bool {
    class == Class::PathLoss
}

fn talking(number: u64, class: Class) -> Connection {
    let local = format!("192.0.2.1:{}", 1024 + number);
    let mut made = connection(with_cookie(number, established(&local, "10.0.0.1:443")));
    made.verdict.class = class;
    made.verdict.confidence_percent = 90;
    made
}

fn tables(path: &Path, at_most: Duration) -> BoundedTables {
    let session = HistoryReader::open(path, ReadAccess::OfUser, 1).unwrap().session().unwrap();
    BoundedTables::new(session, None, at_most)
}

fn read(path: &Path, from_s: u64, to_s: u64, buckets: usize) -> Timeline {
    let times = Times { from_us: at(from_s).wall_us, to_us: at(to_s).wall_us };
    timeline(&mut tables(path, Duration::from_secs(60)), times, buckets, &is_problem).unwrap()
}

/// An agent runs from `first` for as many minutes; each minute 3 more connections are open, every second of all has a problem, 20 end,
/// and 2 attempts fail.
fn run(path: &Path, first: u64, minutes: u64, serial: &mut u64) {
    let mut history = open(path, 64 * MIB, first);
    for second in (first..first + minutes * MINUTE).step_by(5) {
        let minute = (second - first) / MINUTE;
        let class = |n: u64| if n.is_multiple_of(2) { Class::PathLoss } else { Class::Healthy };
        let there = (1..=3 * (minute + 1)).map(|n| talking(n, class(n))).collect();
        let mut log = EventLog::after(1, *serial);
        if second % MINUTE == 5 {
            for n in 0..22 {
                *serial += 1;
                let kind = if n < 20 { EventKind::Closed } else { EventKind::Failed };
                log.append([event(*serial, kind, at(second), ended(1_000_000 + *serial, second))]);
            }
        }
        history.record(&update(second, second, there), &log);
        history.commit(at(second)).unwrap();
    }
}

#[test]
fn each_part_has_the_figures_of_the_rows_and_none_where_no_agent_sampled() {
    let folder = Folder::new("timeline");
    let path = folder.file();
    let mut serial = 0;
    run(&path, 600, 10, &mut serial);
    run(&path, 3600, 10, &mut serial);
    let line = read(&path, 0, 4200, 70);
    assert_eq!((line.step_us, line.is_cut), (60_000_000, false));
    let (mut known, mut unknown) = (0, 0);
    for bucket in &line.buckets {
        let (from, to) = (bucket.from_us, bucket.to_us);
        if bucket.sampled_us == 0 {
            assert_eq!((bucket.open, bucket.ended, bucket.failed), (None, None, None));
            unknown += 1;
            continue;
        }
        let rows = |table: &str| {
            let sql =
                format!("select count(*) from {table} where at_us >= {from} and at_us < {to}");
            u64::try_from(number(&path, &sql)).unwrap()
        };
        assert_eq!((bucket.ended, bucket.failed), (Some(rows("closed")), Some(rows("failed"))));
        let Some(open) = bucket.open else { continue };
        let end = to.min(at(4200).wall_us);
        let latest = format!(
            "select count(*) from (select distinct cookie from samples where at_us between {} and {end})",
            end - 75_000_000
        );
        let lossy = latest.replace(
            "distinct cookie from samples where",
            "distinct cookie from samples where verdict = 'path-loss' and",
        );
        assert_eq!(open, u64::try_from(number(&path, &latest)).unwrap(), "open before {end}");
        assert_eq!(bucket.problems, u64::try_from(number(&path, &lossy)).ok(), "{to}");
        let listed = update_at(&mut tables(&path, Duration::from_secs(60)), end).unwrap();
        let listed = listed.snapshot.connections.iter();
        let sampled = listed.filter(|c| matches!(c.socket.queues, Known::Value(..)) || c.is_open());
        assert!(sampled.count() as u64 >= open);
        known += 1;
    }
    assert!(known >= 17 && unknown >= 45, "{known} known, {unknown} unknown");
    let sum = |of: fn(&conns_history::Bucket) -> Option<u64>| -> u64 {
        line.buckets.iter().filter_map(of).sum()
    };
    assert_eq!((sum(|b| b.ended), sum(|b| b.failed)), (400, 40));
}

#[test]
fn parts_of_hours_have_the_sums_also_of_removed_rows() {
    let folder = Folder::new("timeline-hours");
    let path = folder.file();
    let mut history = open(&path, 16 * MIB, 1);
    let mut serial = 0;
    let (per_commit, hours) = (3000_u64, 4_u64);
    for second in (10..hours * 3600).step_by(20) {
        let mut log = EventLog::after(1, serial);
        log.append((0..per_commit).map(|_| {
            serial += 1;
            event(serial, EventKind::Closed, at(second), ended(serial * 7919, second))
        }));
        history.record(&update(second, second, vec![talking(1, Class::Healthy)]), &log);
        history.commit(at(second)).unwrap();
    }
    drop(history);
    assert!(number(&path, "select removed_rows from tables where name = 'closed'") > 0);
    let line = read(&path, 0, hours * 3600, 4);
    assert_eq!(line.step_us, 3_600_000_000);
    let ended: u64 = line.buckets.iter().filter_map(|bucket| bucket.ended).sum();
    assert_eq!(ended, serial);
    // Minutes of which rows were removed are not known, those after them are.
    let minutes = read(&path, 0, hours * 3600, 250);
    let has = |bucket: &&conns_history::Bucket| bucket.ended.is_some();
    let first = minutes.buckets.iter().position(|bucket| has(&bucket)).unwrap();
    assert!(first > 0 && minutes.buckets[first].ended.unwrap() > 0);
    assert!(minutes.buckets.iter().take(first).all(|bucket| bucket.sampled_us > 0));
}

#[test]
fn reading_has_an_end_and_what_is_missing_is_reported() {
    let folder = Folder::new("timeline-late");
    let path = folder.file();
    run(&path, 600, 3, &mut 0);
    let times = Times { from_us: at(600).wall_us, to_us: at(780).wall_us };
    let late = &mut tables(&path, Duration::ZERO);
    assert_eq!(timeline(late, times, 10, &is_problem), Err(PastError::TooCostly));
    assert_eq!(update_at(late, times.from_us).map(drop), Err(PastError::TooCostly));
    let kept = &mut tables(&path, Duration::from_secs(60));
    let Err(PastError::NotSampled { periods, .. }) = update_at(kept, at(5000).wall_us) else {
        panic!("no agent sampled then")
    };
    assert_eq!(periods.len(), 1);
    assert_eq!(periods[0].from_us, at(600).wall_us);
}
