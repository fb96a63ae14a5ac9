//! The shape of a socket.

use std::borrow::Cow;
use std::sync::Arc;

use conns_core::model;
use conns_core::model::{Socket as ModelSocket, SocketSample, TcpInfo};
use serde::{Deserialize, Serialize};

use super::basic::{Bytes, Endpoint, Known, SourceCode, UnknownCode, codes, mirror};

codes!(Protocol: model::Protocol {
    0 = model::Protocol::Tcp,
    1 = model::Protocol::Udp,
    2 = model::Protocol::Mptcp,
    3 = model::Protocol::UdpLite,
    4 = model::Protocol::Raw,
    5 = model::Protocol::Unix,
    6 = model::Protocol::Packet,
    7 = model::Protocol::Netlink,
    8 = model::Protocol::Vsock,
    9 = model::Protocol::Other,
});

codes!(Family: model::Family {
    0 = model::Family::Ipv4,
    1 = model::Family::Ipv6,
    2 = model::Family::Unix,
    3 = model::Family::Packet,
    4 = model::Family::Netlink,
    5 = model::Family::Vsock,
    6 = model::Family::Other,
});

codes!(State: model::State {
    1 = model::State::Established,
    2 = model::State::SynSent,
    3 = model::State::SynReceived,
    4 = model::State::FinWait1,
    5 = model::State::FinWait2,
    6 = model::State::TimeWait,
    7 = model::State::Close,
    8 = model::State::CloseWait,
    9 = model::State::LastAck,
    10 = model::State::Listen,
    11 = model::State::Closing,
    13 = model::State::BoundInactive,
});

mirror!(SocketId: model::SocketId { netns: u64, cookie: u64 });
mirror!(Queues: model::Queues { receive_bytes: u32, send_bytes: u32 });
mirror!(AcceptQueue: model::AcceptQueue { length: u32, limit: u32 });
mirror!(SocketMemory: model::SocketMemory {
    receive_bytes: u32,
    receive_limit_bytes: u32,
    send_bytes: u32,
    send_limit_bytes: u32,
    forward_bytes: u32,
    queued_bytes: u32,
    option_bytes: u32,
    backlog_bytes: u32,
    drops: Option<u32>,
});
mirror!(MptcpState: model::MptcpState {
    extra_subflows: u8,
    token: Option<u32>,
    bytes_sent: Option<u64>,
    bytes_received: Option<u64>,
});
mirror!(UdpPeer: model::UdpPeer {
    remote: Endpoint,
    bytes_out: u64,
    bytes_in: u64,
    datagrams_out: u64,
    datagrams_in: u64,
});
mirror!(BbrState: model::BbrState {
    bandwidth_bytes_per_s: u64,
    min_rtt_us: u32,
    pacing_gain_256: u32,
    cwnd_gain_256: u32,
});
mirror!(DctcpState: model::DctcpState {
    enabled: bool,
    is_congested: bool,
    alpha_1024: u32,
    ecn_acked_bytes: u32,
    total_acked_bytes: u32,
});

/// A pending timer; its kind is the kernel's `idiag_timer`.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Timer {
    kind: u8,
    expires_ms: u32,
    retransmits: u8,
}

impl From<model::Timer> for Timer {
    fn from(timer: model::Timer) -> Self {
        let kind = match timer.kind {
            model::TimerKind::Retransmit => 1,
            model::TimerKind::KeepAlive => 2,
            model::TimerKind::TimeWait => 3,
            model::TimerKind::ZeroWindowProbe => 4,
            model::TimerKind::Other(number) => number,
        };
        Self { kind, expires_ms: timer.expires_ms, retransmits: timer.retransmits }
    }
}

impl TryFrom<Timer> for model::Timer {
    type Error = UnknownCode;

    fn try_from(shape: Timer) -> Result<Self, UnknownCode> {
        let kind = model::TimerKind::from_kernel(shape.kind).ok_or(UnknownCode)?;
        Ok(Self { kind, expires_ms: shape.expires_ms, retransmits: shape.retransmits })
    }
}

/// Congestion control. `detail` is of the algorithm that `detail_kind` names: 0 none, 1 BBR,
/// 2 DCTCP.
#[derive(Serialize, Deserialize)]
struct Congestion<'a> {
    algorithm: &'a str,
    detail_kind: u8,
    #[serde(borrow)]
    detail: Bytes<'a>,
}

impl<'a> Congestion<'a> {
    fn new(congestion: &'a model::Congestion) -> postcard::Result<Self> {
        let (detail_kind, detail) = match congestion.detail {
            model::CongestionDetail::None => (0, Bytes(Cow::Borrowed(&[][..]))),
            model::CongestionDetail::Bbr(bbr) => (1, Bytes::of(&BbrState::from(bbr))?),
            model::CongestionDetail::Dctcp(dctcp) => (2, Bytes::of(&DctcpState::from(dctcp))?),
        };
        Ok(Self { algorithm: &congestion.algorithm, detail_kind, detail })
    }

    fn detail(&self) -> model::CongestionDetail {
        let detail = match self.detail_kind {
            1 => self.detail.read().map(|bbr: BbrState| model::CongestionDetail::Bbr(bbr.into())),
            2 => self.detail.read().map(|of: DctcpState| model::CongestionDetail::Dctcp(of.into())),
            _ => None,
        };
        detail.unwrap_or(model::CongestionDetail::None)
    }
}

