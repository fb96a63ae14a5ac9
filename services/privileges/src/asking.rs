//! Confinement of the thread that asks daemons of this machine: it connects, and does nothing else.
//!
//! It reads the input of another program, so it has no capability and no file. Landlock allows TCP connections by their
//! ports, which are not known at the start; so connecting stays allowed, and listening does not.

use std::io;

use landlock::{
    Access as _, AccessFs, AccessNet, Ruleset, RulesetAttr, RulesetError, RulesetStatus, Scope,
};
use rustix::thread::CapabilitySet;

use crate::capabilities::keep_only;
use crate::error::PrivilegeError;
use crate::serving::{NEWEST, enforced};
use crate::shrink::refused;

/// Drops all capabilities of the calling thread, and with Landlock its access to files, to ports it would listen at
/// and to abstract unix sockets of other processes.
///
/// # Errors
/// [`PrivilegeError`] if the thread still has capabilities or access to files. A kernel without Landlock is no
/// error.
pub fn confine_asking_thread() -> Result<(), PrivilegeError> {
    let failed = |attempted: &str, cause| {
        let attempted = format!("{attempted} in the thread that asks daemons");
        refused(&attempted, cause, "Allow the agent capset(2) and landlock_restrict_self(2)")
    };
    keep_only(CapabilitySet::empty()).map_err(|cause| failed("drop capabilities", cause))?;
    let status = restrict()
        .map_err(|error| failed("apply Landlock", io::Error::other(error.to_string())))?;
    enforced(status, "Landlock, when the thread that asks daemons opens /").map(drop)
}

fn restrict() -> Result<RulesetStatus, RulesetError> {
    let ruleset = Ruleset::default()
        .handle_access(AccessFs::from_all(NEWEST))?
        .handle_access(AccessNet::BindTcp)?
        .scope(Scope::AbstractUnixSocket)?
        .create()?;
    Ok(ruleset.restrict_self()?.ruleset)
}
