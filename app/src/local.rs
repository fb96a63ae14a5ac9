//! The agent of this machine: an engine, which samples when its next update is read.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use conns_api::{Agent, AgentError, Ask, EventBatch, Events, Pace, Start, Updates, View};
use conns_contract::{Namespaces, Scope, SourceError, States, SystemClock};
use conns_core::model::{Ability, Health, Moment, PairKey, Snapshot, State, Update};
use conns_core::track::Retention;
use conns_engine::{Choice, Engine, Follower, Purpose};

use crate::flags::SourceChoice;

/// This machine. Its channels share the engine.
pub(crate) struct Local(Rc<RefCell<Follower>>);

impl Local {
    pub(crate) fn open(
        source: SourceChoice,
        retention: Retention,
        purpose: Purpose,
        pair_key: PairKey,
    ) -> Result<Self, AgentError> {
        let clock = Arc::new(SystemClock::start());
        let engine = Engine::open(choice(source), retention, purpose, pair_key, clock);
        #[cfg_attr(not(target_os = "linux"), expect(unused_mut, reason = "there is no link"))]
        let mut engine = engine.map_err(agent_error)?;
        #[cfg(target_os = "linux")]
        engine.read_transfers(crate::link::observe::at_each_sample());
        let follower = Follower::new(engine);
        Ok(Self(Rc::new(RefCell::new(follower))))
    }
}

impl Agent for Local {
    fn updates(&mut self, ask: &Ask, pace: Pace) -> Result<Box<dyn Updates>, AgentError> {
        let (follower, scope) = (Rc::clone(&self.0), scope(ask));
        let health = Health::default();
        Ok(Box::new(LocalUpdates { follower, scope, pace, due: None, health }))
    }

    /// No event is buffered before the channel is opened.
    fn events(&mut self, ask: &Ask, _: Start) -> Result<Box<dyn Events>, AgentError> {
        Ok(Box::new(LocalEvents { follower: Rc::clone(&self.0), scope: scope(ask) }))
    }

    /// A sample shows which of the opened sources do not work.
    fn abilities(&mut self) -> Result<Vec<Ability>, AgentError> {
        let mut follower = self.0.borrow_mut();
        let engine = follower.engine();
        engine.sample_once(&Scope::everything()).map_err(agent_error)?;
        Ok(engine.abilities())
    }
}

struct LocalUpdates {
    follower: Rc<RefCell<Follower>>,
    scope: Scope,
    pace: Pace,
    /// When the next sample is due; `None` before the first.
    due: Option<Instant>,
    health: Health,
}

impl LocalUpdates {
    fn update(&mut self, snapshot: Arc<Snapshot>) -> Arc<Update> {
        self.health.interval_us = micros(self.pace.interval);
        self.health.cost = conns_engine::of_process();
        let mut follower = self.follower.borrow_mut();
        self.health.abilities = follower.engine().abilities();
        let transfers = follower.engine().transfers();
        Arc::new(Update { snapshot, transfers, health: self.health.clone(), ..Update::default() })
    }

    fn first(&mut self) -> Result<Arc<Update>, AgentError> {
        let Pace { interval, span } = self.pace;
        let mut follower = self.follower.borrow_mut();
        let engine = follower.engine();
        let snapshot = match span.is_zero() {
            true => engine.sample_once(&self.scope),
            false => engine.sample_over(&self.scope, span, interval),
        };
        drop(follower);
        let snapshot = snapshot.map_err(agent_error)?;
        let Moment { monotonic_us, wall_us } = snapshot.at;
        self.health.started = Moment {
            monotonic_us: monotonic_us.saturating_sub(micros(span)),
            wall_us: wall_us.saturating_sub_unsigned(micros(span)),
        };
        self.health.samples = if span.is_zero() { 1 } else { 2 };
        Ok(self.update(snapshot))
    }
}

impl Updates for LocalUpdates {
    fn next(&mut self, at_most: Duration) -> Result<Option<Arc<Update>>, AgentError> {
        let Some(due) = self.due else {
            let update = self.first()?;
            self.due = Some(Instant::now() + self.pace.interval);
            return Ok(Some(update));
        };
        let left = due.saturating_duration_since(Instant::now());
        thread::sleep(left.min(at_most));
        if left > at_most {
            return Ok(None);
        }
        let snapshot = self.follower.borrow_mut().engine().sample_once(&self.scope);
        let snapshot = snapshot.map_err(agent_error)?;
        self.health.samples += 1;
        // A sample that took longer than the interval is not made up for.
        self.due = Some((due + self.pace.interval).max(Instant::now()));
        Ok(Some(self.update(snapshot)))
    }
}

struct LocalEvents {
    follower: Rc<RefCell<Follower>>,
    scope: Scope,
}

impl Events for LocalEvents {
    fn next(&mut self, at_most: Duration) -> Result<EventBatch, AgentError> {
        let mut follower = self.follower.borrow_mut();
        let batch = follower.follow(&self.scope, at_most).map_err(agent_error)?;
        let events = batch.events.into_iter().map(Arc::new).collect();
        Ok(EventBatch { events, losses: batch.losses, ..EventBatch::default() })
    }
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
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

/// The sockets that are asked for.
pub(crate) fn scope(ask: &Ask) -> Scope {
    let states = match ask.view {
        View::All => States::all(),
        // A listener shows which connections of its port are inbound.
        View::Connections => {
            let omitted = [State::TimeWait, State::SynReceived, State::BoundInactive];
            let states = State::ALL.iter().copied().filter(|state| !omitted.contains(state));
            States::of(&states.collect::<Vec<State>>())
        }
        View::Listening => States::of(&[State::Listen, State::Close]),
    };
    let namespaces = match &*ask.namespaces {
        [] => Namespaces::All,
        names => Namespaces::These(names.to_vec()),
    };
    let Ask { tcp, udp, ipv4, ipv6, others, .. } = *ask;
    // To the user, MPTCP is TCP.
    Scope { tcp, mptcp: tcp, udp, ipv4, ipv6, others, states, namespaces, max_sockets: usize::MAX }
}

pub(crate) fn agent_error(error: SourceError) -> AgentError {
    match error {
        SourceError::NoSuchNamespace { .. } => AgentError::NotThere(error.to_string()),
        SourceError::Unavailable { .. } | SourceError::Both { .. } => {
            AgentError::Unavailable(error.to_string())
        }
    }
}
