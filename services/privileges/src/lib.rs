//! Drops privileges once everything is open, and reports the result. `docs/privileges.md` gives the
//! reason for each privilege that is kept or dropped.
//!
//! Invariant: privileges are dropped while the process has one thread, so that later threads inherit
//! the result, and the report is read back from the kernel.

#[cfg(target_os = "linux")]
mod account;
#[cfg(target_os = "linux")]
mod capabilities;
mod error;
mod report;
#[cfg(target_os = "linux")]
mod serving;
#[cfg(target_os = "linux")]
mod shrink;
#[cfg(target_os = "linux")]
mod status;
#[cfg(target_os = "linux")]
mod syscalls;

use std::path::PathBuf;

#[cfg(target_os = "linux")]
pub use account::{Account, becomes};
pub use error::PrivilegeError;
pub use report::{Landlock, LandlockState, Missing, Report, Seccomp, Serving, ThreadGroup};
#[cfg(target_os = "linux")]
pub use serving::Confinement;
#[cfg(target_os = "linux")]
pub use shrink::shrink;

/// The privileges the agent needs after the start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keep {
    /// The account to switch to when started as root: a name or a number. The default is `conns`
    /// if there is such an account, else `nobody`. `root` stays root, without its capabilities.
    /// A process not started as root keeps its account.
    pub user: Option<String>,
    /// Keeps `CAP_SYS_ADMIN`, which entering network namespaces created later requires.
    pub follow_namespaces: bool,
    /// Folders of unix sockets, whose files are removed on shutdown.
    pub writable: Vec<PathBuf>,
    /// Files read again later: the configuration, the certificate and its key.
    pub readable: Vec<PathBuf>,
}
