//! The past as an agent shows the present: the connections of a moment, verdicts and events of a time.
//!
//! Open connections are kept each minute, so figures of a moment are those of the row before it. What opened after that row is known
//! by a later one: it was there, and its figures then are unknown.

mod error;

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use conns_core::model::{
    Application, Connection, Event, EventKind, Known, Layer, Loss, LossCause, LossKind, Machine,
    Moment, Snapshot, Source, State, Transfer, Update,
};

use crate::cell::Cell;
use crate::layers::layer;
use crate::past::connection;
use crate::reader::{Session, by_table};
use crate::table::{Times, has_part};
pub use error::{PastError, date};

/// Open connections are kept at least that often: a minute, and some time for a sample that is late.
pub(crate) const STEP_US: i64 = 75_000_000;
/// While an agent samples, the end of its time is written that often: five seconds, and one for a write that is late.
pub(crate) const WRITTEN_WITHIN_US: i64 = 6_000_000;
/// The sentence of what `watched` counts.
const NOT_KEPT: &str = "the history lacks {count} ended connections or changes of verdicts of the run of the agent at that time (table `watched`)";
/// The last part of a time in which events are searched; each one before is four times as long.
const FIRST_LENGTH_US: i64 = 1_000_000;
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
    ) -> Result<(), PastError>;

    /// What is missing from the rows that were read since the last call, because it is damaged.
    fn damaged(&mut self) -> Vec<Loss>;

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
        // Times of a table without rows are unknown.
        "tables" => "1".to_owned(),
        _ => format!("at_us between {from_us} and {to_us}"),
    }
}

