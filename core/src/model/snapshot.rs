//! The connections of the machine at one moment.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Connection, Loss, Machine, Moment};

/// All connections at one moment, and what could not be read. Immutable.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Snapshot {
    /// Counts up by one with each snapshot of a tracker, from 1.
    pub sequence: u64,
    /// The machine it is of.
    pub machine: Arc<Machine>,
    /// When the sockets were read.
    pub at: Moment,
    /// Every connection, in the order of the sources.
    pub connections: Vec<Connection>,
    /// What is missing from `connections`, and why.
    pub losses: Vec<Loss>,
}
