//! Stands in for the rest of this crate on systems that are not Linux: nothing is dropped, and the report is the
//! error that names it.

use crate::error::PrivilegeError;
use crate::keep::Keep;
use crate::report::Report;

const KEPT: PrivilegeError = PrivilegeError::NotOnThisSystem {
    consequence: "the agent keeps all rights of the user who started it",
};

/// An account to switch to: there is none on this system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// User id.
    pub uid: u32,
    /// Id of its first group.
    pub gid: u32,
}

/// No process switches to another account on this system.
///
/// # Errors
/// [`PrivilegeError::NotOnThisSystem`] if an account is configured.
pub fn becomes(keep: &Keep) -> Result<Option<Account>, PrivilegeError> {
    match keep.user {
        Some(_) => Err(PrivilegeError::NotOnThisSystem {
            consequence: "omit the setting `user`, and start the agent as that user",
        }),
        None => Ok(None),
    }
}

/// Drops nothing on this system.
///
/// # Errors
/// None.
pub fn shrink(_: &Keep) -> Result<Privileges, PrivilegeError> {
    Ok(Privileges)
}

/// What the process keeps: everything.
#[derive(Debug, Clone)]
pub struct Privileges;

impl Privileges {
    /// There is nothing to report.
    ///
    /// # Errors
    /// Always [`PrivilegeError::NotOnThisSystem`], for a reader to show.
    pub fn report(&self, _: &ServedBy) -> Result<Report, PrivilegeError> {
        Err(KEPT)
    }
}

/// What reads the bytes of clients.
#[derive(Debug, Clone)]
pub enum ServedBy {
    /// Nothing yet.
    Nothing,
    /// Threads of this process.
    Threads(Confinement),
}

/// No thread is confined on this system.
#[derive(Debug, Clone)]
pub struct Confinement;

impl Confinement {
    /// There are no rules on this system.
    ///
    /// # Errors
    /// None.
    pub fn prepare(_: &Keep) -> Result<Self, PrivilegeError> {
        Ok(Self)
    }

    /// Leaves the thread as it is.
    ///
    /// # Errors
    /// None.
    pub fn confine_thread(&self) -> Result<(), PrivilegeError> {
        Ok(())
    }
}

/// Leaves the thread as it is.
///
/// # Errors
/// None.
pub fn confine_asking_thread() -> Result<(), PrivilegeError> {
    Ok(())
}
