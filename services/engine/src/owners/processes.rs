//! The details of processes, read once and shared from look to look.
//!
//! The one idea: a process changes its name, user and group in its first seconds, and hardly
//! afterwards. So it is read again while it is new, when its name has changed (`exec` changes it),
//! and when everything is looked at again.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use conns_contract::Task;
use conns_core::model::{Known, Moment, Process, Unknown};
use foldhash::fast::RandomState;

use crate::sources::ProcessSource;

/// So long after it was first met a process may still be on its way to what it will be: daemons
/// start as root and rename themselves.
const SETTLED_AFTER: Duration = Duration::from_secs(5);
/// Most processes remembered, about 500 bytes each; what is beyond is read each time.
const PROCESSES_KEPT: usize = 65_536;

/// The processes that hold sockets.
#[derive(Default)]
pub(super) struct Processes {
    kept: HashMap<(u32, u64), Kept, RandomState>,
}

struct Kept {
    first_met: Moment,
    /// The name it had when it was read.
    name: Box<str>,
    process: Arc<Process>,
}

impl Processes {
    /// The details of `tasks`, in their order. All are read again if `again`; those that are not
    /// among them are forgotten.
    pub(super) fn of(
        &mut self,
        tasks: &[Task],
        source: Option<&mut (dyn ProcessSource + 'static)>,
        now: Moment,
        again: bool,
    ) -> Vec<Arc<Process>> {
        let is_known = |task: &Task| {
            self.kept.get(&key(task)).is_some_and(|kept| {
                !again && kept.name == task.name && now.since(kept.first_met) >= SETTLED_AFTER
            })
        };
        let wanted: Vec<Task> = tasks.iter().filter(|task| !is_known(task)).cloned().collect();
        let read = match source {
            Some(source) => source.processes(&wanted),
            None => wanted.iter().map(bare).collect(),
        };
        let read = wanted.iter().map(key).zip(read);
        let mut read: HashMap<_, Arc<Process>, RandomState> = read.collect();
        let mut before = std::mem::take(&mut self.kept);
        let mut of_task = |task: &Task| {
            let (key, kept) = (key(task), before.remove(&key(task)));
            let process = match (read.remove(&key), &kept) {
                // The very same, so that whoever shares it sees that nothing is new.
                (Some(read), Some(kept)) if *read == *kept.process => Arc::clone(&kept.process),
                (Some(read), _) => read,
                (None, Some(kept)) => Arc::clone(&kept.process),
                // A task that is told twice, or a source that answered too little.
                (None, None) => match self.kept.get(&key) {
                    Some(kept) => Arc::clone(&kept.process),
                    None => bare(task),
                },
            };
            if self.kept.len() < PROCESSES_KEPT {
                let first_met = kept.map_or(now, |kept| kept.first_met);
                let entry = Kept { first_met, name: task.name.clone(), process };
                return Arc::clone(&self.kept.entry(key).or_insert(entry).process);
            }
            process
        };
        tasks.iter().map(&mut of_task).collect()
    }
}

fn key(task: &Task) -> (u32, u64) {
    (task.pid, task.started_boot_ns)
}

/// A process of which no more is known than the kernel's task tells.
fn bare(task: &Task) -> Arc<Process> {
    let untold = Unknown::SourceCannotTell;
    Arc::new(Process {
        pid: task.pid,
        name: task.name.clone(),
        executable: Known::Unknown(untold),
        command_line: Known::Unknown(untold),
        uid: Known::Unknown(untold),
        user: Known::Unknown(untold),
        started_wall_us: Known::Unknown(untold),
        parent_pid: Known::Unknown(untold),
        cgroup: Known::Unknown(untold),
        container_id: Known::Unknown(untold),
        systemd_unit: Known::Unknown(untold),
    })
}
