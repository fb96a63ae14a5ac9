//! Converts rows to [`Socket`]s, equal to those that `sources/sockdiag` makes of the same sockets. So values that
//! the kernel's own dump omits for minisocks are not applicable here either.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use conns_core::model::{
    AcceptQueue, BbrState, Congestion, CongestionDetail, Known, Netns, Pair, PairKey, Protocol,
    Queues, Socket, SocketId, SocketMemory, SocketSample, Source, State, TcpInfo, Timer, TimerKind,
    UdpTraffic, Unknown,
};
use conns_namespaces::InterfaceNames;
use zerocopy::FromBytes;

use crate::layout::{BbrDetail, ROW_FULL, ROW_REQUEST, ROW_TIME_WAIT, Row, SocketHeader, text};
use crate::namespaces::NamespaceNames;

/// `IPPROTO_TCP`.
pub(crate) const TCP: u16 = 6;
/// `IPPROTO_UDP`.
const UDP: u16 = 17;

/// Most cached names; the kernel has about twenty algorithms. Further names are read but not cached.
const MAX_NAMES: usize = 64;

/// The names of interfaces, which the readers of tables and of events share.
pub(crate) type SharedInterfaces = Arc<Mutex<InterfaceNames>>;

/// Names that are read when they are asked for.
pub(crate) fn interfaces() -> SharedInterfaces {
    Arc::new(Mutex::new(InterfaceNames::new(Source::Ebpf)))
}

/// A panic of another thread leaves no name half read.
pub(crate) fn lock(interfaces: &SharedInterfaces) -> MutexGuard<'_, InterfaceNames> {
    interfaces.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Converts rows; caches namespaces and names of interfaces, algorithms and upper layers.
pub(crate) struct RowReader {
    pub(crate) namespaces: NamespaceNames,
    pub(crate) interfaces: SharedInterfaces,
    names: Vec<Arc<str>>,
    pair_key: PairKey,
}

impl RowReader {
    /// Names of interfaces are read by `interfaces`.
    pub(crate) fn new(interfaces: SharedInterfaces, pair_key: PairKey) -> Self {
        Self { namespaces: NamespaceNames::new(), interfaces, names: Vec::new(), pair_key }
    }

    /// The socket of a header, with everything else unknown; `None` for values that this version does not know.
    pub(crate) fn header(&mut self, header: &SocketHeader) -> Option<Socket> {
        let family = header.ip_family()?;
        let protocol = match header.protocol.get() {
            TCP => Protocol::Tcp,
            UDP => Protocol::Udp,
            _ => return None,
        };
        let state = match State::from_kernel(header.state)? {
            // Tables contain closed TCP sockets only if they are bound.
            State::Close if protocol == Protocol::Tcp => State::BoundInactive,
            state => state,
        };
        let is_minisock = match header.kind {
            ROW_FULL => state == State::SynReceived,
            ROW_TIME_WAIT | ROW_REQUEST => true,
            _ => return None,
        };
        let carries_data = state.carries_data() && !is_minisock;
        let is_tcp_stream = protocol == Protocol::Tcp && carries_data;
        let is_full = carries_data || state == State::Listen || state == State::BoundInactive;
        let unknown = Unknown::SourceDoesNotReport;
        let remote = header.remote();
        let netns: Arc<Netns> = self.namespaces.get(u64::from(header.netns.get()));
        let mut socket = Socket {
            id: SocketId { netns: netns.inode, cookie: header.cookie.get() },
            source: Source::Ebpf,
            netns,
            protocol,
            family,
            state,
            local: header.local(),
            remote: (!remote.is_unspecified()).then_some(remote),
            interface: header.interface.get(),
            interface_name: Known::NotApplicable,
            ipv6_only: Socket::missing_ipv6_only(family, state, unknown),
            inode: match header.inode.get() {
                0 => Known::NotApplicable,
                inode => Known::Value(inode, Source::Ebpf),
            },
            uid: if is_minisock { Known::NotApplicable } else { value(header.uid.get()) },
            queues: missing(carries_data, unknown),
            accept_queue: missing(state == State::Listen, unknown),
            timer: Known::NotApplicable,
            memory: missing(is_full, unknown),
            congestion: missing(is_tcp_stream, unknown),
            tos: missing(is_full, unknown),
            mark: missing(is_full, unknown),
            cgroup_id: missing(is_full, unknown),
            shutdown: missing(carries_data, unknown),
            upper_layer: Known::NotApplicable,
            tcp: missing(is_tcp_stream, unknown),
            pair: missing(is_tcp_stream, unknown),
            mptcp: Known::NotApplicable,
            held_by_kernel: header.held_by_kernel != 0,
            peer_of: None,
            other: None,
            udp: missing(protocol == Protocol::Udp, unknown),
        };
        if header.kind == ROW_FULL {
            fill(&mut socket.ipv6_only, || header.ipv6_only != 0);
        }
        if socket.interface != 0 {
            let name = lock(&self.interfaces).get(socket.id.netns, socket.interface);
            socket.name_interface(name);
        }
        Some(socket)
    }

