//! What the agent keeps when it drops privileges.

use std::path::PathBuf;

/// The privileges the agent needs after the start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keep {
    /// The account to switch to when started as root: a name or a number. The default is `conns`
    /// if there is such an account, else a number that no account and no process has. `root` stays
    /// root, without its capabilities. A process not started as root keeps its account.
    pub user: Option<String>,
    /// Keeps `CAP_SYS_ADMIN`, which entering network namespaces created later requires.
    pub follow_namespaces: bool,
    /// Folders of unix sockets, whose files are removed on shutdown.
    pub writable: Vec<PathBuf>,
    /// Files read again later: the configuration, the certificate and its key.
    pub readable: Vec<PathBuf>,
}
