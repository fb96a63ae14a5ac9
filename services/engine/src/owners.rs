//! Owners of sockets, cached between samples.
//!
//! Scanning every descriptor of the machine costs more than all the rest of a sample, and owners
//! seldom change. So they are scanned when the change counter of the source moved (fork, exec and exit
//! of owners) or an unknown socket appeared, and otherwise at an interval, to find descriptors that were
//! duplicated, passed on or closed (dup, `SCM_RIGHTS`, `pidfd_getfd`, close), which the counter does not see.

mod background;
mod processes;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use conns_contract::{Descriptors, InodeFilter, SourceError};
use conns_core::model::{
    Fallback, Loss, LossCause, Moment, Observation, OwnerEntry, OwnerTable, Source, Subject,
};

use crate::cost;
use crate::numbers::{Numbers, can_have_owner, sockets};
use crate::sources::{Sources, lost_source, source_unavailable};
use background::BackgroundScan;
use processes::Processes;

/// Without a change counter, owners are scanned again after this time even if no socket is new: so
/// long an owner may be outdated.
const SCAN_INTERVAL: Duration = Duration::from_secs(30);
/// With a change counter, owners are scanned again after this multiple of the CPU time of the last scan: scans then take
/// 0.1 % of a core.
const RECONCILE_COST_RATIO: u32 = 1000;
/// Bounds of the interval that follows. The longer one is reached by a scan of 60 ms, of about 200 000 descriptors.
const RECONCILE_INTERVALS: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(60)];
/// After this time the details of all processes are read again.
const PROCESS_INTERVAL: Duration = Duration::from_secs(60);

/// From this many descriptors on, the next scan is in a thread of its own: this one took about 100 ms.
const MANY_DESCRIPTORS: u64 = 300_000;

/// The owners found last, and the processes they refer to.
#[derive(Default)]
pub(crate) struct CachedOwners {
    last: Option<Scan>,
    processes: Processes,
    /// When the details of all processes were read.
    processes_read: Option<Moment>,
    /// The scan in progress, if there are very many descriptors. It has the source of descriptors.
    background: Option<BackgroundScan>,
    reconciliation_differences: u64,
}

/// What is known when a scan begins.
#[derive(Clone, Copy)]
struct Since {
    /// The change counter; `None` if the source has none.
    changes: Option<u64>,
    /// Whether nothing is known to have changed since the scan before.
    is_unchanged: bool,
}

/// The last scan.
struct Scan {
    at: Moment,
    /// The change counter before the scan; `None` if the source has none.
    changes: Option<u64>,
    /// How long it is valid if nothing is known to have changed.
    valid: Duration,
    /// The sockets there were then, by inode or by cookie.
    known: Numbers,
    /// Pid and start of the processes, if the scan was of descriptors.
    tasks: Vec<(u32, u64)>,
    owner_table: Option<Arc<OwnerTable>>,
    observation: Observation,
}

impl CachedOwners {
    /// Owners that a reconciliation found to differ although the change counter had not moved.
    pub(crate) fn reconciliation_differences(&self) -> u64 {
        self.reconciliation_differences
    }

    /// Makes the next read scan.
    pub(crate) fn clear(&mut self) {
        self.last = None;
    }

    /// No descriptor of the last scan leads to a namespace that is not listed: they need not be followed again before the
    /// next scan.
    pub(crate) fn forget_unlisted(&mut self) {
        if let Some(last) = &mut self.last {
            last.observation.unlisted.clear();
        }
    }

