//! Who holds the sockets, remembered between looks.
//!
//! The one idea: looking at every descriptor of the machine costs more than everything else, and
//! holders seldom change. So it is done when a change is told, or a socket turns up that nobody was
//! asked about; and else once in a while, to notice what was not told.

mod processes;

use std::sync::Arc;
use std::time::Duration;

use conns_contract::{Descriptors, SourceError};
use conns_core::model::{Fallback, Moment, Observation, OwnerTable, Source, Subject};

use crate::Sources;
use crate::numbers::{Numbers, can_be_held, sockets};
use crate::sources::{missing, nothing_but};
use processes::Processes;

/// Where changes are not told, all is looked at again after this time even if no socket is new:
/// so long a change of holders alone may go unnoticed.
const WALKED_EVERY: Duration = Duration::from_secs(30);
/// Where changes are told, all is looked at again after this time, to correct what was missed.
const RECONCILED_EVERY: Duration = Duration::from_secs(60);

/// What is believed of holders.
#[derive(Default)]
pub(crate) struct Owners {
    believed: Option<Belief>,
    processes: Processes,
    reconciliation_differences: u64,
}

/// What was seen last.
struct Belief {
    at: Moment,
    /// What the descriptors' count of changes was before they were looked at; `None` where changes
    /// are not told.
    changes: Option<u64>,
    /// The sockets there were then, by inode or by cookie.
    asked: Numbers,
    /// Pid and start of the processes, where descriptors told them.
    tasks: Vec<(u32, u64)>,
    owner_table: Option<Arc<OwnerTable>>,
    said: Observation,
}

impl Owners {
    /// OwnerTable that were found to be other than believed although no change was told.
    pub(crate) fn reconciliation_differences(&self) -> u64 {
        self.reconciliation_differences
    }

    /// Forgets what was seen.
    pub(crate) fn forget(&mut self) {
        self.believed = None;
    }

    /// Who holds the sockets in `seen`, looked for now; `None` if those tell it themselves.
    pub(crate) fn look(
        &mut self,
        sources: &mut Sources,
        seen: &[Observation],
        now: Moment,
    ) -> Option<Observation> {
        self.forget();
        self.look_again(sources, seen, now)
    }

    /// Who holds the sockets in `seen`, looked for only where what is believed may not be true any
    /// more.
    pub(crate) fn look_again(
        &mut self,
        sources: &mut Sources,
        seen: &[Observation],
        now: Moment,
    ) -> Option<Observation> {
        if sources.descriptors.is_some() {
            match self.by_descriptors(sources, seen, now) {
                Ok(said) => return said,
                Err(error) => {
                    sources.drop_descriptors(&error);
                    self.forget();
                }
            }
        }
        let owners = sources.owners.as_mut()?;
        let knows = |belief: &Belief| {
            let is_young = now.since(belief.at) < WALKED_EVERY;
            let mut inodes = sockets(seen).filter_map(|socket| socket.inode.get());
            is_young && inodes.all(|inode| belief.asked.contains(inode))
        };
        if let Some(belief) = self.believed.as_ref().filter(|belief| knows(belief)) {
            return Some(belief.said.clone());
        }
        let asked = Numbers::inodes(seen);
        let said = owners.observe(&asked, now).unwrap_or_else(|error| {
            nothing_but(now, missing(Source::Procfs, &error, Fallback::None))
        });
        let (tasks, owner_table) = (Vec::new(), None);
        let belief =
            Belief { at: now, changes: None, asked, tasks, owner_table, said: said.clone() };
        self.believed = Some(belief);
        Some(said)
    }

    fn by_descriptors(
        &mut self,
        sources: &mut Sources,
        seen: &[Observation],
        now: Moment,
    ) -> Result<Option<Observation>, SourceError> {
        let Some(descriptors) = &mut sources.descriptors else { return Ok(None) };
        // Before looking: what changes meanwhile is looked for again.
        let changes = descriptors.changes();
        let every = changes.map_or(WALKED_EVERY, |_| RECONCILED_EVERY);
        let (mut is_unchanged, mut is_due) = (false, true);
        if let Some(belief) = &self.believed {
            let mut held = sockets(seen).filter(|socket| can_be_held(socket));
            is_unchanged = belief.changes == changes
                && held.all(|socket| belief.asked.contains(socket.id.cookie));
            is_due = now.since(belief.at) >= every;
            if is_unchanged && !is_due {
                return Ok(Some(belief.said.clone()));
            }
        }
        let Descriptors { tasks, entries: held } = descriptors.observe()?;
        let is_unchanged = is_unchanged && changes.is_some() && descriptors.changes() == changes;
        let processes = self.processes.of(&tasks, sources.processes.as_deref_mut(), now, is_due);
        let tasks: Vec<_> = tasks.iter().map(|task| (task.pid, task.started_boot_ns)).collect();
        let mut owner_table =
            Arc::new(OwnerTable { processes, entries: held, unreadable_processes: 0 });
        if let Some(Belief { tasks: believed_tasks, owner_table: Some(believed), .. }) =
            &self.believed
        {
            if is_unchanged {
                let now = (&tasks[..], &*owner_table);
                self.reconciliation_differences +=
                    differences((&believed_tasks[..], believed), now);
            }
            if is_same(believed, &owner_table) {
                // What is told again unchanged need not be joined again.
                owner_table = Arc::clone(believed);
            }
        }
        let said = Observation::new(Source::Ebpf, now).with_owners(Arc::clone(&owner_table));
        self.believed = Some(Belief {
            at: now,
            changes,
            asked: Numbers::cookies(seen),
            tasks,
            owner_table: Some(owner_table),
            said: said.clone(),
        });
        Ok(Some(said))
    }
}

/// Whether both say the same of the very same processes.
fn is_same(one: &OwnerTable, other: &OwnerTable) -> bool {
    one.processes.len() == other.processes.len()
        && one.processes.iter().zip(&other.processes).all(|(a, b)| Arc::ptr_eq(a, b))
        && one.entries == other.entries
}

/// One descriptor, whoever tells of it.
type Held = ((u32, u64), Subject, Option<u32>);

/// How many descriptors only one of both has.
fn differences(one: (&[(u32, u64)], &OwnerTable), other: (&[(u32, u64)], &OwnerTable)) -> u64 {
    let (one, other) = (sorted(one), sorted(other));
    let only_in = |some: &[Held], others: &[Held]| {
        some.iter().filter(|held| others.binary_search(held).is_err()).count()
    };
    u64::try_from(only_in(&one, &other) + only_in(&other, &one)).unwrap_or(u64::MAX)
}

fn sorted((tasks, owner_table): (&[(u32, u64)], &OwnerTable)) -> Vec<Held> {
    let task = |index: u32| usize::try_from(index).ok().and_then(|index| tasks.get(index)).copied();
    let held = owner_table.entries.iter();
    let mut named: Vec<Held> = held
        .filter_map(|held| Some((task(held.process)?, held.subject, held.descriptor)))
        .collect();
    named.sort_unstable();
    named
}

#[cfg(test)]
mod tests;
