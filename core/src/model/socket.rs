//! One row of the kernel's socket tables: a socket as `sock_diag` or another source reports it, without
//! owners and history.

use std::borrow::Cow;
use std::hash::BuildHasher;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use foldhash::quality::FixedState;
use serde::{Deserialize, Serialize};

use super::{Endpoint, Known, OtherSocket, Pair, Source, TcpInfo, Unknown};

/// A network namespace.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Netns {
    /// Inode of the namespace in nsfs, as `readlink /proc/PID/ns/net` shows it; 0 where the
    /// system has no namespaces.
    pub inode: u64,
    /// Its name under `/run/netns` (ip-netns(8)), else `net:[inode]` as links in `/proc` read;
    /// `None` where the system has no namespaces.
    pub label: Option<Box<str>>,
    /// Whether `conns` itself runs in it.
    pub is_own: bool,
}

impl Netns {
    /// The namespace with this inode, called by `name` if it has one.
    #[must_use]
    pub fn new(inode: u64, name: Option<&str>, is_own: bool) -> Self {
        let label = name.map_or_else(|| format!("net:[{inode}]").into(), Into::into);
        Self { inode, label: Some(label), is_own }
    }

    /// The only namespace of a system that has none.
    #[must_use]
    pub fn only() -> Self {
        Self { inode: 0, label: None, is_own: true }
    }
}

/// Identity of a socket: the kernel's cookie, unique until reboot, within its namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SocketId {
    /// Inode of the network namespace.
    pub netns: u64,
    /// `SO_COOKIE`. A source without cookies puts a digest of protocol and ends here. For an MPTCP
    /// connection it is a digest of its cookie and ends: the kernel gives all connections that a
    /// listener accepts the listener's cookie, once that has one (`mptcp_sk_clone_init`, `net/mptcp`). The
    /// same for a peer of an unconnected UDP socket ([`SocketId::of_peer`]).
    pub cookie: u64,
}

impl SocketId {
    /// The identity of the row of a peer of this unconnected UDP socket.
    #[must_use]
    pub fn of_peer(self, peer: Endpoint) -> Self {
        let digest = FixedState::with_seed(0).hash_one((self.cookie, peer));
        Self { cookie: digest, ..self }
    }
}

/// Transport protocol, or what takes its place in families without.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Protocol {
    /// RFC 9293.
    Tcp,
    /// RFC 768.
    Udp,
    /// Multipath TCP, RFC 8684: the connection as the application sees it; its subflows are TCP.
    Mptcp,
    /// UDP-Lite, RFC 3828.
    UdpLite,
    /// Raw sockets of IPv4 and IPv6, raw(7).
    Raw,
    /// Unix sockets, unix(7).
    Unix,
    /// Packet sockets, packet(7).
    Packet,
    /// Netlink sockets, netlink(7).
    Netlink,
    /// Sockets between a virtual machine and its host, vsock(7).
    Vsock,
    /// Another one, which the kernel lists in no table.
    Other,
}

impl Protocol {
    /// Every protocol.
    pub const ALL: [Self; 10] = [
        Self::Tcp,
        Self::Udp,
        Self::Mptcp,
        Self::UdpLite,
        Self::Raw,
        Self::Unix,
        Self::Packet,
        Self::Netlink,
        Self::Vsock,
        Self::Other,
    ];

    /// Whether it is TCP or MPTCP.
    #[must_use]
    pub fn is_tcp(self) -> bool {
        matches!(self, Self::Tcp | Self::Mptcp)
    }

    /// The name in filters and output.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Mptcp => "mptcp",
            Self::UdpLite => "udplite",
            Self::Raw => "raw",
            Self::Unix => "unix",
            Self::Packet => "packet",
            Self::Netlink => "netlink",
            Self::Vsock => "vsock",
            Self::Other => "other",
        }
    }
}

/// Address family of a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Family {
    /// `AF_INET`.
    Ipv4,
    /// `AF_INET6`; its addresses may be IPv4-mapped.
    Ipv6,
    /// `AF_UNIX`.
    Unix,
    /// `AF_PACKET`.
    Packet,
    /// `AF_NETLINK`.
    Netlink,
    /// `AF_VSOCK`.
    Vsock,
    /// Another one.
    Other,
}