    /// The owners of the sockets in `observations`, scanned if the cached ones may be outdated;
    /// `None` if no source has owners.
    pub(crate) fn read(
        &mut self,
        sources: &mut Sources,
        observations: &[Observation],
        now: Moment,
    ) -> Option<Observation> {
        if sources.descriptors.is_some() || self.background.is_some() {
            match self.scan_descriptors(sources, observations, now) {
                Ok(owners) => return owners,
                Err(error) => {
                    sources.drop_descriptors(&error);
                    self.clear();
                }
            }
        }
        let owners = sources.owners.as_mut()?;
        let is_current = |scan: &&Scan| {
            let is_recent = now.since(scan.at) < scan.valid;
            let mut inodes = sockets(observations).filter_map(|socket| socket.inode.get());
            is_recent && inodes.all(|inode| scan.known.contains(inode))
        };
        if let Some(scan) = self.last.as_ref().filter(is_current) {
            return Some(scan.observation.clone());
        }
        let known = Numbers::inodes(observations);
        let observation = owners.observe(&known, now).unwrap_or_else(|error| {
            lost_source(now, source_unavailable(Source::Procfs, &error, Fallback::None))
        });
        self.last = Some(Scan {
            at: now,
            changes: None,
            valid: SCAN_INTERVAL,
            known,
            tasks: Vec::new(),
            owner_table: None,
            observation: observation.clone(),
        });
        Some(observation)
    }

    fn scan_descriptors(
        &mut self,
        sources: &mut Sources,
        observations: &[Observation],
        now: Moment,
    ) -> Result<Option<Observation>, SourceError> {
        if let Some(running) = self.background.take_if(|running| running.is_finished()) {
            let since = running.since;
            let Some(finished) = running.finish() else { return Ok(None) };
            sources.descriptors = Some(finished.source);
            let scanned = (finished.found?, finished.cpu);
            return Ok(Some(self.apply_scan(sources, observations, scanned, since, now)));
        }
        let Some(descriptors) = &mut sources.descriptors else {
            return Ok(self.last.as_ref().map(|last| last.observation.clone()));
        };
        // Before the scan: a change during it causes another scan.
        let mut since = Since { changes: descriptors.changes(), is_unchanged: false };
        if let Some(last) = &self.last {
            let mut owned = sockets(observations).filter(|socket| can_have_owner(socket));
            since.is_unchanged = last.changes == since.changes
                && owned.all(|socket| last.known.contains(socket.id.cookie));
            if since.is_unchanged && now.since(last.at) < last.valid {
                return Ok(Some(last.observation.clone()));
            }
        }
        let has_many = |scan: &Scan| {
            let total = scan.owner_table.as_ref().map(|owners| owners.entries.total());
            total >= Some(MANY_DESCRIPTORS)
        };
        if let Some(last) = self.last.as_ref().filter(|last| has_many(last))
            && let Some(source) = sources.descriptors.take()
        {
            match BackgroundScan::start(source, since) {
                Ok(running) => {
                    self.background = Some(running);
                    return Ok(Some(last.observation.clone()));
                }
                Err(source) => sources.descriptors = Some(source),
            }
        }
        let Some(descriptors) = &mut sources.descriptors else { return Ok(None) };
        let started = cost::thread_cpu();
        let found = descriptors.observe()?;
        let scanned = (found, cost::thread_cpu().saturating_sub(started));
        Ok(Some(self.apply_scan(sources, observations, scanned, since, now)))
    }

    /// Makes an observation of what a scan found, and of the CPU time it took.
    fn apply_scan(
        &mut self,
        sources: &mut Sources,
        observations: &[Observation],
        scanned: (Descriptors, Duration),
        since: Since,
        now: Moment,
    ) -> Observation {
        let (Descriptors { tasks, entries, is_partial }, cpu) = scanned;
        let changes_now = sources.descriptors.as_mut().and_then(|source| source.changes());
        let is_unchanged =
            since.is_unchanged && since.changes.is_some() && changes_now == since.changes;
        let is_due = self.processes_read.is_none_or(|read| now.since(read) >= PROCESS_INTERVAL);
        if is_due {
            self.processes_read = Some(now);
        }
        let processes = self.processes.of(&tasks, sources.processes.as_deref_mut(), now, is_due);
        let tasks: Vec<_> = tasks.iter().map(|task| (task.pid, task.started_boot_ns)).collect();
        let mut owner_table = Arc::new(OwnerTable { processes, entries, unreadable_processes: 0 });
        if let Some(Scan { tasks: earlier_tasks, owner_table: Some(earlier), .. }) = &self.last {
            if is_same(earlier, &owner_table) {
                // The tracker does not join an unchanged table again.
                owner_table = Arc::clone(earlier);
            } else if is_unchanged {
                let now = (&tasks[..], &*owner_table);
                self.reconciliation_differences += differences((&earlier_tasks[..], earlier), now);
            }
        }
        let known = Numbers::cookies(observations);
        let hidden = is_partial.then(|| hidden(&known, &owner_table)).flatten();
        let observation = Observation::new(Source::Ebpf, now)
            .with_owners(Arc::clone(&owner_table))
            .with_losses(hidden.into_iter().collect());
        // Tables that are watched have the sockets of all namespaces.
        let unlisted = if sources.are_tables_watched() {
            Vec::new()
        } else {
            in_unlisted_namespaces(observations, &owner_table)
        };
        let observation = Observation { unlisted, ..observation };
        // A process that was forked closes what it does not use a moment later.
        let is_settling = self.last.as_ref().is_some_and(|last| last.changes != since.changes);
        let valid = match since.changes {
            None => SCAN_INTERVAL,
            Some(_) if is_settling => Duration::ZERO,
            Some(_) => reconcile_interval(cpu),
        };
        self.last = Some(Scan {
            at: now,
            changes: since.changes,
            valid,
            known,
            tasks,
            owner_table: Some(owner_table),
            observation: observation.clone(),
        });
        observation
    }
}

