//! Owners of sockets from the descriptors of every process in `/proc/PID/fd` (proc(5)). A scan is linear in the number
//! of descriptors; details are only read of processes that own a requested socket, or that another source names.

pub mod parse;
mod process;
mod socket_file;
mod written;

use std::ffi::CStr;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;

use conns_contract::{InodeFilter, OwnerSource, SourceError, Task};
use conns_core::model::{
    Loss, LossCause, Moment, Observation, OwnerEntry, OwnerTable, Process, Source, Subject,
};
use rustix::fs::{
    AtFlags, CWD, Mode, OFlags, RawDir, fstat, getxattr, openat, readlinkat_raw, statat,
};
use rustix::io::Errno;

use process::Machine;
pub use socket_file::{SocketFile, socket_file};
pub use written::{WrittenFile, written_files};

/// Buffer for directory entries; a process with 20 000 descriptors is read in 30 calls.
const LISTING_BYTES: usize = 32 * 1024;
/// Longer than any `socket:[…]`; a longer link target is cut, and is no socket.
const LINK_BYTES: usize = 40;

/// Most descriptors reported in [`Observation::unlisted`].
const MAX_UNLISTED: usize = 4096;

/// The source that reads `/proc`.
#[derive(Debug)]
pub struct Procfs {
    root: PathBuf,
    /// See [`Observation::unlisted`]; of the scan in progress.
    unlisted: Vec<(u32, u32)>,
    listing: Box<[MaybeUninit<u8>]>,
}

impl Procfs {
    /// Reads processes below `root`, which is `/proc` on a real machine.
    #[must_use]
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            unlisted: Vec::new(),
            listing: vec![MaybeUninit::uninit(); LISTING_BYTES].into(),
        }
    }
}

/// Processes that could not be read.
#[derive(Default)]
struct Unread {
    not_permitted: u64,
    failed: u64,
    last_failure: Option<(u32, Errno)>,
}

impl OwnerSource for Procfs {
    fn observe(
        &mut self,
        sockets: &dyn InodeFilter,
        now: Moment,
    ) -> Result<Observation, SourceError> {
        let root = self.open_root()?;
        let machine = self.machine();
        let mut owner_table = OwnerTable::default();
        let mut unread = Unread::default();
        let pids = self.pids(&root)?;
        let hidden_by = self.hides_processes(&pids);
        for pid in pids {
            match self.one_process(&root, pid, sockets, &machine, &mut owner_table) {
                Ok(()) | Err(Errno::NOENT | Errno::SRCH) => {} // it ended
                Err(Errno::ACCESS | Errno::PERM) => unread.not_permitted += 1,
                Err(error) => {
                    unread.failed += 1;
                    unread.last_failure = Some((pid, error));
                }
            }
        }
        owner_table.unreadable_processes = unread.not_permitted + unread.failed;
        let mut losses = self.losses(&unread);
        if let Some(by_pid_namespace) = hidden_by {
            let cause = LossCause::ProcessesHidden { by_pid_namespace };
            let count = sockets.count().saturating_sub(owner_table.owned(|_| true));
            losses.extend(Loss::counted(Source::Procfs, cause, count));
        }
        let observation = Observation::new(Source::Procfs, now)
            .with_owners(owner_table.into())
            .with_losses(losses);
        Ok(Observation { unlisted: std::mem::take(&mut self.unlisted), ..observation })
    }
}

impl Procfs {
    /// The details of these processes, in order. If one ended, or its pid was reused, only its pid and name are known.
    pub fn processes(&mut self, tasks: &[Task]) -> Vec<Arc<Process>> {
        if tasks.is_empty() {
            return Vec::new();
        }
        let (root, machine) = (open_folder(CWD, &self.root), self.machine());
        let details = |task: &Task| {
            let root = root.as_ref().map_err(|error| *error)?;
            let folder = open_folder(root, task.pid.to_string())?;
            let read = process::read(task.pid, &folder, &machine);
            let is_it = |ticks| machine.is_same_start(ticks, task.started_boot_ns);
            match read.started_ticks {
                Some(ticks) if is_it(ticks) => Ok(read.process),
                // The pid may have been reused.
                _ => Err(Errno::SRCH),
            }
        };
        let or_bare = |task: &Task| {
            let bare = |error| Process::bare(task.pid, &*task.name, process::why(error));
            Arc::new(details(task).unwrap_or_else(bare))
        };
        tasks.iter().map(or_bare).collect()
    }

