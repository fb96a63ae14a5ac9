//! Drops privileges, in the order the kernel requires, and reads back the result.

use std::fs;
use std::io;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{Access, AtFlags, CWD, accessat};
use rustix::process::{DumpableBehavior, dumpable_behavior, geteuid, set_dumpable_behavior};
use rustix::thread::{CapabilitySet, set_no_new_privs};

use crate::account::{Account, becomes, name_of, switch_to};
use crate::capabilities::{NAMESPACES, OWNERS, empty_bounding_set, keep_only, keepable, names};
use crate::error::PrivilegeError;
use crate::keep::Keep;
use crate::report::{
    LandlockState, Missing, Report, Seccomp, Serving, ServingProcess, ThreadGroup,
};
use crate::serving::{self, Confinement};
use crate::status::Status;
use crate::syscalls;

/// Maximum time that a joined thread stays listed: the kernel wakes the joiner before it removes the
/// thread.
const THREAD_EXIT_TIMEOUT: Duration = Duration::from_secs(1);
/// Time between two reads of the list.
const THREAD_POLL_INTERVAL: Duration = Duration::from_millis(1);

/// Drops all privileges that `keep` does not name, for this process and all its later threads. Call
/// it once, while there is one thread, when everything is open.
///
/// # Errors
/// [`PrivilegeError`] if there are other threads, switching to the account fails, or the state read
/// back differs. A kernel without a feature (seccomp) is no error; the report names it.
pub fn shrink(keep: &Keep) -> Result<Privileges, PrivilegeError> {
    one_thread()?;
    let account = becomes(keep)?;
    let kept = reduce_to(account.as_ref(), keepable(keep.follow_namespaces))?;
    let filter = syscalls::refuse(keep.follow_namespaces).map_err(|cause| cause.to_string());
    let privileges = Privileges { keep: keep.clone(), filter };
    let uid = account.map_or(geteuid().as_raw(), |account| account.uid);
    check(uid, kept)?;
    Ok(privileges)
}

/// Makes the process that of `account`, with at most these capabilities, and closes its memory to others; it and what
/// it executes gain no privilege again. Returns the capabilities it has.
pub(crate) fn reduce_to(
    account: Option<&Account>,
    capabilities: CapabilitySet,
) -> Result<CapabilitySet, PrivilegeError> {
    empty_bounding_set();
    if let Some(account) = account {
        switch_to(account)?;
    }
    let kept = keep_only(capabilities)
        .map_err(|cause| refused("drop capabilities", cause, "Allow the agent capset(2)"))?;
    set_no_new_privs(true).map_err(|cause| {
        refused("set no-new-privileges", cause.into(), "Linux 3.5 or later has it")
    })?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(|cause| {
        refused(
            "keep other processes out of the agent's memory (PR_SET_DUMPABLE)",
            cause.into(),
            "Allow the agent prctl(2)",
        )
    })?;
    Ok(kept)
}

pub(crate) fn refused(attempted: &str, cause: io::Error, remedy: &'static str) -> PrivilegeError {
    PrivilegeError::Refused { attempted: attempted.to_owned(), cause, remedy }
}

pub(crate) fn unreadable(cause: io::Error) -> PrivilegeError {
    refused("read credentials in /proc", cause, "Mount procfs on /proc")
}

pub(crate) fn one_thread() -> Result<(), PrivilegeError> {
    let deadline = Instant::now() + THREAD_EXIT_TIMEOUT;
    loop {
        let count = fs::read_dir("/proc/self/task").map_err(unreadable)?.count();
        if count == 1 {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(PrivilegeError::Threads { count });
        }
        thread::sleep(THREAD_POLL_INTERVAL);
    }
}

/// Whether the dropped privileges are absent.
pub(crate) fn check(uid: u32, kept: CapabilitySet) -> Result<(), PrivilegeError> {
    let now = Status::of_process("self").map_err(unreadable)?;
    let sets = [
        ("permitted capabilities", now.permitted, kept),
        ("effective capabilities", now.effective, kept),
        ("inheritable capabilities", now.inheritable, CapabilitySet::empty()),
        ("ambient capabilities", now.ambient, CapabilitySet::empty()),
    ];
    for (what, found, expected) in sets {
        expect(what, names(expected), names(found))?;
    }
    expect("user ids", [uid; 4], now.uids)?;
    expect("no-new-privileges", true, now.no_new_privs)
}

