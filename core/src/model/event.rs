//! Events as they are published. A connection of a millisecond is in no sample, but it has three
//! events.

use serde::{Deserialize, Serialize};

use super::{Connection, EventKind, Moment};

/// An event as it is published.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Event {
    /// Counts up by one with each event of an agent, from 1.
    pub serial: u64,
    /// When.
    pub at: Moment,
    /// Its kind.
    pub kind: EventKind,
    /// The connection as it was then.
    pub connection: Connection,
}
