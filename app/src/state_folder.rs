//! Where conns keeps what outlives it.

use std::env;
use std::path::PathBuf;

/// The folder of the state: `/var/lib/conns` of root, else `$XDG_STATE_HOME/conns`. A service of systemd has its own
/// (systemd.exec(5), `STATE_DIRECTORY`).
pub(crate) fn state_folder() -> PathBuf {
    if let Some(folder) = first_of("STATE_DIRECTORY") {
        return folder;
    }
    match (variable("XDG_STATE_HOME"), is_root()) {
        (Some(base), _) => base.join("conns"),
        (None, true) => "/var/lib/conns".into(),
        (None, false) => home().join(".local/state/conns"),
    }
}

/// The absolute path in a variable of the environment.
pub(crate) fn variable(name: &str) -> Option<PathBuf> {
    env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute())
}

/// The first folder of a list with colons.
pub(crate) fn first_of(name: &str) -> Option<PathBuf> {
    let folders = env::var(name).ok()?;
    folders.split(':').next().map(PathBuf::from).filter(|path| path.is_absolute())
}

fn home() -> PathBuf {
    variable("HOME").unwrap_or_else(|| "/".into())
}

#[cfg(unix)]
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[cfg(not(unix))]
pub(crate) fn is_root() -> bool {
    false
}
