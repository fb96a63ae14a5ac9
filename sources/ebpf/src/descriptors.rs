//! Which process holds which socket: an iterator over all descriptors of all processes, and a count
//! of what may have changed it since.
//!
//! The one idea: the kernel compares files with sockets itself, so that no link is read and no text parsed.

use std::collections::{HashMap, HashSet};
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;

use aya::maps::{Array, HashMap as KernelMap, MapData};
use aya::{Btf, Ebpf};
use conns_contract::{DescriptorSource, Descriptors, SourceError, Task};
use conns_core::model::{OwnerEntry, SocketId, Source, Subject};
use foldhash::fast::RandomState;

use crate::call::open_iterator;
use crate::iterate::Reader;
use crate::object::{self, attach};
use crate::wire::{Bytes, DESCRIPTOR_BYTES};

/// The source of descriptors.
pub struct ProcessDescriptors {
    _programs: Ebpf,
    link: OwnedFd,
    reader: Reader,
    changes: Option<Changes>,
}

/// Counts what may have changed since.
pub(crate) struct Changes {
    _programs: Ebpf,
    count: Array<MapData, u64>,
    /// Processes that hold sockets, by their ids of the machine.
    owners: KernelMap<MapData, u32, u8>,
    known_holders: HashSet<u32, RandomState>,
    /// Process id of the machine and descriptor, of sockets with more than one.
    shared: KernelMap<MapData, u64, u8>,
    known_shared: HashSet<u64, RandomState>,
    /// Goes up when the kernel's tables could not be told, so that nobody relies on the count.
    untold: u64,
}

impl Changes {
    pub(crate) fn open(types: &Btf) -> Result<Self, Box<str>> {
        let calls = [
            ("SYS_CLOSE", libc::SYS_close),
            ("SYS_CLOSE_RANGE", libc::SYS_close_range),
            ("SYS_DUP", libc::SYS_dup),
            #[cfg(target_arch = "x86_64")]
            ("SYS_DUP2", libc::SYS_dup2),
            ("SYS_DUP3", libc::SYS_dup3),
            ("SYS_FCNTL", libc::SYS_fcntl),
            ("SYS_RECVMSG", libc::SYS_recvmsg),
            ("SYS_RECVMMSG", libc::SYS_recvmmsg),
            ("SYS_PIDFD_GETFD", libc::SYS_pidfd_getfd),
        ];
        let constants = calls.map(|(name, call)| (name, u32::try_from(call).unwrap_or(u32::MAX)));
        let mut programs = object::load(crate::object!("owners"), types, &constants)?;
        let count = object::map(&mut programs, "changes")?;
        let owners = object::map(&mut programs, "holders")?;
        let shared = object::map(&mut programs, "shared")?;
        for (program, tracepoint) in [
            ("process_fork", "sched_process_fork"),
            ("process_exec", "sched_process_exec"),
            ("process_free", "sched_process_free"),
            ("system_call", "sys_exit"),
        ] {
            attach(&mut programs, program, tracepoint, types)?;
        }
        Ok(Self {
            _programs: programs,
            count,
            owners,
            known_holders: HashSet::default(),
            shared,
            known_shared: HashSet::default(),
            untold: 0,
        })
    }

    fn count(&self) -> Option<u64> {
        self.count.get(&0, 0).ok().map(|count| count.saturating_add(self.untold))
    }

    /// Tells the kernel which processes and descriptors matter.
    fn follow(&mut self, owners: HashSet<u32, RandomState>, shared: HashSet<u64, RandomState>) {
        let mut is_told = replace(&mut self.owners, &self.known_holders, &owners);
        is_told &= replace(&mut self.shared, &self.known_shared, &shared);
        (self.known_holders, self.known_shared) = (owners, shared);
        if !is_told {
            self.untold += 1;
        }
    }
}

/// Makes a kernel's table of `before` one of `now`; false if it is not.
fn replace<K: aya::Pod + Eq + std::hash::Hash>(
    map: &mut KernelMap<MapData, K, u8>,
    before: &HashSet<K, RandomState>,
    now: &HashSet<K, RandomState>,
) -> bool {
    for gone in before.difference(now) {
        // One that is not there need not be removed.
        let _ = map.remove(gone);
    }
    now.difference(before).all(|new| map.insert(*new, 1, 0).is_ok())
}