fn expect<T>(what: &'static str, expected: T, found: T) -> Result<(), PrivilegeError>
where
    T: PartialEq + std::fmt::Debug,
{
    if found == expected {
        return Ok(());
    }
    let (expected, found) = (format!("{expected:?}"), format!("{found:?}"));
    Err(PrivilegeError::NotApplied { what, expected, found })
}

/// What was dropped and kept; reads the result from the kernel.
#[derive(Debug, Clone)]
pub struct Privileges {
    keep: Keep,
    /// Whether there is a seccomp filter, else why not.
    filter: Result<(), String>,
}

impl Privileges {
    /// The privileges now, with all threads that exist, and those of what serves.
    ///
    /// # Errors
    /// [`PrivilegeError::Refused`] if `/proc` cannot be read.
    pub fn report(&self, serving: &ServedBy) -> Result<Report, PrivilegeError> {
        let now = Status::of_process("self").map_err(unreadable)?;
        let [_, uid, ..] = now.uids;
        let [_, gid, ..] = now.gids;
        let follows = self.keep.follow_namespaces;
        let mut report = Report {
            uid,
            gid,
            groups: now.groups.clone(),
            user: name_of(uid),
            capabilities: names(now.effective),
            bounding: names(now.bounding),
            no_new_privs: now.no_new_privs,
            dumpable: dumpable_behavior().ok() != Some(DumpableBehavior::NotDumpable),
            seccomp: Seccomp {
                mode: now.seccomp,
                refused: self
                    .filter
                    .as_ref()
                    .map_or_else(|_| Vec::new(), |()| syscalls::refused(follows)),
                reason: self.filter.clone().err(),
            },
            landlock: serving::of_process(),
            threads: thread_groups("self").map_err(unreadable)?,
            serving_process: None,
            missing: Vec::new(),
        };
        match serving {
            ServedBy::Nothing => {}
            ServedBy::Threads(confinement) => report.landlock.serving = confinement.serving(),
            ServedBy::Process { pid, landlock } => {
                let process = ServingProcess::read(*pid, *landlock)?;
                let confined = process.threads.iter().map(|group| group.threads as u64).sum();
                report.landlock.serving =
                    Serving { landlock: *landlock, confined, ..Serving::default() };
                report.serving_process = Some(process);
            }
        }
        report.missing = missing(&self.keep, &now, &report);
        Ok(report)
    }
}

/// The privileges of the threads of a process: its pid, or `self`.
pub(crate) fn thread_groups(process: &str) -> io::Result<Vec<ThreadGroup>> {
    let mut groups: Vec<ThreadGroup> = Vec::new();
    for status in Status::of_threads(process)? {
        let [_, uid, ..] = status.uids;
        let capabilities = names(status.effective);
        let same = groups.iter_mut().find(|group| {
            group.uid == uid
                && group.capabilities == capabilities
                && group.no_new_privs == status.no_new_privs
                && group.seccomp == status.seccomp
        });
        match same {
            Some(group) => {
                group.threads += 1;
                group.names.insert(status.name);
            }
            None => groups.push(ThreadGroup {
                threads: 1,
                names: [status.name].into(),
                uid,
                capabilities,
                no_new_privs: status.no_new_privs,
                seccomp: status.seccomp,
            }),
        }
    }
    Ok(groups)
}

/// What reads the bytes of clients.
#[derive(Debug, Clone)]
pub enum ServedBy {
    /// Nothing yet.
    Nothing,
    /// Threads of this process.
    Threads(Confinement),
    /// A process of its own.
    Process {
        /// Its process id.
        pid: u32,
        /// The outcome of [`confine_process`](crate::confine_process) there.
        landlock: LandlockState,
    },
}

/// Missing privileges and protections, and their effects.
fn missing(keep: &Keep, now: &Status, report: &Report) -> Vec<Missing> {
    let mut missing = Vec::new();
    let mut costs = |what: String, costs: &str| missing.push(Missing { what, costs: costs.into() });
    for name in names(OWNERS - now.effective) {
        costs(name, "owners are known for sockets of this user's processes only");
    }
    if !now.effective.contains(NAMESPACES) {
        costs(
            "CAP_SYS_ADMIN".into(),
            "network namespaces that were not entered at the start, such as those of containers \
             started later, are not seen",
        );
    }
    if !now.effective.contains(CapabilitySet::NET_ADMIN) {
        costs(
            "CAP_NET_ADMIN".into(),
            "the kernel reports the mark of a socket only with it, so `mark` is unknown",
        );
    }
    if report.uid == 0 {
        costs("a user of its own".into(), "files of root can be written: the agent is still root");
    }
    if let Some(reason) = &report.seccomp.reason {
        costs(format!("seccomp ({reason})"), "system calls the agent never makes are not refused");
    }
    costs("Landlock for the whole process".into(), &report.landlock.reason);
    match &report.serving_process {
        None => costs(
            "a serving process".into(),
            "clients are served by threads that share the memory of the thread that reads /proc; set \
             `serving_process` to `yes` to separate them",
        ),
        Some(serving) if serving.uid == report.uid => costs(
            "a user of its own for the serving process".into(),
            "it has the user of the collector, which only a start as root changes; both refuse to be \
             traced, and it can send no signal",
        ),
        Some(_) => {}
    }
    for path in keep.readable.iter().filter(|path| !may(path, Access::READ_OK)) {
        costs(
            format!("reading {}", path.display()),
            "it cannot be read again at SIGHUP; the version read at the start stays in use",
        );
    }
    for path in keep.writable.iter().filter(|path| !may(path, Access::WRITE_OK)) {
        costs(
            format!("writing in {}", path.display()),
            "the file of a unix socket in it remains after the end",
        );
    }
    missing
}

/// Whether the process has this access.
fn may(path: &Path, access: Access) -> bool {
    accessat(CWD, path, access, AtFlags::EACCESS).is_ok()
}
