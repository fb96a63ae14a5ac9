//! Events for one caller that waits for them.
//!
//! Events report everything of connections that open from now on. One sample at the start, and one
//! a minute, show those that were open before.

use std::sync::Arc;
use std::time::Duration;

use conns_contract::{Namespaces, Scope, SourceError, States, after};
use conns_core::model::{Connection, Event, Family, Loss, Moment, Protocol, Snapshot};

use crate::choice;
use crate::engine::Engine;
use crate::event_drain::{Collected, EventSink};

/// How often a sample shows what events cannot: owners of connections that were open before, and
/// connections whose closed event was lost.
const SAMPLE_INTERVAL: Duration = Duration::from_secs(60);
/// The sample interval where events are derived from samples.
const POLLING_INTERVAL: Duration = Duration::from_secs(1);
/// Shortest time between two answers with events: a few events at a time cost nearly as much as a
/// thousand. The first after a quiet time comes at once.
const GATHER_INTERVAL: Duration = Duration::from_millis(50);

/// Recent events.
#[derive(Debug, Clone, Default)]
pub struct EventBatch {
    /// The events, oldest first.
    pub events: Vec<Event>,
    /// What was lost since the last call; standing losses are reported the first time only.
    pub losses: Vec<Loss>,
}

/// Follows the events of an engine.
pub struct Follower {
    engine: Engine,
    sampled: Option<Moment>,
    /// The last drain that found events.
    drained: Option<Moment>,
    latest: Option<Arc<Snapshot>>,
    /// How many of the standing losses were reported.
    reported: usize,
    /// The namespaces of the last scope, and their inodes.
    namespaces: Option<(Namespaces, Option<Vec<u64>>)>,
}

impl Follower {
    /// A follower of this engine.
    #[must_use]
    pub fn new(engine: Engine) -> Self {
        Self { engine, sampled: None, drained: None, latest: None, reported: 0, namespaces: None }
    }

    /// The engine.
    pub fn engine(&mut self) -> &mut Engine {
        &mut self.engine
    }

    /// Returns the events since the last call as soon as there are some, after `at_most` at the
    /// latest. Without an event source they are derived from a sample each second, and a loss
    /// reports what that misses.
    ///
    /// # Errors
    /// [`SourceError`] if `scope` names a namespace that does not exist; without an event source
    /// also as [`Engine::sample_once`].
    pub fn follow(&mut self, scope: &Scope, at_most: Duration) -> Result<EventBatch, SourceError> {
        let deadline_us = after(self.now(), at_most);
        let mut batch = match self.engine.has_events() {
            true => self.follow_source(scope, deadline_us)?,
            false => self.follow_samples(scope, deadline_us)?,
        };
        let standing = self.engine.standing_losses();
        let count = standing.clone().count();
        batch.losses.extend(standing.skip(self.reported).cloned());
        self.reported = count;
        Ok(batch)
    }

    fn now(&self) -> Moment {
        self.engine.clock().now()
    }

    fn time_until(&self, deadline_us: u64) -> Duration {
        Duration::from_micros(deadline_us.saturating_sub(self.now().monotonic_us))
    }

    fn sleep_until(&self, deadline_us: u64) {
        self.engine.clock().sleep(self.time_until(deadline_us));
    }

    fn follow_source(
        &mut self,
        scope: &Scope,
        deadline_us: u64,
    ) -> Result<EventBatch, SourceError> {
        self.choose_namespaces(scope)?;
        loop {
            if let Some(drained) = self.drained {
                self.sleep_until(after(drained, GATHER_INTERVAL).min(deadline_us));
            }
            let mut collected = Collected::default();
            let has_more = self.engine.drain_batch(&mut collected);
            self.sample_if_due(scope, &mut collected);
            let has_paused = !has_more && !collected.events.is_empty();
            self.drained = has_paused.then(|| self.now());
            // No sample needs them any more.
            self.engine.forget_closed();
            let Collected { events, mut losses } = collected;
            losses.extend(self.engine.take_refusals());
            let is_in_scope = |event: &Arc<Event>| self.is_in_scope(scope, &event.connection);
            let events = events.into_iter().filter(is_in_scope);
            let events: Vec<_> = events.map(Arc::unwrap_or_clone).collect();
            let left = self.time_until(deadline_us);
            if !events.is_empty() || !losses.is_empty() || left.is_zero() {
                return Ok(EventBatch { events, losses });
            }
            if !has_more {
                self.engine.wait_for_events(left);
            }
        }
    }

    /// Samples the connections that were open before. Events are reported also if that fails.
    fn sample_if_due(&mut self, scope: &Scope, sink: &mut dyn EventSink) {
        let now = self.now();
        if self.sampled.is_none_or(|sampled| now.since(sampled) >= SAMPLE_INTERVAL) {
            let _ = self.engine.sample(&in_all_states(scope), sink);
            self.sampled = Some(self.now());
        }
    }

    fn follow_samples(
        &mut self,
        scope: &Scope,
        deadline_us: u64,
    ) -> Result<EventBatch, SourceError> {
        self.engine.use_polling_fallback(POLLING_INTERVAL);
        loop {
            let now_us = self.now().monotonic_us;
            let due_us = self.sampled.map_or(now_us, |sampled| after(sampled, POLLING_INTERVAL));
            self.sleep_until(due_us.min(deadline_us));
            if due_us > deadline_us {
                return Ok(EventBatch::default());
            }
            // Without an event source the sample has no events.
            let mut none = Collected::default();
            let snapshot = self.engine.sample(&in_all_states(scope), &mut none)?;
            self.sampled = Some(self.now());
            let before = self.latest.replace(Arc::clone(&snapshot));
            let events = self.engine.derived_events(before.as_deref(), &snapshot);
            let events: Vec<_> = events.into_iter().map(Arc::unwrap_or_clone).collect();
            if !events.is_empty() || before.is_none() || self.time_until(deadline_us).is_zero() {
                return Ok(EventBatch { events, losses: Vec::new() });
            }
        }
    }

    fn choose_namespaces(&mut self, scope: &Scope) -> Result<(), SourceError> {
        let named = &scope.namespaces;
        if !matches!(&self.namespaces, Some((chosen, _)) if chosen == named) {
            self.namespaces = Some((named.clone(), choice::namespaces(named)?));
        }
        Ok(())
    }

    fn is_in_scope(&self, scope: &Scope, connection: &Connection) -> bool {
        let socket = &connection.socket;
        let has_protocol = match socket.protocol {
            Protocol::Tcp => scope.tcp,
            Protocol::Mptcp => scope.mptcp,
            Protocol::Udp => scope.udp,
            _ => false,
        };
        let has_family = match socket.family {
            Family::Ipv4 => scope.ipv4,
            Family::Ipv6 => scope.ipv6,
            _ => false,
        };
        let has_namespace = match &self.namespaces {
            Some((_, Some(inodes))) => inodes.contains(&socket.id.netns),
            Some((_, None)) | None => true,
        };
        has_protocol && has_family && has_namespace
    }
}

fn in_all_states(scope: &Scope) -> Scope {
    Scope { states: States::all(), ..scope.clone() }
}
