//! The account that a process started as root switches to.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::ops::RangeInclusive;
use std::os::unix::fs::MetadataExt;

use conns_contract::is_mapped;
use nix::errno::Errno;
use nix::unistd::{Gid, Uid, User, setgroups, setresgid, setresuid};
use rustix::thread::set_keep_capabilities;

use crate::error::PrivilegeError;
use crate::keep::Keep;

/// The agent's own account.
const OWN: &str = "conns";
/// The numbers without an account that systemd reserves for services
/// (<https://systemd.io/UIDS-GIDS/>, `DynamicUser`). Unlike `nobody`, a free one of them has no
/// processes, which could signal and trace the agent.
const UNLISTED: RangeInclusive<u32> = 61_184..=65_519;

/// An account of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its name, or its number where it has none.
    pub name: String,
    /// User id.
    pub uid: u32,
    /// Id of its first group.
    pub gid: u32,
}

/// The account that [`shrink`](crate::shrink) switches to; `None` if this process was not started
/// as root and keeps its own. Folders that the agent writes into later must belong to it.
///
/// # Errors
/// [`PrivilegeError`] if the configured account does not exist, or the user database cannot be read.
pub fn becomes(keep: &Keep) -> Result<Option<Account>, PrivilegeError> {
    if !Uid::effective().is_root() {
        return Ok(None);
    }
    if let Some(name) = &keep.user {
        let found = match name.parse() {
            Ok(uid) => Some(numbered(uid)?),
            Err(_) => named(name)?,
        };
        return match found {
            Some(account) => Ok(Some(account)),
            None => Err(PrivilegeError::NoSuchAccount { name: name.clone() }),
        };
    }
    if let Some(account) = named(OWN)? {
        return Ok(Some(account));
    }
    let free = unused(None).ok_or(PrivilegeError::NoSuchAccount { name: OWN.to_owned() })?;
    Ok(Some(free))
}

/// The account of the serving process of an agent that becomes `agent`: a number that no account and no
/// process has, so that the two cannot signal or trace each other. `None` if this process was not
/// started as root, or its user namespace has no such number: then both have one account.
#[must_use]
pub fn serving_account(agent: Option<&Account>) -> Option<Account> {
    if !Uid::effective().is_root() {
        return None;
    }
    unused(agent.map(|agent| agent.uid))
}

/// An account whose number no account, no process and not the agent has.
fn unused(agent: Option<u32>) -> Option<Account> {
    let used = used_by_processes();
    let mapped = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let is_free = |uid: &u32| {
        agent != Some(*uid)
            && !used.contains(uid)
            && is_mapped(&mapped, *uid)
            && name_of(*uid).is_none()
    };
    let uid = UNLISTED.into_iter().find(is_free)?;
    Some(Account { name: uid.to_string(), uid, gid: uid })
}

/// The users of all processes, as far as `/proc` shows them.
fn used_by_processes() -> BTreeSet<u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let is_process = |name: &OsStr| name.as_encoded_bytes().iter().all(u8::is_ascii_digit);
    let processes = entries.filter(|entry| is_process(&entry.file_name()));
    processes.filter_map(|entry| entry.metadata().ok()).map(|found| found.uid()).collect()
}

fn named(name: &str) -> Result<Option<Account>, PrivilegeError> {
    Ok(User::from_name(name).map_err(|cause| unlisted(name, cause))?.map(account))
}

fn numbered(uid: u32) -> Result<Account, PrivilegeError> {
    let user = User::from_uid(Uid::from_raw(uid)).map_err(|cause| unlisted(uid, cause))?;
    Ok(user.map_or_else(|| Account { name: uid.to_string(), uid, gid: uid }, account))
}

/// The name of a user id, if the user database has one.
pub(crate) fn name_of(uid: u32) -> Option<String> {
    User::from_uid(Uid::from_raw(uid)).ok().flatten().map(|user| user.name)
}

fn account(user: User) -> Account {
    Account { name: user.name, uid: user.uid.as_raw(), gid: user.gid.as_raw() }
}

fn unlisted(of: impl std::fmt::Display, cause: Errno) -> PrivilegeError {
    PrivilegeError::Refused {
        attempted: format!("look up user `{of}`"),
        cause: cause.into(),
        remedy: "Check that `getent passwd` works",
    }
}

/// Switches to `account`, in all four ids and without supplementary groups; keeps permitted
/// capabilities.
pub(crate) fn switch_to(account: &Account) -> Result<(), PrivilegeError> {
    let (uid, gid) = (Uid::from_raw(account.uid), Gid::from_raw(account.gid));
    // The groups first: changing them requires the user id of root.
    let steps = || -> io::Result<()> {
        set_keep_capabilities(true)?;
        setgroups(&[])?;
        setresgid(gid, gid, gid)?;
        setresuid(uid, uid, uid)?;
        Ok(set_keep_capabilities(false)?)
    };
    steps().map_err(|cause| PrivilegeError::Refused {
        attempted: format!("switch to user `{}` ({}:{})", account.name, account.uid, account.gid),
        cause,
        remedy: "A start as root needs CAP_SETUID and CAP_SETGID and an account that exists in this \
                 user namespace; start it as that user, or set `user` to `root` to stay root",
    })
}
