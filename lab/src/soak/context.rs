//! What the attacks share: the agent's ports, the flag to stop, and how clients connect.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, socket_with, sockopt};

use crate::netns::Namespace;

use super::Options;

/// Protocols and their default ports.
pub(super) const PORTS: [(&str, u16); 7] = [
    ("http", 7979),
    ("1e", 7980),
    ("monero", 18081),
    ("ems-json", 1112),
    ("ems-ascii", 1222),
    ("ems-http", 7777),
    ("jetstream", 8886),
];

/// The ports that speak HTTP.
pub(super) const HTTP_PORTS: [u16; 5] = [7979, 7980, 18081, 7777, 8886];
/// The ports that take lines.
pub(super) const LINE_PORTS: [u16; 3] = [1112, 1222, 8886];

/// Less than the kernel's minimum, which is a few segments.
pub(super) const SMALL_BUFFER: usize = 2048;
/// Attackers are on other machines in practice; here they must not compete with the agent.
const NICE: i32 = 10;
/// A client of a listener with a full queue repeats its SYN after a second.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(4);

/// The state shared by all attacks.
pub(super) struct AttackContext<'a> {
    pub(super) namespace: &'a Namespace,
    pub(super) seed: u64,
    pub(super) idle: usize,
    /// How long the agent may keep unreachable clients.
    pub(super) cleanup_timeout: Duration,
    stop: AtomicBool,
    /// Clients connected, and attempts that failed.
    pub(super) made: AtomicU64,
    pub(super) failed: AtomicU64,
}

impl<'a> AttackContext<'a> {
    pub(super) fn new(options: &Options, namespace: &'a Namespace) -> Self {
        Self {
            namespace,
            seed: options.seed,
            idle: options.idle,
            cleanup_timeout: options.cleanup_timeout(),
            stop: AtomicBool::new(false),
            made: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        }
    }

    pub(super) fn stop_all(&self) {
        self.stop.store(true, Relaxed);
    }

    pub(super) fn is_running(&self) -> bool {
        !self.stop.load(Relaxed)
    }

    /// Waits, but no longer than the attack.
    pub(super) fn pause(&self, time: Duration) {
        const STEP: Duration = Duration::from_millis(50);
        let mut left = time;
        while self.is_running() && !left.is_zero() {
            let step = left.min(STEP);
            std::thread::sleep(step);
            left -= step;
        }
    }

    /// A client of this port.
    pub(super) fn dial(&self, port: u16) -> io::Result<TcpStream> {
        self.counted(TcpStream::connect_timeout(&at(port), CONNECT_TIMEOUT))
    }

    /// A client with a receive buffer of [`SMALL_BUFFER`], from an address of its own if one is given.
    pub(super) fn dial_from(&self, from: Option<Ipv4Addr>, port: u16) -> io::Result<TcpStream> {
        let attempt = || {
            let flags = SocketFlags::CLOEXEC;
            let socket = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
            sockopt::set_socket_recv_buffer_size(&socket, SMALL_BUFFER)?;
            if let Some(from) = from {
                bind(&socket, &SocketAddr::new(IpAddr::V4(from), 0))?;
            }
            connect(&socket, &at(port))?;
            Ok(TcpStream::from(socket))
        };
        self.counted(attempt())
    }

    fn counted(&self, made: io::Result<TcpStream>) -> io::Result<TcpStream> {
        let count = if made.is_ok() { &self.made } else { &self.failed };
        count.fetch_add(1, Relaxed);
        made
    }
}

/// The agent's address.
pub(super) fn at(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

/// Lowers the priority of the calling thread below the agent's.
pub(super) fn lower_priority() {
    // Without it the attack only competes more with the agent.
    let _ = rustix::process::setpriority_process(None, NICE);
}

/// Closes with a reset.
pub(super) fn reset(stream: &TcpStream) {
    // Without it the client closes by FIN.
    let _ = sockopt::set_socket_linger(stream, Some(Duration::ZERO));
}

/// Clients of one kind, each connected again after the agent closed it.
pub(super) struct Pool<'a> {
    context: &'a AttackContext<'a>,
    clients: Vec<Option<TcpStream>>,
}

impl<'a> Pool<'a> {
    pub(super) fn new(context: &'a AttackContext<'a>, count: usize) -> Self {
        Self { context, clients: (0..count).map(|_| None).collect() }
    }

    /// Connects missing clients with `make` and calls `act` for each of the others; one whose `act` fails is closed. Both
    /// take the client's number.
    pub(super) fn tend(
        &mut self,
        make: impl Fn(usize) -> io::Result<TcpStream>,
        mut act: impl FnMut(usize, &mut TcpStream) -> io::Result<()>,
    ) {
        for (number, place) in self.clients.iter_mut().enumerate() {
            if !self.context.is_running() {
                return;
            }
            match place {
                None => {
                    let made = make(number).and_then(|client| {
                        client.set_nonblocking(true)?;
                        Ok(client)
                    });
                    *place = made.ok();
                }
                Some(client) => match act(number, client) {
                    Err(error) if error.kind() != io::ErrorKind::WouldBlock => *place = None,
                    _ => {}
                },
            }
        }
    }
}
