//! Open listeners, bound before privileges are dropped and before any thread starts.
//!
//! Invariant: a socket file never has a wider mode than 0660, and an existing file is removed only if
//! it is a socket without a listener.

use std::fs::{self, File, Permissions};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use socket2::{Domain, SockAddr, Type};

use crate::listen_spec::{ListenAddress, ListenSpec, Protocol};

/// The accept queue; the kernel caps it at net.core.somaxconn (listen(2)).
const BACKLOG: i32 = 1024;
/// Owner and group may connect, which takes the right to write (unix(7)).
const SOCKET_MODE: u32 = 0o660;

/// An open listening socket.
#[derive(Debug)]
pub enum Socket {
    /// A TCP port.
    Tcp(TcpListener),
    /// A socket file.
    Unix(UnixListener),
}

/// A listener, ready to be served.
#[derive(Debug)]
pub struct Listener {
    /// Its protocol.
    pub protocol: Protocol,
    /// The open socket; does not block.
    pub socket: Socket,
    /// Whether it uses TLS.
    pub tls: bool,
    /// Whether a token is required, if any is configured: over TCP, unless the protocol has no room
    /// for one. The file mode guards a unix socket.
    pub guarded: bool,
    /// Removes the socket file when dropped.
    pub(crate) file: Option<SocketFile>,
}

/// Why a listener was not opened.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The port or file cannot be bound.
    #[error("cannot listen on {place}: {error}{hint}")]
    Refused {
        /// Where.
        place: ListenAddress,
        /// The system's error.
        error: io::Error,
        /// What to do.
        hint: &'static str,
    },
    /// The file is something else.
    #[error("cannot listen on unix:{}: a file that is not a socket exists there; remove it or choose another path", .0.display())]
    NotASocket(PathBuf),
    /// Another process listens there.
    #[error("cannot listen on unix:{}: another process listens there; stop it or choose another path", .0.display())]
    InUse(PathBuf),
}

impl Listener {
    /// Opens a listener. Call it before any thread starts and before privileges are dropped.
    ///
    /// # Errors
    /// If the port or file is taken or not allowed.
    pub fn bind(spec: &ListenSpec, tls: bool) -> Result<Self, BindError> {
        let refused = |error: io::Error| {
            let hint = match error.kind() {
                io::ErrorKind::AddrInUse => {
                    "; stop the process that listens there or choose another port"
                }
                io::ErrorKind::PermissionDenied => {
                    "; ports below 1024 and system folders need root, choose another"
                }
                io::ErrorKind::AddrNotAvailable => "; this machine has no such address",
                io::ErrorKind::NotFound => "; the folder must exist",
                _ => "",
            };
            BindError::Refused { place: spec.place.clone(), error, hint }
        };
        let protocol = spec.protocol;
        let (socket, file) = match &spec.place {
            ListenAddress::Tcp(address) => (Socket::Tcp(tcp(*address).map_err(refused)?), None),
            ListenAddress::Unix(path) => {
                remove_stale(path)?;
                let socket = unix(path).map_err(refused)?;
                let file = SocketFile::at(path).map_err(refused)?;
                (Socket::Unix(socket), Some(file))
            }
        };
        let guarded = file.is_none() && !protocol.takes_lines();
        Ok(Self { protocol, socket, tls, guarded, file })
    }

    /// Its address for messages, with the port the kernel chose for port 0.
    #[must_use]
    pub fn shown(&self) -> String {
        match (&self.socket, self.address()) {
            (Socket::Tcp(_), Some(address)) if self.protocol == Protocol::Http => {
                format!("http{}://{address}", if self.tls { "s" } else { "" })
            }
            (Socket::Tcp(_), address) => {
                address.map_or_else(|| "?".to_owned(), |address| address.to_string())
            }
            (Socket::Unix(socket), _) => {
                let path = socket.local_addr().ok();
                let path = path.as_ref().and_then(|address| address.as_pathname());
                format!("unix:{}", path.unwrap_or(Path::new("?")).display())
            }
        }
    }

    /// The address it is bound to, with the port the kernel chose for port 0; `None` for a unix
    /// socket.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        match &self.socket {
            Socket::Tcp(socket) => socket.local_addr().ok(),
            Socket::Unix(_) => None,
        }
    }
}

fn tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket2::Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    // A restart must not wait for connections of the previous run to time out.
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        // `[::]` takes IPv4 too, whatever the system's default is.
        socket.set_only_v6(false)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Removes a socket file without a listener.
fn remove_stale(path: &Path) -> Result<(), BindError> {
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

fn unix(path: &Path) -> io::Result<UnixListener> {
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
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Sets the mode of the socket file just bound. The folder may belong to the account that the agent
/// becomes, which can exchange the file in between: neither a symbolic link, nor a file of another
/// user, nor one with a second name is changed.
#[cfg(target_os = "linux")]
fn set_mode(path: &Path) -> io::Result<()> {
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
pub(crate) struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl SocketFile {
    fn at(path: &Path) -> io::Result<Self> {
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
        let _other = UnixListener::bind(at("other")).unwrap();
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