impl Family {
    /// Every family.
    pub const ALL: [Self; 7] =
        [Self::Ipv4, Self::Ipv6, Self::Unix, Self::Packet, Self::Netlink, Self::Vsock, Self::Other];

    /// Whether its sockets have addresses of the internet protocol.
    #[must_use]
    pub fn is_internet(self) -> bool {
        matches!(self, Self::Ipv4 | Self::Ipv6)
    }

    /// The name in filters and output.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ipv4 => "IPv4",
            Self::Ipv6 => "IPv6",
            Self::Unix => "unix",
            Self::Packet => "packet",
            Self::Netlink => "netlink",
            Self::Vsock => "vsock",
            Self::Other => "other",
        }
    }
}

/// State of a socket: RFC 9293 section 3.3.2, numbered as in Linux `include/net/tcp_states.h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[repr(u8)]
pub enum State {
    /// Data can pass; also a UDP socket with a peer.
    Established = 1,
    /// Our SYN is on its way.
    SynSent = 2,
    /// A SYN has come, our SYN-ACK is on its way.
    SynReceived = 3,
    /// We have sent FIN.
    FinWait1 = 4,
    /// Our FIN is acknowledged.
    FinWait2 = 5,
    /// Both ends are closed; the tuple is kept for late segments.
    TimeWait = 6,
    /// Not connected; also a UDP socket without a peer.
    Close = 7,
    /// The peer has sent FIN, we have not.
    CloseWait = 8,
    /// The peer has sent FIN, and so have we.
    LastAck = 9,
    /// Waiting for connections.
    Listen = 10,
    /// Both have sent FIN at once.
    Closing = 11,
    /// Bound to a port, neither connected nor listening (reported since Linux 6.8).
    BoundInactive = 13,
}

impl State {
    /// All states, in the kernel's order.
    pub const ALL: [Self; 12] = [
        Self::Established,
        Self::SynSent,
        Self::SynReceived,
        Self::FinWait1,
        Self::FinWait2,
        Self::TimeWait,
        Self::Close,
        Self::CloseWait,
        Self::LastAck,
        Self::Listen,
        Self::Closing,
        Self::BoundInactive,
    ];

    /// The state with this number in `tcp_states.h`. The kernel's inner `NEW_SYN_RECV` (12) is
    /// the `SYN_RECV` users know.
    #[must_use]
    pub fn from_kernel(number: u8) -> Option<Self> {
        if number == 12 {
            return Some(Self::SynReceived);
        }
        Self::ALL.into_iter().find(|state| *state as u8 == number)
    }

    /// The name as `ss` prints it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Established => "ESTAB",
            Self::SynSent => "SYN-SENT",
            Self::SynReceived => "SYN-RECV",
            Self::FinWait1 => "FIN-WAIT-1",
            Self::FinWait2 => "FIN-WAIT-2",
            Self::TimeWait => "TIME-WAIT",
            Self::Close => "UNCONN",
            Self::CloseWait => "CLOSE-WAIT",
            Self::LastAck => "LAST-ACK",
            Self::Listen => "LISTEN",
            Self::Closing => "CLOSING",
            Self::BoundInactive => "BOUND",
        }
    }

    /// The state of this name, as `ss`, the RFC or the kernel headers write it, in any case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let plain: String = name
            .chars()
            .filter(|c| c.is_ascii_alphanumeric())
            .map(|c| c.to_ascii_lowercase())
            .collect();
        let plain = plain.strip_prefix("tcp").unwrap_or(&plain);
        Some(match plain {
            "estab" | "established" => Self::Established,
            "synsent" => Self::SynSent,
            "synrecv" | "synreceived" | "newsynrecv" => Self::SynReceived,
            "finwait1" => Self::FinWait1,
            "finwait2" => Self::FinWait2,
            "timewait" => Self::TimeWait,
            "unconn" | "close" | "closed" | "unconnected" => Self::Close,
            "closewait" => Self::CloseWait,
            "lastack" => Self::LastAck,
            "listen" | "listening" => Self::Listen,
            "closing" => Self::Closing,
            "bound" | "boundinactive" => Self::BoundInactive,
            _ => return None,
        })
    }

    /// Whether the peer's FIN has been received in this state (RFC 9293 figure 5).
    #[must_use]
    pub fn has_received_fin(self) -> bool {
        matches!(self, Self::CloseWait | Self::LastAck | Self::Closing | Self::TimeWait)
    }

    /// Whether data can pass, or could just before, so that measures of data apply.
    #[must_use]
    pub fn carries_data(self) -> bool {
        !matches!(self, Self::SynReceived | Self::TimeWait | Self::Listen | Self::BoundInactive)
    }
}

