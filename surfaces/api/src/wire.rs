//! What crosses between an agent and the `Agent` of it elsewhere: a question as the query of a URL,
//! and the answer to it as bytes (postcard, behind the number of the format).
//!
//! The one idea: processes and namespaces are told once and connections name them by their place,
//! so that an answer is small, and one process is one `Arc` again at the other end.

mod decode;
mod encode;
mod events;
mod merge;
mod out;
mod question;
mod rest;
mod wanted;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use conns_core::model::Verdict;
use conns_core::model::{
    Application, Closed, Connection, Direction, Flow, Known, Loss, Moment, Owner, Process,
    SocketId, Stats, Update,
};
use serde::{Deserialize, Serialize};

pub use decode::{Interned, WireError};
pub use encode::tell;
pub use events::{
    EVENTS_PATH, EVENTS_TOLD, EVENTS_TYPE, EventMark, EventsQuestion, From, Happened, event_losses,
    tell_events,
};
pub use question::{Question, QuestionError};

/// Where an agent answers a [`Question`].
pub const SNAPSHOT_PATH: &str = "/api/v1/snapshot";

/// The media type of the answer.
pub const SNAPSHOT_TYPE: &str = "application/vnd.conns.snapshot";

/// The number of the format, which stands before everything else. It is counted up whenever
/// anything that is sent changes its shape: both ends must be of releases with the same number.
pub const FORMAT: u32 = 3;

/// Most connections in one answer, as many as a tracker remembers.
pub const CONNECTIONS_MAX: usize = 1_000_000;

/// Longest answer that is read, bytes: [`CONNECTIONS_MAX`] connections of 500 bytes, about what a
/// TCP connection with all of `tcp_info` takes.
pub const BODY_BYTES_MAX: usize = 512 * 1024 * 1024;

/// Most processes, and most ids of connections that are gone, in one answer; each connection could
/// have one of its own.
const PROCESSES_MAX: usize = CONNECTIONS_MAX;

/// Most descriptors in one answer: a prefork server holds each listener in every worker, but a
/// connection in few.
const HOLDS_MAX: usize = 4 * CONNECTIONS_MAX;

/// Most network namespaces and losses in one answer; an agent enters 4096 namespaces, and tells
/// few losses of each.
const NAMESPACES_MAX: usize = 65_536;
const LOSSES_MAX: usize = 65_536;

/// One snapshot among all that all agents ever make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// Which start of which agent: [`Update::instance`].
    pub instance: u64,
    /// Which of its snapshots.
    pub sequence: u64,
}

impl Mark {
    /// The mark of the snapshot of `update`.
    #[must_use]
    pub fn of(update: &Update) -> Self {
        Self { instance: update.instance, sequence: update.snapshot.sequence }
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.instance, self.sequence)
    }
}

impl FromStr for Mark {
    type Err = QuestionError;

    fn from_str(text: &str) -> Result<Self, QuestionError> {
        let (instance, sequence) = text.split_once('-').ok_or(QuestionError::Mark)?;
        let number = |digits: &str| digits.parse().map_err(|_| QuestionError::Mark);
        Ok(Self { instance: number(instance)?, sequence: number(sequence)? })
    }
}

/// What an agent answers: everything that was asked for, or what changed in it.
#[derive(Debug, Clone)]
pub struct SnapshotDelta {
    /// The snapshot this is about.
    pub mark: Mark,
    /// The snapshot of the same agent since which the changes are told; `None` if everything is.
    pub since: Option<u64>,
    /// When the sockets were read, by the agent's clocks.
    pub at: Moment,
    /// How long the agent had been watching by then; zero before its second look.
    pub watched: Duration,
    /// All connections asked for, or those that came and changed.
    pub connections: Vec<Connection>,
    /// What is no longer among the connections asked for.
    pub gone: Vec<SocketId>,
    /// What is missing from the whole state.
    pub losses: Vec<Loss>,
}

/// What stands first in an answer, behind the number of the format and the byte order.
#[derive(Serialize, Deserialize)]
struct Head {
    instance: u64,
    sequence: u64,
    since: Option<u64>,
    at: Moment,
    watched_us: u64,
}

/// How many holders a connection has; so many [`Hold`]s follow.
type Holds = Known<usize>;

/// A holder: the process's place in the table, and its descriptor.
type Hold = (u32, Option<u32>);

/// A connection without its holders, and with a namespace that says nothing, as both are told by
/// their places in the tables. `S` is a socket.
type Bare<S> = (
    S,
    Known<Direction>,
    Known<BareOpening>,
    Known<Closed>,
    Stats,
    Verdict,
    Option<Arc<Flow>>,
    Known<Arc<Application>>,
);

/// [`Opened`](conns_core::model::Opened) with the process's place in the table.
#[derive(Serialize, Deserialize)]
struct BareOpening {
    at: Moment,
    handshake_us: Known<u64>,
    accept_wait_us: Known<u64>,
    by: Known<u32>,
}

/// How long the agent had been watching when it looked last; zero before its second look, without
/// which no verdict is about a stretch of time.
#[must_use]
pub(crate) fn watched(update: &Update) -> Duration {
    match update.health.samples {
        0 | 1 => Duration::ZERO,
        _ => update.snapshot.at.since(update.health.started),
    }
}

/// Who opened a connection, where that is known.
fn opener_of(connection: &Connection) -> Option<&Arc<Process>> {
    connection.opened.value()?.by.value()
}

/// Who holds a connection, as far as that is known.
fn holders_of(connection: &Connection) -> &[Owner] {
    connection.owners.value().map(AsRef::as_ref).unwrap_or_default()
}