/// How deep the pid namespace is in which `conns` runs: 0 is the machine's.
pub(crate) fn pid_level(types: &Btf) -> Result<u32, Box<str>> {
    // `PROC_PID_INIT_INO`, linux/proc_ns.h.
    const MACHINE: u64 = 0xefff_fffc;
    if std::fs::metadata("/proc/self/ns/pid").is_ok_and(|metadata| metadata.ino() == MACHINE) {
        return Ok(0);
    }
    let mut programs = object::load(crate::object!("descriptors"), types, &[])?;
    let link = object::iterator(&mut programs, "own_level", "task", types, None)?;
    let mut told = [0; 4];
    let read = open_iterator(link.as_fd()).and_then(|mut file| file.read_exact(&mut told));
    read.map_err(|error| format!("cannot learn how deep the pid namespace is: {error}"))?;
    Ok(u32::from_ne_bytes(told))
}

impl ProcessDescriptors {
    pub(crate) fn open(
        types: &Btf,
        pid_level: u32,
        changes: Option<Changes>,
    ) -> Result<Self, Box<str>> {
        let constants = [("PID_LEVEL", pid_level)];
        let mut programs = object::load(crate::object!("descriptors"), types, &constants)?;
        let link = object::iterator(&mut programs, "descriptors", "task_file", types, None)?;
        Ok(Self { _programs: programs, link, reader: Reader::new(), changes })
    }

    fn walk(&mut self) -> io::Result<Descriptors> {
        let mut file = open_iterator(self.link.as_fd())?;
        let mut found = Descriptors::default();
        let mut machine_pids = Vec::new();
        let mut last = None;
        // Threads that share descriptors come as one process; those that do not tell theirs again.
        self.reader.read(&mut file, |rest| {
            let b = Bytes(rest.get(..DESCRIPTOR_BYTES)?);
            let (pid, started, machine_pid) = (b.u32(20), b.u64(8), b.u32(28));
            // 0 is a process of another pid namespace, which has no number here.
            if pid == 0 {
                return Some(DESCRIPTOR_BYTES);
            }
            if last != Some((pid, started)) {
                last = Some((pid, started));
                let (name, end) = b.text::<16>(32);
                found.tasks.push(Task {
                    pid,
                    name: String::from_utf8_lossy(name.get(..end).unwrap_or_default()).into(),
                    started_boot_ns: started,
                });
                machine_pids.push(machine_pid);
            }
            let process = u32::try_from(found.tasks.len()).unwrap_or(u32::MAX).saturating_sub(1);
            let descriptor = Some(b.u32(24));
            let id = SocketId { netns: u64::from(b.u32(16)), cookie: b.u64(0) };
            let subject = match b.u64(48) {
                0 => Subject::Socket(id),
                inode_of_mptcp => Subject::Inode(inode_of_mptcp),
            };
            found.held.push(OwnerEntry { subject, process, descriptor });
            Some(DESCRIPTOR_BYTES)
        })?;
        if let Some(changes) = &mut self.changes {
            let shared = shared(&found, &machine_pids);
            changes.follow(machine_pids.into_iter().collect(), shared);
        }
        Ok(found)
    }
}

/// The descriptors that are not the only one of their socket.
fn shared(found: &Descriptors, machine_pids: &[u32]) -> HashSet<u64, RandomState> {
    let mut first: HashMap<Subject, &OwnerEntry, RandomState> = HashMap::default();
    first.reserve(found.held.len());
    let mut shared = HashSet::default();
    let key = |owner_entry: &OwnerEntry| {
        let process = usize::try_from(owner_entry.process).ok()?;
        let pid = machine_pids.get(process)?;
        Some(u64::from(*pid) << 32 | u64::from(owner_entry.descriptor?))
    };
    for owner_entry in &found.held {
        match first.entry(owner_entry.subject) {
            std::collections::hash_map::Entry::Vacant(place) => {
                place.insert(owner_entry);
            }
            std::collections::hash_map::Entry::Occupied(place) => {
                shared.extend(key(place.get()));
                shared.extend(key(owner_entry));
            }
        }
    }
    shared
}

impl DescriptorSource for ProcessDescriptors {
    fn observe(&mut self) -> Result<Descriptors, SourceError> {
        self.walk().map_err(|cause| SourceError::Unavailable {
            source_name: Source::Ebpf,
            attempted: "list the descriptors of all processes (iter/task_file)".to_owned(),
            cause,
            remedy: "They are read from /proc instead",
        })
    }

    fn changes(&mut self) -> Option<u64> {
        self.changes.as_ref()?.count()
    }
}