    /// The socket of a [`Row`] and the `tcp_info` that follows it.
    pub(crate) fn row(&mut self, record: &[u8]) -> Option<SocketSample> {
        let (row, tcp_info) = split(record)?;
        let mut socket = self.header(&row.header)?;
        if let Some(kind) = TimerKind::from_kernel(row.timer) {
            let (expires_ms, retransmits) = (row.timer_expires_ms.get(), row.retransmits);
            socket.timer = value(Timer { kind, expires_ms, retransmits });
        }
        if row.header.kind != ROW_FULL {
            return Some(SocketSample::from(socket));
        }
        let (receive, send) = (row.receive_queue.get(), row.send_queue.get());
        fill(&mut socket.accept_queue, || AcceptQueue { length: receive, limit: send });
        fill(&mut socket.memory, || memory(row));
        fill(&mut socket.tos, || row.tos);
        fill(&mut socket.mark, || row.mark.get());
        fill(&mut socket.cgroup_id, || row.cgroup_id.get());
        fill(&mut socket.shutdown, || row.shutdown);
        if socket.protocol == Protocol::Udp {
            fill(&mut socket.queues, || Queues { receive_bytes: receive, send_bytes: send });
            return Some(SocketSample::from(socket));
        }
        let detail = row.bbr().map_or(CongestionDetail::None, bbr);
        if let Some(algorithm) = self.name(&row.congestion)
            && matches!(socket.congestion, Known::Unknown(_))
        {
            socket.congestion = value(Congestion { algorithm, detail });
        }
        if let Some(name) = self.name(&row.upper_layer) {
            socket.upper_layer = value(name);
        }
        fill(&mut socket.tcp, || TcpInfo::new(tcp_info));
        if matches!(socket.pair, Known::Unknown(_)) {
            socket.pair = self.pair(row);
        }
        let queues = Queues::of_tcp(socket.state, receive, send, socket.tcp.value());
        fill(&mut socket.queues, || queues);
        Some(SocketSample::from(socket))
    }

    /// The socket of a closed connection, with its final `tcp_info`.
    pub(crate) fn closed(&mut self, record: &[u8]) -> Option<SocketSample> {
        let mut socket = self.row(record)?;
        // `row` takes a closed socket for a bound one, of which no `tcp_info` is shown.
        socket.state = State::Close;
        socket.ipv6_only = Known::NotApplicable;
        let (row, tcp_info) = split(record)?;
        socket.tcp = value(TcpInfo::new(tcp_info));
        socket.pair = self.pair(row);
        Some(socket)
    }

    /// What both ends of the connection have in common.
    fn pair(&self, row: &Row) -> Known<Pair> {
        match row.has_first {
            0 => Known::Unknown(Unknown::KernelDoesNotReport),
            _ => value(self.pair_key.pair(row.first_sent.get(), row.first_received.get())),
        }
    }

    /// The cached name; `None` if it is empty.
    fn name(&mut self, bytes: &[u8; 16]) -> Option<Arc<str>> {
        let text = std::str::from_utf8(text(bytes)).ok()?;
        if text.is_empty() {
            return None;
        }
        if let Some(known) = self.names.iter().find(|known| ***known == *text) {
            return Some(Arc::clone(known));
        }
        let new: Arc<str> = text.into();
        if self.names.len() < MAX_NAMES {
            self.names.push(Arc::clone(&new));
        }
        Some(new)
    }
}

