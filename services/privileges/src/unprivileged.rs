//! A process of the agent that needs no privilege: the link server, which reads and writes files of its account.

use std::io;

use landlock::{Access as _, Ruleset, RulesetAttr as _, RulesetError, Scope};
use rustix::process::geteuid;
use rustix::thread::CapabilitySet;

use crate::error::PrivilegeError;
use crate::serving::NEWEST;
use crate::shrink::{check, one_thread, reduce_to, refused};

/// Drops all capabilities of this process and its later threads for good, those that it inherits from the agent
/// included, and closes its memory to other processes. With Landlock (Linux 6.12) it cannot signal the agent, whose
/// account it has. Call it while there is one thread.
///
/// # Errors
/// [`PrivilegeError`] if there are other threads, the kernel refuses a step, or the state read back differs. A kernel
/// without Landlock is no error.
pub fn drop_all() -> Result<(), PrivilegeError> {
    one_thread()?;
    let none = reduce_to(None, CapabilitySet::empty())?;
    check(geteuid().as_raw(), none)?;
    no_signals().map_err(|error| {
        let cause = io::Error::other(error.to_string());
        let remedy = "Allow landlock_create_ruleset(2) and landlock_restrict_self(2)";
        refused("apply Landlock to the link server", cause, remedy)
    })
}

/// A Landlock domain in which files and networks are as before, and signals and abstract unix sockets end.
fn no_signals() -> Result<(), RulesetError> {
    let ruleset = Ruleset::default().scope(Scope::from_all(NEWEST))?.create()?;
    ruleset.restrict_self().map(drop)
}