/// Bytes waiting in a socket (`idiag_rqueue`, `idiag_wqueue`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queues {
    /// Received and not read by the application.
    pub receive_bytes: u32,
    /// Written by the application and not acknowledged by the peer.
    pub send_bytes: u32,
}

impl Queues {
    /// The queues of a TCP socket from differences of sequence numbers (`rcv_nxt - copied_seq`,
    /// `write_seq - snd_una`; `idiag_rqueue`, `idiag_wqueue`). SYN and FIN occupy a sequence number each
    /// (RFC 9293 3.4) and are no bytes of the application.
    #[must_use]
    pub fn of_tcp(state: State, receive: u32, send: u32, tcp: Option<&TcpInfo>) -> Self {
        // A FIN that was read, too, is no longer between the two.
        let fin_in = u32::from(state.has_received_fin());
        let flags_out = u32::from(matches!(
            state,
            State::SynSent | State::FinWait1 | State::LastAck | State::Closing
        ));
        // With TCP_FASTOPEN_CONNECT the SYN waits for the first write, and `snd_una` is not set yet.
        let has_sent = tcp.and_then(TcpInfo::segs_out) != Some(0);
        let is_deferred = state == State::SynSent && !has_sent;
        Self {
            receive_bytes: receive.saturating_sub(fin_in),
            send_bytes: if is_deferred { 0 } else { send.saturating_sub(flags_out) },
        }
    }
}

/// The accept queue of a listening socket (`sk_ack_backlog`, `sk_max_ack_backlog`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcceptQueue {
    /// Connections that are complete and wait for `accept`.
    pub length: u32,
    /// The longest it may be: `listen`'s backlog, cut to `net.core.somaxconn`.
    pub limit: u32,
}

/// What a pending timer of a TCP socket waits for (`idiag_timer`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum TimerKind {
    /// Retransmission of unacknowledged data (`on` in `ss`).
    Retransmit,
    /// Keep-alive probe.
    KeepAlive,
    /// End of TIME-WAIT.
    TimeWait,
    /// Probe of a closed window.
    ZeroWindowProbe,
    /// A number this version does not know.
    Other(u8),
}

impl TimerKind {
    /// The kind of this `idiag_timer` number; `None` for 0, no timer.
    #[must_use]
    pub fn from_kernel(number: u8) -> Option<Self> {
        Some(match number {
            0 => return None,
            1 => Self::Retransmit,
            2 => Self::KeepAlive,
            3 => Self::TimeWait,
            4 => Self::ZeroWindowProbe,
            other => Self::Other(other),
        })
    }

    /// The name as `ss` prints it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Retransmit => "on",
            Self::KeepAlive => "keepalive",
            Self::TimeWait => "timewait",
            Self::ZeroWindowProbe => "persist",
            Self::Other(_) => "other",
        }
    }
}

/// A pending timer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timer {
    /// What it waits for.
    pub kind: TimerKind,
    /// Milliseconds until it fires.
    pub expires_ms: u32,
    /// Retransmissions or probes sent in a row so far.
    pub retransmits: u8,
}

/// Memory of a socket in bytes: `INET_DIAG_SKMEMINFO`, `SK_MEMINFO_*` in `linux/sock_diag.h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SocketMemory {
    /// Used by received packets, bookkeeping included.
    pub receive_bytes: u32,
    /// Most that received packets may use (`SO_RCVBUF`).
    pub receive_limit_bytes: u32,
    /// Used by packets passed to the network and not freed.
    pub send_bytes: u32,
    /// Most that may be queued to send (`SO_SNDBUF`).
    pub send_limit_bytes: u32,
    /// Reserved and not used.
    pub forward_bytes: u32,
    /// Queued to send, bookkeeping included.
    pub queued_bytes: u32,
    /// Used by socket options.
    pub option_bytes: u32,
    /// Used by packets that arrived while the application had the socket locked.
    pub backlog_bytes: u32,
    /// Packets (on a listener: connections) dropped, since Linux 4.7; a count.
    pub drops: Option<u32>,
}

