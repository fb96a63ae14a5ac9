//! The control group of one host's processes: their CPU time, how long they waited for a processor, and their pids to end them by.
//!
//! The kernel counts the time of processes that have ended too, however many a server forked.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use rustix::process::{Pid, Signal, kill_process};

/// Where version 2 of control groups is mounted, alone or beside version 1.
const ROOTS: [&str; 2] = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"];
/// Time to end after SIGTERM.
const END_TIMEOUT: Duration = Duration::from_secs(3);

/// Groups of this program, followed by its pid and a number.
const PREFIX: &str = "conns-bench-";

static NEXT: AtomicU32 = AtomicU32::new(0);
static SWEPT: Once = Once::new();

/// A control group; dropping it ends its processes and removes it.
#[derive(Debug)]
pub(super) struct Group(PathBuf);

impl Group {
    pub(super) fn create() -> anyhow::Result<Self> {
        let mut roots = ROOTS.iter().map(Path::new);
        let root = roots
            .find(|root| root.join("cgroup.procs").is_file())
            .context("control groups of version 2 are not mounted below /sys/fs/cgroup, so CPU time cannot be counted")?;
        SWEPT.call_once(|| sweep(root));
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = root.join(format!("{PREFIX}{}-{number}", std::process::id()));
        fs::create_dir(&folder)
            .with_context(|| format!("cannot make the control group {}", folder.display()))?;
        Ok(Self(folder))
    }

    /// The file that a process writes its pid to, to enter the group.
    pub(super) fn processes(&self) -> PathBuf {
        self.0.join("cgroup.procs")
    }

    /// User and system time of all processes that are or were in the group.
    pub(super) fn cpu(&self) -> anyhow::Result<Duration> {
        let place = self.0.join("cpu.stat");
        let text = fs::read_to_string(&place)
            .with_context(|| format!("cannot read CPU time from {}", place.display()))?;
        let micros = text.lines().find_map(|line| line.strip_prefix("usage_usec ")?.parse().ok());
        micros
            .map(Duration::from_micros)
            .with_context(|| format!("no usage_usec in {}", place.display()))
    }

    /// How long at least one of its processes waited for a processor; `None` if the kernel does not count it.
    pub(super) fn waited(&self) -> Option<Duration> {
        let text = fs::read_to_string(self.0.join("cpu.pressure")).ok()?;
        let some = text.lines().find(|line| line.starts_with("some "))?;
        let (_, micros) = some.rsplit_once("total=")?;
        micros.parse().ok().map(Duration::from_micros)
    }

    /// Ends the processes of the group by their pids.
    pub(super) fn end(&self) -> anyhow::Result<()> {
        for signal in [Signal::TERM, Signal::KILL] {
            let until = Instant::now() + END_TIMEOUT;
            for pid in self.pids()? {
                // It may have ended by itself.
                let _ = kill_process(pid, signal);
            }
            while Instant::now() < until {
                if self.pids()?.is_empty() {
                    return Ok(());
                }
                sleep(Duration::from_millis(10));
            }
        }
        ensure!(self.pids()?.is_empty(), "processes of {} do not end", self.0.display());
        Ok(())
    }

    fn pids(&self) -> anyhow::Result<Vec<Pid>> {
        let text = fs::read_to_string(self.processes())
            .with_context(|| format!("cannot read {}", self.processes().display()))?;
        Ok(text.lines().filter_map(|line| Pid::from_raw(line.parse().ok()?)).collect())
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = self.end();
        // A process that has just ended leaves the group a moment later; a group that stays is empty and harmless.
        for _ in 0..20 {
            if fs::remove_dir(&self.0).is_ok() {
                return;
            }
            sleep(Duration::from_millis(10));
        }
    }
}

/// Ends what a bench left that was killed.
fn sweep(root: &Path) {
    let Ok(entries) = fs::read_dir(root) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name().into_string().unwrap_or_default();
        let maker = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
        let is_alive = |pid| Path::new("/proc").join(pid).exists();
        if maker.is_some_and(|pid| !is_alive(pid)) {
            drop(Group(entry.path()));
        }
    }
}
