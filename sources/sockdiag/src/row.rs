//! Converts a row, `struct inet_diag_msg` and its attributes (`linux/inet_diag.h`), to a [`Socket`]. The fixed 72
//! bytes are required; the attributes are read by length.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use conns_contract::cookie::of_shared_cookie;
use conns_contract::user_id;
use conns_core::model::{
    AcceptQueue, BbrState, Congestion, CongestionDetail, DctcpState, Endpoint, Family, Known,
    MptcpState, Netns, Protocol, Queues, Socket, SocketId, SocketMemory, Source, State, TcpInfo,
    Timer, TimerKind, Unknown,
};

use crate::wire::{Malformed, attributes};

/// Bytes of `struct inet_diag_msg`.
const ROW_BYTES: usize = 72;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;

// Attribute types, `linux/inet_diag.h`.
const INET_DIAG_INFO: u16 = 2;
const INET_DIAG_CONG: u16 = 4;
const INET_DIAG_TOS: u16 = 5;
const INET_DIAG_TCLASS: u16 = 6;
const INET_DIAG_SKMEMINFO: u16 = 7;
const INET_DIAG_SHUTDOWN: u16 = 8;
const INET_DIAG_DCTCPINFO: u16 = 9;
const INET_DIAG_SKV6ONLY: u16 = 11;
const INET_DIAG_MARK: u16 = 15;
const INET_DIAG_BBRINFO: u16 = 16;
const INET_DIAG_ULP_INFO: u16 = 19;
const INET_DIAG_CGROUP_ID: u16 = 21;
/// Nested in `INET_DIAG_ULP_INFO`: the name.
const INET_ULP_INFO_NAME: u16 = 1;

/// `idiag_ext`: all attributes that have a bit there, except `INET_DIAG_MEMINFO`, which `INET_DIAG_SKMEMINFO`
/// contains.
pub(crate) const REQUESTED_EXTENSIONS: u8 = 0xfe;

/// Converts rows of one namespace.
#[derive(Debug)]
pub struct RowReader {
    netns: Arc<Netns>,
    /// Cached names of algorithms and upper layers.
    names: Vec<Arc<str>>,
}

/// Most cached names; the kernel has about twenty algorithms. Further names are read but not cached.
const MAX_NAMES: usize = 64;

impl RowReader {
    /// A reader of rows of `netns`.
    #[must_use]
    pub fn new(netns: Arc<Netns>) -> Self {
        Self { netns, names: Vec::new() }
    }

    /// Reads the payload of one `SOCK_DIAG_BY_FAMILY` message, an answer about `protocol`.
    ///
    /// # Errors
    /// [`Malformed`] if the fixed part is cut or names what the kernel headers do not have.
    pub fn read(&mut self, protocol: Protocol, payload: &[u8]) -> Result<Socket, Malformed> {
        let available = payload.len();
        let (fixed, rest) =
            payload.split_first_chunk::<ROW_BYTES>().ok_or(Malformed::RowLength { available })?;
        let mut socket = self.fixed_part(protocol, fixed)?;
        self.attributes(&mut socket, rest);
        if let (Protocol::Tcp, Known::Value(queues, _)) = (protocol, &mut socket.queues) {
            let Queues { receive_bytes, send_bytes } = *queues;
            *queues = Queues::of_tcp(socket.state, receive_bytes, send_bytes, socket.tcp.value());
        }
        Ok(socket)
    }

