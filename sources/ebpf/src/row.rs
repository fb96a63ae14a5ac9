//! A record of a table becomes a [`Socket`], the same one `sources/sockdiag` makes of the same socket.
//!
//! The one idea: what the kernel's own dump would not tell of a stub is not told here either.

use std::sync::Arc;

use conns_core::model::{
    AcceptQueue, BbrState, Congestion, CongestionDetail, Known, Netns, Protocol, Queues, Socket,
    SocketId, SocketMemory, SocketSample, Source, State, TcpInfo, Timer, TimerKind, UdpTraffic,
    Unknown,
};

use crate::namespaces::Labels;
use crate::wire::{Bytes, Ends, ROW_BYTES, RowKind};

const TCP: u16 = 6;
const UDP: u16 = 17;

/// Most names kept apart; the kernel has about twenty algorithms. Others are still read, not kept.
const NAMES_KEPT: usize = 64;

/// What rows share: namespaces, and names of algorithms and upper layers, each kept once.
#[derive(Debug)]
pub(crate) struct RowReader {
    pub(crate) labels: Labels,
    names: Vec<Arc<str>>,
}

impl RowReader {
    pub(crate) fn new() -> Self {
        Self { labels: Labels::new(), names: Vec::new() }
    }

    /// The socket of `struct ends`, with nothing known but that; `None` if it is of a kind this
    /// version does not know.
    pub(crate) fn ends(&mut self, ends: Ends<'_>) -> Option<Socket> {
        let family = ends.family()?;
        let protocol = match ends.protocol() {
            TCP => Protocol::Tcp,
            UDP => Protocol::Udp,
            _ => return None,
        };
        let state = match State::from_kernel(ends.state())? {
            // Of closed TCP sockets only bound ones are in a table.
            State::Close if protocol == Protocol::Tcp => State::BoundInactive,
            state => state,
        };
        let is_stub = ends.kind()? != RowKind::Full || state == State::SynReceived;
        let carries_data = state.carries_data() && !is_stub;
        let is_tcp_stream = protocol == Protocol::Tcp && carries_data;
        let is_full = carries_data || state == State::Listen || state == State::BoundInactive;
        let untold = Unknown::SourceCannotTell;
        let remote = ends.remote();
        let netns: Arc<Netns> = self.labels.of(ends.netns());
        Some(Socket {
            id: SocketId { netns: netns.inode, cookie: ends.cookie() },
            source: Source::Ebpf,
            netns,
            protocol,
            family,
            state,
            local: ends.local(),
            remote: (!remote.is_unspecified()).then_some(remote),
            interface: ends.interface(),
            inode: match ends.inode() {
                0 => Known::NotApplicable,
                inode => Known::Value(inode, Source::Ebpf),
            },
            uid: if is_stub { Known::NotApplicable } else { value(ends.uid()) },
            queues: missing(carries_data, untold),
            accept_queue: missing(state == State::Listen, untold),
            timer: Known::NotApplicable,
            memory: missing(is_full, untold),
            congestion: missing(is_tcp_stream, untold),
            tos: missing(is_full, untold),
            mark: missing(is_full, untold),
            cgroup_id: missing(is_full, untold),
            shutdown: missing(carries_data, untold),
            upper_layer: Known::NotApplicable,
            tcp: missing(is_tcp_stream, untold),
            mptcp: Known::NotApplicable,
            udp: missing(protocol == Protocol::Udp, untold),
        })
    }

    /// The socket of `struct row`, and the `tcp_info` behind it.
    pub(crate) fn row(&mut self, record: &[u8]) -> Option<SocketSample> {
        let b = Bytes(record);
        let ends = Ends(b);
        let mut socket = self.ends(ends)?;
        if let Some(kind) = TimerKind::from_kernel(b.u8(134)) {
            socket.timer = value(Timer { kind, expires_ms: b.u32(92), retransmits: b.u8(135) });
        }
        if ends.kind()? != RowKind::Full {
            return Some(SocketSample::from(socket));
        }
        let (receive, send) = (b.u32(84), b.u32(88));
        fill(&mut socket.queues, || Queues { receive_bytes: receive, send_bytes: send });
        fill(&mut socket.accept_queue, || AcceptQueue { length: receive, limit: send });
        fill(&mut socket.memory, || memory(b));
        fill(&mut socket.tos, || b.u8(137));
        fill(&mut socket.mark, || b.u32(80));
        fill(&mut socket.cgroup_id, || b.u64(72));
        fill(&mut socket.shutdown, || b.u8(136));
        if socket.protocol == Protocol::Udp {
            return Some(SocketSample::from(socket));
        }
        let detail = if b.u8(138) == 0 { CongestionDetail::None } else { bbr(b) };
        if let Some(algorithm) = self.name(b, 144)
            && matches!(socket.congestion, Known::Unknown(_))
        {
            socket.congestion = value(Congestion { algorithm, detail });
        }
        if let Some(name) = self.name(b, 160) {
            socket.upper_layer = value(name);
        }
        let length = usize::from(b.u16(132));
        fill(&mut socket.tcp, || TcpInfo::new(b.rest(ROW_BYTES, length)));
        Some(SocketSample::from(socket))
    }

    /// The socket of a connection that is closed, with its final measures.
    pub(crate) fn closed(&mut self, record: &[u8]) -> Option<SocketSample> {
        let mut socket = self.row(record)?;
        // It left the tables; of a closed TCP socket in a table only the port is left.
        socket.state = State::Close;
        let length = usize::from(Bytes(record).u16(132));
        socket.tcp = value(TcpInfo::new(Bytes(record).rest(ROW_BYTES, length)));
        Some(socket)
    }

    /// Text of 16 bytes, one `Arc` for each; `None` where there is none.
    fn name(&mut self, b: Bytes<'_>, at: usize) -> Option<Arc<str>> {
        let (bytes, end) = b.text::<16>(at);
        let text = std::str::from_utf8(bytes.get(..end)?).ok()?;
        if text.is_empty() {
            return None;
        }
        if let Some(known) = self.names.iter().find(|known| ***known == *text) {
            return Some(Arc::clone(known));
        }
        let new: Arc<str> = text.into();
        if self.names.len() < NAMES_KEPT {
            self.names.push(Arc::clone(&new));
        }
        Some(new)
    }
}

/// The bytes that passed through a UDP socket, of its row: sent and received.
pub(crate) fn udp_totals(record: &[u8]) -> UdpTraffic {
    let b = Bytes(record);
    UdpTraffic { bytes_out: b.u64(176), bytes_in: b.u64(184), peers: Arc::default() }
}

/// The end of a socket that has no remote one yet.
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

fn memory(b: Bytes<'_>) -> SocketMemory {
    let at = |index: usize| b.u32(96 + index * 4);
    SocketMemory {
        receive_bytes: at(0),
        receive_limit_bytes: at(1),
        send_bytes: at(2),
        send_limit_bytes: at(3),
        forward_bytes: at(4),
        queued_bytes: at(5),
        option_bytes: at(6),
        backlog_bytes: at(7),
        drops: Some(at(8)),
    }
}

fn bbr(b: Bytes<'_>) -> CongestionDetail {
    CongestionDetail::Bbr(BbrState {
        bandwidth_bytes_per_s: b.u64(176),
        min_rtt_us: b.u32(184),
        pacing_gain_256: b.u32(188),
        cwnd_gain_256: b.u32(192),
    })
}