/// BBR's model of the path: `struct tcp_bbr_info`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BbrState {
    /// Highest delivery rate seen lately, bytes a second.
    pub bandwidth_bytes_per_s: u64,
    /// Lowest round trip seen lately, microseconds.
    pub min_rtt_us: u32,
    /// Pacing gain times 256.
    pub pacing_gain_256: u32,
    /// Window gain times 256.
    pub cwnd_gain_256: u32,
}

/// DCTCP's view of marks: `struct tcp_dctcp_info`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DctcpState {
    /// Whether the peer agreed to ECN, so that DCTCP is at work.
    pub enabled: bool,
    /// Whether the last packet was marked.
    pub is_congested: bool,
    /// Share of marked bytes times 1024.
    pub alpha_1024: u32,
    /// Marked bytes acknowledged in this window.
    pub ecn_acked_bytes: u32,
    /// Bytes acknowledged in this window.
    pub total_acked_bytes: u32,
}

/// What the algorithm reports beyond its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum CongestionDetail {
    /// Nothing.
    None,
    /// BBR.
    Bbr(BbrState),
    /// DCTCP.
    Dctcp(DctcpState),
}

/// The congestion control of a TCP socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Congestion {
    /// Its name, as in `net.ipv4.tcp_available_congestion_control`.
    pub algorithm: Arc<str>,
    /// Its own state.
    pub detail: CongestionDetail,
}

/// State of an MPTCP connection: `struct mptcp_info`, read by length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct MptcpState {
    /// Subflows beyond the first.
    pub extra_subflows: u8,
    /// Identifies the connection among the host's (RFC 8684 section 3.2).
    pub token: Option<u32>,
    /// Payload bytes sent, since Linux 6.5.
    pub bytes_sent: Option<u64>,
    /// Payload bytes received, since Linux 6.5.
    pub bytes_received: Option<u64>,
}

/// Traffic between a UDP socket and one peer since counting started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct UdpPeer {
    /// The peer.
    pub remote: Endpoint,
    /// Payload bytes sent to it.
    pub bytes_out: u64,
    /// Payload bytes received from it.
    pub bytes_in: u64,
    /// Datagrams sent to it; several passed to the network at once count as one.
    pub datagrams_out: u64,
    /// Datagrams received from it, merged ones counted as one.
    pub datagrams_in: u64,
}

/// Traffic of a UDP socket since counting started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UdpTraffic {
    /// Payload bytes sent, to all peers.
    pub bytes_out: u64,
    /// Payload bytes received, from all peers.
    pub bytes_in: u64,
    /// The peers with the most bytes, most first; bounded.
    pub peers: Arc<[UdpPeer]>,
    /// Peers beyond the bound of `peers`, and entries that the table in the kernel evicted; a peer that
    /// was evicted and came again counts twice.
    pub peers_omitted: u64,
}

