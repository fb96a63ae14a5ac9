//! How much the agent keeps, so that it stays within a limit of memory. What does not fit is omitted and
//! counted.

use std::fs;
use std::path::{Path, PathBuf};

use conns_core::decode::Limits;
use conns_core::track::TrackerBounds;

use crate::event_buffer::MAX_EVENTS;
use crate::event_drain::MAX_BUFFERED_EVENTS;

/// What an agent without sockets, events and clients takes: programs in the kernel and their rings, the
/// program, its threads.
const FIXED_BYTES: u64 = 96 << 20;
/// Least memory for what grows; below it a list would be useless.
const MIN_GROWING_BYTES: u64 = 24 << 20;
/// One socket in two snapshots, with its history, its owners and its row in the cache of the source, and
/// what the programs in the kernel store of it; bytes.
const SOCKET_BYTES: u64 = 4600;
/// One socket in two snapshots of the serving process.
const COPIED_SOCKET_BYTES: u64 = 2600;
/// A serving process without sockets, events and clients.
const SERVING_PROCESS_BYTES: u64 = 16 << 20;
/// One event, published or not.
const EVENT_BYTES: u64 = 1600;
/// One connection that no sample has shown yet.
const PENDING_BYTES: u64 = 400;

/// Bounds on what an agent keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryBounds {
    /// Sockets of a sample; `usize::MAX` without a limit.
    pub sockets: usize,
    /// Published events.
    pub(crate) events: usize,
    /// Events received while the tracker is busy.
    pub(crate) buffered_events: usize,
    /// What the tracker keeps.
    pub(crate) tracker: TrackerBounds,
    /// What decoding keeps.
    pub(crate) decode: Limits,
}

impl Default for MemoryBounds {
    fn default() -> Self {
        Self {
            sockets: usize::MAX,
            events: MAX_EVENTS,
            buffered_events: MAX_BUFFERED_EVENTS,
            tracker: TrackerBounds::default(),
            decode: Limits::default(),
        }
    }
}

impl MemoryBounds {
    /// Bounds with which the sampler takes at most about `limit_bytes`, less a quarter that is left to
    /// clients and their answers. A process of its own that serves them has copies of sockets and events
    /// (`is_copied`), within the same limit.
    #[must_use]
    pub fn within(limit_bytes: u64, is_copied: bool) -> Self {
        let most = Self::default();
        let copied = |bytes| if is_copied { bytes } else { 0 };
        let fixed = FIXED_BYTES + copied(SERVING_PROCESS_BYTES);
        let socket_bytes = SOCKET_BYTES + copied(COPIED_SOCKET_BYTES);
        let event_bytes = EVENT_BYTES + copied(EVENT_BYTES);
        let growing = (limit_bytes / 4 * 3).saturating_sub(fixed).max(MIN_GROWING_BYTES);
        let places = |percent: u64, bytes_each: u64| {
            usize::try_from(growing / 100 * percent / bytes_each).unwrap_or(usize::MAX)
        };
        let (events, pending) = (places(20, event_bytes), places(5, PENDING_BYTES));
        let sockets = places(54, socket_bytes);
        Self {
            decode: Limits {
                streams: sockets.min(most.decode.streams),
                // A third for what is behind gaps.
                pending_bytes: (growing / 100 * 2).min(most.decode.pending_bytes),
                recognition_bytes: (growing / 100 * 2).min(most.decode.recognition_bytes),
                decoder_bytes: (growing / 100 * 2).min(most.decode.decoder_bytes),
            },
            sockets,
            events: events.min(most.events),
            buffered_events: places(10, EVENT_BYTES).min(most.buffered_events),
            tracker: TrackerBounds {
                pending: pending.min(most.tracker.pending),
                final_events: places(5, EVENT_BYTES).min(most.tracker.final_events),
                ..most.tracker
            },
        }
    }
}

/// The least memory limit of the control groups of this process, bytes: `memory.max` of cgroup v2, or
/// `memory.limit_in_bytes` of v1, as systemd's `MemoryMax=` sets it. `None` without a limit.
#[must_use]
pub fn memory_limit() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    limit_below(Path::new("/sys/fs/cgroup"), &groups)
}

/// The least limit of the groups in `/proc/PID/cgroup`, `HIERARCHY:CONTROLLERS:PATH`, and their parents.
fn limit_below(root: &Path, groups: &str) -> Option<u64> {
    let of_line = |line: &str| {
        let mut parts = line.splitn(3, ':');
        let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
        let (root, file) = match controllers {
            "" => (root.to_owned(), "memory.max"),
            "memory" => (root.join("memory"), "memory.limit_in_bytes"),
            _ => return None,
        };
        let group = root.join(path.trim_start_matches('/'));
        let groups = group.ancestors().take_while(|group| group.starts_with(&root));
        let limit = |group: &Path| -> Option<u64> {
            fs::read_to_string(PathBuf::from(group).join(file)).ok()?.trim().parse().ok()
        };
        groups.filter_map(limit).min()
    };
    // Version 1 writes a number of pages near 2^63 where there is none.
    groups.lines().filter_map(of_line).min().filter(|limit| *limit < 1 << 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_limit_of_a_group_and_its_parents_is_read() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("system.slice/memory.max", "1073741824\n");
        write("system.slice/conns.service/memory.max", "max\n");
        write("memory/box/memory.limit_in_bytes", "268435456\n");
        write("memory/memory.limit_in_bytes", "9223372036854771712\n");
        let limit = |groups: &str| limit_below(root.path(), groups);
        assert_eq!(limit("0::/system.slice/conns.service\n"), Some(1 << 30));
        assert_eq!(limit("4:memory:/box\n1:cpu:/box\n"), Some(256 << 20));
        assert_eq!(limit("4:memory:/box\n0::/system.slice\n"), Some(256 << 20));
        assert_eq!(limit("4:memory:/\n0::/\n"), None);
        assert_eq!(limit("0::/elsewhere\n\nno group"), None);
    }

    #[test]
    fn bounds_grow_with_the_limit_up_to_the_defaults() {
        let small = MemoryBounds::within(256 << 20, false);
        let large = MemoryBounds::within(1 << 30, false);
        assert!(small.sockets > 10_000 && small.sockets < large.sockets, "{small:?} {large:?}");
        assert!(large.sockets > 80_000, "{large:?}");
        let none = MemoryBounds::within(u64::MAX, false);
        assert_eq!((none.events, none.tracker), (MAX_EVENTS, TrackerBounds::default()));
        assert!(MemoryBounds::within(0, false).sockets > 1000);
    }

    /// The parts add up to less than the limit.
    #[test]
    fn the_parts_fit_into_the_limit() {
        for limit in [192_u64 << 20, 256 << 20, 512 << 20, 1 << 30] {
            for is_copied in [false, true] {
                let bounds = MemoryBounds::within(limit, is_copied);
                let bytes = |count: usize, each: u64| count as u64 * each;
                let sum = FIXED_BYTES
                    + bytes(bounds.sockets, SOCKET_BYTES)
                    + bytes(bounds.events + bounds.buffered_events, EVENT_BYTES)
                    + bytes(bounds.tracker.final_events, EVENT_BYTES)
                    + bytes(bounds.tracker.pending, PENDING_BYTES);
                let copies = SERVING_PROCESS_BYTES
                    + bytes(bounds.sockets, COPIED_SOCKET_BYTES)
                    + bytes(bounds.events, EVENT_BYTES);
                let sum = sum + if is_copied { copies } else { 0 };
                assert!(sum <= limit / 4 * 3, "{limit} {is_copied}: {sum}");
            }
        }
    }
}
