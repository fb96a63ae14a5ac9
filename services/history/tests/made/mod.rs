//! Histories, connections and events for the tests of this crate.

#![allow(dead_code, reason = "each test uses some of it")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "clippy knows only the functions marked #[test] as tests"
)]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use conns_core::model::{
    CloseReason, Closed, Closer, Connection, Direction, Event, EventKind, EventLog, Known, Moment,
    Opened, Owner, Snapshot, State, Update,
};
use conns_fixtures::{connection, established, known, process, with_cookie};
use conns_history::{
    Cell, History, HistoryReader, QueryAnswer, QueryBounds, ReadAccess, kept_tables, query,
};

pub(crate) const MIB: u64 = 1024 * 1024;

/// A folder that is removed at the end of the test.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let folder = format!("conns-history-{}-{name}", std::process::id());
        Self(std::env::temp_dir().join(folder))
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.0.join("state/history.db")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The moment this many seconds after the clocks of the test began.
pub(crate) fn at(second: u64) -> Moment {
    let wall_us = 1_790_000_000_000_000 + second.cast_signed() * 1_000_000;
    Moment { monotonic_us: second * 1_000_000, wall_us }
}

pub(crate) fn ended(number: u64, second: u64) -> Connection {
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
        first_use_us: Known::NotApplicable,
        by: known(Arc::new(process(7, "curl"))),
    }));
    made.socket.state = State::Close;
    made.closed = known(Closed {
        at: closed,
        duration_us: known(1_000_000),
        how: if number.is_multiple_of(5) { CloseReason::ResetReceived } else { CloseReason::Fin },
        first_closer: known(Closer::Local),
        fin_received: true,
    });
    made
}

pub(crate) fn event(
    serial: u64,
    kind: EventKind,
    at: Moment,
    connection: Connection,
) -> Arc<Event> {
    Arc::new(Event { serial, at, kind, connection })
}

pub(crate) fn update(sequence: u64, second: u64, connections: Vec<Connection>) -> Update {
    let snapshot = Snapshot { sequence, at: at(second), connections, ..Snapshot::default() };
    Update { instance: 1, snapshot: Arc::new(snapshot), ..Update::default() }
}

pub(crate) fn open(path: &Path, size: u64, second: u64) -> History {
    let opened = History::open(path, size, at(second)).unwrap();
    assert_eq!(opened.set_aside, None);
    opened.history
}

pub(crate) fn ask(path: &Path, sql: &str) -> QueryAnswer {
    let session = HistoryReader::open(path, ReadAccess::OfUser, 1).unwrap().session().unwrap();
    let bounds =
        QueryBounds { rows: usize::MAX, time: Duration::from_secs(60), ..QueryBounds::default() };
    query(&kept_tables(&Ok(session)), sql, bounds).unwrap()
}

pub(crate) fn number(path: &Path, sql: &str) -> i64 {
    match ask(path, sql).rows.first().and_then(|row| row.first()) {
        Some(Cell::Integer(number)) => *number,
        other => panic!("{sql}: {other:?}"),
    }
}

/// `count` connections of the second `second` are recorded and written.
pub(crate) fn write(history: &mut History, serial: &mut u64, count: u64, second: u64) {
    let mut log = EventLog::after(1, *serial);
    log.append((0..count).map(|_| {
        *serial += 1;
        event(*serial, EventKind::Closed, at(second), ended(*serial, second))
    }));
    history.record(&update(1, 1, Vec::new()), &log);
    history.commit(at(second)).unwrap();
}
