//! A control group with a limit of memory, as `MemoryMax=` of a systemd unit makes one.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

/// Where control groups are mounted: version 1 has the memory controller in a folder of its own.
const ROOTS: [(&str, &str); 2] =
    [("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")];

/// The group; removed when dropped, if its processes have ended.
#[derive(Debug)]
pub struct MemoryGroup(PathBuf);

impl MemoryGroup {
    /// Makes a group in which processes together have `bytes`.
    ///
    /// # Errors
    /// If control groups are not mounted or cannot be made, as without root.
    pub fn create(name: &str, bytes: u64) -> Result<Self> {
        let found = ROOTS.into_iter().find(|(root, _)| Path::new(root).is_dir());
        let (root, limit) = found.context("no control groups at /sys/fs/cgroup")?;
        let folder = Path::new(root).join(format!("{name}-{}", std::process::id()));
        fs::create_dir(&folder)
            .with_context(|| format!("cannot make the control group {}", folder.display()))?;
        let group = Self(folder);
        let file = group.0.join(limit);
        fs::write(&file, bytes.to_string()).with_context(|| {
            format!("cannot limit memory in {}: has it the memory controller?", file.display())
        })?;
        let read = fs::read_to_string(&file)?;
        ensure!(read.trim() == bytes.to_string(), "{} is {read}, not {bytes}", file.display());
        Ok(group)
    }

    /// The file that a process writes its pid to, to enter the group.
    #[must_use]
    pub fn processes(&self) -> PathBuf {
        self.0.join("cgroup.procs")
    }
}

impl Drop for MemoryGroup {
    fn drop(&mut self) {
        // A group that stays is empty and harmless.
        let _ = fs::remove_dir(&self.0);
    }
}
