//! The privileges of the process, as `/health` reports them: read back from the kernel, with the
//! effect of each missing one.

use std::collections::BTreeSet;

use serde::Serialize;

/// The privileges of this process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// User id of the process.
    pub uid: u32,
    /// Group id of the process.
    pub gid: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
    /// The name of `uid`, if the list of accounts has one.
    pub user: Option<String>,
    /// Capabilities it has, as in capabilities(7).
    pub capabilities: Vec<String>,
    /// The bounding set: capabilities a program it executes could get. It cannot execute any if
    /// `seccomp.mode` is 2.
    pub bounding: Vec<String>,
    /// Whether programs it executes get no further privileges (`PR_SET_NO_NEW_PRIVS`).
    pub no_new_privs: bool,
    /// Whether other processes of the user may read its memory, and a crash dumps it
    /// (`PR_SET_DUMPABLE`).
    pub dumpable: bool,
    /// System calls it must not make.
    pub seccomp: Seccomp,
    /// Files and ports it must not access.
    pub landlock: Landlock,
    /// Privileges of all threads; threads with equal ones are one row.
    pub threads: Vec<ThreadGroup>,
    /// The process that serves clients, where it is one of its own.
    pub serving_process: Option<ServingProcess>,
    /// Missing privileges and protections, and their effects.
    pub missing: Vec<Missing>,
}

/// System calls it must not make (seccomp(2)).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Seccomp {
    /// The kernel's mode: 0 none, 1 strict, 2 a filter. `None`: this kernel has no seccomp.
    pub mode: Option<u32>,
    /// Calls that are refused.
    pub refused: Vec<String>,
    /// Why there is no filter, if there is none.
    pub reason: Option<String>,
}

/// Files and ports it must not access (landlock(7)).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Landlock {
    /// Of the process as a whole, and so of the thread that reads `/proc`.
    pub process: LandlockState,
    /// Why so.
    pub reason: String,
    /// Of the serving threads.
    pub serving: Serving,
}

/// How much of it the kernel enforces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LandlockState {
    /// Nothing.
    #[default]
    NotEnforced,
    /// The rights this kernel supports.
    PartlyEnforced,
    /// All.
    FullyEnforced,
}

/// The serving threads.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Serving {
    /// The version of Landlock the kernel has; `None` if it has none or no thread is confined yet.
    pub abi: Option<i32>,
    /// The weakest state of any of them.
    pub landlock: LandlockState,
    /// Threads confined since the start.
    pub confined: u64,
    /// Threads that could not be confined.
    pub failed: u64,
    /// The error of the last one.
    pub failure: Option<String>,
}

/// The process that serves clients.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ServingProcess {
    /// Its process id.
    pub pid: u32,
    /// Its user id.
    pub uid: u32,
    /// Its group id.
    pub gid: u32,
    /// Capabilities it has or could take.
    pub capabilities: Vec<String>,
    /// As in [`Report::no_new_privs`].
    pub no_new_privs: bool,
    /// As in [`Seccomp::mode`].
    pub seccomp: Option<u32>,
    /// The system calls it may make; all others are absent.
    pub allowed: Vec<String>,
    /// Whether it opens any file or port.
    pub landlock: LandlockState,
    /// Its threads, as in [`Report::threads`].
    pub threads: Vec<ThreadGroup>,
}

/// Threads with equal privileges.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ThreadGroup {
    /// Number of threads.
    pub threads: usize,
    /// Their names.
    pub names: BTreeSet<String>,
    /// Effective user id.
    pub uid: u32,
    /// Capabilities they have.
    pub capabilities: Vec<String>,
    /// As in [`Report::no_new_privs`].
    pub no_new_privs: bool,
    /// As in [`Seccomp::mode`].
    pub seccomp: Option<u32>,
}

/// A missing privilege or protection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Missing {
    /// Its name.
    pub what: String,
    /// Its effect, in a sentence.
    pub costs: String,
}
