//! The contract of an agent, which a local machine and a remote agent both implement: updates at the
//! sample rate, events on a channel of their own, and abilities. Everything else a command needs is a
//! function over these.

use std::sync::Arc;
use std::time::Duration;

use conns_core::model::{Ability, Connection, Event, Loss, OtherFamilies, Snapshot, Update};
use conns_history::{Timeline, Times};

/// [`next_update`] asks again after this long without an update.
const UPDATE_TIMEOUT: Duration = Duration::from_secs(20);

/// Most batches that [`kept_events`] reads: an agent that always has more is read to here.
const MAX_BATCHES: usize = 64;

/// Which connections a list is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum View {
    /// TCP connections that are established, being opened or closing, and connected UDP: as `ss` without `-a`.
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
            Self::Connections => connection.is_open(),
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
    /// Sockets that are neither TCP nor UDP. Only this machine is read for them: a remote agent samples none.
    pub others: OtherFamilies,
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
            others: OtherFamilies::EMPTY,
            namespaces: Vec::new(),
        }
    }
}

/// Why an agent does not answer.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// The machine cannot be read.
    #[error("{0}")]
    Unavailable(String),
    /// The query names something that does not exist.
    #[error("{0}")]
    NotThere(String),
}

/// How updates are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pace {
    /// Time between two samples. A remote agent samples at its own interval.
    pub interval: Duration,
    /// The first update comes when the machine was observed for this long, and its verdicts are
    /// about it. Zero is at once.
    pub span: Duration,
}

impl Pace {
    /// Every update, from the first sample on.
    #[must_use]
    pub fn every(interval: Duration) -> Self {
        Self { interval, span: Duration::ZERO }
    }
}

/// Where events begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// With the next event.
    Now,
    /// With the oldest event that the agent has buffered. A local machine has none.
    Oldest,
}

/// Events, and what was lost of them.
#[derive(Debug, Clone, Default)]
pub struct EventBatch {
    /// The events, oldest first.
    pub events: Vec<Arc<Event>>,
    /// What was lost since the batch before.
    pub losses: Vec<Loss>,
    /// Whether more is available already.
    pub has_more: bool,
    /// Whether none follows: those of a capture file end.
    pub is_last: bool,
}

/// A channel of updates.
///
/// A snapshot may have more connections than the view (a direction needs the listening sockets too);
/// a reader shows those that [`View::contains`].
pub trait Updates {
    /// The next update; `None` if there is none within `at_most`. A sample, or a [`Pace::span`], that
    /// has begun is not cut short.
    ///
    /// # Errors
    /// [`AgentError`] if there is no update at all; what is merely missing from it is among the
    /// losses of its snapshot.
    fn next(&mut self, at_most: Duration) -> Result<Option<Arc<Update>>, AgentError>;
}

/// A channel of events.
pub trait Events {
    /// The events since the last call. Waits until there are some, but at most `at_most`.
    ///
    /// # Errors
    /// As [`Updates::next`].
    fn next(&mut self, at_most: Duration) -> Result<EventBatch, AgentError>;
}

/// A machine that is observed, here or elsewhere. Its channels are independent of each other.
pub trait Agent {
    /// Updates about what is asked for.
    ///
    /// # Errors
    /// [`AgentError`] if it cannot be asked.
    fn updates(&mut self, ask: &Ask, pace: Pace) -> Result<Box<dyn Updates>, AgentError>;

    /// Events about what is asked for, whatever its view.
    ///
    /// # Errors
    /// As [`Agent::updates`].
    fn events(&mut self, ask: &Ask, start: Start) -> Result<Box<dyn Events>, AgentError>;

    /// What can be done there, and what not, and why.
    ///
    /// # Errors
    /// As [`Agent::updates`].
    fn abilities(&mut self) -> Result<Vec<Ability>, AgentError>;

    /// What the history kept of a time, in at most `buckets` equal parts and one more.
    ///
    /// # Errors
    /// As [`Agent::updates`], and if the agent keeps no history.
    fn timeline(&mut self, times: Times, buckets: usize) -> Result<Timeline, AgentError> {
        let _ = (times, buckets);
        Err(AgentError::NotThere("this agent has no history".to_owned()))
    }
}

/// The next update.
///
/// # Errors
/// As [`Updates::next`].
pub fn next_update(updates: &mut dyn Updates) -> Result<Arc<Update>, AgentError> {
    loop {
        if let Some(update) = updates.next(UPDATE_TIMEOUT)? {
            return Ok(update);
        }
    }
}

/// One snapshot.
///
/// # Errors
/// As [`Updates::next`].
pub fn sample_once(agent: &mut dyn Agent, ask: &Ask) -> Result<Arc<Snapshot>, AgentError> {
    let mut updates = agent.updates(ask, Pace::default())?;
    Ok(Arc::clone(&next_update(&mut *updates)?.snapshot))
}

/// A snapshot whose verdicts are about at least `span`, sampled every `interval`.
///
/// # Errors
/// As [`Updates::next`].
pub fn observe(
    agent: &mut dyn Agent,
    ask: &Ask,
    span: Duration,
    interval: Duration,
) -> Result<Arc<Snapshot>, AgentError> {
    let mut updates = agent.updates(ask, Pace { interval, span })?;
    Ok(Arc::clone(&next_update(&mut *updates)?.snapshot))
}

/// How long the machine was observed when `update` was made; zero before the second sample, without
/// which no verdict is about a span.
#[must_use]
pub fn observed(update: &Update) -> Duration {
    match update.health.samples {
        0 | 1 => Duration::ZERO,
        _ => update.snapshot.at.since(update.health.started),
    }
}

/// The events that the agent has buffered.
///
/// # Errors
/// As [`Events::next`].
pub fn kept_events(agent: &mut dyn Agent, ask: &Ask) -> Result<EventBatch, AgentError> {
    let mut events = agent.events(ask, Start::Oldest)?;
    let mut all = EventBatch::default();
    for _ in 0..MAX_BATCHES {
        let batch = events.next(Duration::ZERO)?;
        all.events.extend(batch.events);
        all.losses.extend(batch.losses);
        if !batch.has_more {
            break;
        }
    }
    Ok(all)
}
