//! The sources of an engine, and their fallbacks.
//!
//! Invariant: a source that fails in use is not used again. Its fallback replaces it for good, and
//! every snapshot reports that among its losses.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use conns_contract::{
    Clock, DescriptorSource, EventSource, OwnerSource, PayloadSource, Scope, SocketSource,
    SourceError, Task,
};
use conns_core::model::{
    Ability, AbilityKind, Fallback, Loss, LossCause, Missing, Moment, Observation, Process,
    SocketSample, Source,
};

/// Reads the details of processes.
pub trait ProcessSource: Send {
    /// The details of these processes, in their order; only pid and name of one that has ended.
    fn processes(&mut self, tasks: &[Task]) -> Vec<Arc<Process>>;
}

/// Reads the counters of listeners, which the kernel has for each network namespace.
pub trait ListenCounterSource: Send {
    /// An observation with the counters of the namespaces that have a listener among `rows`.
    fn observe(
        &mut self,
        rows: &mut dyn Iterator<Item = &SocketSample>,
        now: Moment,
    ) -> Observation;
}

/// The sources of an engine.
pub struct Sources {
    /// The socket tables.
    pub tables: Box<dyn SocketSource>,
    /// Reads the scopes that `tables` delegates, and replaces them when they fail.
    pub fallback: Option<Box<dyn SocketSource>>,
    /// Owners by inode; not read where there are `descriptors`.
    pub owners: Option<Box<dyn OwnerSource>>,
    /// Descriptors of all processes.
    pub descriptors: Option<Box<dyn DescriptorSource>>,
    /// The details of the processes that own the descriptors.
    pub processes: Option<Box<dyn ProcessSource>>,
    /// The counters of listeners.
    pub listen_counters: Option<Box<dyn ListenCounterSource>>,
    /// Lifecycle events.
    pub events: Option<Box<dyn EventSource>>,
    /// Payload of connections.
    pub payload: Option<Box<dyn PayloadSource>>,
    /// What was drained from `events` and is not applied yet.
    pub(crate) buffered: VecDeque<Observation>,
    /// The abilities that were tried.
    pub abilities: Vec<Ability>,
    /// Whether `fallback` replaces `tables` when they fail.
    pub(crate) falls_back: bool,
    /// The losses of the choice of sources and of their failures, for every snapshot.
    pub(crate) losses: Vec<Loss>,
    /// Why the tables in use are not the first choice, if they are not.
    pub(crate) second_choice: Option<Box<str>>,
}

impl Sources {
    /// These tables and nothing else.
    #[must_use]
    pub fn of(tables: Box<dyn SocketSource>) -> Self {
        Self {
            tables,
            fallback: None,
            owners: None,
            descriptors: None,
            processes: None,
            listen_counters: None,
            events: None,
            payload: None,
            buffered: VecDeque::new(),
            abilities: Vec::new(),
            falls_back: true,
            losses: Vec::new(),
            second_choice: None,
        }
    }

    /// Reads the socket tables.
    pub(crate) fn sockets(
        &mut self,
        scope: &Scope,
        now: Moment,
    ) -> Result<Vec<Observation>, SourceError> {
        let can_replace = self.falls_back && self.fallback.is_some();
        let first = match (self.tables.observe(scope, now), can_replace) {
            (Ok(first), _) => first,
            (Err(error @ SourceError::NoSuchNamespace { .. }), _) => return Err(error),
            (Err(error), true) => {
                self.use_fallback(&error);
                self.tables.observe(scope, now).map_err(|second| self.after_the_first(second))?
            }
            (Err(error), false) => return Err(self.after_the_first(error)),
        };
        let delegated = self.tables.delegated();
        let mut observations = vec![first];
        if let Some(fallback) = &mut self.fallback {
            for mut scope in delegated {
                let listed: usize = observations.iter().map(|o: &Observation| o.rows().len()).sum();
                scope.max_sockets = scope.max_sockets.saturating_sub(listed);
                let mut rest = fallback.observe(&scope, now).unwrap_or_else(|error| {
                    let source = source_of(&error);
                    lost_source(now, source_unavailable(source, &error, Fallback::None))
                });
                self.tables.apply_delegated(&scope, &rest);
                // Each scope misses the same namespaces.
                let is_reported = |loss: &Loss| {
                    observations.iter().any(|o: &Observation| o.losses.contains(loss))
                };
                rest.losses.retain(|loss| !is_reported(loss));
                observations.push(rest);
            }
        }
        if let Some(counters) = &mut self.listen_counters {
            let mut rows = observations.iter().flat_map(Observation::rows);
            let counters = counters.observe(&mut rows, now);
            observations.push(counters);
        }
        Ok(observations)
    }

