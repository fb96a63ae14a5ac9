//! Unix sockets. Where a system has none, types without values stand in, so that no other module depends on it.

#[cfg(not(unix))]
mod absent;
#[cfg(unix)]
mod files;

#[cfg(unix)]
pub(crate) use std::os::unix::net::UnixListener as StdListener;
#[cfg(unix)]
pub(crate) use tokio::net::{UnixListener, UnixStream};

#[cfg(not(unix))]
pub use absent::SocketFile;
#[cfg(not(unix))]
pub(crate) use absent::{StdListener, UnixListener, UnixStream, bind, path_of, remove_stale};
#[cfg(unix)]
pub use files::SocketFile;
#[cfg(unix)]
pub(crate) use files::{bind, path_of, remove_stale};
