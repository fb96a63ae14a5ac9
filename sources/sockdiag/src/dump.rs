//! One dump: sends a request, and reads rows until the kernel is done. Whether the kernel reported the dump as
//! interrupted or overrun, and which messages were refused, is part of the result.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use conns_contract::States;
use conns_core::model::{Family, Loss, LossCause, Protocol, Source};
use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_recv_buffer_size, set_socket_timeout};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink};

use crate::row::REQUESTED_EXTENSIONS;
use crate::wire::{Malformed, NLM_F_DUMP_INTR, NLMSG_DONE, NLMSG_ERROR, messages};

/// Attempts at a dump that is interrupted or overruns.
const MAX_ATTEMPTS: u32 = 3;
/// `SOCK_DIAG_BY_FAMILY`, `linux/sock_diag.h`.
const SOCK_DIAG_BY_FAMILY: u16 = 20;
/// `TCPDIAG_GETSOCK`, `linux/inet_diag.h`.
const TCPDIAG_GETSOCK: u16 = 18;
/// `NLM_F_REQUEST | NLM_F_DUMP`.
const REQUEST_FLAGS: u16 = 0x1 | 0x300;
/// `INET_DIAG_REQ_PROTOCOL`: protocol numbers above 255, since Linux 5.9.
const INET_DIAG_REQ_PROTOCOL: u16 = 3;
/// The kernel fills at most 32 KiB of one dump message, however large the buffer.
const DATAGRAM_BYTES: usize = 64 * 1024;
/// Receive buffer in the kernel. A dump waits for its reader, so this only has to be larger than one datagram.
const SOCKET_BUFFER_BYTES: usize = 1024 * 1024;
/// Timeout for one datagram.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// What one dump requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) protocol: Protocol,
    /// `None` for both, which only TCP supports in one dump.
    pub(crate) family: Option<Family>,
}

impl Table {
    /// For messages: "TCP over IPv4".
    pub(crate) fn describe(self) -> String {
        let protocol = self.protocol.name().to_ascii_uppercase();
        match self.family {
            Some(family) => format!("{protocol} over {}", family.name()),
            None => protocol,
        }
    }

    /// The type of the request, and its body.
    fn request(self, states: States) -> (u16, Vec<u8>) {
        match self.family {
            Some(family) => (SOCK_DIAG_BY_FAMILY, self.request_by_family(family, states)),
            None => (TCPDIAG_GETSOCK, Self::request_of_both_families(states)),
        }
    }

    /// `struct inet_diag_req`: the older request, for which the kernel iterates over its hash table once for both
    /// families. For the newer one it iterates over all buckets for each family.
    fn request_of_both_families(states: States) -> Vec<u8> {
        let mut body = vec![0, 0, 0, REQUESTED_EXTENSIONS];
        body.extend([0; 48]);
        body.extend(states.kernel_bits().to_ne_bytes());
        body.extend([0; 4]);
        body
    }

    /// `struct inet_diag_req_v2`, and for MPTCP the attribute with its number.
    fn request_by_family(self, family: Family, states: States) -> Vec<u8> {
        let (number, large_number) = match self.protocol {
            Protocol::Tcp => (6_u8, None),
            Protocol::Udp => (17, None),
            Protocol::UdpLite => (136, None),
            // The table of raw sockets is one for all protocols of IP.
            Protocol::Raw => (255, None),
            // 0 is no protocol, so a kernel that does not know the attribute answers ENOENT.
            Protocol::Mptcp => (0, Some(262_u32)),
            // These have requests of their own.
            Protocol::Unix
            | Protocol::Packet
            | Protocol::Netlink
            | Protocol::Vsock
            | Protocol::Other => (0, None),
        };
        let family: u8 = if family == Family::Ipv6 { 10 } else { 2 };
        let mut body = vec![family, number, REQUESTED_EXTENSIONS, 0];
        body.extend(states.kernel_bits().to_ne_bytes());
        body.extend([0; 48]);
        if let Some(number) = large_number {
            body.extend(8_u16.to_ne_bytes());
            body.extend(INET_DIAG_REQ_PROTOCOL.to_ne_bytes());
            body.extend(number.to_ne_bytes());
        }
        body
    }
}

/// A request with its `struct nlmsghdr`.
fn message(kind: u16, body: &[u8], sequence: u32) -> Vec<u8> {
    let length = u32::try_from(16 + body.len()).unwrap_or(u32::MAX);
    let mut message = Vec::with_capacity(16 + body.len());
    message.extend(length.to_ne_bytes());
    message.extend(kind.to_ne_bytes());
    message.extend(REQUEST_FLAGS.to_ne_bytes());
    message.extend(sequence.to_ne_bytes());
    message.extend([0; 4]);
    message.extend(body);
    message
}

/// The result of a dump.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct DumpOutcome {
    /// The table changed during the dump, so rows may be missing or repeated (`NLM_F_DUMP_INTR`).
    pub(crate) interrupted: bool,
    /// The kernel dropped answers (`ENOBUFS`), or a datagram was cut.
    pub(crate) overran: bool,
    /// Messages that could not be parsed.
    pub(crate) refused: u64,
    /// Why the last of them could not be parsed.
    pub(crate) last_refusal: Option<Malformed>,
}

/// A netlink socket; it belongs to the network namespace that it was opened in.
#[derive(Debug)]
pub(crate) struct DiagSocket {
    socket: OwnedFd,
    sequence: u32,
}