/// One socket as a source reported it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Socket {
    /// Its identity.
    pub id: SocketId,
    /// The source that reported it.
    pub source: Source,
    /// The namespace it lives in.
    pub netns: Arc<Netns>,
    /// Transport protocol.
    pub protocol: Protocol,
    /// Address family.
    pub family: Family,
    /// State.
    pub state: State,
    /// This machine's end.
    pub local: Endpoint,
    /// The other end; `None` if it has no peer.
    pub remote: Option<Endpoint>,
    /// Index of the interface it is bound to (`SO_BINDTODEVICE`), or that its scope needs; 0 is none.
    pub interface: u32,
    /// The name of that interface in the namespace, when the socket was read; unknown if the interface was removed.
    pub interface_name: Known<Arc<str>>,
    /// Whether it takes no IPv4 (`IPV6_V6ONLY`); of IPv6 sockets without a peer only.
    pub ipv6_only: Known<bool>,
    /// Inode in the socket file system; not applicable once no process can own it.
    pub inode: Known<u64>,
    /// User id of its creator.
    pub uid: Known<u32>,
    /// Bytes waiting in it.
    pub queues: Known<Queues>,
    /// Accept queue, of listeners only.
    pub accept_queue: Known<AcceptQueue>,
    /// The pending timer; not applicable if none is.
    pub timer: Known<Timer>,
    /// Its memory.
    pub memory: Known<SocketMemory>,
    /// Its congestion control.
    pub congestion: Known<Congestion>,
    /// Type of service / traffic class byte it sends (RFC 2474).
    pub tos: Known<u8>,
    /// Firewall mark (`SO_MARK`), reported to `CAP_NET_ADMIN` only.
    pub mark: Known<u32>,
    /// Id of the control group (v2) it was created in.
    pub cgroup_id: Known<u64>,
    /// Which directions are shut down: bit 0 receiving, bit 1 sending.
    pub shutdown: Known<u8>,
    /// Upper layer protocol in the kernel, such as `tls` or `mptcp`; not applicable without one.
    pub upper_layer: Known<Arc<str>>,
    /// The kernel's measures of the connection.
    pub tcp: Known<TcpInfo>,
    /// What both ends of the connection have in common; of TCP, from the end of the handshake on. Only programs in the
    /// kernel report it.
    pub pair: Known<Pair>,
    /// MPTCP's own measures.
    pub mptcp: Known<MptcpState>,
    /// Traffic of a UDP socket; the kernel itself counts none.
    pub udp: Known<UdpTraffic>,
    /// Whether the kernel has made it for itself, as vxlan and WireGuard do. Only programs in the kernel report it.
    pub held_by_kernel: bool,
    /// Cookie of the unconnected UDP socket of which this is one peer, a row beside that of the socket; `None` if this
    /// is a socket.
    pub peer_of: Option<u64>,
    /// What it has besides if it is neither TCP nor UDP, or in no table. Its ends are `0.0.0.0:0` unless its family has
    /// addresses of the internet protocol.
    pub other: Option<Arc<OtherSocket>>,
}

impl Socket {
    /// A socket that is neither TCP nor UDP, or in no table. What does not apply to such sockets is not applicable, and
    /// inode, user, queues and memory are unknown because of `why`.
    #[must_use]
    pub fn new_other(
        id: SocketId,
        source: Source,
        netns: Arc<Netns>,
        (protocol, family): (Protocol, Family),
        state: State,
        other: OtherSocket,
        why: Unknown,
    ) -> Self {
        let address = match family {
            Family::Ipv6 => Ipv6Addr::UNSPECIFIED.into(),
            _ => Ipv4Addr::UNSPECIFIED.into(),
        };
        let local = Endpoint { address, port: 0 };
        Self {
            family,
            congestion: Known::NotApplicable,
            tos: Known::NotApplicable,
            mark: Known::NotApplicable,
            cgroup_id: Known::NotApplicable,
            shutdown: Known::NotApplicable,
            tcp: Known::NotApplicable,
            other: Some(Arc::new(other)),
            ..Self::new(id, source, netns, protocol, state, local, why)
        }
    }

    /// Whether it is in no table of the kernel that could be read.
    #[must_use]
    pub fn is_in_no_table(&self) -> bool {
        self.other.as_ref().is_some_and(|other| other.is_in_no_table)
    }

    /// Whether its ends are those of the kernel: addresses of the internet protocol.
    #[must_use]
    pub fn has_internet_ends(&self) -> bool {
        self.family.is_internet() && !self.is_in_no_table()
    }

    /// A socket with a known identity, protocol, state and local end; the rest is
    /// unknown because of `why`, or not applicable.
    #[must_use]
    pub fn new(
        id: SocketId,
        source: Source,
        netns: Arc<Netns>,
        protocol: Protocol,
        state: State,
        local: Endpoint,
        why: Unknown,
    ) -> Self {
        let family = if local.address.is_ipv4() { Family::Ipv4 } else { Family::Ipv6 };
        Self {
            id,
            source,
            netns,
            protocol,
            family,
            state,
            local,
            remote: None,
            interface: 0,
            interface_name: Known::NotApplicable,
            ipv6_only: Self::missing_ipv6_only(family, state, why),
            inode: Known::Unknown(why),
            uid: Known::Unknown(why),
            queues: Known::Unknown(why),
            accept_queue: Known::NotApplicable,
            timer: Known::NotApplicable,
            memory: Known::Unknown(why),
            congestion: Known::Unknown(why),
            tos: Known::Unknown(why),
            mark: Known::Unknown(why),
            cgroup_id: Known::Unknown(why),
            shutdown: Known::Unknown(why),
            upper_layer: Known::NotApplicable,
            tcp: Known::Unknown(why),
            pair: match protocol {
                Protocol::Tcp if state.carries_data() => Known::Unknown(why),
                _ => Known::NotApplicable,
            },
            mptcp: Known::NotApplicable,
            udp: Known::NotApplicable,
            held_by_kernel: false,
            peer_of: None,
            other: None,
        }
    }

