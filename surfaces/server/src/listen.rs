//! Opened listeners, before privileges are dropped and before any thread.
//!
//! The one idea: a socket file never exists with a wider mode than 0660, and a file that is
//! there already is removed only if it is a socket nobody answers on.

use std::fs::{self, File, Permissions};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use socket2::{Domain, SockAddr, Type};

use crate::listen_spec::{ListenAddress, ListenSpec, Protocol};

/// Clients that wait to be accepted; the kernel caps it at net.core.somaxconn (listen(2)).
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
    /// What is spoken.
    pub protocol: Protocol,
    /// The open socket; does not block.
    pub socket: Socket,
    /// Whether TLS is spoken.
    pub tls: bool,
    /// Whether a token is asked for, if any is configured. Ours is `true` where a token fits into
    /// what clients say over TCP; the mode of a socket file is a guard of its own.
    pub guarded: bool,
    /// Removes the socket file in the end.
    pub(crate) file: Option<SocketFile>,
}

/// Why a listener was not opened.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The port or the file cannot be had.
    #[error("cannot listen on {place}: {error}{hint}")]
    Refused {
        /// Where.
        place: ListenAddress,
        /// What the system said.
        error: io::Error,
        /// What the user can do.
        hint: &'static str,
    },
    /// The file is something else.
    #[error("cannot listen on unix:{}: there is a file that is no socket; remove it or choose another path", .0.display())]
    NotASocket(PathBuf),
    /// Somebody answers there.
    #[error("cannot listen on unix:{}: somebody already does; stop that agent or choose another path", .0.display())]
    InUse(PathBuf),
}

impl Listener {
    /// Opens a listener. To be called before there are threads and while privileges last.
    ///
    /// # Errors
    /// If the port or file is taken or not allowed.
    pub fn bind(wanted: &ListenSpec, tls: bool) -> Result<Self, BindError> {
        let refused = |error: io::Error| {
            let hint = match error.kind() {
                io::ErrorKind::AddrInUse => "; stop whoever listens there or choose another port",
                io::ErrorKind::PermissionDenied => {
                    "; ports below 1024 and system folders need root, choose another"
                }
                io::ErrorKind::AddrNotAvailable => "; this machine has no such address",
                io::ErrorKind::NotFound => "; the folder must exist",
                _ => "",
            };
            BindError::Refused { place: wanted.place.clone(), error, hint }
        };
        let protocol = wanted.protocol;
        let (socket, file) = match &wanted.place {
            ListenAddress::Tcp(address) => (Socket::Tcp(tcp(*address).map_err(refused)?), None),
            ListenAddress::Unix(path) => {
                make_way(path)?;
                let socket = unix(path).map_err(refused)?;
                let file = SocketFile::at(path).map_err(refused)?;
                (Socket::Unix(socket), Some(file))
            }
        };
        let guarded = file.is_none() && !protocol.takes_lines();
        Ok(Self { protocol, socket, tls, guarded, file })
    }

    /// Where it listens, as clients are told: with the port the kernel chose if 0 was asked for.
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

    /// The address it is bound to, with the port the kernel chose if 0 was asked for; `None` for a
    /// socket file.
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
    // A restart must not wait for connections of the last run to time out.
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

/// Removes a socket file nobody answers on.
fn make_way(path: &Path) -> Result<(), BindError> {
    // What cannot be looked at will be said by bind.
    let Ok(found) = fs::symlink_metadata(path) else { return Ok(()) };
    if !found.file_type().is_socket() {
        return Err(BindError::NotASocket(path.to_owned()));
    }
    let is_stale = probe(path).is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused);
    if !is_stale {
        return Err(BindError::InUse(path.to_owned()));
    }
    // If this fails bind says that the address is in use.
    let _ = fs::remove_file(path);
    Ok(())
}

/// Connects without waiting: a listener whose backlog is full is still somebody.
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
    // The umask may have made it narrower; nobody can connect before listen.
    fs::set_permissions(path, Permissions::from_mode(SOCKET_MODE))?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// The file of a socket of ours. Removed when dropped, if it still is the one we made.
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
            // Without the right to do so it stays, and the next start sees that it is stale.
            let _ = fs::remove_file(&self.path);
        }
    }
}
