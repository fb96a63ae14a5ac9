//! The UDP socket of a destination or of the receiver, under quinn.
//!
//! It counts datagrams, keeps the times of the last ones, paces them, and keeps the errors that the network reports
//! (ICMP), which quinn's own socket ignores.

use std::fmt;
use std::future::Future;
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use conns_transfer::rate::BytesPerSecond;
use quinn::udp::{RecvMeta, Transmit, UdpSocketState};
use quinn::{AsyncUdpSocket, UdpPoller};
use rustix::net::sockopt;
use tokio::io::Interest;

/// Buffer sizes that are asked for; the kernel gives at most `net.core.rmem_max` and `wmem_max` to a process without
/// `CAP_NET_ADMIN`.
const BUFFER_BYTES: usize = 8 << 20;
/// The bytes of this time may be sent ahead: a timer of the system is not more exact.
const BURST_US: u64 = 4_000;
/// A sender that was late sends the bytes of at most this time in addition.
const LATE_US: u64 = 20_000;
/// Bytes of IPv4 or IPv6 and UDP headers.
pub(crate) const IPV4_UDP_BYTES: u64 = 20 + 8;
pub(crate) const IPV6_UDP_BYTES: u64 = 40 + 8;

/// Microseconds since 1970-01-01 UTC.
pub(crate) fn wall_us() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// Bytes of the IP and UDP headers of a datagram to this address.
pub(crate) fn header_bytes(address: IpAddr) -> u64 {
    match address.to_canonical() {
        IpAddr::V4(_) => IPV4_UDP_BYTES,
        IpAddr::V6(_) => IPV6_UDP_BYTES,
    }
}

/// The rate that a socket sends at: IP bytes a second. quinn's own pacer sends up to a quarter faster than the window, and
/// cannot send fewer than four packets a round trip.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pace(Arc<AtomicU64>);

impl Pace {
    /// Sets the rate.
    pub(crate) fn set(&self, rate: BytesPerSecond) {
        self.0.store(rate.0.max(1), Ordering::Relaxed);
    }

    /// The rate; 0 before it is set.
    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A socket.
pub(crate) struct Socket {
    io: tokio::net::UdpSocket,
    state: UdpSocketState,
    started: Instant,
    header_bytes: u64,
    last_sent_us: AtomicI64,
    last_received_us: AtomicI64,
    sent_bytes: AtomicU64,
    received_bytes: AtomicU64,
    pace: Pace,
    /// When the bytes so far are through at the pace, microseconds since `started`.
    through_us: AtomicU64,
    network_error: Mutex<Option<String>>,
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket").field("io", &self.io).finish_non_exhaustive()
    }
}

/// What the socket counted. Times are microseconds since 1970-01-01 UTC, `None` before the first datagram; bytes are
/// those of IP packets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Traffic {
    pub(crate) last_sent_us: Option<i64>,
    pub(crate) last_received_us: Option<i64>,
    pub(crate) sent_bytes: u64,
    pub(crate) received_bytes: u64,
}

impl Socket {
    /// A socket that receives at `address`.
    pub(crate) fn listen(address: SocketAddr) -> io::Result<Self> {
        Self::listen_with(address, BUFFER_BYTES)
    }

    /// A socket that receives at `address`, with buffers of at most this size.
    pub(crate) fn listen_with(address: SocketAddr, buffer_bytes: usize) -> io::Result<Self> {
        let socket = std::net::UdpSocket::bind(address)?;
        Self::new(socket, header_bytes(address.ip()), buffer_bytes)
    }

    /// A socket connected to `peer`, so that the kernel reports who it is for and what ICMP reports.
    pub(crate) fn connect(peer: SocketAddr) -> io::Result<Self> {
        let any = match peer {
            SocketAddr::V4(_) => SocketAddr::from(([0; 4], 0)),
            SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
        };
        let socket = std::net::UdpSocket::bind(any)?;
        socket.connect(peer)?;
        Self::new(socket, header_bytes(peer.ip()), BUFFER_BYTES)
    }

    fn new(
        socket: std::net::UdpSocket,
        header_bytes: u64,
        buffer_bytes: usize,
    ) -> io::Result<Self> {
        // The limit of an unprivileged process applies silently; the size that results is shown.
        let _ = sockopt::set_socket_send_buffer_size(&socket, buffer_bytes);
        let _ = sockopt::set_socket_recv_buffer_size(&socket, buffer_bytes);
        let _ = sockopt::set_socket_send_buffer_size_force(&socket, buffer_bytes);
        let _ = sockopt::set_socket_recv_buffer_size_force(&socket, buffer_bytes);
        socket.set_nonblocking(true)?;
        let state = UdpSocketState::new((&socket).into())?;
        Ok(Self {
            io: tokio::net::UdpSocket::from_std(socket)?,
            state,
            started: Instant::now(),
            header_bytes,
            last_sent_us: AtomicI64::new(0),
            last_received_us: AtomicI64::new(0),
            sent_bytes: AtomicU64::new(0),
            received_bytes: AtomicU64::new(0),
            pace: Pace::default(),
            through_us: AtomicU64::new(0),
            network_error: Mutex::new(None),
        })
    }

    /// The rate that it sends at.
    pub(crate) fn pace(&self) -> Pace {
        self.pace.clone()
    }