    /// `IPV6_V6ONLY` before it is read: unknown because of `why` if it applies. The kernel reports it of listeners and of
    /// closed sockets (`inet_diag_msg_attrs_fill`, `net/ipv4/inet_diag.c`); to one that has a peer it does not matter.
    #[must_use]
    pub fn missing_ipv6_only(family: Family, state: State, why: Unknown) -> Known<bool> {
        let applies = matches!(state, State::Listen | State::Close | State::BoundInactive);
        match family {
            Family::Ipv6 if applies => Known::Unknown(why),
            _ => Known::NotApplicable,
        }
    }

    /// Sets the name of its interface, `None` if it is not known.
    pub fn name_interface(&mut self, name: Option<Arc<str>>) {
        let known = Known::from_option(name, self.source, Unknown::KernelDoesNotReport);
        self.interface_name = if self.interface == 0 { Known::NotApplicable } else { known };
    }

    /// The zone of `address`, one of its ends (RFC 4007 section 11.2): its interface by name, or by index if the name is not
    /// known. As in `ss` a local end has it, and here a link-local remote one, too; `None` without one.
    #[must_use]
    pub fn zone(&self, address: IpAddr, is_local: bool) -> Option<Cow<'_, str>> {
        let is_link_local = matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local());
        if self.interface == 0 || !is_local && !is_link_local {
            return None;
        }
        let name = self.interface_name.value();
        Some(name.map_or_else(|| self.interface.to_string().into(), |name| Cow::Borrowed(&**name)))
    }

    /// Whether `address` is the wildcard of a socket that takes IPv4, too: `::` without `IPV6_V6ONLY`.
    #[must_use]
    pub fn takes_both_families(&self, address: IpAddr) -> bool {
        let is_any = address == IpAddr::V6(Ipv6Addr::UNSPECIFIED);
        is_any && self.ipv6_only.get() == Some(false)
    }

    /// Whether `other` has the same values, apart from times that only grow or count down.
    #[must_use]
    pub fn shows_the_same(&self, other: &Self) -> bool {
        // Lists every field, so that a new one is considered here.
        let Self {
            id,
            source,
            netns,
            protocol,
            family,
            state,
            local,
            remote,
            interface,
            interface_name,
            ipv6_only,
            inode,
            uid,
            queues,
            accept_queue,
            timer,
            memory,
            congestion,
            tos,
            mark,
            cgroup_id,
            shutdown,
            upper_layer,
            tcp,
            pair,
            mptcp,
            udp,
            held_by_kernel,
            peer_of,
            other: besides,
        } = self;
        let shown = |timer: Known<Timer>| timer.map(|timer| (timer.kind, timer.retransmits));
        let same_tcp = match (tcp, &other.tcp) {
            (Known::Value(tcp, _), Known::Value(other, _)) => tcp.shows_the_same(other),
            (tcp, other) => tcp == other,
        };
        same_tcp
            && *queues == other.queues
            && *state == other.state
            && shown(*timer) == shown(other.timer)
            && *memory == other.memory
            && *accept_queue == other.accept_queue
            && *udp == other.udp
            && (*pair, *mptcp) == (other.pair, other.mptcp)
            && *congestion == other.congestion
            && (*id, *source, *protocol, *family)
                == (other.id, other.source, other.protocol, other.family)
            && (*local, *remote, *interface) == (other.local, other.remote, other.interface)
            && *interface_name == other.interface_name
            && *ipv6_only == other.ipv6_only
            && (*inode, *uid, *tos, *mark) == (other.inode, other.uid, other.tos, other.mark)
            && (*cgroup_id, *shutdown) == (other.cgroup_id, other.shutdown)
            && *upper_layer == other.upper_layer
            && *netns == other.netns
            && *held_by_kernel == other.held_by_kernel
            && *peer_of == other.peer_of
            && *besides == other.other
    }

    /// Smoothed round trip time in microseconds (RFC 6298 SRTT); unknown before the first sample.
    #[must_use]
    pub fn rtt_us(&self) -> Known<u32> {
        if !self.state.carries_data() {
            return Known::NotApplicable;
        }
        self.measure(TcpInfo::rtt).and_then(Unknown::NothingMeasured, |us| (us > 0).then_some(us))
    }

    /// Payload bytes sent, first transmissions only.
    #[must_use]
    pub fn bytes_out(&self) -> Known<u64> {
        if let Known::Value(mptcp, source) = self.mptcp {
            return Known::from_option(mptcp.bytes_sent, source, Unknown::KernelDoesNotReport);
        }
        if self.protocol == Protocol::Udp {
            return self.udp.as_ref().map(|udp| udp.bytes_out);
        }
        self.measure(TcpInfo::payload_sent)
    }

    /// Payload bytes received in order. The kernel counts the peer's FIN as one byte (`rcv_nxt`
    /// advances); it is subtracted if `fin_received`.
    #[must_use]
    pub fn bytes_in(&self, fin_received: bool) -> Known<u64> {
        if let Known::Value(mptcp, source) = self.mptcp {
            return Known::from_option(mptcp.bytes_received, source, Unknown::KernelDoesNotReport);
        }
        if self.protocol == Protocol::Udp {
            return self.udp.as_ref().map(|udp| udp.bytes_in);
        }
        self.measure(|tcp| tcp.payload_received(fin_received))
    }

    /// What `read` finds in `tcp_info`.
    pub(super) fn measure<T>(&self, read: impl FnOnce(&TcpInfo) -> Option<T>) -> Known<T> {
        self.tcp.as_ref().and_then(self.why_unmeasured(), read)
    }

    /// Why a field of `tcp_info` is unknown that cannot be read.
    pub(crate) fn why_unmeasured(&self) -> Unknown {
        self.tcp.value().map_or(Unknown::SourceDoesNotReport, TcpInfo::why_absent)
    }

    /// The row of a peer of this unconnected UDP socket, established: what the kernel reports of the socket, the remote end,
    /// and the traffic of the peer. `None` if the peer is not listed.
    #[must_use]
    pub fn of_peer(&self, peer: Endpoint) -> Option<Self> {
        let Known::Value(traffic, source) = self.udp.as_ref() else { return None };
        let counted = traffic.peers.iter().find(|counted| counted.remote == peer)?;
        let UdpPeer { bytes_out, bytes_in, .. } = *counted;
        let peers = [*counted].into();
        let traffic = UdpTraffic { bytes_out, bytes_in, peers, peers_omitted: 0 };
        Some(Self {
            id: self.id.of_peer(peer),
            state: State::Established,
            remote: Some(peer),
            ipv6_only: Known::NotApplicable,
            udp: Known::Value(traffic, source),
            // They are those of all peers together.
            queues: Known::Unknown(Unknown::SourceDoesNotReport),
            memory: Known::Unknown(Unknown::SourceDoesNotReport),
            peer_of: Some(self.id.cookie),
            ..self.clone()
        })
    }

    /// The identity by which descriptors refer to it.
    #[must_use]
    pub fn owned_id(&self) -> SocketId {
        SocketId { cookie: self.peer_of.unwrap_or(self.id.cookie), ..self.id }
    }

    /// Whether it carries a part of an MPTCP connection (RFC 8684): a TCP socket with that upper
    /// layer, without a descriptor of its own.
    #[must_use]
    pub fn is_subflow(&self) -> bool {
        self.upper_layer.value().is_some_and(|name| &**name == "mptcp")
    }

    /// Whether it is an MPTCP connection or listener, or a part of one. Owners of these are found by
    /// inode, not by cookie.
    #[must_use]
    pub fn is_mptcp(&self) -> bool {
        self.protocol == Protocol::Mptcp || self.is_subflow()
    }
}