    /// Whether programs in the kernel watch the sockets of all namespaces.
    pub(crate) fn are_tables_watched(&self) -> bool {
        let is_watch = |ability: &Ability| ability.kind == AbilityKind::EbpfWatch;
        self.abilities.iter().any(|ability| is_watch(ability) && ability.is_available())
    }

    fn use_fallback(&mut self, error: &SourceError) {
        let Some(fallback) = self.fallback.take() else { return };
        self.tables = fallback;
        self.second_choice = Some(error.to_string().into());
        self.has_failed(
            is_of_tables,
            source_unavailable(source_of(error), error, Fallback::Netlink),
        );
    }

    fn after_the_first(&self, second: SourceError) -> SourceError {
        match &self.second_choice {
            Some(first) => SourceError::Both { first: first.to_string(), second: Box::new(second) },
            None => second,
        }
    }

    /// Stops using the descriptors.
    pub(crate) fn drop_descriptors(&mut self, error: &SourceError) {
        self.descriptors = None;
        self.has_failed(
            |ability| {
                matches!(ability.kind, AbilityKind::EbpfOwners | AbilityKind::EbpfOwnerChanges)
            },
            source_unavailable(source_of(error), error, Fallback::Procfs),
        );
    }

    /// Waits until there are events, at most for `at_most`. Where the source cannot wait, sleeps.
    pub(crate) fn wait(&mut self, at_most: Duration, clock: &dyn Clock) {
        if !self.buffered.is_empty() {
            return;
        }
        let waited = self.events.as_mut().map(|events| events.wait(at_most));
        if !matches!(waited, Some(Ok(()))) {
            clock.sleep(at_most.min(POLL_INTERVAL));
        }
    }

    fn has_failed(&mut self, it: impl Fn(&Ability) -> bool, loss: Loss) {
        for ability in self.abilities.iter_mut().filter(|ability| it(ability)) {
            ability.missing.get_or_insert_with(|| Missing::Loss(loss.clone()));
        }
        self.losses.push(loss);
    }
}

/// Whether it is that eBPF reads the socket tables.
pub(crate) fn is_of_tables(ability: &Ability) -> bool {
    matches!(ability.kind, AbilityKind::EbpfTables | AbilityKind::EbpfWatch)
}

/// How often an event source that cannot be waited for is drained.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// The loss of a source that does not work; `fallback` is used in its place.
pub(crate) fn source_unavailable(source: Source, error: &SourceError, fallback: Fallback) -> Loss {
    let cause = LossCause::SourceUnavailable { error: error.to_string().into(), fallback };
    Loss::one(source, cause)
}

/// The observation of a source that failed.
pub(crate) fn lost_source(at: Moment, loss: Loss) -> Observation {
    Observation::new(loss.source, at).with_losses(vec![loss])
}

fn source_of(error: &SourceError) -> Source {
    match error {
        SourceError::Unavailable { source_name, .. } => *source_name,
        SourceError::Both { second, .. } => source_of(second),
        SourceError::NoSuchNamespace { .. } => Source::Derived,
    }
}
