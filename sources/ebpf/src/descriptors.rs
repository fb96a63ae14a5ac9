//! Which process owns which socket: an iterator over all descriptors of all processes, and a counter of
//! changes since.

use std::collections::HashSet;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;

use aya::maps::{Array, HashMap as KernelMap, MapData};
use aya::{Btf, Ebpf};
use conns_contract::{ClockOffsets, DescriptorSource, Descriptors, SourceError, Task};
use conns_core::model::{MAX_OWNERS, OwnerEntry, SocketId, Source, Subject};
use foldhash::fast::RandomState;
use zerocopy::FromBytes;

use crate::call::open_iterator;
use crate::iterate::RecordReader;
use crate::layout::{Descriptor, text};
use crate::object::{self, attach};

/// `MAX_EMITTED` of `bpf/descriptors.bpf.c`: descriptors of one socket beyond it are counted, and not emitted.
const MAX_EMITTED: u32 = 16;
const _: () = assert!(MAX_EMITTED as usize >= MAX_OWNERS);

/// The source of descriptors.
pub struct ProcessDescriptors {
    _programs: Ebpf,
    link: OwnedFd,
    /// Sockets with very many descriptors, by address of their file: cookie, then inode of the network namespace and
    /// number of descriptors.
    shared_sockets: KernelMap<MapData, u64, [u64; 2]>,
    reader: RecordReader,
    changes: Option<Changes>,
    offsets: ClockOffsets,
    /// Whether this process is in another pid namespace than the initial one.
    is_partial: bool,
}

/// The counter of owner changes.
pub(crate) struct Changes {
    _programs: Ebpf,
    count: Array<MapData, u64>,
    /// Processes that own sockets, by id in the initial pid namespace.
    owners: KernelMap<MapData, u32, u8>,
    /// The keys of `owners`.
    stored_owners: HashSet<u32, RandomState>,
    /// Failed updates of the map. Added to the count, so that it moves where it cannot be relied on.
    failed_updates: u64,
}

impl Changes {
    pub(crate) fn open(types: &Btf) -> Result<Self, Box<str>> {
        let mut programs = object::load(object::compiled!("owners"), types, &[])?;
        let count = object::map(&mut programs, "changes")?;
        let owners = object::map(&mut programs, "owners")?;
        for (program, tracepoint) in [
            ("process_fork", "sched_process_fork"),
            ("process_exec", "sched_process_exec"),
            ("process_free", "sched_process_free"),
        ] {
            attach(&mut programs, program, tracepoint, types)?;
        }
        Ok(Self {
            _programs: programs,
            count,
            owners,
            stored_owners: HashSet::default(),
            failed_updates: 0,
        })
    }

    fn count(&self) -> Option<u64> {
        self.count.get(&0, 0).ok().map(|count| count.saturating_add(self.failed_updates))
    }

    /// Stores the processes whose changes are counted.
    fn store(&mut self, owners: HashSet<u32, RandomState>) {
        for removed in self.stored_owners.difference(&owners) {
            // It may not have been inserted.
            let _ = self.owners.remove(removed);
        }
        let mut new = owners.difference(&self.stored_owners);
        if !new.all(|new| self.owners.insert(*new, 1, 0).is_ok()) {
            self.failed_updates += 1;
        }
        self.stored_owners = owners;
    }
}

/// Depth of the pid namespace of this process; 0 is the initial one.
pub(crate) fn pid_level(types: &Btf) -> Result<u32, Box<str>> {
    // `PROC_PID_INIT_INO`, linux/proc_ns.h.
    const INITIAL: u64 = 0xefff_fffc;
    if std::fs::metadata("/proc/self/ns/pid").is_ok_and(|metadata| metadata.ino() == INITIAL) {
        return Ok(0);
    }
    let mut programs = object::load(object::compiled!("descriptors"), types, &[])?;
    let link = object::iterator(&mut programs, "reader_pid_level", "task", types, None)?;
    let mut level = [0; 4];
    let read = open_iterator(link.as_fd()).and_then(|mut file| file.read_exact(&mut level));
    read.map_err(|error| format!("cannot read the depth of the pid namespace: {error}"))?;
    Ok(u32::from_ne_bytes(level))
}

