//! The files of unix sockets.
//!
//! Invariant: a socket file never has a wider mode than 0660, and an existing file is removed only if
//! it is a socket without a listener.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener as StdListener;
use std::path::{Path, PathBuf};

use socket2::{Domain, SockAddr, Type};

use crate::bind_error::BindError;

/// Owner and group may connect, which takes the right to write (unix(7)).
const SOCKET_MODE: u32 = 0o660;

/// Removes a socket file without a listener.
pub(crate) fn remove_stale(path: &Path) -> Result<(), BindError> {
    // If it cannot be examined, bind reports why.
    let Ok(found) = fs::symlink_metadata(path) else { return Ok(()) };
    if !found.file_type().is_socket() {
        return Err(BindError::NotASocket(path.to_owned()));
    }
    let is_stale = probe(path).is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused);
    if !is_stale {
        return Err(BindError::InUse(path.to_owned()));
    }
    // If this fails, bind reports that the address is in use.
    let _ = fs::remove_file(path);
    Ok(())
}

/// Connects without waiting; a listener whose backlog is full counts as one.
fn probe(path: &Path) -> io::Result<()> {
    let socket = socket2::Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.connect(&SockAddr::unix(path)?)
}

/// Binds a socket file.
pub(crate) fn bind(path: &Path, backlog: i32) -> io::Result<StdListener> {
    let socket = socket2::Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    // Linux gives the file the mode of the socket less the umask, so it is never wider than this; a
    // change of the umask would be seen by the whole process.
    let socket = File::from(OwnedFd::from(socket));
    let narrowed = socket.set_permissions(Permissions::from_mode(SOCKET_MODE));
    let socket = socket2::Socket::from(OwnedFd::from(socket));
    socket.bind(&SockAddr::unix(path)?)?;
    if cfg!(target_os = "linux") {
        narrowed?;
    }
    // The umask may have made it narrower; connecting is impossible before listen.
    set_mode(path)?;
    socket.listen(backlog)?;
    Ok(socket.into())
}

/// The file of a listener.
pub(crate) fn path_of(listener: &StdListener) -> Option<PathBuf> {
    let address = listener.local_addr().ok()?;
    address.as_pathname().map(Path::to_owned)
}

/// Sets the mode of the socket file just bound. The folder may belong to the account that the agent
/// becomes, which can exchange the file in between: neither a symbolic link, nor a file of another
/// user, nor one with a second name is changed.
#[cfg(target_os = "linux")]
fn set_mode(path: &Path) -> io::Result<()> {
    use std::os::fd::AsRawFd as _;

    use rustix::fs::{FileType, Mode, OFlags, fstat, open};
    let file = open(path, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
    let found = fstat(&file)?;
    let is_ours = FileType::from_raw_mode(found.st_mode) == FileType::Socket
        && found.st_uid == rustix::process::geteuid().as_raw()
        && found.st_nlink == 1;
    if !is_ours {
        let message =
            "another process has exchanged the socket file; is its folder writable for others?";
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, message));
    }
    // A descriptor of O_PATH is changed by its link in /proc only (open(2)).
    let link = format!("/proc/self/fd/{}", file.as_raw_fd());
    fs::set_permissions(link, Permissions::from_mode(SOCKET_MODE))
}

#[cfg(not(target_os = "linux"))]
fn set_mode(path: &Path) -> io::Result<()> {
    fs::set_permissions(path, Permissions::from_mode(SOCKET_MODE))
}

/// The file of a unix socket. Removed when dropped, if it is still the one that was bound.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl SocketFile {
    /// The file just bound.
    pub(crate) fn at(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), identity: identity(path)? })
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|found| (found.dev(), found.ino()))
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|found| found == self.identity) {
            // Without permission it stays, and the next start removes it as stale.
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    /// What an account that owns the folder can put in place of the socket between bind and the mode.
    #[test]
    fn the_mode_of_an_exchanged_file_is_not_changed() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let mode = |path: &Path| fs::symlink_metadata(path).unwrap().mode() & 0o7777;
        fs::write(at("secret"), "").unwrap();
        fs::set_permissions(at("secret"), Permissions::from_mode(0o600)).unwrap();
        std::os::unix::fs::symlink(at("secret"), at("link")).unwrap();
        let _other = StdListener::bind(at("other")).unwrap();
        fs::set_permissions(at("other"), Permissions::from_mode(0o600)).unwrap();
        fs::hard_link(at("other"), at("second-name")).unwrap();
        for exchanged in ["link", "secret", "second-name", "absent"] {
            set_mode(&at(exchanged)).expect_err(exchanged);
        }
        assert_eq!((mode(&at("secret")), mode(&at("other"))), (0o600, 0o600));
        fs::remove_file(at("second-name")).unwrap();
        set_mode(&at("other")).unwrap();
        assert_eq!(mode(&at("other")), SOCKET_MODE);
    }
}
