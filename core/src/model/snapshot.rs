//! What the machine was connected to at one moment.

use serde::{Deserialize, Serialize};

use std::sync::Arc;

use super::{Connection, Loss, Machine, Moment};

/// All connections at one moment, and what could not be seen. Never changed once made.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Snapshot {
    /// Counts up by one with each snapshot of a tracker, from 1.
    pub sequence: u64,
    /// The machine it is of.
    pub machine: Arc<Machine>,
    /// When the sockets were read.
    pub at: Moment,
    /// Every socket seen, in the order the sources told them.
    pub connections: Vec<Connection>,
    /// What is missing from `connections`, and why.
    pub losses: Vec<Loss>,
}
