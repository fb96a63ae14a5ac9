//! The socket of a client, as its conversation reads and writes it.
//!
//! The one idea: every byte passes here, so this is the place that knows whether a client has
//! begun to say something and whether it takes what it is sent; its seat is told.

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
use tokio::net::{TcpStream, UnixStream};

use crate::seats::{Seat, Stage};

#[derive(Debug)]
enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// A connected client.
#[derive(Debug)]
pub(crate) struct Wire {
    stream: Stream,
    seat: Arc<Seat>,
    /// What was read already and is to be read again.
    early: Bytes,
}

/// A client that is gone without a word is noticed after so long: what was sent to it is not
/// acknowledged (`TCP_USER_TIMEOUT`), or, if nothing was, neither are probes. Several
/// retransmissions, and less than an idle client may stay.
const ABSENCE: Duration = Duration::from_secs(30);
const PROBED_EVERY: Duration = Duration::from_secs(10);

/// Makes the kernel end connections to clients that are gone, which would keep what was sent to
/// them in its memory. Where it cannot, the seat's own times hold.
fn notice_absence(stream: &TcpStream) {
    let socket = SockRef::from(stream);
    let probes = socket2::TcpKeepalive::new().with_time(ABSENCE).with_interval(PROBED_EVERY);
    let _ = socket.set_tcp_keepalive(&probes);
    #[cfg(target_os = "linux")]
    let _ = socket.set_tcp_user_timeout(Some(ABSENCE));
}

impl Wire {
    pub(crate) fn tcp(stream: TcpStream, seat: Arc<Seat>) -> Self {
        // Small answers must not wait for an acknowledgement. Without it they only come later.
        let _ = stream.set_nodelay(true);
        notice_absence(&stream);
        Self { stream: Stream::Tcp(stream), seat, early: Bytes::new() }
    }

    pub(crate) fn unix(stream: UnixStream, seat: Arc<Seat>) -> Self {
        Self { stream: Stream::Unix(stream), seat, early: Bytes::new() }
    }

    /// The address the client reached us at.
    pub(crate) fn local_ip(&self) -> Option<IpAddr> {
        match &self.stream {
            Stream::Tcp(stream) => stream.local_addr().ok().map(|local| local.ip().to_canonical()),
            Stream::Unix(_) => None,
        }
    }

    pub(crate) fn is_tcp(&self) -> bool {
        matches!(self.stream, Stream::Tcp(_))
    }

    /// Waits until the client has said something or has gone. Takes no memory for it.
    pub(crate) async fn readable(&self) -> io::Result<()> {
        if !self.early.is_empty() {
            return Ok(());
        }
        // A socket may be called ready when it is not; only the kernel knows.
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

    /// The first byte, which will be read again; `None` if the client has gone.
    pub(crate) async fn peek(&mut self) -> io::Result<Option<u8>> {
        let mut first = BytesMut::with_capacity(1);
        self.read_buf(&mut first).await?;
        self.read_again(first.freeze());
        Ok(self.early.first().copied())
    }

    /// These bytes, read before, come first when it is read again.
    pub(crate) fn read_again(&mut self, bytes: Bytes) {
        self.early = match self.early.is_empty() {
            true => bytes,
            false => [bytes, self.early.clone()].concat().into(),
        };
    }

    fn wrote(&self, outcome: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match &outcome {
            Poll::Pending => self.seat.blocked(),
            Poll::Ready(_) => self.seat.moved(),
        }
        outcome
    }
}

impl AsyncRead for Wire {
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
        if into.filled().len() > before && self.seat.stage() == Stage::Idle {
            self.seat.enter(Stage::Head);
        }
        outcome
    }
}

impl AsyncWrite for Wire {
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
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = match &mut self.stream {
            Stream::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, pieces),
            Stream::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, pieces),
        };
        self.wrote(outcome)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Sockets have nothing to flush; it is asked for when all above has been written.
        if self.seat.stage() == Stage::Rest {
            self.seat.enter(Stage::Idle);
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

impl Drop for Wire {
    fn drop(&mut self) {
        if let (Stream::Tcp(stream), true) = (&self.stream, self.seat.is_cut_off()) {
            // The kernel would keep what this reader did not take for minutes. If that cannot be
            // said it does.
            let _ = stream.set_zero_linger();
        }
    }
}