impl ProcessDescriptors {
    pub(crate) fn open(
        types: &Btf,
        pid_level: u32,
        changes: Option<Changes>,
    ) -> Result<Self, Box<str>> {
        let constants = [("PID_LEVEL", pid_level)];
        let mut programs = object::load(object::compiled!("descriptors"), types, &constants)?;
        let link = object::iterator(&mut programs, "descriptors", "task_file", types, None)?;
        let shared_sockets = object::map(&mut programs, "shared_sockets")?;
        Ok(Self {
            _programs: programs,
            link,
            shared_sockets,
            reader: RecordReader::new(),
            changes,
            offsets: ClockOffsets::of_process(),
            is_partial: pid_level > 0,
        })
    }

    /// Counts the descriptors that were not emitted, and prepares the next scan.
    fn take_omitted(&mut self, found: &mut Descriptors) -> io::Result<()> {
        let shared: Result<Vec<_>, _> = self.shared_sockets.iter().collect();
        for (key, [cookie, packed]) in shared.map_err(io::Error::other)? {
            let (netns, count) = (packed & u64::from(u32::MAX), (packed >> 32) as u32);
            let id = SocketId { netns, cookie };
            found.entries.omit(Subject::Socket(id), count.saturating_sub(MAX_EMITTED));
            // It may have been removed already.
            let _ = self.shared_sockets.remove(&key);
        }
        Ok(())
    }

    fn scan(&mut self) -> io::Result<Descriptors> {
        let mut file = open_iterator(self.link.as_fd())?;
        // The iterator visits the tasks of the pid namespace that it is opened in.
        let mut found = Descriptors { is_partial: self.is_partial, ..Descriptors::default() };
        let mut machine_pids = Vec::new();
        let (mut last, offsets) = (None, self.offsets);
        // task_file visits threads that share descriptors once, as one process; a thread with descriptors of its own
        // repeats the process.
        self.reader.read(&mut file, |rest| {
            let (record, _) = Descriptor::ref_from_prefix(rest).ok()?;
            let pid = record.pid.get();
            let started = record.started_boot_ns.get();
            // As /proc/PID/stat shows it in this time namespace.
            let started = started.saturating_add_signed(offsets.boottime_ns);
            // 0 is a process of another pid namespace, which has no id in this one.
            if pid == 0 {
                return Some(size_of::<Descriptor>());
            }
            if last != Some((pid, started)) {
                last = Some((pid, started));
                found.tasks.push(Task {
                    pid,
                    name: String::from_utf8_lossy(text(&record.name)).into(),
                    started_boot_ns: started,
                });
                machine_pids.push(record.machine_pid.get());
            }
            let process = u32::try_from(found.tasks.len()).unwrap_or(u32::MAX).saturating_sub(1);
            let descriptor = Some(record.descriptor.get());
            let netns = u64::from(record.netns.get());
            let id = SocketId { netns, cookie: record.cookie.get() };
            let subject = match record.mptcp_inode.get() {
                0 => Subject::Socket(id),
                inode_of_mptcp => Subject::Inode(inode_of_mptcp),
            };
            found.entries.push(OwnerEntry { subject, process, descriptor });
            Some(size_of::<Descriptor>())
        })?;
        self.take_omitted(&mut found)?;
        if let Some(changes) = &mut self.changes {
            changes.store(machine_pids.into_iter().collect());
        }
        Ok(found)
    }
}

impl DescriptorSource for ProcessDescriptors {
    fn observe(&mut self) -> Result<Descriptors, SourceError> {
        self.scan().map_err(|cause| SourceError::Unavailable {
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
