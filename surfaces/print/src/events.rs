//! Events as log lines: time, kind, process, both ends, and details of the kind.

use std::io::{self, Write};

use conns_core::human;
use conns_core::model::{
    CloseReason, Closed, Connection, Direction, Event, EventKind, Known, Opened, Protocol,
};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::names::Names;
use crate::palette::Palette;
use conns_api::printable;

/// How the time of an event is written.
#[derive(Debug, Clone)]
pub enum EventTime {
    /// UTC, RFC 3339.
    Utc,
    /// The time zone of the system (`TZ`, `/etc/localtime`), for people.
    Local(TimeZone),
}

impl EventTime {
    /// Local time, if `is_terminal`.
    #[must_use]
    pub fn for_terminal(is_terminal: bool) -> Self {
        if is_terminal { Self::Local(TimeZone::system()) } else { Self::Utc }
    }

    /// With microseconds: a millisecond can contain many events.
    #[must_use]
    pub fn text(&self, us: i64) -> String {
        let Ok(timestamp) = Timestamp::from_microsecond(us) else { return us.to_string() };
        match self {
            Self::Utc => format!("{timestamp:.6}"),
            Self::Local(zone) => format!("{:.6}", zone.to_datetime(timestamp)).replace('T', " "),
        }
    }
}

/// Writes one event as one line.
///
/// # Errors
/// If writing fails.
pub fn event_line(
    out: &mut impl Write,
    palette: Palette,
    time: &EventTime,
    event: &Event,
    names: &Names,
) -> io::Result<()> {
    let (connection, kind) = (&event.connection, event.kind);
    let (style, faint) = (palette.event(kind), palette.faint());
    write!(out, "{faint}{}{faint:#} ", time.text(event.at.wall_us))?;
    write!(out, "{style}{:8}{style:#} {} ", kind.name(), owner(connection))?;
    let socket = &connection.socket;
    if socket.protocol != Protocol::Tcp {
        write!(out, "{} ", socket.protocol.name())?;
    }
    write!(out, "{}", names.local(socket, socket.local))?;
    if let Some(remote) = socket.remote {
        write!(out, " {} {}", arrow(connection), names.remote(socket, remote))?;
    }
    if !socket.netns.is_own
        && let Some(label) = &socket.netns.label
    {
        write!(out, " in {}", printable(label.as_ref().into()))?;
    }
    let details = match kind {
        EventKind::Opened => opened(connection),
        EventKind::Accepted => accepted(connection),
        EventKind::Closed => closed(connection),
        EventKind::Failed => failed(connection),
    };
    match details.is_empty() {
        true => writeln!(out),
        false => writeln!(out, " {details}"),
    }
}

/// The first owner, and the number of further processes.
fn owner(connection: &Connection) -> String {
    let Some(owners) = connection.owners.value() else { return "?".to_owned() };
    let mut processes = owners.chunk_by(|a, b| a.process.pid == b.process.pid);
    let Some(first) = processes.next().and_then(|owners| owners.first()) else {
        return "?".to_owned();
    };
    let process = &first.process;
    let name = printable((&*process.name).into());
    match processes.count() {
        0 => format!("{name}({})", process.pid),
        more => format!("{name}({})+{more}", process.pid),
    }
}

fn arrow(connection: &Connection) -> &'static str {
    match connection.direction.get() {
        Some(Direction::Inbound) => "<-",
        Some(Direction::Outbound) => "->",
        None => "--",
    }
}

fn opened(connection: &Connection) -> String {
    let handshake = |opened: &Opened| opened.handshake_us.get();
    let us = connection.opened.value().and_then(|opened| handshake(opened));
    us.map(|us| format!("handshake {}", human::duration(us))).unwrap_or_default()
}

fn accepted(connection: &Connection) -> String {
    let first_use = |opened: &Opened| opened.first_use_us.get();
    let us = connection.opened.value().and_then(|opened| first_use(opened));
    us.map(|us| format!("first used {} after the handshake", human::duration(us)))
        .unwrap_or_default()
}

fn closed(connection: &Connection) -> String {
    let bytes = |known: Known<u64>| known.get().map_or_else(|| "?".to_owned(), human::bytes);
    let mut parts = match &connection.closed {
        Known::Value(closed, _) => {
            let by = closed.first_closer.get().map_or("?", |by| by.name());
            vec![format!("by {by}"), how(closed)]
        }
        Known::Unknown(_) | Known::NotApplicable => vec!["close reason unknown".to_owned()],
    };
    parts.push(format!("{} out", bytes(connection.bytes_out())));
    parts.push(format!("{} in", bytes(connection.bytes_in())));
    let lived = connection.closed.get().and_then(|closed| closed.duration_us.get());
    parts.extend(lived.map(human::duration));
    let again = connection.tcp().and_then(|tcp| tcp.total_retrans());
    parts.extend(match again {
        None | Some(0) => None,
        Some(1) => Some("1 retransmit".to_owned()),
        Some(count) => Some(format!("{count} retransmits")),
    });
    parts.join(", ")
}

fn failed(connection: &Connection) -> String {
    let Known::Value(closed, _) = &connection.closed else {
        return "reason unknown".to_owned();
    };
    match closed.duration_us.get() {
        Some(us) => format!("{} after {}", how(closed), human::duration(us)),
        None => how(closed),
    }
}

fn how(closed: &Closed) -> String {
    match closed.how {
        CloseReason::Error(number) => format!("error {number}"),
        how => how.name().to_owned(),
    }
}
