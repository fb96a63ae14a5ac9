//! Stands in for unix sockets where there are none: binding fails, so no value of these types exists.

use std::io;
use std::os::windows::io::{AsSocket, BorrowedSocket};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};

use crate::bind_error::BindError;

/// A listener that does not exist.
#[derive(Debug)]
pub enum StdListener {}

/// The same, registered with the runtime.
#[derive(Debug)]
pub(crate) enum UnixListener {}

/// A client that does not exist.
#[derive(Debug)]
pub(crate) enum UnixStream {}

/// A socket file that does not exist.
#[derive(Debug)]
pub enum SocketFile {}

/// No file is stale.
pub(crate) fn remove_stale(_: &Path) -> Result<(), BindError> {
    Ok(())
}

/// Fails.
pub(crate) fn bind(_: &Path, _: i32) -> io::Result<StdListener> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "there are no unix sockets on this system"))
}

pub(crate) fn path_of(listener: &StdListener) -> Option<PathBuf> {
    match *listener {}
}

impl SocketFile {
    pub(crate) fn at(_: &Path) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

impl StdListener {
    pub(crate) fn set_nonblocking(&self, _: bool) -> io::Result<()> {
        match *self {}
    }
}

impl UnixListener {
    pub(crate) fn from_std(listener: StdListener) -> io::Result<Self> {
        match listener {}
    }

    pub(crate) async fn accept(&self) -> io::Result<(UnixStream, ())> {
        match *self {}
    }
}

impl UnixStream {
    pub(crate) async fn readable(&self) -> io::Result<()> {
        match *self {}
    }

    pub(crate) fn try_io<R>(
        &self,
        _: Interest,
        _: impl FnOnce() -> io::Result<R>,
    ) -> io::Result<R> {
        match *self {}
    }

    pub(crate) fn try_write(&self, _: &[u8]) -> io::Result<usize> {
        match *self {}
    }
}

impl AsSocket for UnixStream {
    fn as_socket(&self) -> BorrowedSocket<'_> {
        match *self {}
    }
}

impl AsyncRead for UnixStream {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match *self {}
    }
}

impl AsyncWrite for UnixStream {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        match *self {}
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match *self {}
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match *self {}
    }
}
