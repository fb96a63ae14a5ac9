//! What is kept: every row that an agent saw, with the same values, in a file that does not exceed its size.

#![allow(clippy::unwrap_used, reason = "clippy knows only the functions marked #[test] as tests")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use conns_core::model::{
    CloseReason, Closed, Closer, Connection, Direction, Event, EventKind, EventLog, Moment, Opened,
    Owner, Snapshot, State, Update,
};
use conns_core::query::{Field, find_field};
use conns_fixtures::{connection, established, known, process, with_cookie};
use conns_history::{
    Cell, History, HistoryReader, QueryAnswer, ReadAccess, QueryBounds, kept_tables, query,
};

const MIB: u64 = 1024 * 1024;

fn list(_: &Field, _: &Connection) -> String {
    "[]".to_owned()
}

/// A folder that is removed at the end of the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = format!("conns-history-{}-{name}", std::process::id());
        Self(std::env::temp_dir().join(folder))
    }

    fn file(&self) -> PathBuf {
        self.0.join("state/history.db")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The moment this many seconds after the clocks of the test began.
fn at(second: u64) -> Moment {
    let wall_us = 1_790_000_000_000_000 + second.cast_signed() * 1_000_000;
    Moment { monotonic_us: second * 1_000_000, wall_us }
}

fn ended(number: u64, second: u64) -> Connection {
    let remote = format!("10.{}.{}.{}:443", number % 7, number % 251, number % 13);
    let local = format!("192.0.2.1:{}", 1024 + number % 60_000);
    let mut made = connection(with_cookie(number, established(&local, &remote)));
    let (closed, opened) = (at(second), at(second.saturating_sub(1)));
    let owner = Owner { process: Arc::new(process(7, "curl")), descriptor: Some(3) };
    made.owners = known([owner].into_iter().collect());
    made.direction = known(Direction::Outbound);
    made.opened = known(Arc::new(Opened {
        at: opened,
        handshake_us: known(100 + number % 900),
        first_use_us: conns_core::model::Known::NotApplicable,
        by: known(Arc::new(process(7, "curl"))),
    }));
    made.socket.state = State::Close;
    made.closed = known(Closed {
        at: closed,
        duration_us: known(1_000_000),
        how: if number % 5 == 0 { CloseReason::ResetReceived } else { CloseReason::Fin },
        first_closer: known(Closer::Local),
        fin_received: true,
    });
    made
}

fn event(serial: u64, kind: EventKind, at: Moment, connection: Connection) -> Arc<Event> {
    Arc::new(Event { serial, at, kind, connection })
}

/// The log of an agent with these events, the first of which has the serial number 1.
fn log(events: &[Arc<Event>]) -> EventLog {
    let mut log = EventLog::after(1, 0);
    log.append(events.iter().cloned());
    log
}

fn update(sequence: u64, second: u64, connections: Vec<Connection>) -> Update {
    let snapshot = Snapshot { sequence, at: at(second), connections, ..Snapshot::default() };
    Update { instance: 1, snapshot: Arc::new(snapshot), ..Update::default() }
}

fn open(path: &Path, size: u64, second: u64) -> History {
    let opened = History::open(path, size, list, at(second)).unwrap();
    assert_eq!(opened.set_aside, None);
    opened.history
}

fn ask(path: &Path, sql: &str) -> QueryAnswer {
    let session = HistoryReader::open(path, ReadAccess::OfUser, 1).unwrap().session().unwrap();
    let bounds = QueryBounds { rows: usize::MAX, time: std::time::Duration::from_secs(60), ..QueryBounds::default() };
    query(&kept_tables(&Ok(session)), sql, bounds).unwrap()
}

fn number(path: &Path, sql: &str) -> i64 {
    match ask(path, sql).rows.first().and_then(|row| row.first()) {
        Some(Cell::Integer(number)) => *number,
        other => panic!("{sql}: {other:?}"),
    }
}

#[test]
fn every_ended_connection_is_kept_once_with_the_values_of_its_event() {
    let folder = Folder::new("whole");
    let path = folder.file();
    let mut history = open(&path, 64 * MIB, 1);
    let count = 40_000;
    let mut events: Vec<Arc<Event>> = Vec::new();
    for number in 1..=count {
        let second = 2 + number / 500;
        events.push(event(number, EventKind::Closed, at(second), ended(number, second)));
    }
    for (second, part) in events.chunks(500).enumerate() {
        let mut log = EventLog::after(1, part[0].serial - 1);
        log.append(part.iter().cloned());
        history.record(&update(1, 1, Vec::new()), &log);
        history.commit(at(2 + second as u64)).unwrap();
    }
    let sql = "select count(*), count(distinct id), min(at_us), max(at_us) from closed";
    let found = &ask(&path, sql).rows[0];
    let times = (at(2).wall_us, at(2 + count / 500).wall_us);
    let expected = [count as i64, count as i64, times.0, times.1].map(Cell::Integer);
    assert_eq!(found, &expected);

    let columns = "id, local_addr, local_port, remote_addr, remote_port, process, pid, direction, \
                   opened_at_us, closed_at_us, duration_us, handshake_us, ended, closed_by, bytes_out, rtt_us";
    let found = ask(&path, &format!("select {columns} from closed order by cookie"));
    let keys: Vec<&str> = columns.split(", ").skip(1).collect();
    for (row, event) in found.rows.iter().zip(&events) {
        let id = event.connection.socket.id;
        assert_eq!(row[0], Cell::Text(format!("{}-{}", id.netns, id.cookie).into()));
        for (cell, key) in row.iter().skip(1).zip(&keys) {
            let value = find_field(key).unwrap().value(&event.connection);
            assert_eq!(*cell, Cell::of_value(value), "{key} of {}", event.serial);
        }
    }
}

#[test]
fn a_time_is_found_without_reading_others_and_answers_are_the_same() {
    let folder = Folder::new("times");
    let path = folder.file();
    let mut history = open(&path, 64 * MIB, 1);
    for second in 0..600_u64 {
        let events: Vec<_> = (1..=20)
            .map(|n| {
                let number = second * 20 + n;
                event(number, EventKind::Closed, at(10 + second), ended(number, 10 + second))
            })
            .collect();
        let mut log = EventLog::after(1, second * 20);
        log.append(events);
        history.record(&update(1, 1, Vec::new()), &log);
        history.commit(at(10 + second)).unwrap();
    }
    let (from, to) = (at(100).wall_us, at(110).wall_us);
    let among = |times: &str| number(&path, &format!("select count(*) from closed where {times}"));
    assert_eq!(among(&format!("at_us >= {from} and at_us < {to}")), 200);
    assert_eq!(among(&format!("at_us between {from} and {to}")), 220);
    assert_eq!(among(&format!("at_us = {from}")), 20);
    assert_eq!(among(&format!("at_us in ({from}, {to}, 7)")), 40);
    assert_eq!(among(&format!("at_us > {from}.5 and at_us < {to}.5")), 200);
    // What is not pushed down finds the same.
    assert_eq!(among(&format!("at_us + 0 >= {from} and at_us + 0 < {to}")), 200);
}

#[test]
fn the_file_never_exceeds_its_size_and_what_goes_is_counted() {
    let folder = Folder::new("bound");
    let path = folder.file();
    let size = 16 * MIB;
    let mut history = open(&path, size, 1);
    let mut serial = 0;
    for second in 0..400_u64 {
        let events: Vec<_> = (0..4000)
            .map(|_| {
                serial += 1;
                event(serial, EventKind::Closed, at(10 + second), ended(serial * 7919, 10 + second))
            })
            .collect();
        let mut log = EventLog::after(1, serial - 4000);
        log.append(events);
        history.record(&update(1, 1, Vec::new()), &log);
        history.commit(at(10 + second)).unwrap();
        let taken: u64 = std::fs::read_dir(path.parent().unwrap())
            .unwrap()
            .map(|entry| entry.unwrap().metadata().unwrap().len())
            .sum();
        assert!(taken <= size, "{taken} bytes after {second} s");
    }
    let kept = number(&path, "select count(*) from closed");
    let removed = number(&path, "select removed_rows from tables where name = 'closed'");
    assert!(removed > 0 && kept > 0, "{kept} kept, {removed} removed");
    assert_eq!(kept + removed, 400 * 4000);
    let until = number(&path, "select removed_until_us from tables where name = 'closed'");
    let oldest = number(&path, "select min(at_us) from closed");
    assert!(until <= oldest, "removed until {until}, kept from {oldest}");
}
