//! Limits, owners of directories, and signals of unix.

use std::io;
use std::path::Path;

use conns_privileges::Account;
use rustix::fs::{Mode, OFlags, fstat, open};
use rustix::process::{Resource, Rlimit, geteuid, getrlimit, setrlimit};
use tokio::signal::unix::{self, SignalKind, signal};

use super::Signal;

/// Fewest open files to start with: sources, listeners and the runtime need half of them.
const MIN_OPEN_FILES: u64 = 128;

/// Raises the soft limit of open files to the hard limit: each client needs one, and the soft limit
/// is usually 1024. If that fails, fewer clients can connect; with less than [`MIN_OPEN_FILES`] the
/// agent does not start.
pub(crate) fn raise_open_files() -> Result<(), String> {
    let limits = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limits.maximum, ..limits });
    match getrlimit(Resource::Nofile).current {
        Some(limit) if limit < MIN_OPEN_FILES => Err(format!(
            "cannot start with a limit of {limit} open files: the agent needs at least \
             {MIN_OPEN_FILES}; raise it (ulimit -n, or LimitNOFILE= of systemd)"
        )),
        _ => Ok(()),
    }
}

/// Makes `account` the owner of a directory just created, also where others may write in its parent:
/// a symbolic link and a directory of another user are refused.
pub(crate) fn give_directory(directory: &Path, account: &Account) -> io::Result<()> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = open(directory, flags, Mode::empty())?;
    if fstat(&opened)?.st_uid != geteuid().as_raw() {
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "another user has exchanged it",
        ));
    }
    std::os::unix::fs::fchown(&opened, Some(account.uid), Some(account.gid))
}

/// SIGTERM, SIGINT and SIGHUP.
pub(crate) struct Signals {
    terminate: unix::Signal,
    interrupt: unix::Signal,
    hang_up: unix::Signal,
}

impl Signals {
    /// Handles them from now on.
    pub(crate) fn open() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// The next one.
    pub(crate) async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.terminate.recv() => Signal::Stop,
            _ = self.interrupt.recv() => Signal::Stop,
            _ = self.hang_up.recv() => Signal::Reload,
        }
    }
}
