//! The owners of sockets: every `/proc/<pid>/fd/*` which reads `socket:[inode]`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

/// All owners by inode.
pub fn owners() -> BTreeMap<u64, BTreeSet<u32>> {
    let mut found: BTreeMap<u64, BTreeSet<u32>> = BTreeMap::new();
    let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
    for pid in pids.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()) {
        // A process that ended meanwhile owns nothing.
        for fd in fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten() {
            let inode = fs::read_link(fd.path()).ok().and_then(|link| {
                link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
            });
            if let Some(inode) = inode {
                found.entry(inode).or_default().insert(pid);
            }
        }
    }
    found
}
