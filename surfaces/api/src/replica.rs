//! Updates and events for a second process of the same agent: [`ReplicaWriter`] writes them to a stream, and
//! [`Replica`] at its other end has the latest of both, as a reader in the first process has.
//!
//! Both ends are one program, so what the versioned answers to remote clients leave out is written as the
//! model has it. What both have in common is written by their code.

mod frame;
mod reader;
mod writer;

use serde::{Deserialize, Serialize};

use conns_core::model::{Cost, Health, Loss, Moment};

use crate::agent::{Ask, View};
use crate::wire::WireError;

pub use reader::{Replica, ReplicaChange};
pub use writer::ReplicaWriter;

/// Why a stream is no replica.
#[derive(Debug, thiserror::Error)]
pub enum ReplicaError {
    /// The stream failed or ended within a frame.
    #[error("the stream between collector and serving process failed: {0}")]
    Stream(#[from] std::io::Error),
    /// An update or events are not what [`ReplicaWriter`] writes.
    #[error("the stream between collector and serving process has no update: {0}")]
    Unreadable(#[from] WireError),
    /// A frame is not what [`ReplicaWriter`] writes.
    #[error("the stream between collector and serving process has a frame that is none: {0}")]
    Malformed(&'static str),
    /// An update cannot be written.
    #[error("an update cannot be written for the serving process: {0}")]
    Unwritable(String),
}

/// Before an update.
#[derive(Serialize, Deserialize)]
struct UpdateFrame {
    /// When it was written, by the clock of its snapshots.
    at: Moment,
    health: Health,
    losses: Vec<Loss>,
}

/// Before events.
#[derive(Serialize, Deserialize)]
struct EventsFrame {
    /// What [`EventLog::complete_since`](conns_core::model::EventLog::complete_since) is.
    complete_since: u64,
    losses: Vec<Loss>,
}

/// The kinds of frames.
mod kind {
    pub(super) const UPDATE: u8 = 1;
    pub(super) const EVENTS: u8 = 2;
    /// A text of the program's own.
    pub(super) const TEXT: u8 = 3;
}

/// Everything.
fn all() -> Ask {
    Ask { view: View::All, ..Ask::default() }
}

/// The resources of both processes.
#[must_use]
fn added(one: Cost, other: Cost) -> Cost {
    Cost {
        cpu_us: one.cpu_us + other.cpu_us,
        sample_cpu_us: one.sample_cpu_us,
        resident_bytes: one.resident_bytes + other.resident_bytes,
        resident_peak_bytes: one.resident_peak_bytes + other.resident_peak_bytes,
    }
}