    fn open_root(&self) -> Result<OwnedFd, SourceError> {
        open_folder(CWD, &self.root).map_err(|error| self.unavailable(error))
    }

    fn unavailable(&self, error: Errno) -> SourceError {
        SourceError::Unavailable {
            source_name: Source::Procfs,
            attempted: format!("list the processes in {}", self.root.display()),
            cause: io::Error::from(error),
            remedy: match error {
                Errno::MFILE | Errno::NFILE => "Raise the limit of open files (ulimit -n)",
                _ => "Mount procfs there; until then no owner can be named",
            },
        }
    }

    fn machine(&self) -> Machine {
        let boot = std::fs::read(self.root.join("stat")).ok();
        let boot_s = boot.and_then(|bytes| parse::boot_time_s(&bytes));
        Machine {
            boot_wall_us: boot_s
                .and_then(|s| i64::try_from(s).ok())
                .and_then(|s| s.checked_mul(1_000_000)),
            ticks_per_s: rustix::param::clock_ticks_per_second(),
            users: uzers::UsersCache::new(),
        }
    }

    /// Whether processes are missing from the listing: by a pid namespace that is not the initial one
    /// (`true`), or by the mount option `hidepid`, which hides process 1 from others than root.
    fn hides_processes(&self, pids: &[u32]) -> Option<bool> {
        // `PROC_PID_INIT_INO`, linux/proc_ns.h.
        const INITIAL: u64 = 0xefff_fffc;
        let own = std::fs::metadata(self.root.join("self/ns/pid")).ok().map(|found| found.ino());
        match own {
            Some(own) if own != INITIAL => Some(true),
            _ => (pids.first() != Some(&1)).then_some(false),
        }
    }

    /// Every process id, in ascending order.
    fn pids(&mut self, root: &OwnedFd) -> Result<Vec<u32>, SourceError> {
        let mut pids = Vec::new();
        let mut listing = RawDir::new(root, &mut self.listing);
        while let Some(entry) = listing.next() {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => return Err(self.unavailable(error)),
            };
            let number = parse::decimal(entry.file_name().to_bytes());
            pids.extend(number.and_then(|pid| u32::try_from(pid).ok()));
        }
        if pids.is_empty() {
            // This process is not in it, so it is no procfs.
            return Err(self.unavailable(Errno::NOENT));
        }
        pids.sort_unstable();
        Ok(pids)
    }

    /// Adds the requested sockets of one process, and the process if it has any.
    fn one_process(
        &mut self,
        root: &OwnedFd,
        pid: u32,
        sockets: &dyn InodeFilter,
        machine: &Machine,
        owner_table: &mut OwnerTable,
    ) -> rustix::io::Result<()> {
        let folder = open_folder(root, pid.to_string())?;
        let mut found = Vec::new();
        let mut read = Ok(());
        let tables = tables(&folder)?;
        for descriptors in &tables {
            read = read.and(self.descriptors(pid, descriptors, sockets, &mut found));
        }
        if tables.len() > 1 {
            // A table of a thread begins as a copy of another.
            found.sort_unstable();
            found.dedup();
        }
        // Also after an error: the entries before it belong to this process.
        if !found.is_empty() {
            let process = u32::try_from(owner_table.processes.len()).unwrap_or(u32::MAX);
            for (subject, descriptor) in found {
                owner_table.entries.push(OwnerEntry { subject, process, descriptor });
            }
            owner_table.processes.push(Arc::new(process::read(pid, &folder, machine).process));
        }
        read
    }

    /// Adds the requested sockets among the `descriptors` of a process.
    fn descriptors(
        &mut self,
        pid: u32,
        descriptors: &OwnedFd,
        sockets: &dyn InodeFilter,
        found: &mut Vec<(Subject, Option<u32>)>,
    ) -> rustix::io::Result<()> {
        let mut listing = RawDir::new(descriptors, &mut self.listing);
        while let Some(entry) = listing.next() {
            let entry = entry?;
            let name = entry.file_name();
            let Some(descriptor) = parse::decimal(name.to_bytes()) else { continue };
            match link(descriptors, name)? {
                Link::Socket(inode) if sockets.contains(inode) => {
                    found.push((Subject::Inode(inode), u32::try_from(descriptor).ok()));
                }
                Link::Socket(_) if !is_internet_socket(pid, descriptor) => {}
                Link::Socket(_) | Link::Namespace => {
                    let descriptor = u32::try_from(descriptor).unwrap_or(u32::MAX);
                    if self.unlisted.len() < MAX_UNLISTED {
                        self.unlisted.push((pid, descriptor));
                    }
                }
                Link::Other => {}
            }
        }
        Ok(())
    }

    fn losses(&self, unread: &Unread) -> Vec<Loss> {
        let not_permitted = LossCause::ProcessesNotPermitted;
        let mut losses: Vec<Loss> =
            Loss::counted(Source::Procfs, not_permitted, unread.not_permitted)
                .into_iter()
                .collect();
        if let Some((pid, error)) = unread.last_failure {
            let last = format!("{}/{pid}/fd", self.root.display()).into();
            let cause = LossCause::ProcessesUnreadable { last, error: error.to_string().into() };
            losses.extend(Loss::counted(Source::Procfs, cause, unread.failed));
        }
        losses
    }
}