    /// What was sent and received so far.
    pub(crate) fn traffic(&self) -> Traffic {
        let time = |at: &AtomicI64| Some(at.load(Ordering::Relaxed)).filter(|at| *at != 0);
        Traffic {
            last_sent_us: time(&self.last_sent_us),
            last_received_us: time(&self.last_received_us),
            sent_bytes: self.sent_bytes.load(Ordering::Relaxed),
            received_bytes: self.received_bytes.load(Ordering::Relaxed),
        }
    }

    /// The last error that the network reported since the call before.
    pub(crate) fn take_network_error(&self) -> Option<String> {
        self.network_error.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Sizes of the send and the receive buffer as the kernel reports them (`SO_SNDBUF`, `SO_RCVBUF`), bytes.
    pub(crate) fn buffer_bytes(&self) -> (Option<u64>, Option<u64>) {
        let bytes = |size: usize| u64::try_from(size).ok();
        (
            sockopt::socket_send_buffer_size(&self.io).ok().and_then(bytes),
            sockopt::socket_recv_buffer_size(&self.io).ok().and_then(bytes),
        )
    }

    /// Sends a datagram that is not one of QUIC. It is dropped where the socket has no room.
    pub(crate) fn send_beside_quic(&self, bytes: &[u8], to: SocketAddr) {
        let is_connected = self.io.peer_addr().is_ok();
        let sent =
            if is_connected { self.io.try_send(bytes) } else { self.io.try_send_to(bytes, to) };
        if sent.is_ok() {
            self.count_sent(bytes.len(), 1);
        }
    }

    /// Waits until the socket has room. A new socket has none until the runtime has polled it.
    pub(crate) async fn writable(&self) -> io::Result<()> {
        self.io.writable().await
    }

    fn now_us(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// How long the pace holds the next datagram back.
    fn wait(&self) -> Duration {
        if self.pace.get() == 0 {
            return Duration::ZERO;
        }
        let allowed_us = self.through_us.load(Ordering::Relaxed).saturating_sub(BURST_US);
        Duration::from_micros(allowed_us.saturating_sub(self.now_us()))
    }

    fn count_sent(&self, bytes: usize, datagrams: usize) {
        let bytes = bytes as u64 + self.header_bytes * datagrams as u64;
        self.sent_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.last_sent_us.store(wall_us(), Ordering::Relaxed);
        if let Some(cost_us) = (bytes * 1_000_000).checked_div(self.pace.get()) {
            // One task sends at a time: quinn locks the connection, and a limited socket has one.
            let earliest_us = self.now_us().saturating_sub(LATE_US);
            let begin_us = self.through_us.load(Ordering::Relaxed).max(earliest_us);
            self.through_us.store(begin_us + cost_us, Ordering::Relaxed);
        }
    }

    fn keep_error(&self, error: &io::Error) {
        let mut slot = self.network_error.lock().unwrap_or_else(PoisonError::into_inner);
        *slot = Some(error.to_string());
    }
}

/// Errors by which the network reports that the peer cannot be reached now.
fn is_of_the_network(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::NetworkDown
            | io::ErrorKind::PermissionDenied
    )
}

impl AsyncUdpSocket for Socket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(Poller { socket: self, waiting: None })
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        if !self.wait().is_zero() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let sent =
            self.io.try_io(Interest::WRITABLE, || self.state.try_send((&self.io).into(), transmit));
        match sent {
            Ok(()) => {
                let size = transmit.segment_size.unwrap_or(transmit.contents.len()).max(1);
                self.count_sent(transmit.contents.len(), transmit.contents.len().div_ceil(size));
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(error),
            // A datagram that is lost here is as one that is lost on the path. EMSGSIZE ends a probe of the path MTU.
            Err(error) => {
                if is_of_the_network(&error) {
                    self.keep_error(&error);
                }
                Ok(())
            }
        }
    }

    fn poll_recv(
        &self,
        context: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.io.poll_recv_ready(context))?;
            let received = self
                .io
                .try_io(Interest::READABLE, || self.state.recv((&self.io).into(), buffers, meta));
            match received {
                Ok(count) => {
                    let datagrams = meta.iter().take(count);
                    let bytes: u64 = datagrams
                        .map(|one| {
                            let segments = one.len.div_ceil(one.stride.max(1)) as u64;
                            one.len as u64 + self.header_bytes * segments
                        })
                        .sum();
                    self.received_bytes.fetch_add(bytes, Ordering::Relaxed);
                    self.last_received_us.store(wall_us(), Ordering::Relaxed);
                    return Poll::Ready(Ok(count));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => self.keep_error(&error),
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.local_addr()
    }

    fn may_fragment(&self) -> bool {
        self.state.may_fragment()
    }

    fn max_transmit_segments(&self) -> usize {
        self.state.max_gso_segments()
    }

    fn max_receive_segments(&self) -> usize {
        self.state.gro_segments()
    }
}

type Writable = Pin<Box<dyn Future<Output = io::Result<()>> + Send + Sync>>;

/// Waits until the limit and the socket allow another datagram.
struct Poller {
    socket: Arc<Socket>,
    waiting: Option<Writable>,
}

impl fmt::Debug for Poller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Poller").finish_non_exhaustive()
    }
}

impl UdpPoller for Poller {
    fn poll_writable(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let socket = Arc::clone(&self.socket);
        let waiting = self.waiting.get_or_insert_with(|| {
            Box::pin(async move {
                let wait = socket.wait();
                if !wait.is_zero() {
                    tokio::time::sleep(wait).await;
                }
                socket.io.writable().await
            })
        });
        let result = ready!(waiting.as_mut().poll(context));
        self.waiting = None;
        Poll::Ready(result)
    }
}
