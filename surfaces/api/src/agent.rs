//! What a surface may ask.

use std::sync::Arc;
use std::time::Duration;

use conns_core::model::{Ability, Connection, Event, Loss, Snapshot};

/// Which connections a list is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum View {
    /// Established TCP and connected UDP.
    #[default]
    Connections,
    /// Listening TCP and unconnected UDP with a port.
    Listening,
    /// All states.
    All,
}

impl View {
    /// Whether `connection` is in this view.
    #[must_use]
    pub fn contains(self, connection: &Connection) -> bool {
        match self {
            Self::Connections => connection.is_established(),
            Self::Listening => connection.is_listening(),
            Self::All => true,
        }
    }
}

/// What is asked for, before any filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// Which connections.
    pub view: View,
    /// TCP, and MPTCP with it.
    pub tcp: bool,
    /// UDP.
    pub udp: bool,
    /// Sockets of `AF_INET`.
    pub ipv4: bool,
    /// Sockets of `AF_INET6`.
    pub ipv6: bool,
    /// Network namespaces by name, inode, pid or path; empty means all.
    pub namespaces: Vec<String>,
}

impl Default for Ask {
    fn default() -> Self {
        Self {
            view: View::default(),
            tcp: true,
            udp: true,
            ipv4: true,
            ipv6: true,
            namespaces: Vec::new(),
        }
    }
}

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// The machine cannot be read.
    #[error("{0}")]
    Unavailable(String),
    /// The question names something that is not there.
    #[error("{0}")]
    NotThere(String),
}

/// What happened.
#[derive(Debug, Clone, Default)]
pub struct EventBatch {
    /// The events, oldest first.
    pub events: Vec<Arc<Event>>,
    /// What was lost since the question before.
    pub losses: Vec<Loss>,
}

/// An agent, here or elsewhere, of which one can ask what the machine is connected to.
///
/// Snapshots hold more than the view asked for (a direction needs the listening sockets too);
/// surfaces show those that [`View::contains`].
pub trait Agent {
    /// One look at the machine.
    ///
    /// # Errors
    /// [`AgentError`] if there is no answer at all; what is merely missing from it is among its
    /// losses.
    fn look(&mut self, ask: &Ask) -> Result<Arc<Snapshot>, AgentError>;

    /// Looks `every` so often for `span`, and answers with the last look, whose verdicts are about
    /// the whole span.
    ///
    /// # Errors
    /// As [`Agent::look`].
    fn watch(
        &mut self,
        ask: &Ask,
        span: Duration,
        every: Duration,
    ) -> Result<Arc<Snapshot>, AgentError>;

    /// What has happened since this was asked before (at first: since now). Waits for something to
    /// happen, but not much longer than `at_most`. Events are about what `ask` means, whatever its
    /// view.
    ///
    /// # Errors
    /// As [`Agent::look`].
    fn follow(&mut self, ask: &Ask, at_most: Duration) -> Result<EventBatch, AgentError>;

    /// What is kept of what happened before; [`Agent::follow`] goes on behind it. Whoever only begins
    /// to watch keeps nothing.
    ///
    /// # Errors
    /// As [`Agent::look`].
    fn recall(&mut self, ask: &Ask) -> Result<EventBatch, AgentError>;

    /// What can be done there, and what not, and why.
    ///
    /// # Errors
    /// As [`Agent::look`].
    fn abilities(&mut self) -> Result<Vec<Ability>, AgentError>;
}