#[derive(Serialize, Deserialize)]
struct UdpTraffic {
    bytes_out: u64,
    bytes_in: u64,
    peers: Vec<UdpPeer>,
    peers_omitted: u64,
}

/// A socket without its namespace, which is a place in a table.
#[derive(Serialize, Deserialize)]
pub(super) struct Socket<'a> {
    id: SocketId,
    source: SourceCode,
    protocol: Protocol,
    family: Family,
    state: State,
    local: Endpoint,
    remote: Option<Endpoint>,
    interface: u32,
    inode: Known<u64>,
    uid: Known<u32>,
    queues: Known<Queues>,
    accept_queue: Known<AcceptQueue>,
    timer: Known<Timer>,
    memory: Known<SocketMemory>,
    #[serde(borrow)]
    congestion: Known<Congestion<'a>>,
    tos: Known<u8>,
    mark: Known<u32>,
    cgroup_id: Known<u64>,
    shutdown: Known<u8>,
    #[serde(borrow)]
    upper_layer: Known<&'a str>,
    #[serde(borrow)]
    tcp: Known<Bytes<'a>>,
    mptcp: Known<MptcpState>,
    udp: Known<UdpTraffic>,
    pair: Known<u64>,
}

impl<'a> Socket<'a> {
    /// The shape of `sample`, with the time since it was read in it.
    pub(super) fn new(sample: &'a SocketSample) -> postcard::Result<Self> {
        let socket: &ModelSocket = sample;
        let tcp = socket.tcp.as_ref().map(|tcp| match sample.age_ms() {
            0 => Bytes(tcp.encoded()),
            age_ms => {
                let mut tcp = tcp.clone();
                tcp.advance(age_ms);
                Bytes(Cow::Owned(tcp.encoded().into_owned()))
            }
        });
        let congestion = match &socket.congestion {
            model::Known::Value(congestion, source) => {
                Known::Value(Congestion::new(congestion)?, (*source).into())
            }
            model::Known::Unknown(why) => Known::Unknown((*why).into()),
            model::Known::NotApplicable => Known::NotApplicable,
        };
        let udp = socket.udp.as_ref().map(|traffic| UdpTraffic {
            bytes_out: traffic.bytes_out,
            bytes_in: traffic.bytes_in,
            peers: traffic.peers.iter().map(|peer| (*peer).into()).collect(),
            peers_omitted: traffic.peers_omitted,
        });
        Ok(Self {
            id: socket.id.into(),
            source: socket.source.into(),
            protocol: socket.protocol.into(),
            family: socket.family.into(),
            state: socket.state.into(),
            local: socket.local.into(),
            remote: socket.remote.map(Into::into),
            interface: socket.interface,
            inode: socket.inode.into(),
            uid: socket.uid.into(),
            queues: socket.queues.into(),
            accept_queue: socket.accept_queue.into(),
            timer: sample.timer_now().into(),
            memory: socket.memory.into(),
            congestion,
            tos: socket.tos.into(),
            mark: socket.mark.into(),
            cgroup_id: socket.cgroup_id.into(),
            shutdown: socket.shutdown.into(),
            upper_layer: socket.upper_layer.as_ref().map(|name| &**name).into(),
            tcp: tcp.into(),
            mptcp: socket.mptcp.into(),
            udp: udp.into(),
            pair: socket.pair.map(|pair| pair.0).into(),
        })
    }

    /// The socket, in this namespace. `share` makes one string of equal names.
    pub(super) fn into_model(
        self,
        netns: Arc<model::Netns>,
        mut share: impl FnMut(&str) -> Arc<str>,
    ) -> Result<ModelSocket, UnknownCode> {
        let congestion = self.congestion.try_map(|congestion| {
            let detail = congestion.detail();
            Ok(model::Congestion { algorithm: share(congestion.algorithm), detail })
        })?;
        let udp = self.udp.try_map(|traffic| {
            Ok(model::UdpTraffic {
                bytes_out: traffic.bytes_out,
                bytes_in: traffic.bytes_in,
                peers: traffic.peers.into_iter().map(Into::into).collect(),
                peers_omitted: traffic.peers_omitted,
            })
        })?;
        Ok(ModelSocket {
            id: self.id.into(),
            source: self.source.into(),
            netns,
            protocol: self.protocol.try_into()?,
            family: self.family.try_into()?,
            state: self.state.try_into()?,
            local: self.local.into(),
            remote: self.remote.map(Into::into),
            interface: self.interface,
            // Behind the fields of the connection, where a record can grow.
            interface_name: model::Known::NotApplicable,
            ipv6_only: model::Known::NotApplicable,
            inode: self.inode.into(),
            uid: self.uid.into(),
            queues: self.queues.into(),
            accept_queue: self.accept_queue.into(),
            timer: self.timer.try_map(TryInto::try_into)?,
            memory: self.memory.into(),
            congestion,
            tos: self.tos.into(),
            mark: self.mark.into(),
            cgroup_id: self.cgroup_id.into(),
            shutdown: self.shutdown.into(),
            upper_layer: self.upper_layer.try_map(|name| Ok(share(name)))?,
            tcp: self.tcp.try_map(|bytes| Ok(TcpInfo::of_encoded(&bytes.0)))?,
            mptcp: self.mptcp.into(),
            udp,
            pair: model::Known::from(self.pair).map(model::Pair),
            // Its owner is that of the connection.
            held_by_kernel: false,
            // The flow of the connection is the peer.
            peer_of: None,
            // An agent samples no such sockets.
            other: None,
        })
    }
}