    fn fixed_part(&self, protocol: Protocol, b: &[u8; ROW_BYTES]) -> Result<Socket, Malformed> {
        let [family, state, timer, retransmits, ..] = *b;
        let be16 = |at: usize| u16::from_be_bytes(part(b, at));
        let ne32 = |at: usize| u32::from_ne_bytes(part(b, at));
        let (family, local, remote) = match family {
            AF_INET => {
                let address = |at| IpAddr::V4(Ipv4Addr::from(part::<4>(b, at)));
                (Family::Ipv4, address(8), address(24))
            }
            AF_INET6 => {
                let address = |at| IpAddr::V6(Ipv6Addr::from(part::<16>(b, at)));
                (Family::Ipv6, address(8), address(24))
            }
            other => return Err(Malformed::Family(other)),
        };
        let state = match State::from_kernel(state).ok_or(Malformed::State(state))? {
            // The kernel reports bound sockets in their state, closed. No other closed TCP sockets are in its
            // tables.
            State::Close if protocol.is_tcp() => State::BoundInactive,
            state => state,
        };
        let local = Endpoint { address: local, port: be16(4) };
        let remote = Endpoint { address: remote, port: be16(6) };
        let source = Source::SockDiag;
        let cookie = u64::from(ne32(44)) | u64::from(ne32(48)) << 32;
        let remote = (!remote.is_unspecified()).then_some(remote);
        let cookie = match remote {
            // All connections of an MPTCP listener have its cookie (see [`SocketId`]).
            Some(remote) if protocol == Protocol::Mptcp => of_shared_cookie(cookie, local, remote),
            _ => cookie,
        };
        let (rqueue, wqueue, inode) = (ne32(56), ne32(60), u64::from(ne32(68)));
        let listens = state == State::Listen;
        // Request and TIME-WAIT minisocks, the latter also in FIN-WAIT-2. The kernel fills in their endpoints and timer
        // and sets the rest to zero (`inet_req_diag_fill`, `inet_twsk_diag_fill` in net/ipv4).
        let is_minisock = matches!(state, State::SynReceived | State::TimeWait)
            || TimerKind::from_kernel(timer) == Some(TimerKind::TimeWait);
        let carries_data = state.carries_data() && !is_minisock;
        let is_tcp_stream = protocol == Protocol::Tcp && carries_data;
        let is_full_socket = carries_data || listens || state == State::BoundInactive;
        let unknown = Unknown::KernelDoesNotReport;
        Ok(Socket {
            id: SocketId { netns: self.netns.inode, cookie },
            source,
            netns: Arc::clone(&self.netns),
            protocol,
            family,
            state,
            local,
            remote,
            interface: ne32(40),
            interface_name: missing(ne32(40) != 0, unknown),
            ipv6_only: Socket::missing_ipv6_only(family, state, unknown),
            inode: if inode == 0 { Known::NotApplicable } else { Known::Value(inode, source) },
            uid: if is_minisock { Known::NotApplicable } else { user_id(ne32(64), source) },
            queues: if carries_data {
                Known::Value(Queues { receive_bytes: rqueue, send_bytes: wqueue }, source)
            } else {
                Known::NotApplicable
            },
            accept_queue: if listens {
                Known::Value(AcceptQueue { length: rqueue, limit: wqueue }, source)
            } else {
                Known::NotApplicable
            },
            timer: match TimerKind::from_kernel(timer) {
                None => Known::NotApplicable,
                Some(kind) => {
                    Known::Value(Timer { kind, expires_ms: ne32(52), retransmits }, source)
                }
            },
            memory: missing(is_full_socket, unknown),
            congestion: missing(is_tcp_stream, unknown),
            tos: missing(is_full_socket, unknown),
            mark: missing(is_full_socket, Unknown::NotPrivileged),
            cgroup_id: missing(is_full_socket, unknown),
            shutdown: missing(carries_data, unknown),
            upper_layer: Known::NotApplicable,
            tcp: missing(is_tcp_stream, unknown),
            pair: missing(is_tcp_stream, Unknown::SourceDoesNotReport),
            mptcp: missing(protocol == Protocol::Mptcp && carries_data, unknown),
            udp: missing(protocol == Protocol::Udp, unknown),
            held_by_kernel: false,
            peer_of: None,
            other: None,
        })
    }

    /// Fills in the attributes that apply to the socket; what the kernel did not send stays unknown.
    fn attributes(&mut self, socket: &mut Socket, bytes: &[u8]) {
        let mut algorithm = None;
        let mut detail = CongestionDetail::None;
        for (kind, payload) in attributes(bytes) {
            match kind {
                INET_DIAG_INFO => match socket.protocol {
                    Protocol::Mptcp => fill(&mut socket.mptcp, mptcp(payload)),
                    _ => fill(&mut socket.tcp, Some(TcpInfo::new(payload))),
                },
                INET_DIAG_CONG => algorithm = text(payload),
                INET_DIAG_BBRINFO => detail = bbr(payload).unwrap_or(detail),
                INET_DIAG_DCTCPINFO => detail = dctcp(payload).unwrap_or(detail),
                INET_DIAG_TOS if socket.family == Family::Ipv4 => {
                    fill(&mut socket.tos, payload.first().copied());
                }
                INET_DIAG_TCLASS => fill(&mut socket.tos, payload.first().copied()),
                INET_DIAG_SKMEMINFO => fill(&mut socket.memory, memory(payload)),
                INET_DIAG_SHUTDOWN => fill(&mut socket.shutdown, payload.first().copied()),
                INET_DIAG_SKV6ONLY => {
                    fill(&mut socket.ipv6_only, payload.first().map(|byte| *byte != 0));
                }
                INET_DIAG_MARK => fill(&mut socket.mark, u32_at(payload, 0)),
                INET_DIAG_CGROUP_ID => {
                    fill(
                        &mut socket.cgroup_id,
                        payload.first_chunk().map(|b| u64::from_ne_bytes(*b)),
                    );
                }
                INET_DIAG_ULP_INFO => {
                    let name = attribute(payload, INET_ULP_INFO_NAME).and_then(text);
                    if let Some(name) = name {
                        socket.upper_layer = Known::Value(self.name(name), Source::SockDiag);
                    }
                }
                _ => {}
            }
        }
        if let Some(algorithm) = algorithm {
            let algorithm = self.name(algorithm);
            fill(&mut socket.congestion, Some(Congestion { algorithm, detail }));
        }
    }