/// The bytes that a UDP socket sent and received, without peers, and how many peers were counted.
pub(crate) fn udp_totals(record: &[u8]) -> Option<(UdpTraffic, u64)> {
    let (row, _) = split(record)?;
    let totals = row.udp_totals()?;
    let (bytes_out, bytes_in) = (totals.bytes_out.get(), totals.bytes_in.get());
    let traffic = UdpTraffic { bytes_out, bytes_in, peers: Arc::default(), peers_omitted: 0 };
    Some((traffic, totals.peers.get()))
}

/// The row, and as much of the `tcp_info` behind it as this kernel has.
fn split(record: &[u8]) -> Option<(&Row, &[u8])> {
    let (row, rest) = Row::ref_from_prefix(record).ok()?;
    let length = usize::from(row.tcp_info_length.get());
    Some((row, rest.get(..length).unwrap_or(rest)))
}

pub(crate) fn value<T>(value: T) -> Known<T> {
    Known::Value(value, Source::Ebpf)
}

/// Unknown because of `why` if it applies at all.
fn missing<T>(applies: bool, why: Unknown) -> Known<T> {
    if applies { Known::Unknown(why) } else { Known::NotApplicable }
}

/// Sets what applies.
fn fill<T>(known: &mut Known<T>, read: impl FnOnce() -> T) {
    if let Known::Unknown(_) = known {
        *known = value(read());
    }
}

fn memory(row: &Row) -> SocketMemory {
    let [receive, receive_limit, send, send_limit, forward, queued, option, backlog, drops] =
        row.memory.map(|value| value.get());
    SocketMemory {
        receive_bytes: receive,
        receive_limit_bytes: receive_limit,
        send_bytes: send,
        send_limit_bytes: send_limit,
        forward_bytes: forward,
        queued_bytes: queued,
        option_bytes: option,
        backlog_bytes: backlog,
        drops: Some(drops),
    }
}

fn bbr(detail: &BbrDetail) -> CongestionDetail {
    CongestionDetail::Bbr(BbrState {
        bandwidth_bytes_per_s: detail.bandwidth.get(),
        min_rtt_us: detail.min_rtt_us.get(),
        pacing_gain_256: detail.pacing_gain.get(),
        cwnd_gain_256: detail.cwnd_gain.get(),
    })
}

#[cfg(test)]
mod tests {
    use conns_core::model::State;
    use zerocopy::FromZeros;

    use super::*;

    /// A header of IPv6 without a peer, in this state.
    fn header(kind: u8, state: State, ipv6_only: u8) -> SocketHeader {
        let mut header = SocketHeader::new_zeroed();
        (header.family, header.protocol) = (10, TCP.into());
        (header.kind, header.state, header.ipv6_only) = (kind, state as u8, ipv6_only);
        header
    }

    #[test]
    fn v6only_is_of_full_ipv6_sockets_without_a_peer() {
        let mut reader = RowReader::new(interfaces(), PairKey::new([7; 16]));
        let mut read = |header: SocketHeader| reader.header(&header).unwrap().ipv6_only;
        for state in [State::Listen, State::Close] {
            assert_eq!(read(header(ROW_FULL, state, 1)), value(true));
            assert_eq!(read(header(ROW_FULL, state, 0)), value(false));
        }
        assert_eq!(read(header(ROW_FULL, State::Established, 1)), Known::NotApplicable);
        assert_eq!(read(header(ROW_TIME_WAIT, State::TimeWait, 0)), Known::NotApplicable);
        let ipv4 = SocketHeader { family: 2, ..header(ROW_FULL, State::Listen, 0) };
        assert_eq!(read(ipv4), Known::NotApplicable);
    }

    #[test]
    fn the_interface_has_its_name_in_the_namespace_of_the_socket() {
        let mut reader = RowReader::new(interfaces(), PairKey::new([7; 16]));
        let own = u32::try_from(conns_namespaces::own().unwrap()).unwrap();
        let mut bound = header(ROW_FULL, State::Listen, 0);
        bound.netns = own.into();
        assert_eq!(reader.header(&bound).unwrap().interface_name, Known::NotApplicable);
        // `LOOPBACK_IFINDEX`, include/net/flow.h.
        bound.interface = 1.into();
        assert_eq!(reader.header(&bound).unwrap().interface_name, value("lo".into()));
        bound.interface = u32::MAX.into();
        let unknown = Known::Unknown(Unknown::KernelDoesNotReport);
        assert_eq!(reader.header(&bound).unwrap().interface_name, unknown);
    }
}
