//! The agent's description of itself, besides the health in the update.

use std::fmt;
use std::sync::Arc;

use conns_core::model::Moment;
use conns_history::HistoryReader;

use crate::refusals::Refusals;

/// The agent's version, privileges, clock and refusals.
#[derive(Clone)]
pub struct About {
    /// The version of the program.
    pub version: String,
    /// Number of processes and listeners with metrics of their own; the others are summed.
    pub metrics_top: usize,
    /// Whether clients may ask in SQL.
    pub sql: bool,
    /// The history that is kept; `None` if none is.
    pub history: Option<Arc<HistoryReader>>,
    /// Reads the privileges the agent has, as `/api/v1/health` reports them.
    pub privileges: Arc<dyn Fn() -> serde_json::Value + Send + Sync>,
    /// The engine's clock, which dates snapshots.
    pub now: Arc<dyn Fn() -> Moment + Send + Sync>,
    /// Refusals to clients since the start; counted while serving.
    pub refusals: Arc<Refusals>,
}

impl fmt::Debug for About {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("About").field("version", &self.version).finish_non_exhaustive()
    }
}
