//! The serving process: it reads what clients send, and has no capability, no file, no account of
//! another process and few system calls.
//!
//! Unlike a serving thread it shares no memory with the thread that reads `/proc`, and as a whole it is in a
//! Landlock domain: it reads no other process.

use std::io;

use landlock::{
    Access as _, AccessFs, AccessNet, Ruleset, RulesetAttr, RulesetError, RulesetStatus, Scope,
};
use rustix::process::{Signal, geteuid, set_parent_process_death_signal};
use rustix::thread::CapabilitySet;

use crate::account::Account;
use crate::capabilities::names;
use crate::error::PrivilegeError;
use crate::report::{LandlockState, ServingProcess};
use crate::serving::{NEWEST, enforced};
use crate::shrink::{check, one_thread, reduce_to, refused, thread_groups, unreadable};
use crate::status::Status;
use crate::syscalls::{allow_listed, allowed};

/// Drops everything a serving process does not need, for this process and its later threads. Call it
/// while there is one thread, once its listeners are open and before it reads a byte of a client.
///
/// It becomes `account` where there is one, has no capability, opens no file, makes no socket, and ends with the
/// thread that started it.
///
/// # Errors
/// [`PrivilegeError`] if there are other threads, the kernel refuses a step, or the state read back
/// differs. A kernel without Landlock is no error: the result names it. One without seccomp is.
pub fn confine_process(account: Option<&Account>) -> Result<LandlockState, PrivilegeError> {
    one_thread()?;
    let none = reduce_to(account, CapabilitySet::empty())?;
    // A change of the account clears it, so it comes last (PR_SET_PDEATHSIG(2const)).
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(|cause| {
        let attempted = "end with the collector (PR_SET_PDEATHSIG)";
        refused(attempted, cause.into(), "Allow the agent prctl(2)")
    })?;
    let uid = account.map_or(geteuid().as_raw(), |account| account.uid);
    check(uid, none)?;
    let ruleset = no_files().map_err(|error| PrivilegeError::Refused {
        attempted: "apply Landlock to the serving process".to_owned(),
        cause: io::Error::other(error.to_string()),
        remedy: "Allow the agent landlock_create_ruleset(2) and landlock_restrict_self(2)",
    })?;
    // Before the filter, which refuses every attempt.
    let landlock = enforced(ruleset, "Landlock, when the serving process opens /")?;
    allow_listed().map_err(|cause| {
        let remedy = "Allow the agent seccomp(2), or set `serving_process` to `no`";
        refused("restrict the system calls of the serving process", cause, remedy)
    })?;
    Ok(landlock)
}

/// A Landlock domain without a rule: no file, no TCP port or connection, no abstract unix socket and no
/// signal outside of it.
fn no_files() -> Result<RulesetStatus, RulesetError> {
    let status = Ruleset::default()
        .handle_access(AccessFs::from_all(NEWEST))?
        .handle_access(AccessNet::from_all(NEWEST))?
        .scope(Scope::from_all(NEWEST))?
        .create()?
        .restrict_self()?;
    Ok(status.ruleset)
}

impl ServingProcess {
    /// The privileges of the serving process `pid` now; `landlock` is the outcome of [`confine_process`].
    ///
    /// # Errors
    /// [`PrivilegeError::Refused`] if it has ended.
    pub fn read(pid: u32, landlock: LandlockState) -> Result<Self, PrivilegeError> {
        let process = pid.to_string();
        let now = Status::of_process(&process).map_err(unreadable)?;
        let [_, uid, ..] = now.uids;
        let [_, gid, ..] = now.gids;
        Ok(Self {
            pid,
            uid,
            gid,
            capabilities: names(now.effective | now.permitted),
            no_new_privs: now.no_new_privs,
            seccomp: now.seccomp,
            allowed: allowed(),
            landlock,
            threads: thread_groups(&process).map_err(unreadable)?,
        })
    }
}