impl DiagSocket {
    /// Opens a socket in the network namespace of the calling thread.
    pub(crate) fn open() -> io::Result<Self> {
        let socket = rustix::net::socket_with(
            AddressFamily::NETLINK,
            SocketType::RAW,
            SocketFlags::CLOEXEC,
            Some(netlink::SOCK_DIAG),
        )?;
        set_socket_recv_buffer_size(&socket, SOCKET_BUFFER_BYTES)?;
        set_socket_timeout(&socket, Timeout::Recv, Some(ANSWER_TIMEOUT))?;
        Ok(Self { socket, sequence: 0 })
    }

    /// Requests `table` and passes the bytes of each row to `row`, which may refuse them.
    pub(crate) fn dump(
        &mut self,
        table: Table,
        states: States,
        buffer: &mut DumpBuffer,
        row: impl FnMut(&[u8]) -> Result<(), Malformed>,
    ) -> io::Result<DumpOutcome> {
        let (kind, body) = table.request(states);
        self.dump_request(kind, &body, buffer, row)
    }

    /// Requests the table of a family that has a request of its own.
    pub(crate) fn dump_family(
        &mut self,
        body: &[u8],
        buffer: &mut DumpBuffer,
        row: impl FnMut(&[u8]) -> Result<(), Malformed>,
    ) -> io::Result<DumpOutcome> {
        self.dump_request(SOCK_DIAG_BY_FAMILY, body, buffer, row)
    }

    fn dump_request(
        &mut self,
        kind: u16,
        body: &[u8],
        buffer: &mut DumpBuffer,
        mut row: impl FnMut(&[u8]) -> Result<(), Malformed>,
    ) -> io::Result<DumpOutcome> {
        self.sequence = self.sequence.wrapping_add(1);
        let request = message(kind, body, self.sequence);
        rustix::net::send(&self.socket, &request, SendFlags::empty())?;
        let mut outcome = DumpOutcome::default();
        loop {
            let received = rustix::net::recv(&self.socket, &mut *buffer.0, RecvFlags::TRUNC);
            let length = match received {
                Ok((_, length)) => length,
                Err(Errno::NOBUFS) => {
                    outcome.overran = true;
                    continue;
                }
                Err(Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            };
            outcome.overran |= length > buffer.0.len();
            let datagram = buffer.0.get(..length).unwrap_or(&buffer.0);
            if self.datagram(datagram, &mut outcome, &mut row)? {
                return Ok(outcome);
            }
        }
    }

    /// Handles one datagram; true when the dump is done.
    fn datagram(
        &self,
        datagram: &[u8],
        outcome: &mut DumpOutcome,
        row: &mut impl FnMut(&[u8]) -> Result<(), Malformed>,
    ) -> io::Result<bool> {
        for message in messages(datagram) {
            let message = match message {
                Ok(message) => message,
                Err(malformed) => {
                    outcome.refuse(malformed);
                    continue;
                }
            };
            if message.sequence != self.sequence {
                continue; // the rest of an earlier, abandoned dump
            }
            outcome.interrupted |= message.flags & NLM_F_DUMP_INTR != 0;
            match message.kind {
                NLMSG_DONE | NLMSG_ERROR => {
                    return match message.error_number() {
                        0 => Ok(true),
                        number => Err(io::Error::from_raw_os_error(number)),
                    };
                }
                SOCK_DIAG_BY_FAMILY | TCPDIAG_GETSOCK => {
                    if let Err(malformed) = row(message.payload) {
                        outcome.refuse(malformed);
                    }
                }
                _ => {}
            }
        }
        Ok(false)
    }
}

impl AsFd for DiagSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl DumpOutcome {
    /// The outcome of the first dump that is neither interrupted nor overran, or of the last attempt. `once` forgets the rows
    /// of the attempt before.
    pub(crate) fn of_attempts(mut once: impl FnMut() -> io::Result<Self>) -> io::Result<Self> {
        let mut outcome = Self::default();
        for _ in 0..MAX_ATTEMPTS {
            outcome = once()?;
            if !outcome.interrupted && !outcome.overran {
                break;
            }
        }
        Ok(outcome)
    }

    /// What is missing from the rows of `table`.
    pub(crate) fn losses(&self, table: &str) -> impl Iterator<Item = Loss> + use<> {
        let table = || table.into();
        let attempts = MAX_ATTEMPTS;
        let interrupted = LossCause::DumpInterrupted { table: table(), attempts };
        let overran = LossCause::DumpOverrun { table: table(), attempts };
        let refused = self.last_refusal.map(|malformed| {
            let last = malformed.to_string().into();
            (LossCause::DumpMessagesRefused { table: table(), last }, self.refused)
        });
        let counted = [
            Some((interrupted, u64::from(self.interrupted))),
            Some((overran, u64::from(self.overran))),
            refused,
        ];
        let made = |(cause, count)| Loss::counted(Source::SockDiag, cause, count);
        counted.into_iter().flatten().filter_map(made)
    }

    fn refuse(&mut self, malformed: Malformed) {
        self.refused += 1;
        self.last_refusal = Some(malformed);
    }
}

/// The receive buffer of all dumps.
#[derive(Debug)]
pub(crate) struct DumpBuffer(Box<[u8]>);

impl DumpBuffer {
    pub(crate) fn new() -> Self {
        Self(vec![0; DATAGRAM_BYTES].into())
    }
}
