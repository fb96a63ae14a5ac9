//! What holds, as `/health` shows it.
//!
//! The one idea: each line was read back from the kernel, and each thing that is missing says what
//! it costs.

use std::collections::BTreeSet;

use serde::Serialize;

/// What this process is and may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// User id of the process.
    pub uid: u32,
    /// Group id of the process.
    pub gid: u32,
    /// Further groups.
    pub groups: Vec<u32>,
    /// The name of `uid`, if the list of accounts has one.
    pub user: Option<String>,
    /// Capabilities it has, as in capabilities(7).
    pub capabilities: Vec<String>,
    /// Capabilities a program could get that it started; it cannot start one where
    /// `seccomp.mode` is 2.
    pub bounding: Vec<String>,
    /// Whether nothing it starts can have more privileges than it (`PR_SET_NO_NEW_PRIVS`).
    pub no_new_privs: bool,
    /// Whether others of the same user may read its memory, and a crash writes it to a file
    /// (`PR_SET_DUMPABLE`).
    pub dumpable: bool,
    /// System calls it may not make.
    pub seccomp: Seccomp,
    /// Files and ports it may not reach whatever its user may.
    pub landlock: Landlock,
    /// The same of all threads: those that hold the same are one row.
    pub threads: Vec<ThreadGroup>,
    /// What it does not have, and what that costs.
    pub missing: Vec<Missing>,
}

/// System calls it may not make (seccomp(2)).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Seccomp {
    /// As the kernel says: 0 none, 1 strict, 2 a filter. `None`: this kernel has no seccomp.
    pub mode: Option<u32>,
    /// Calls that are refused.
    pub refused: Vec<String>,
    /// Why there is no filter, if there is none.
    pub reason: Option<String>,
}

/// Files and ports it may not reach (landlock(7)).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Landlock {
    /// Of the process as a whole, and so of the thread that reads `/proc`.
    pub process: LandlockState,
    /// Why so.
    pub reason: String,
    /// Of the threads that talk to the network.
    pub serving: Serving,
}

/// How much of it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LandlockState {
    /// Nothing.
    #[default]
    NotEnforced,
    /// What this kernel knows of it.
    PartlyEnforced,
    /// All.
    FullyEnforced,
}

/// The threads that talk to the network.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Serving {
    /// The version of Landlock the kernel has; `None` if it has none or no thread is confined yet.
    pub abi: Option<i32>,
    /// The least that holds of any of them.
    pub landlock: LandlockState,
    /// Threads confined since the start.
    pub confined: u64,
    /// Threads that could not be confined.
    pub failed: u64,
    /// Why, of the last.
    pub failure: Option<String>,
}

/// Threads that hold the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ThreadGroup {
    /// How many.
    pub threads: usize,
    /// What they are called.
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

/// Something that is not there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Missing {
    /// What.
    pub what: String,
    /// What it costs, in a sentence.
    pub costs: String,
}
