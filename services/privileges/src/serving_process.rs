//! The serving process: it reads what clients send, and has no capability, no file, no account of
//! another process and few system calls.
//!
//! Unlike a serving thread it shares no memory with the thread that reads `/proc`, and as a whole it is in a
//! Landlock domain: it reads no other process.

use std::fs;
use std::io;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, LandlockStatus, Ruleset, RulesetAttr, RulesetError,
    RulesetStatus, Scope,
};
use rustix::process::{
    DumpableBehavior, Signal, geteuid, set_dumpable_behavior, set_parent_process_death_signal,
};
use rustix::thread::{CapabilitySet, set_no_new_privs};

use crate::account::{Account, switch_to};
use crate::capabilities::{empty_bounding_set, keep_only, names};
use crate::error::PrivilegeError;
use crate::report::{LandlockState, ServingProcess};
use crate::serving::NEWEST;
use crate::shrink::{check, one_thread, refused, thread_groups, unreadable};
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
    empty_bounding_set();
    if let Some(account) = account {
        switch_to(account)?;
    }
    keep_only(CapabilitySet::empty())
        .map_err(|cause| refused("drop capabilities", cause, "Allow the agent capset(2)"))?;
    let prctl = |attempted, cause: rustix::io::Errno| {
        refused(attempted, cause.into(), "Allow the agent prctl(2)")
    };
    set_no_new_privs(true).map_err(|cause| prctl("set no-new-privileges", cause))?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(|cause| {
        prctl("keep other processes out of the agent's memory (PR_SET_DUMPABLE)", cause)
    })?;
    // A change of the account clears it, so it comes last (PR_SET_PDEATHSIG(2const)).
    set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|cause| prctl("end with the collector (PR_SET_PDEATHSIG)", cause))?;
    let uid = account.map_or(geteuid().as_raw(), |account| account.uid);
    check(uid, CapabilitySet::empty())?;
    let landlock = no_files().map_err(|error| PrivilegeError::Refused {
        attempted: "apply Landlock to the serving process".to_owned(),
        cause: io::Error::other(error.to_string()),
        remedy: "Allow the agent landlock_create_ruleset(2) and landlock_restrict_self(2)",
    })?;
    // Read back by an attempt, as no file shows the domain, and before the filter refuses every attempt.
    if landlock != LandlockState::NotEnforced
        && let Ok(_) = fs::File::open("/")
    {
        return Err(PrivilegeError::NotApplied {
            what: "Landlock, when the serving process opens /",
            expected: "refused".to_owned(),
            found: "opened".to_owned(),
        });
    }
    allow_listed().map_err(|cause| {
        let remedy = "Allow the agent seccomp(2), or set `serving_process` to `no`";
        refused("restrict the system calls of the serving process", cause, remedy)
    })?;
    Ok(landlock)
}

/// A Landlock domain without a rule: no file, no TCP port or connection, no abstract unix socket and no
/// signal outside of it.
fn no_files() -> Result<LandlockState, RulesetError> {
    let status = Ruleset::default()
        .handle_access(AccessFs::from_all(NEWEST))?
        .handle_access(AccessNet::from_all(NEWEST))?
        .scope(Scope::from_all(ABI::V6))?
        .create()?
        .restrict_self()?;
    Ok(match (status.landlock, status.ruleset) {
        (LandlockStatus::Available { .. }, RulesetStatus::FullyEnforced) => {
            LandlockState::FullyEnforced
        }
        (LandlockStatus::Available { .. }, RulesetStatus::PartiallyEnforced) => {
            LandlockState::PartlyEnforced
        }
        _ => LandlockState::NotEnforced,
    })
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