impl KeptTables for Arc<Session> {
    fn rows(
        &mut self,
        table: &str,
        times: Times,
        each: &mut dyn FnMut(&ReadRow<'_>),
    ) -> Result<(), PastError> {
        read_rows(self, table, times, None, each)
    }

    fn damaged(&mut self) -> Vec<Loss> {
        self.take_damaged()
    }

    /// The namespace of this process: the history of this machine is read here.
    #[cfg(target_os = "linux")]
    fn own_netns(&self) -> Option<u64> {
        use std::os::unix::fs::MetadataExt;
        std::fs::metadata("/proc/self/ns/net").ok().map(|found| found.ino())
    }
}

/// The kept tables for a client: what is read of them has an end.
pub struct BoundedTables {
    session: Arc<Session>,
    own_netns: Option<u64>,
    until: Instant,
}

impl BoundedTables {
    /// Reads `session` for at most this long from now. `own_netns` is the inode of the network namespace that lists do not name.
    #[must_use]
    pub fn new(session: Arc<Session>, own_netns: Option<u64>, at_most: Duration) -> Self {
        Self { session, own_netns, until: Instant::now() + at_most }
    }
}

impl KeptTables for BoundedTables {
    fn rows(
        &mut self,
        table: &str,
        times: Times,
        each: &mut dyn FnMut(&ReadRow<'_>),
    ) -> Result<(), PastError> {
        read_rows(&self.session, table, times, Some(self.until), each)
    }

    fn damaged(&mut self) -> Vec<Loss> {
        self.session.take_damaged()
    }

    fn own_netns(&self) -> Option<u64> {
        self.own_netns
    }
}

/// Rows between two readings of the clock.
const ROWS_A_CHECK: usize = 1024;

fn read_rows(
    session: &Arc<Session>,
    table: &str,
    times: Times,
    until: Option<Instant>,
    each: &mut dyn FnMut(&ReadRow<'_>),
) -> Result<(), PastError> {
    let is_late = || until.is_some_and(|until| Instant::now() > until);
    let tables = session.tables();
    let table = tables.iter().find(|known| known.name() == table);
    let table = table.ok_or_else(|| PastError::Read("there is no such table".to_owned()))?;
    let places: HashMap<&str, usize> =
        table.columns().iter().enumerate().map(|(at, c)| (c.name.as_str(), at)).collect();
    let mut scan = table.scan(times)?;
    let unreadable = RefCell::new(None);
    for read in 0_usize.. {
        if read.is_multiple_of(ROWS_A_CHECK) && is_late() {
            return Err(PastError::TooCostly);
        }
        if !scan.next()? {
            break;
        }
        if has_part(&**table, &*scan, times)? {
            each(&|name| {
                let cell = places.get(name).map_or(Ok(Cell::Null), |at| scan.cell(*at));
                cell.unwrap_or_else(|error| {
                    unreadable.replace(Some(error));
                    Cell::Null
                })
            });
            if let Some(error) = unreadable.take() {
                return Err(error.into());
            }
        }
    }
    Ok(())
}

/// What identifies a connection in kept rows. Peers of one UDP socket differ in their remote ends only.
pub(crate) type Key = (Option<i64>, Option<i64>, Option<String>, Option<i64>);

pub(crate) fn key(row: &ReadRow<'_>) -> Key {
    let text = match row("remote_addr") {
        Cell::Text(text) => Some(text.into_owned()),
        _ => None,
    };
    (whole(row, "netns_inode"), whole(row, "cookie"), text, whole(row, "remote_port"))
}

/// As [`key`], of the connection of a row.
fn key_of(connection: &Connection) -> Key {
    let (id, remote) = (connection.socket.id, connection.socket.remote);
    let whole = |number: u64| i64::try_from(number).ok();
    let port = remote.map(|end| end.port.into());
    (whole(id.netns), whole(id.cookie), remote.map(|end| end.address.to_string()), port)
}

pub(crate) fn whole(row: &ReadRow<'_>, name: &str) -> Option<i64> {
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

/// What was open at a moment.
///
/// # Errors
/// That no agent sampled then, or why it cannot be read.
pub fn update_at(kept: &mut dyn KeptTables, at_us: i64) -> Result<Update, PastError> {
    sampled(kept, Times { from_us: at_us, to_us: at_us })?;
    let own_netns = kept.own_netns();
    let mut losses = lost_then(kept, at_us)?;
    let mut found: HashMap<Key, Option<Connection>, foldhash::fast::RandomState> =
        HashMap::default();
    let before = Times { from_us: at_us - STEP_US, to_us: at_us };
    kept.rows("samples", before, &mut |row| {
        found.insert(key(row), connection(row, own_netns));
    })?;
    if found.is_empty() {
        are_kept(kept, at_us)?;
    }
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
    let transfers = transfers(kept, before)?.into();
    losses.append(&mut by_table(kept.damaged()));
    Ok(Update { transfers, ..update(at_us, connections, losses) })
}

/// The connections of the transfer service of the last sample of a time, in order of `connection_id`.
fn transfers(kept: &mut dyn KeptTables, times: Times) -> Result<Vec<Transfer>, PastError> {
    let mut last_us = times.from_us;
    let mut found: Vec<Transfer> = Vec::new();
    kept.rows("transfers", times, &mut |row| {
        let at_us = whole(row, "at_us").unwrap_or(last_us);
        if at_us > last_us {
            last_us = at_us;
            found.clear();
        }
        if let Cell::Text(json) = row("transfer") {
            found.extend(serde_json::from_str::<Transfer>(&json));
        }
    })?;
    found.sort_by(|one, other| one.connection_id.cmp(&other.connection_id));
    Ok(found)
}

/// Adds what the connections of events carried.
fn add_layers(kept: &mut dyn KeptTables, events: &mut [Event]) -> Result<(), PastError> {
    let times = events.iter().map(|event| event.at.wall_us);
    let Some((from_us, to_us)) = times.clone().min().zip(times.max()) else { return Ok(()) };
    let mut layers: HashMap<(Key, i64), Vec<Layer>, foldhash::fast::RandomState> = events
        .iter()
        .filter(|event| event.kind == EventKind::Closed)
        .map(|event| ((key_of(&event.connection), event.at.wall_us), Vec::new()))
        .collect();
    kept.rows("layers", Times { from_us, to_us }, &mut |row| {
        let at_us = whole(row, "at_us").unwrap_or_default();
        let Some(layers) = layers.get_mut(&(key(row), at_us)) else { return };
        if let (Cell::Text(protocol), Cell::Text(fields)) = (row("protocol"), row("fields")) {
            let certainty = row("certainty");
            let certainty = match &certainty {
                Cell::Text(word) => Some(&**word),
                _ => None,
            };
            layers.push(layer(&protocol, certainty, &fields));
        }
    })?;
    for event in events {
        let carried = layers.remove(&(key_of(&event.connection), event.at.wall_us));
        if let Some(layers) = carried.filter(|layers| !layers.is_empty()) {
            let application = Arc::new(Application { layers: layers.into() });
            event.connection.application = Known::Value(application, Source::History);
        }
    }
    Ok(())
}

/// What was lost of the time around a moment.
fn lost_then(kept: &mut dyn KeptTables, at_us: i64) -> Result<Vec<Loss>, PastError> {
    let times = Times { from_us: at_us.saturating_sub(WRITTEN_WITHIN_US), to_us: at_us };
    let mut lost = 0;
    kept.rows("watched", times, &mut |row| {
        lost += whole(row, "lost_events").and_then(|lost| u64::try_from(lost).ok()).unwrap_or(0);
    })?;
    let loss = (lost > 0).then(|| Loss {
        source: Source::History,
        cause: LossCause::Reported { kind: LossKind::BoundReached, template: NOT_KEPT.into() },
        count: lost,
    });
    Ok(loss.into_iter().collect())
}

/// Fails where rows of open connections of that time were removed.
fn are_kept(kept: &mut dyn KeptTables, at_us: i64) -> Result<(), PastError> {
    match removed_until(kept, "samples")? {
        Some((until_us, oldest_us)) if at_us <= until_us => {
            Err(PastError::Removed { at_us, oldest_us })
        }
        _ => Ok(()),
    }
}

/// The latest time of the removed rows of a table, and the oldest of those that are left; `None` if none was removed.
pub(crate) fn removed_until(
    kept: &mut dyn KeptTables,
    table: &str,
) -> Result<Option<(i64, Option<i64>)>, PastError> {
    let mut found = None;
    kept.rows("tables", Times::ALL, &mut |row| {
        if matches!(row("name"), Cell::Text(name) if name == table) {
            let until = whole(row, "removed_until_us");
            found = until.map(|until| (until, whole(row, "from_us")));
        }
    })?;
    Ok(found)
}

/// Verdicts that held in a time, a connection each with the verdict that it had then.
///
/// # Errors
/// As [`update_at`].
pub fn verdicts_in(kept: &mut dyn KeptTables, times: Times) -> Result<Update, PastError> {
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
    Ok(update(times.to_us, connections, by_table(kept.damaged())))
}

/// Events of the past, oldest first, and what is missing of them.
type PastEvents = (Vec<Arc<Event>>, Vec<Loss>);

/// What is missing of events: what is damaged, and what an answer has no room or no time for if there `is_more`.
fn losses_of_events(kept: &mut dyn KeptTables, is_more: bool) -> Vec<Loss> {
    let more = is_more.then(|| Loss::one(Source::History, LossCause::EventsForgotten));
    by_table(kept.damaged()).into_iter().chain(more).collect()
}

/// What ended or failed in a time, as far as an answer has room for it.
///
/// # Errors
/// As [`update_at`].
pub fn events_in(kept: &mut dyn KeptTables, times: Times) -> Result<PastEvents, PastError> {
    sampled(kept, times)?;
    let own_netns = kept.own_netns();
    let mut events = Vec::new();
    let mut has_more = false;
    for (table, kind) in [("closed", EventKind::Closed), ("failed", EventKind::Failed)] {
        kept.rows(table, times, &mut |row| {
            has_more |= events.len() >= MAX_EVENTS;
            if events.len() < MAX_EVENTS {
                events.extend(event(row, kind, own_netns));
            }
        })?;
    }
    shared(kept, events, 0, has_more)
}

/// The event of a row of `closed` or `failed`.
fn event(row: &ReadRow<'_>, kind: EventKind, own_netns: Option<u64>) -> Option<Event> {
    let at = Moment::of_wall(whole(row, "at_us").unwrap_or(0));
    Some(Event { serial: 0, at, kind, connection: connection(row, own_netns)? })
}

/// Events in the order of their times without the first `omitted`, numbered, with what their connections carried as far as that can
/// be read in time. `is_cut`: there are more.
fn shared(
    kept: &mut dyn KeptTables,
    mut events: Vec<Event>,
    omitted: usize,
    is_cut: bool,
) -> Result<PastEvents, PastError> {
    events.sort_by_key(|event| event.at.wall_us);
    events.drain(..omitted);
    let is_late = match add_layers(kept, &mut events) {
        Ok(()) => false,
        Err(PastError::TooCostly) => true,
        Err(error) => return Err(error),
    };
    let numbered = events.into_iter().zip(1..);
    let events = numbered.map(|(event, serial)| Arc::new(Event { serial, ..event })).collect();
    Ok((events, losses_of_events(kept, is_cut || is_late)))
}

/// Begins a reading: fails where no agent sampled at any moment of a time.
fn sampled(kept: &mut dyn KeptTables, times: Times) -> Result<(), PastError> {
    // What an earlier reading met is not of this one.
    drop(kept.damaged());
    let mut has_sampled = false;
    let since = Times { from_us: times.from_us.saturating_sub(WRITTEN_WITHIN_US), ..times };
    kept.rows("watched", since, &mut |_| has_sampled = true)?;
    match has_sampled {
        true => Ok(()),
        false => Err(PastError::NotSampled { asked: times, periods: periods(kept)? }),
    }
}

/// The last events of a time that are wanted, at most `limit`, as far as they can be read in time.
///
/// # Errors
/// As [`update_at`]: an agent sampled at the end of the time.
pub fn events_before(
    kept: &mut dyn KeptTables,
    times: Times,
    limit: usize,
    is_wanted: &dyn Fn(&Event) -> bool,
) -> Result<PastEvents, PastError> {
    sampled(kept, Times { from_us: times.to_us, ..times })?;
    let own_netns = kept.own_netns();
    let mut found: Vec<Event> = Vec::new();
    let mut is_cut = false;
    let (mut to_us, mut length_us) = (times.to_us, FIRST_LENGTH_US);
    while found.len() < limit && to_us >= times.from_us && !is_cut {
        let from_us = to_us.saturating_sub(length_us - 1).max(times.from_us);
        let part = Times { from_us, to_us };
        let mut of_part = Vec::new();
        for (table, kind) in [("closed", EventKind::Closed), ("failed", EventKind::Failed)] {
            let mut last = VecDeque::new();
            let read = kept.rows(table, part, &mut |row| {
                last.extend(event(row, kind, own_netns).filter(|event| is_wanted(event)));
                if last.len() > limit {
                    last.pop_front();
                }
            });
            match read {
                Ok(()) => of_part.extend(last),
                Err(PastError::TooCostly) => is_cut = true,
                Err(error) => return Err(error),
            }
        }
        if is_cut {
            break;
        }
        of_part.append(&mut found);
        found = of_part;
        (to_us, length_us) = (from_us - 1, length_us.saturating_mul(4));
    }
    let omitted = found.len().saturating_sub(limit);
    shared(kept, found, omitted, is_cut)
}

/// The times in which an agent sampled, oldest first.
///
/// # Errors
/// Why they cannot be read.
pub fn periods(kept: &mut dyn KeptTables) -> Result<Vec<Times>, PastError> {
    let mut periods = Vec::new();
    kept.rows("watched", Times::ALL, &mut |row| {
        if let (Some(from_us), Some(to_us)) = (whole(row, "from_us"), whole(row, "to_us")) {
            periods.push(Times { from_us, to_us });
        }
    })?;
    Ok(periods)
}

fn update(at_us: i64, mut connections: Vec<Connection>, losses: Vec<Loss>) -> Update {
    // Peers of one UDP socket share its id.
    connections.sort_by_cached_key(|one| {
        (one.socket.id, one.socket.remote.map(|end| (end.address, end.port)))
    });
    for (connection, serial) in connections.iter_mut().zip(1..) {
        connection.stats.serial = serial;
    }
    let (at, machine) = (Moment::of_wall(at_us), Arc::<Machine>::default());
    let snapshot = Snapshot { sequence: 1, machine, at, connections, losses };
    Update { snapshot: Arc::new(snapshot), ..Update::default() }
}
