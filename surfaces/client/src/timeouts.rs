//! How long to wait for an agent.

use std::time::Duration;

/// Limits of one exchange with an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For the name to resolve, the connection to be accepted, and TLS.
    pub connect: Duration,
    /// For an answer, to its last byte; the agent itself waits up to 20 s for an update.
    pub answer: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect: Duration::from_secs(10), answer: Duration::from_secs(60) }
    }
}
