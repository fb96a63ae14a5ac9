//! What crosses between an agent and its clients: a query as the query of a URL, and the answer to it
//! as bytes.
//!
//! Processes and namespaces are written once and connections name them by their places, so that an
//! answer is small, and one process is one `Arc` again at the other end.

mod delta;
mod error;
mod events;
mod events_answer;
mod query;
mod selector;
mod updates;
mod v1;
mod version;

use std::sync::Arc;

use conns_core::model::{Connection, Process};

pub use delta::UpdateDelta;
pub use error::WireError;
pub use events::{encode_events, event_losses};
pub use events_answer::EventsAnswer;
pub use query::{EventsFrom, EventsQuery, QueryError, UpdateQuery};
pub use selector::asked_for;
pub use updates::encode_update;
pub(crate) use updates::encode_update_with;
pub use v1::Decoder;
pub use version::VersionRange;

use crate::resume;

/// Where an agent answers an [`UpdateQuery`].
pub const SNAPSHOT_PATH: &str = "/api/v1/snapshot";

/// The media type of the answer.
pub const SNAPSHOT_TYPE: &str = "application/vnd.conns.snapshot";

/// Where an agent answers an [`EventsQuery`].
pub const EVENTS_PATH: &str = "/api/v1/snapshot/events";

/// The media type of the answer.
pub const EVENTS_TYPE: &str = "application/vnd.conns.events";

/// Most connections in one answer, as many as the tracker has history for.
pub const MAX_CONNECTIONS: usize = 1_000_000;

/// Longest answer that is read, bytes: [`MAX_CONNECTIONS`] connections of 500 bytes, about what a
/// TCP connection with all of `tcp_info` takes.
pub const MAX_BODY_BYTES: usize = 512 * 1024 * 1024;

/// Most events in one answer, about 16 MB. A client that has read them asks for the next.
pub const MAX_EVENTS_PER_ANSWER: usize = 32_768;

/// Most processes in one answer; each connection could have one of its own.
const MAX_PROCESSES: usize = MAX_CONNECTIONS;

/// Most descriptors in one answer: a prefork server has each listener open in every worker, but a
/// connection in few.
const MAX_OWNERS: usize = 4 * MAX_CONNECTIONS;

/// Most network namespaces and losses in one answer; an agent enters 4096 namespaces, and reports
/// few losses of each.
const MAX_NAMESPACES: usize = 65_536;
const MAX_LOSSES: usize = 65_536;

/// The process that opened a connection, where that is known.
fn opener_of(connection: &Connection) -> Option<&Arc<Process>> {
    connection.opened.value()?.by.value()
}