/// The descriptor tables of a process: that of its first thread, and those of threads with one of their own
/// (unshare(2), CLONE_FILES), or of any thread once the first has exited.
fn tables(process: &OwnedFd) -> rustix::io::Result<Vec<OwnedFd>> {
    let first = open_folder(process, c"fd")?;
    // Since Linux 6.2 the size is the number of descriptors; a first thread that has exited has none.
    let size = |folder: &OwnedFd| fstat(folder).map_or(0, |found| found.st_size);
    let mut sizes = vec![size(&first)];
    let mut tables = vec![first];
    // The directory has a link for itself, its parent and each thread. Most processes have one thread.
    if statat(process, c"task", AtFlags::empty()).is_ok_and(|found| found.st_nlink <= 3) {
        return Ok(tables);
    }
    let Ok(tasks) = open_folder(process, c"task") else { return Ok(tables) };
    let mut room = [MaybeUninit::uninit(); 4096];
    let mut listing = RawDir::new(&tasks, &mut room);
    while let Some(Ok(task)) = listing.next() {
        if parse::decimal(task.file_name().to_bytes()).is_none() {
            continue;
        }
        let folder = open_folder(&tasks, task.file_name());
        let Ok(table) = folder.and_then(|folder| open_folder(&folder, c"fd")) else { continue };
        // Threads that share a table have one size. Of two tables of equal size, one may be missed.
        let size = size(&table);
        if !sizes.contains(&size) {
            sizes.push(size);
            tables.push(table);
        }
    }
    Ok(tables)
}

/// What a descriptor refers to.
enum Link {
    Socket(u64),
    /// A network namespace.
    Namespace,
    Other,
}

/// What the descriptor `name` refers to; [`Link::Other`] if it was closed.
fn link(descriptors: &OwnedFd, name: &CStr) -> rustix::io::Result<Link> {
    let read = || {
        let mut target = [MaybeUninit::uninit(); LINK_BYTES];
        let (target, _) = readlinkat_raw(descriptors, name, &mut target)?;
        Ok(match parse::socket_inode(target) {
            Some(inode) => Link::Socket(inode),
            None if target.starts_with(b"net:[") => Link::Namespace,
            None => Link::Other,
        })
    };
    // If the process ends between lookup and readlink, the kernel returns EACCES (`proc_pid_readlink`,
    // `fs/proc/base.c`); a second call returns ENOENT.
    match read().or_else(|error| if error == Errno::ACCESS { read() } else { Err(error) }) {
        Err(Errno::NOENT) => Ok(Link::Other),
        outcome => outcome,
    }
}

/// Whether a descriptor is a TCP or UDP socket, by the name of its protocol in the kernel (`sockfs_xattr_get`,
/// `net/socket.c`).
fn is_internet_socket(pid: u32, descriptor: u64) -> bool {
    let mut name = [0; 16];
    let path = format!("/proc/{pid}/fd/{descriptor}");
    getxattr(path, c"system.sockprotoname", &mut name[..])
        .is_ok_and(|_| [&b"TCP"[..], b"UDP", b"MPTCP"].iter().any(|known| name.starts_with(known)))
}

fn open_folder(
    at: impl std::os::fd::AsFd,
    path: impl rustix::path::Arg,
) -> rustix::io::Result<OwnedFd> {
    openat(at, path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

#[cfg(test)]
mod tests;
