//! The past as an agent shows the present: the connections of a moment, verdicts and events of a time.
//!
//! Open connections are kept each minute, so figures of a moment are those of the row before it. What opened after that row is known
//! by a later one: it was there, and its figures then are unknown.

use std::collections::HashMap;
use std::sync::Arc;

use conns_core::model::{
    Connection, Event, EventKind, Known, Machine, Moment, Snapshot, State, Update,
};

use crate::cell::Cell;
use crate::past::connection;
use crate::reader::Session;
use crate::table::{Scan, Times};

/// Open connections are kept at least that often: a minute, and some time for a sample that is late.
const STEP_US: i64 = 75_000_000;
/// While an agent samples, the end of its time is written that often: five seconds, and one for a write that is late.
const WRITTEN_WITHIN_US: i64 = 6_000_000;
/// Most events of an answer.
const MAX_EVENTS: usize = 1_000_000;

/// Reads a row: the value of a column by its name.
pub type ReadRow<'r> = dyn Fn(&str) -> Cell<'r> + 'r;

/// Kept tables, of a file here or of an agent elsewhere.
pub trait KeptTables {
    /// Calls `each` with the rows of `table` that have a part in `times`, in the order in which they were kept.
    ///
    /// # Errors
    /// Why they cannot be read.
    fn rows(
        &mut self,
        table: &str,
        times: Times,
        each: &mut dyn FnMut(&ReadRow<'_>),
    ) -> Result<(), String>;

    /// The inode of the network namespace that lists do not name; `None` if they name all.
    fn own_netns(&self) -> Option<u64> {
        None
    }
}

/// The condition of SQL of the rows of a kept table that have a part in `times`.
#[must_use]
pub fn condition(table: &str, times: Times) -> String {
    let Times { from_us, to_us } = times;
    match table {
        "verdicts" | "watched" => format!("from_us <= {to_us} and to_us >= {from_us}"),
        _ => format!("at_us between {from_us} and {to_us}"),
    }
}

impl KeptTables for Arc<Session> {
    fn rows(
        &mut self,
        table: &str,
        times: Times,
        each: &mut dyn FnMut(&ReadRow<'_>),
    ) -> Result<(), String> {
        let tables = self.tables();
        let table = tables.iter().find(|known| known.name() == table);
        let table = table.ok_or("there is no such table")?;
        let places: HashMap<&str, usize> =
            table.columns().iter().enumerate().map(|(at, c)| (c.name.as_str(), at)).collect();
        let mut scan = table.scan(times)?;
        while scan.next()? {
            if has_part(&*scan, &places, times)? {
                each(&|name| {
                    let cell = places.get(name).map(|at| scan.cell(*at));
                    // A block that is damaged failed above, with its first column.
                    cell.and_then(Result::ok).unwrap_or(Cell::Null)
                });
            }
        }
        Ok(())
    }

    /// The namespace of this process: the history of this machine is read here.
    #[cfg(target_os = "linux")]
    fn own_netns(&self) -> Option<u64> {
        use std::os::unix::fs::MetadataExt;
        std::fs::metadata("/proc/self/ns/net").ok().map(|found| found.ino())
    }
}

/// Whether a row has a part in `times`.
fn has_part(scan: &dyn Scan, places: &HashMap<&str, usize>, times: Times) -> Result<bool, String> {
    let time = |name: &str| -> Result<Option<i64>, String> {
        let Some(at) = places.get(name) else { return Ok(None) };
        Ok(match scan.cell(*at)? {
            Cell::Integer(us) => Some(us),
            _ => None,
        })
    };
    let at = time("at_us")?;
    let (first, last) = (at.or(time("from_us")?), at.or(time("to_us")?));
    Ok(first.is_none_or(|first| first <= times.to_us)
        && last.is_none_or(|last| last >= times.from_us))
}

/// What identifies a connection in kept rows. Peers of one UDP socket differ in their remote ends only.
type Key = (Option<i64>, Option<i64>, Option<String>, Option<i64>);

fn key(row: &ReadRow<'_>) -> Key {
    let text = match row("remote_addr") {
        Cell::Text(text) => Some(text.into_owned()),
        _ => None,
    };
    (whole(row, "netns_inode"), whole(row, "cookie"), text, whole(row, "remote_port"))
}

fn whole(row: &ReadRow<'_>, name: &str) -> Option<i64> {
    match row(name) {
        Cell::Integer(number) => Some(number),
        _ => None,
    }
}

/// Columns of a row that are as true of the connection before: what it is, and how it began.
const LASTING: [&str; 29] = [
    "at_us",
    "netns_inode",
    "cookie",
    "proto",
    "family",
    "direction",
    "local_addr",
    "local_port",
    "remote_addr",
    "remote_port",
    "netns",
    "inode",
    "interface",
    "pid",
    "process",
    "user",
    "process_uid",
    "container",
    "unit",
    "cgroup",
    "opener",
    "opener_pid",
    "app",
    "remote_name",
    "opened_at_us",
    "handshake_us",
    "first_use_us",
    "uid",
    "state",
];

/// The connection of a later row, of which only what lasts is taken.
fn earlier(row: &ReadRow<'_>, own_netns: Option<u64>) -> Option<Connection> {
    let lasting = |name: &str| if LASTING.contains(&name) { row(name) } else { Cell::Null };
    let mut made = connection(&lasting, own_netns)?;
    if made.socket.state == State::Close {
        // A row of `closed` has no state; before, it was open.
        made.socket.state = State::Established;
        made.closed = Known::NotApplicable;
    }
    Some(made)
}

/// The moment of a time of the wall clock.
fn moment(wall_us: i64) -> Moment {
    Moment { monotonic_us: u64::try_from(wall_us).unwrap_or(0), wall_us }
}

/// What was open at a moment.
///
/// # Errors
/// That no agent sampled then, or why it cannot be read.
pub fn update_at(kept: &mut dyn KeptTables, at_us: i64) -> Result<Update, String> {
    sampled(kept, Times { from_us: at_us, to_us: at_us })?;
    let own_netns = kept.own_netns();
    let mut found: HashMap<Key, Option<Connection>, foldhash::fast::RandomState> =
        HashMap::default();
    let before = Times { from_us: at_us - STEP_US, to_us: at_us };
    kept.rows("samples", before, &mut |row| {
        found.insert(key(row), connection(row, own_netns));
    })?;
    let mut ended = |row: &ReadRow<'_>| {
        // A connection of which no row follows its end; rows of samples of that second may.
        found.insert(key(row), None);
    };
    kept.rows("closed", before, &mut ended)?;
    let after = Times { from_us: at_us + 1, to_us: at_us.saturating_add(STEP_US) };
    for table in ["samples", "closed"] {
        kept.rows(table, after, &mut |row| {
            let was_open = whole(row, "opened_at_us").is_some_and(|opened| opened <= at_us);
            if was_open {
                found.entry(key(row)).or_insert_with(|| earlier(row, own_netns));
            }
        })?;
    }
    let connections: Vec<Connection> = found.into_values().flatten().collect();
    Ok(update(at_us, connections))
}

/// Verdicts that held in a time, a connection each with the verdict that it had then.
///
/// # Errors
/// As [`update_at`].
pub fn verdicts_in(kept: &mut dyn KeptTables, times: Times) -> Result<Update, String> {
    sampled(kept, times)?;
    let own_netns = kept.own_netns();
    let mut connections = Vec::new();
    kept.rows("verdicts", times, &mut |row| connections.extend(connection(row, own_netns)))?;
    // Those that still held at the end.
    let last = Times { from_us: times.to_us.saturating_sub(STEP_US), to_us: times.to_us };
    let mut running: HashMap<Key, Connection, foldhash::fast::RandomState> = HashMap::default();
    kept.rows("samples", last, &mut |row| {
        if let Some(made) = connection(row, own_netns) {
            running.insert(key(row), made);
        }
    })?;
    connections.extend(running.into_values());
    Ok(update(times.to_us, connections))
}

/// What ended or failed in a time, oldest first; true if there is more than an answer can have.
///
/// # Errors
/// As [`update_at`].
pub fn events_in(
    kept: &mut dyn KeptTables,
    times: Times,
) -> Result<(Vec<Arc<Event>>, bool), String> {
    sampled(kept, times)?;
    let own_netns = kept.own_netns();
    let mut events = Vec::new();
    let mut has_more = false;
    for (table, kind) in [("closed", EventKind::Closed), ("failed", EventKind::Failed)] {
        kept.rows(table, times, &mut |row| {
            has_more |= events.len() >= MAX_EVENTS;
            if let Some(made) = connection(row, own_netns).filter(|_| events.len() < MAX_EVENTS) {
                events.push((whole(row, "at_us").unwrap_or(0), kind, made));
            }
        })?;
    }
    events.sort_by_key(|(at_us, ..)| *at_us);
    let event = |((at_us, kind, connection), serial)| {
        Arc::new(Event { serial, at: moment(at_us), kind, connection })
    };
    Ok((events.into_iter().zip(1..).map(event).collect(), has_more))
}

/// Fails where no agent sampled at any moment of a time.
fn sampled(kept: &mut dyn KeptTables, times: Times) -> Result<(), String> {
    let mut has_sampled = false;
    let since = Times { from_us: times.from_us.saturating_sub(WRITTEN_WITHIN_US), ..times };
    kept.rows("watched", since, &mut |_| has_sampled = true)?;
    if has_sampled {
        return Ok(());
    }
    let mut nearest: Option<(i64, i64)> = None;
    let distance = |us: i64| (us - times.from_us).abs().min((us - times.to_us).abs());
    kept.rows("watched", Times::ALL, &mut |row| {
        for us in [whole(row, "from_us"), whole(row, "to_us")].into_iter().flatten() {
            if nearest.is_none_or(|(_, least)| distance(us) < least) {
                nearest = Some((us, distance(us)));
            }
        }
    })?;
    Err(match nearest {
        Some((us, _)) => {
            format!("no agent sampled then; the nearest time at which one did is {}", date(us))
        }
        None => "no agent has sampled yet".to_owned(),
    })
}

/// A time in UTC, to the second.
fn date(us: i64) -> String {
    let time = jiff::Timestamp::from_microsecond(us);
    time.map_or_else(|_| us.to_string(), |time| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

fn update(at_us: i64, mut connections: Vec<Connection>) -> Update {
    connections.sort_by_key(|connection| connection.socket.id);
    for (connection, serial) in connections.iter_mut().zip(1..) {
        connection.stats.serial = serial;
    }
    let at = moment(at_us);
    let snapshot = Snapshot {
        sequence: 1,
        machine: Arc::<Machine>::default(),
        at,
        connections,
        losses: Vec::new(),
    };
    Update { snapshot: Arc::new(snapshot), ..Update::default() }
}
