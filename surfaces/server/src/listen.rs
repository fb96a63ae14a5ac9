//! Open listeners, bound before privileges are dropped and before any thread starts.

use std::io;
use std::net::{SocketAddr, TcpListener};
#[cfg(unix)]
use std::os::fd::OwnedFd;
use std::path::Path;

use socket2::{Domain, Type};

use crate::bind_error::BindError;
use crate::listen_spec::{ListenAddress, ListenSpec, Protocol};
use crate::unix_socket::{self, SocketFile, StdListener};

/// The accept queue; the kernel caps it at net.core.somaxconn (listen(2)).
const BACKLOG: i32 = 1024;

/// An open listening socket.
#[derive(Debug)]
pub enum Socket {
    /// A TCP port.
    Tcp(TcpListener),
    /// A socket file.
    Unix(StdListener),
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
                io::ErrorKind::Unsupported => "; listen on an address and port",
                _ => "",
            };
            BindError::Refused { place: spec.place.clone(), error, hint }
        };
        let (socket, file) = match &spec.place {
            ListenAddress::Tcp(address) => (Socket::Tcp(tcp(*address).map_err(refused)?), None),
            ListenAddress::Unix(path) => {
                unix_socket::remove_stale(path)?;
                let socket = unix_socket::bind(path, BACKLOG).map_err(refused)?;
                let file = SocketFile::at(path).map_err(refused)?;
                (Socket::Unix(socket), Some(file))
            }
        };
        Ok(Self::new(spec, tls, socket, file))
    }

    fn new(spec: &ListenSpec, tls: bool, socket: Socket, file: Option<SocketFile>) -> Self {
        let protocol = spec.protocol;
        let guarded = matches!(socket, Socket::Tcp(_)) && !protocol.takes_lines();
        Self { protocol, socket, tls, guarded, file }
    }

    /// The listener of `spec` whose socket another process has opened with [`Listener::bind`]; that process
    /// keeps its file.
    #[cfg(unix)]
    #[must_use]
    pub fn from_open(spec: &ListenSpec, tls: bool, socket: OwnedFd) -> Self {
        let socket = match spec.place {
            ListenAddress::Unix(_) => Socket::Unix(socket.into()),
            ListenAddress::Tcp(_) => Socket::Tcp(socket.into()),
        };
        Self::new(spec, tls, socket, None)
    }

    /// Its socket, for another process, and what removes its file in the end.
    #[cfg(unix)]
    #[must_use]
    pub fn into_parts(self) -> (OwnedFd, Option<SocketFile>) {
        let socket = match self.socket {
            Socket::Tcp(socket) => socket.into(),
            Socket::Unix(socket) => socket.into(),
        };
        (socket, self.file)
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
                let path = unix_socket::path_of(socket);
                format!("unix:{}", path.as_deref().unwrap_or(Path::new("?")).display())
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
    // A restart must not wait for connections of the previous run to time out. On Windows it does not, and the option
    // would let another process bind the same port.
    if cfg!(unix) {
        socket.set_reuse_address(true)?;
    }
    if address.is_ipv6() {
        // `[::]` takes IPv4 too, whatever the system's default is.
        socket.set_only_v6(false)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}
