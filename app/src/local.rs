//! The `Agent` of this machine: an engine in this process.

use std::sync::Arc;
use std::time::Duration;

use conns_api::{Agent, AgentError, Ask, EventBatch, View};
use conns_contract::{Namespaces, Scope, SourceError, States, SystemClock};
use conns_core::model::{Ability, Snapshot, State};
use conns_core::track::Retention;
use conns_engine::{Choice, Engine, Follower, Purpose};

use crate::flags::SourceChoice;

/// This machine.
pub(crate) struct Local(Follower);

impl Local {
    pub(crate) fn open(
        source: SourceChoice,
        retention: Retention,
        purpose: Purpose,
    ) -> Result<Self, AgentError> {
        let clock = Arc::new(SystemClock::start());
        let engine = Engine::open(choice(source), retention, purpose, clock);
        engine.map(|engine| Self(Follower::new(engine))).map_err(agent_error)
    }
}

impl Agent for Local {
    fn look(&mut self, ask: &Ask) -> Result<Arc<Snapshot>, AgentError> {
        self.0.engine().sample_once(&scope(ask)).map_err(agent_error)
    }

    fn watch(
        &mut self,
        ask: &Ask,
        span: Duration,
        interval: Duration,
    ) -> Result<Arc<Snapshot>, AgentError> {
        self.0.engine().sample_over(&scope(ask), span, interval).map_err(agent_error)
    }

    fn follow(&mut self, ask: &Ask, at_most: Duration) -> Result<EventBatch, AgentError> {
        let batch = self.0.follow(&scope(ask), at_most).map_err(agent_error)?;
        let events = batch.events.into_iter().map(Arc::new).collect();
        Ok(EventBatch { events, losses: batch.losses })
    }

    /// An engine that has just been opened has no earlier events.
    fn recall(&mut self, _: &Ask) -> Result<EventBatch, AgentError> {
        Ok(EventBatch::default())
    }

    /// A sample shows what sources cannot do although they open.
    fn abilities(&mut self) -> Result<Vec<Ability>, AgentError> {
        let engine = self.0.engine();
        engine.sample_once(&Scope::everything()).map_err(agent_error)?;
        Ok(engine.abilities())
    }
}

/// The engine's choice for this flag.
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
        // A listener shows which connections of its port are inbound.
        View::Connections => States::of(&[State::Established, State::Listen, State::Close]),
        View::Listening => States::of(&[State::Listen, State::Close]),
    };
    let namespaces = match &*ask.namespaces {
        [] => Namespaces::All,
        names => Namespaces::These(names.to_vec()),
    };
    let Ask { tcp, udp, ipv4, ipv6, .. } = *ask;
    // To the user, MPTCP is TCP.
    Scope { tcp, mptcp: tcp, udp, ipv4, ipv6, states, namespaces }
}

fn agent_error(error: SourceError) -> AgentError {
    match error {
        SourceError::NoSuchNamespace { .. } => AgentError::NotThere(error.to_string()),
        SourceError::Unavailable { .. } | SourceError::Both { .. } => {
            AgentError::Unavailable(error.to_string())
        }
    }
}
