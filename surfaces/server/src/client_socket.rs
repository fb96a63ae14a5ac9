//! The socket of a client. All its bytes pass here, so it records in the client's slot whether a
//! request has begun and whether the client reads its response.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;

use crate::connection_table::{ClientSlot, Phase};
use crate::unix_socket::UnixStream;

#[derive(Debug)]
enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// A connected client.
#[derive(Debug)]
pub(crate) struct ClientSocket {
    stream: Stream,
    slot: Arc<ClientSlot>,
    /// Bytes that are read first: read before, and put back.
    early: Bytes,
}

/// Time without an acknowledgement of data (`TCP_USER_TIMEOUT`) or, without data, of probes, after
/// which the kernel closes a connection. Several retransmissions, and less than `idle_time`.
const PEER_TIMEOUT: Duration = Duration::from_secs(30);
const PROBE_INTERVAL: Duration = Duration::from_secs(10);

/// Makes the kernel close connections to vanished clients, whose unsent data it would keep. Where it
/// refuses, the slot's deadlines apply.
fn set_peer_timeout(stream: &TcpStream) {
    let socket = SockRef::from(stream);
    let probes = socket2::TcpKeepalive::new().with_time(PEER_TIMEOUT).with_interval(PROBE_INTERVAL);
    let _ = socket.set_tcp_keepalive(&probes);
    #[cfg(target_os = "linux")]
    let _ = socket.set_tcp_user_timeout(Some(PEER_TIMEOUT));
}

impl ClientSocket {
    pub(crate) fn tcp(stream: TcpStream, slot: Arc<ClientSlot>) -> Self {
        // Small responses must not wait for an acknowledgement (Nagle).
        let _ = stream.set_nodelay(true);
        set_peer_timeout(&stream);
        Self { stream: Stream::Tcp(stream), slot, early: Bytes::new() }
    }

    pub(crate) fn unix(stream: UnixStream, slot: Arc<ClientSlot>) -> Self {
        Self { stream: Stream::Unix(stream), slot, early: Bytes::new() }
    }

    /// The local address of the connection.
    pub(crate) fn local_ip(&self) -> Option<IpAddr> {
        match &self.stream {
            Stream::Tcp(stream) => stream.local_addr().ok().map(|local| local.ip().to_canonical()),
            Stream::Unix(_) => None,
        }
    }

    pub(crate) fn is_tcp(&self) -> bool {
        matches!(self.stream, Stream::Tcp(_))
    }

    /// Resolves when there are bytes to read or the client closed. Allocates nothing.
    pub(crate) async fn readable(&self) -> io::Result<()> {
        if !self.early.is_empty() {
            return Ok(());
        }
        // Readiness may be spurious; the peek asks the kernel.
        let mut first = [MaybeUninit::uninit()];
        loop {
            let peeked = match &self.stream {
                Stream::Tcp(stream) => {
                    stream.readable().await?;
                    let peek = || SockRef::from(stream).peek(&mut first);
                    stream.try_io(Interest::READABLE, peek)
                }
                Stream::Unix(stream) => {
                    stream.readable().await?;
                    let peek = || SockRef::from(stream).peek(&mut first);
                    stream.try_io(Interest::READABLE, peek)
                }
            };
            match peeked {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                peeked => return peeked.map(drop),
            }
        }
    }

    /// The first byte, which stays unread; `None` if the client closed.
    pub(crate) async fn peek(&mut self) -> io::Result<Option<u8>> {
        let mut first = BytesMut::with_capacity(1);
        self.read_buf(&mut first).await?;
        self.unread(first.freeze());
        Ok(self.early.first().copied())
    }

    /// Puts back bytes that were read.
    pub(crate) fn unread(&mut self, bytes: Bytes) {
        self.early = match self.early.is_empty() {
            true => bytes,
            false => [bytes, self.early.clone()].concat().into(),
        };
    }

    fn wrote(&self, outcome: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match &outcome {
            Poll::Pending => self.slot.set_blocked(),
            Poll::Ready(_) => self.slot.set_writable(),
        }
        outcome
    }
}

impl AsyncRead for ClientSocket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        let outcome = if self.early.is_empty() {
            match &mut self.stream {
                Stream::Tcp(stream) => Pin::new(stream).poll_read(cx, into),
                Stream::Unix(stream) => Pin::new(stream).poll_read(cx, into),
            }
        } else {
            let taken = self.early.len().min(into.remaining());
            into.put_slice(&self.early.split_to(taken));
            Poll::Ready(Ok(()))
        };
        if into.filled().len() > before && self.slot.phase() == Phase::Idle {
            self.slot.enter(Phase::Head);
        }
        outcome
    }
}

impl AsyncWrite for ClientSocket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = match &mut self.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
        };
        self.wrote(outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        chunks: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = match &mut self.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, chunks),
            Stream::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, chunks),
        };
        self.wrote(outcome)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Sockets have nothing to flush; hyper flushes when all of a response is written.
        if self.slot.phase() == Phase::Flush {
            self.slot.enter(Phase::Idle);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

impl Drop for ClientSocket {
    fn drop(&mut self) {
        if let (Stream::Tcp(stream), true) = (&self.stream, self.slot.is_cut_off()) {
            // Otherwise the kernel keeps the unread response for minutes.
            let _ = stream.set_zero_linger();
        }
    }
}