    fn name(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.names.iter().find(|known| ***known == *name) {
            return Arc::clone(known);
        }
        let new: Arc<str> = name.into();
        if self.names.len() < MAX_NAMES {
            self.names.push(Arc::clone(&new));
        }
        new
    }
}

/// Unknown because of `why` if it applies at all.
fn missing<T>(applies: bool, why: Unknown) -> Known<T> {
    if applies { Known::Unknown(why) } else { Known::NotApplicable }
}

/// Sets a value, if it applies and the kernel sent it.
fn fill<T>(known: &mut Known<T>, value: Option<T>) {
    if let (Known::Unknown(_), Some(value)) = (&*known, value) {
        *known = Known::Value(value, Source::SockDiag);
    }
}

/// `N` bytes of the fixed part from `at`, which is within its 72 bytes.
fn part<const N: usize>(bytes: &[u8; ROW_BYTES], at: usize) -> [u8; N] {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).copied().unwrap_or([0; N])
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|b| u32::from_ne_bytes(*b))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|b| u16::from_ne_bytes(*b))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|b| u64::from_ne_bytes(*b))
}

/// Text up to its terminating zero; `None` unless it is printable ASCII, as kernel names are.
fn text(bytes: &[u8]) -> Option<&str> {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    let text = std::str::from_utf8(bytes.get(..end)?).ok()?;
    (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())).then_some(text)
}

fn attribute(bytes: &[u8], kind: u16) -> Option<&[u8]> {
    attributes(bytes).find(|(found, _)| *found == kind).map(|(_, payload)| payload)
}

/// `SK_MEMINFO_*` of `linux/sock_diag.h`, in order.
pub(crate) fn memory(bytes: &[u8]) -> Option<SocketMemory> {
    let at = |index: usize| u32_at(bytes, index * 4);
    Some(SocketMemory {
        receive_bytes: at(0)?,
        receive_limit_bytes: at(1)?,
        send_bytes: at(2)?,
        send_limit_bytes: at(3)?,
        forward_bytes: at(4)?,
        queued_bytes: at(5)?,
        option_bytes: at(6)?,
        backlog_bytes: at(7)?,
        drops: at(8),
    })
}

/// `struct tcp_bbr_info`.
fn bbr(bytes: &[u8]) -> Option<CongestionDetail> {
    Some(CongestionDetail::Bbr(BbrState {
        bandwidth_bytes_per_s: u64::from(u32_at(bytes, 0)?) | u64::from(u32_at(bytes, 4)?) << 32,
        min_rtt_us: u32_at(bytes, 8)?,
        pacing_gain_256: u32_at(bytes, 12)?,
        cwnd_gain_256: u32_at(bytes, 16)?,
    }))
}

/// `struct tcp_dctcp_info`.
fn dctcp(bytes: &[u8]) -> Option<CongestionDetail> {
    Some(CongestionDetail::Dctcp(DctcpState {
        enabled: u16_at(bytes, 0)? != 0,
        is_congested: u16_at(bytes, 2)? != 0,
        alpha_1024: u32_at(bytes, 4)?,
        ecn_acked_bytes: u32_at(bytes, 8)?,
        total_acked_bytes: u32_at(bytes, 12)?,
    }))
}

/// `struct mptcp_info` of `linux/mptcp.h`.
fn mptcp(bytes: &[u8]) -> Option<MptcpState> {
    Some(MptcpState {
        extra_subflows: *bytes.first()?,
        token: u32_at(bytes, 12),
        bytes_sent: u64_at(bytes, 56),
        bytes_received: u64_at(bytes, 64),
    })
}

#[cfg(test)]
mod tests;
