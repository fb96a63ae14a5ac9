//! The `Agent` of this machine: an engine, asked in the words of the api.

use std::sync::Arc;
use std::time::Duration;

use conns_api::{Agent, AgentError, Ask, EventBatch, View};
use conns_contract::{Namespaces, Scope, SourceError, States};
use conns_core::model::{Ability, Snapshot, State};
use conns_core::track::Retention;
use conns_engine::{Choice, Engine, Purpose};

use crate::flags::SourceChoice;

/// This machine.
pub(crate) struct Local(Engine);

impl Local {
    pub(crate) fn open(
        source: SourceChoice,
        memory: Retention,
        purpose: Purpose,
    ) -> Result<Self, AgentError> {
        Engine::open(choice(source), memory, purpose).map(Self).map_err(face_error)
    }
}

impl Agent for Local {
    fn look(&mut self, ask: &Ask) -> Result<Arc<Snapshot>, AgentError> {
        self.0.look(&scope(ask)).map_err(face_error)
    }

    fn watch(
        &mut self,
        ask: &Ask,
        span: Duration,
        every: Duration,
    ) -> Result<Arc<Snapshot>, AgentError> {
        self.0.watch(&scope(ask), span, every).map_err(face_error)
    }

    fn follow(&mut self, ask: &Ask, at_most: Duration) -> Result<EventBatch, AgentError> {
        let followed = self.0.follow(&scope(ask), at_most).map_err(face_error)?;
        let events = followed.events.into_iter().map(Arc::new).collect();
        Ok(EventBatch { events, losses: followed.losses })
    }

    /// Nothing happened before this began to watch.
    fn recall(&mut self, _: &Ask) -> Result<EventBatch, AgentError> {
        Ok(EventBatch::default())
    }

    /// A look shows what the sources cannot do that open.
    fn abilities(&mut self) -> Result<Vec<Ability>, AgentError> {
        self.0.look(&Scope::everything()).map_err(face_error)?;
        Ok(self.0.abilities())
    }
}

/// The engine's word for what was typed.
pub(crate) fn choice(source: SourceChoice) -> Choice {
    match source {
        SourceChoice::Auto => Choice::Auto,
        SourceChoice::Kernel => Choice::Kernel,
        SourceChoice::Ebpf => Choice::Ebpf,
        SourceChoice::Portable => Choice::Portable,
    }
}

fn scope(ask: &Ask) -> Scope {
    let states = match ask.view {
        View::All => States::all(),
        // Whoever listens on a port tells who opened the connections of that port.
        View::Connections => States::of(&[State::Established, State::Listen, State::Close]),
        View::Listening => States::of(&[State::Listen, State::Close]),
    };
    let namespaces = match &*ask.namespaces {
        [] => Namespaces::All,
        names => Namespaces::These(names.to_vec()),
    };
    let Ask { tcp, udp, ipv4, ipv6, .. } = *ask;
    // To whoever uses it, MPTCP is TCP.
    Scope { tcp, mptcp: tcp, udp, ipv4, ipv6, states, namespaces }
}

fn face_error(error: SourceError) -> AgentError {
    match error {
        SourceError::NoSuchNamespace { .. } => AgentError::NotThere(error.to_string()),
        SourceError::Unavailable { .. } | SourceError::Both { .. } => {
            AgentError::Unavailable(error.to_string())
        }
    }
}
