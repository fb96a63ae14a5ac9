//! What the agent can say of itself besides what the beat knows.

use std::fmt;
use std::sync::Arc;

use conns_core::model::Moment;

use crate::refusals::Refusals;

/// What an agent is called, and what its bounds have refused.
#[derive(Clone)]
pub struct About {
    /// The version of the program.
    pub version: String,
    /// How many processes and listeners have metrics of their own; the others are summed.
    pub metrics_top: usize,
    /// Which privileges the agent holds and which it dropped; `/api/v1/health` tells it as it is.
    pub privileges: serde_json::Value,
    /// The clock by which snapshots are dated: the engine's.
    pub now: Arc<dyn Fn() -> Moment + Send + Sync>,
    /// What was refused to clients since the start; counted while serving.
    pub refusals: Arc<Refusals>,
}

impl fmt::Debug for About {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("About").field("version", &self.version).finish_non_exhaustive()
    }
}
