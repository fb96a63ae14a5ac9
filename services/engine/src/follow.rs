//! What happens, told as it happens to one who waits for it.
//!
//! The one idea: the events tell everything of connections that open from now on; one look to begin
//! with, and one a minute, tells of those that were there already.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use conns_contract::{Namespaces, Scope, SourceError, States};
use conns_core::model::{Connection, Event, Family, Loss, Protocol, Snapshot};

use crate::{Engine, choice};

/// How often it is looked for what events cannot tell: who holds connections that were there
/// already, and which of them are gone without word.
const LOOKED_EVERY: Duration = Duration::from_secs(60);
/// How often is looked where looks are all there is.
const LOOKED_INSTEAD_EVERY: Duration = Duration::from_secs(1);
/// Shortest time between two answers while much happens: a few events at a time would cost most of
/// what a thousand do. The first after a quiet time comes at once.
const GATHERED_FOR: Duration = Duration::from_millis(50);

/// What happened lately.
#[derive(Debug, Clone, Default)]
pub struct EventBatch {
    /// The events, oldest first.
    pub events: Vec<Event>,
    /// What was lost since the last call; what is lost all the time is said the first time only.
    pub losses: Vec<Loss>,
}

/// What following needs from call to call.
#[derive(Default)]
pub(crate) struct Following {
    looked: Option<Instant>,
    heard: Option<Instant>,
    latest: Option<Arc<Snapshot>>,
    /// How many of the standing losses were said.
    said: usize,
    within: Option<(Namespaces, Option<Vec<u64>>)>,
}

impl Engine {
    /// Waits for events at most so long, and returns what happened: as soon as there is something.
    /// Without a source of events, looks once a second stand in for it, and a loss says what that
    /// misses.
    ///
    /// # Errors
    /// [`SourceError`] if `scope` names what is not there; without a source of events also as
    /// [`Engine::look`].
    pub fn follow(&mut self, scope: &Scope, at_most: Duration) -> Result<EventBatch, SourceError> {
        let deadline = Instant::now() + at_most;
        let mut followed = match self.hears() {
            true => self.follow_events(scope, deadline)?,
            false => self.follow_looks(scope, deadline)?,
        };
        let standing = self.sources.losses.iter().chain(&self.coarse);
        followed.losses.extend(standing.clone().skip(self.following.said).cloned());
        self.following.said = standing.count();
        Ok(followed)
    }

    fn follow_events(
        &mut self,
        scope: &Scope,
        deadline: Instant,
    ) -> Result<EventBatch, SourceError> {
        self.choose_namespaces(scope)?;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if let Some(heard) = self.following.heard {
                thread::sleep(GATHERED_FOR.saturating_sub(heard.elapsed()).min(left));
            }
            let (events, mut losses) = self.hear();
            self.following.heard = (!events.is_empty()).then(Instant::now);
            self.look_at_the_rest(scope);
            // No look will show them any more.
            self.tracker.forget_closed();
            losses.extend(self.tracker.take_refusals());
            let events =
                events.into_iter().filter(|event| self.is_wanted(scope, &event.connection));
            let events: Vec<_> = events.map(Arc::unwrap_or_clone).collect();
            let left = deadline.saturating_duration_since(Instant::now());
            if !events.is_empty() || !losses.is_empty() || left.is_zero() {
                return Ok(EventBatch { events, losses });
            }
            self.sources.wait(left);
        }
    }

    /// A look at what was there before, to know it when it is told of. That it fails is no reason
    /// not to tell.
    fn look_at_the_rest(&mut self, scope: &Scope) {
        if self.following.looked.is_none_or(|looked| looked.elapsed() >= LOOKED_EVERY) {
            let _ = self.look_again(&in_all_states(scope));
            self.following.looked = Some(Instant::now());
        }
    }

    fn follow_looks(
        &mut self,
        scope: &Scope,
        deadline: Instant,
    ) -> Result<EventBatch, SourceError> {
        self.tell_by_looks(LOOKED_INSTEAD_EVERY);
        loop {
            let now = Instant::now();
            let due = self.following.looked.map_or(now, |looked| looked + LOOKED_INSTEAD_EVERY);
            thread::sleep(due.min(deadline).saturating_duration_since(now));
            if due > deadline {
                return Ok(EventBatch::default());
            }
            let snapshot = self.look_again(&in_all_states(scope))?;
            self.following.looked = Some(Instant::now());
            let before = self.following.latest.replace(Arc::clone(&snapshot));
            let events = self.seen_by_looks(before.as_deref(), &snapshot);
            let events: Vec<_> = events.into_iter().map(Arc::unwrap_or_clone).collect();
            if !events.is_empty() || before.is_none() || Instant::now() >= deadline {
                return Ok(EventBatch { events, losses: Vec::new() });
            }
        }
    }

    fn choose_namespaces(&mut self, scope: &Scope) -> Result<(), SourceError> {
        let wanted = &scope.namespaces;
        if !matches!(&self.following.within, Some((chosen, _)) if chosen == wanted) {
            self.following.within = Some((wanted.clone(), choice::namespaces(wanted)?));
        }
        Ok(())
    }

    fn is_wanted(&self, scope: &Scope, connection: &Connection) -> bool {
        let socket = &connection.socket;
        let is_of_protocol = match socket.protocol {
            Protocol::Tcp => scope.tcp,
            Protocol::Mptcp => scope.mptcp,
            Protocol::Udp => scope.udp,
        };
        let is_of_family = match socket.family {
            Family::Ipv4 => scope.ipv4,
            Family::Ipv6 => scope.ipv6,
        };
        let is_within = match &self.following.within {
            Some((_, Some(inodes))) => inodes.contains(&socket.id.netns),
            Some((_, None)) | None => true,
        };
        is_of_protocol && is_of_family && is_within
    }
}

fn in_all_states(scope: &Scope) -> Scope {
    Scope { states: States::all(), ..scope.clone() }
}
