//! The details of processes, read once and shared between samples.
//!
//! A process changes its name, user and group in its first seconds, and hardly afterwards. So it is
//! read again while it is new, when its name has changed (`exec` changes it), and each minute.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use conns_contract::Task;
use conns_core::model::{Moment, Process, Unknown};
use foldhash::fast::RandomState;

use crate::sources::ProcessSource;

/// How long a new process is read again: daemons start as root and rename themselves.
const SETTLE_TIME: Duration = Duration::from_secs(5);
/// Most cached processes, about 500 bytes each; those beyond are read each time.
const MAX_PROCESSES: usize = 65_536;

/// The processes that own sockets.
#[derive(Default)]
pub(super) struct Processes {
    cached: HashMap<(u32, u64), Cached, RandomState>,
}

struct Cached {
    first_read: Moment,
    /// The name it had when it was read.
    name: Box<str>,
    process: Arc<Process>,
}

impl Processes {
    /// The details of `tasks`, in their order. All are read again if `again`; processes that are not
    /// among them are removed.
    pub(super) fn of(
        &mut self,
        tasks: &[Task],
        source: Option<&mut (dyn ProcessSource + 'static)>,
        now: Moment,
        again: bool,
    ) -> Vec<Arc<Process>> {
        let is_current = |task: &Task| {
            self.cached.get(&key(task)).is_some_and(|cached| {
                !again && cached.name == task.name && now.since(cached.first_read) >= SETTLE_TIME
            })
        };
        let outdated: Vec<Task> = tasks.iter().filter(|task| !is_current(task)).cloned().collect();
        let read = match source {
            Some(source) => source.processes(&outdated),
            None => outdated.iter().map(bare).collect(),
        };
        let read = outdated.iter().map(key).zip(read);
        let mut read: HashMap<_, Arc<Process>, RandomState> = read.collect();
        let mut before = std::mem::take(&mut self.cached);
        let mut of_task = |task: &Task| {
            let (key, cached) = (key(task), before.remove(&key(task)));
            let process = match (read.remove(&key), &cached) {
                // The same allocation, so that comparing pointers shows that nothing is new.
                (Some(read), Some(cached)) if *read == *cached.process => {
                    Arc::clone(&cached.process)
                }
                (Some(read), _) => read,
                (None, Some(cached)) => Arc::clone(&cached.process),
                // A task that is listed twice, or a source that returned too few.
                (None, None) => match self.cached.get(&key) {
                    Some(cached) => Arc::clone(&cached.process),
                    None => bare(task),
                },
            };
            if self.cached.len() < MAX_PROCESSES {
                let first_read = cached.map_or(now, |cached| cached.first_read);
                let entry = Cached { first_read, name: task.name.clone(), process };
                return Arc::clone(&self.cached.entry(key).or_insert(entry).process);
            }
            process
        };
        tasks.iter().map(&mut of_task).collect()
    }
}

fn key(task: &Task) -> (u32, u64) {
    (task.pid, task.started_boot_ns)
}

/// A process of which only what the kernel's task has is known.
fn bare(task: &Task) -> Arc<Process> {
    Arc::new(Process::bare(task.pid, task.name.clone(), Unknown::SourceDoesNotReport))
}