/// How long a scan that took this CPU time is valid, if the source counts changes.
fn reconcile_interval(cpu: Duration) -> Duration {
    let [shortest, longest] = RECONCILE_INTERVALS;
    cpu.saturating_mul(RECONCILE_COST_RATIO).clamp(shortest, longest)
}

/// One descriptor for each namespace of which there is no row.
fn in_unlisted_namespaces(
    observations: &[Observation],
    owner_table: &OwnerTable,
) -> Vec<(u32, u32)> {
    let mut known: HashSet<u64> = sockets(observations).map(|socket| socket.id.netns).collect();
    let unlisted = owner_table.entries.iter().filter_map(|entry| {
        let Subject::Socket(id) = entry.subject else { return None };
        let process = owner_table.processes.get(usize::try_from(entry.process).ok()?)?;
        known.insert(id.netns).then_some((process.pid, entry.descriptor?))
    });
    unlisted.collect()
}

/// The sockets among `known` that no process of this pid namespace owns.
fn hidden(known: &Numbers, owner_table: &OwnerTable) -> Option<Loss> {
    let is_known = |subject| matches!(subject, Subject::Socket(id) if known.contains(id.cookie));
    let owned = owner_table.owned(is_known);
    let cause = LossCause::ProcessesHidden { by_pid_namespace: true };
    Loss::counted(Source::Procfs, cause, known.count().saturating_sub(owned))
}

/// Whether both have the same entries of the same processes.
fn is_same(one: &OwnerTable, other: &OwnerTable) -> bool {
    one.processes.len() == other.processes.len()
        && one.processes.iter().zip(&other.processes).all(|(a, b)| Arc::ptr_eq(a, b))
        && one.entries == other.entries
}

/// An entry with the identity of its process.
type Descriptor = ((u32, u64), Subject, Option<u32>);

/// How many descriptors only one of the two has.
fn differences(one: (&[(u32, u64)], &OwnerTable), other: (&[(u32, u64)], &OwnerTable)) -> u64 {
    let (one, other) = (sorted(one), sorted(other));
    let only_in = |some: &[Descriptor], others: &[Descriptor]| {
        some.iter().filter(|entry| others.binary_search(entry).is_err()).count()
    };
    u64::try_from(only_in(&one, &other) + only_in(&other, &one)).unwrap_or(u64::MAX)
}

fn sorted((tasks, owner_table): (&[(u32, u64)], &OwnerTable)) -> Vec<Descriptor> {
    let task = |index: u32| usize::try_from(index).ok().and_then(|index| tasks.get(index)).copied();
    let named = |entry: &OwnerEntry| Some((task(entry.process)?, entry.subject, entry.descriptor));
    let mut named: Vec<Descriptor> = owner_table.entries.iter().filter_map(named).collect();
    named.sort_unstable();
    named
}

#[cfg(test)]
mod tests;
