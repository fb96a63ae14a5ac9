//! Privileges only shrink: what the agent keeps once everything is open, and proof of what holds.
//! Not here: what is opened before. Why each thing is kept or refused is in `docs/privileges.md`.
//!
//! The one idea: all of it is done while the process has one thread, so that every later thread
//! inherits it, and what is said about it is read back from the kernel, never assumed.

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

/// What the agent needs after the start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keep {
    /// The account to become when started as root: a name or a number. Without one it is `conns`
    /// if there is such an account, else `nobody`. `root` stays root, without its capabilities.
    /// A process that was not started as root keeps its account.
    pub user: Option<String>,
    /// Keeps `CAP_SYS_ADMIN`, without which network namespaces made later cannot be entered.
    pub follow_namespaces: bool,
    /// Folders in which files are removed at the end: those of unix sockets.
    pub writable: Vec<PathBuf>,
    /// Files read again later: the configuration, the certificate and its key.
    pub readable: Vec<PathBuf>,
}
