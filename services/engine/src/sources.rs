//! The sources an engine has, and what takes over where one of them fails.
//!
//! The one idea: a source that fails in use is not tried again. The next takes its place for good,
//! and every snapshot says so.

use std::sync::Arc;
use std::time::Duration;

use conns_contract::{
    DescriptorSource, EventSource, OwnerSource, Scope, SocketSource, SourceError, Task,
};
use conns_core::model::{
    Ability, AbilityKind, Fallback, LifecycleEvent, Loss, LossCause, Missing, Moment, Observation,
    Process, Source,
};

/// Reads the details of processes that others named.
pub trait ProcessSource: Send {
    /// The details of these processes, in their order; of one that is not there any more no more
    /// than its pid and name.
    fn processes(&mut self, tasks: &[Task]) -> Vec<Arc<Process>>;
}

/// The sources of an engine.
pub struct Sources {
    /// The socket tables.
    pub tables: Box<dyn SocketSource>,
    /// Tells what `tables` leaves out, and takes over when they fail.
    pub fallback: Option<Box<dyn SocketSource>>,
    /// Owners by inode; not asked where there are `descriptors`.
    pub owners: Option<Box<dyn OwnerSource>>,
    /// Descriptors of all processes.
    pub descriptors: Option<Box<dyn DescriptorSource>>,
    /// The details of the processes that have the descriptors.
    pub processes: Option<Box<dyn ProcessSource>>,
    /// What happens to connections.
    pub events: Option<Box<dyn EventSource>>,
    /// What `events` told of while something else was done.
    pub(crate) told: Vec<Observation>,
    /// What was tried, and why it does not work where it does not.
    pub abilities: Vec<Ability>,
    /// Whether the one that stands by takes over.
    pub(crate) takes_over: bool,
    /// Said with every snapshot: what is done without.
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
            events: None,
            told: Vec::new(),
            abilities: Vec::new(),
            takes_over: true,
            losses: Vec::new(),
            second_choice: None,
        }
    }

    /// One look at the socket tables.
    pub(crate) fn sockets(
        &mut self,
        scope: &Scope,
        now: Moment,
    ) -> Result<Vec<Observation>, SourceError> {
        let can_help = self.takes_over && self.fallback.is_some();
        let first = match (self.tables.observe(scope, now), can_help) {
            (Ok(first), _) => first,
            (Err(error @ SourceError::NoSuchNamespace { .. }), _) => return Err(error),
            (Err(error), true) => {
                self.take_over(&error);
                self.tables.observe(scope, now).map_err(|second| self.after_the_first(second))?
            }
            (Err(error), false) => return Err(self.after_the_first(error)),
        };
        let delegated = self.tables.delegated();
        let mut observations = vec![first];
        if let Some(fallback) = &mut self.fallback {
            for scope in delegated {
                let mut rest = fallback.observe(&scope, now).unwrap_or_else(|error| {
                    let source = source_of(&error);
                    nothing_but(now, missing(source, &error, Fallback::None))
                });
                self.tables.apply_delegated(&scope, &rest);
                // Each part misses the same namespaces.
                let said = |loss: &Loss| {
                    observations.iter().any(|o: &Observation| o.losses.contains(loss))
                };
                rest.losses.retain(|loss| !said(loss));
                observations.push(rest);
            }
        }
        Ok(observations)
    }

    fn take_over(&mut self, error: &SourceError) {
        let Some(fallback) = self.fallback.take() else { return };
        self.tables = fallback;
        self.second_choice = Some(error.to_string().into());
        self.has_failed(is_of_tables, missing(source_of(error), error, Fallback::Netlink));
    }

    fn after_the_first(&self, second: SourceError) -> SourceError {
        match &self.second_choice {
            Some(first) => SourceError::Both { first: first.to_string(), second: Box::new(second) },
            None => second,
        }
    }

    /// Does without the descriptors from now on.
    pub(crate) fn drop_descriptors(&mut self, error: &SourceError) {
        self.descriptors = None;
        self.has_failed(
            |ability| {
                matches!(ability.kind, AbilityKind::EbpfOwners | AbilityKind::EbpfOwnerChanges)
            },
            missing(source_of(error), error, Fallback::Procfs),
        );
    }

    /// What has happened since the last call, and what of it was lost.
    pub(crate) fn lifecycle_events(&mut self, now: Moment) -> (Vec<LifecycleEvent>, Vec<Loss>) {
        let (mut lifecycle_events, mut losses) = (Vec::new(), Vec::new());
        let told = std::mem::take(&mut self.told);
        let now_told = self.events.as_mut().map(|events| events.observe(now));
        for observation in told.into_iter().chain(now_told) {
            losses.extend(observation.losses);
            match observation.lifecycle {
                Some(more) if lifecycle_events.is_empty() => lifecycle_events = more,
                Some(more) => lifecycle_events.extend(more),
                None => {}
            }
        }
        (lifecycle_events, losses)
    }

    /// Waits until something has happened, or so long. Where waiting fails, it sleeps instead.
    pub(crate) fn wait(&mut self, at_most: Duration) {
        if !self.told.is_empty() {
            return;
        }
        let waited = self.events.as_mut().map(|events| events.wait(at_most));
        if !matches!(waited, Some(Ok(()))) {
            std::thread::sleep(at_most.min(SLEPT_INSTEAD));
        }
    }

    fn has_failed(&mut self, it: impl Fn(&Ability) -> bool, loss: Loss) {
        for ability in self.abilities.iter_mut().filter(|ability| it(ability)) {
            ability.missing.get_or_insert_with(|| Missing::Loss(loss.clone()));
        }
        self.losses.push(loss);
    }
}

/// Whether it is that our own programs tell the socket tables.
pub(crate) fn is_of_tables(ability: &Ability) -> bool {
    matches!(ability.kind, AbilityKind::EbpfTables | AbilityKind::EbpfWatch)
}

/// How long an event may lie in the kernel where nobody can wait for it.
const SLEPT_INSTEAD: Duration = Duration::from_millis(50);

/// The loss of a source that does not work, and what is used in its place.
pub(crate) fn missing(source: Source, error: &SourceError, fallback: Fallback) -> Loss {
    let cause = LossCause::SourceUnavailable { error: error.to_string().into(), fallback };
    Loss::one(source, cause)
}

/// An observation of which everything was lost.
pub(crate) fn nothing_but(at: Moment, loss: Loss) -> Observation {
    Observation::new(loss.source, at).with_losses(vec![loss])
}

fn source_of(error: &SourceError) -> Source {
    match error {
        SourceError::Unavailable { source_name, .. } => *source_name,
        SourceError::Both { second, .. } => source_of(second),
        SourceError::NoSuchNamespace { .. } => Source::Derived,
    }
}
