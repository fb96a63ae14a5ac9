//! A connection: a socket of the kernel joined with its owners, its history and the verdict.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{
    Application, Closed, ConnectionId, Direction, Endpoint, Flow, Known, Opened, Owner, Part,
    Process, Protocol, Rates, SocketSample, Source, State, Stats, TcpInfo, Totals, Unknown,
    Verdict,
};

/// One connection (or listening endpoint) at one moment.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Connection {
    /// The socket as the kernel reports it.
    pub socket: SocketSample,
    /// The descriptors that refer to it; several where one was inherited or passed on. At most
    /// [`MAX_OWNERS`](super::MAX_OWNERS).
    pub owners: Known<Arc<[Owner]>>,
    /// How many descriptors there are beyond these.
    pub owners_omitted: u32,
    /// Which end opened it.
    pub direction: Known<Direction>,
    /// How it was opened, where an event reported it; not applicable to listeners.
    pub opened: Known<Arc<Opened>>,
    /// How it was closed; not applicable before.
    pub closed: Known<Closed>,
    /// What was derived from more than one sample.
    pub stats: Stats,
    /// The widened counters, once one of the kernel's 32-bit counters has wrapped between two
    /// samples; `None` while the kernel's own are right.
    pub totals: Option<Totals>,
    /// Connections that a listener dropped because its accept queue was full, since it listens.
    pub overflows: Known<u64>,
    /// The flow below the socket that this connection is; `None` if it is the socket itself.
    pub flow: Option<Arc<Flow>>,
    /// What it carries; not applicable to listeners.
    pub application: Known<Arc<Application>>,
    /// The name of the remote address that was asked for in DNS before it was opened; `None` if none was
    /// seen.
    pub resolved_name: Option<Arc<str>>,
    /// What limits it.
    pub verdict: Verdict,
}

impl Connection {
    /// Its identity.
    #[must_use]
    pub fn id(&self) -> ConnectionId {
        let flow = self.flow.as_ref().map(|flow| flow.key);
        ConnectionId { socket: self.socket.id, flow }
    }

    /// The source of a part of it; `None` if the part is unknown or does not apply.
    #[must_use]
    pub fn source_of(&self, part: Part) -> Option<Source> {
        let socket = &self.socket;
        match part {
            Part::Socket => Some(socket.source),
            Part::Direction => self.direction.source(),
            Part::Owners => self.owners.source(),
            Part::PeerOwners => {
                let peer = socket.other.as_ref().and_then(|other| other.peer.value());
                peer.and_then(|peer| peer.owners.source())
            }
            Part::Tcp => socket.tcp.source(),
            Part::Bytes => self.bytes_in().source(),
            Part::Queues => socket.queues.source(),
            Part::AcceptQueue => socket.accept_queue.source(),
            Part::Memory => socket.memory.source(),
            Part::Timer => socket.timer.source(),
            Part::Congestion => socket.congestion.source(),
            Part::Mptcp => socket.mptcp.source(),
            Part::Udp => socket.udp.source(),
            Part::Opened => self.opened.source(),
            Part::Closed => self.closed.source(),
            Part::Age => self.stats.age_us.source(),
            Part::Application => self.application.source(),
            Part::RemoteName => {
                let resolved = self.resolved_name.as_ref().map(|_| Source::Wire);
                resolved.or(self.application.source())
            }
            Part::Derived => Some(Source::Derived),
        }
    }

    /// This machine's end: the flow's, or else the socket's.
    #[must_use]
    pub fn local(&self) -> Endpoint {
        self.flow.as_ref().map_or(self.socket.local, |flow| flow.local)
    }

    /// The other end: the flow's, or else the socket's, if it has one.
    #[must_use]
    pub fn remote(&self) -> Option<Endpoint> {
        self.flow.as_ref().map(|flow| flow.remote).or(self.socket.remote)
    }

    /// `tcp_info` of the socket as it was reported, if it is a TCP socket and the kernel reports it.
    /// [`SocketSample::since`] reads the fields that grow with time.
    #[must_use]
    pub fn tcp(&self) -> Option<&TcpInfo> {
        self.socket.tcp.value()
    }

    /// A copy that shares neither its socket nor its list of owners.
    #[must_use]
    pub fn unshared(&self) -> Self {
        let owners = self.owners.as_ref().map(|owners| Arc::from(owners.to_vec()));
        let opened = self.opened.as_ref().map(|opened| Arc::new(Opened::clone(opened)));
        Self { socket: self.socket.unshared(), owners, opened, ..self.clone() }
    }

    /// The owners in the list, none if they are unknown.
    #[must_use]
    pub fn listed_owners(&self) -> &[Owner] {
        self.owners.value().map_or(&[], |owners| owners)
    }

    /// The first owner: lowest pid, then lowest descriptor.
    #[must_use]
    pub fn first_owner(&self) -> Known<&Owner> {
        self.owners.as_ref().and_then(Unknown::NoOwnerFound, |owners| owners.first())
    }

    /// The process that owns it, if it is only one, with any number of descriptors.
    #[must_use]
    pub fn only_process(&self) -> Option<&Arc<Process>> {
        let (first, rest) = self.owners.value()?.split_first()?;
        let is_alone = rest.iter().all(|owner| owner.process.pid == first.process.pid);
        is_alone.then_some(&first.process)
    }

    /// Whether it is a peer of an unconnected UDP socket, whose row has its traffic too.
    #[must_use]
    pub fn is_peer(&self) -> bool {
        self.flow.as_ref().is_some_and(|flow| flow.key.peer().is_some())
    }

    /// Network namespace and inode of its socket: the peers of an unconnected UDP socket have those of the socket.
    #[must_use]
    pub fn socket_inode(&self) -> (u64, Option<u64>) {
        (self.socket.id.netns, self.socket.inode.get())
    }

    /// Whether this is a connection as the plain list means it: established TCP (or MPTCP), or UDP
    /// with a peer.
    #[must_use]
    pub fn is_established(&self) -> bool {
        let socket = &self.socket;
        match socket.protocol {
            // `ss` lists these so, because they have no state: each of them.
            Protocol::Packet | Protocol::Netlink => true,
            _ => socket.state == State::Established || socket.is_in_no_table(),
        }
    }

    /// Whether the default list has it: as [`Self::is_established`], or a TCP connection that is being opened, and one
    /// that closes. The same as `ss` lists without `-a` (iproute2, `misc/ss.c`, `SS_CONN` without TIME-WAIT and SYN-RECV).
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.is_established()
            || matches!(
                self.socket.state,
                State::SynSent
                    | State::FinWait1
                    | State::FinWait2
                    | State::CloseWait
                    | State::LastAck
                    | State::Closing
            )
    }

    /// Whether it is a listening TCP socket, or an unconnected UDP socket with a port.
    #[must_use]
    pub fn is_listening(&self) -> bool {
        match self.socket.protocol {
            Protocol::Tcp | Protocol::Mptcp => self.socket.state == State::Listen,
            Protocol::Udp => {
                self.socket.state == State::Close
                    && (self.socket.local.port != 0 || self.socket.is_in_no_table())
            }
            // As `ss -l`.
            _ => matches!(self.socket.state, State::Listen | State::Close),
        }
    }

    /// Smoothed round trip time in microseconds (RFC 6298 SRTT); unknown before the first sample.
    #[must_use]
    pub fn rtt_us(&self) -> Known<u32> {
        self.socket.rtt_us()
    }

    /// Loss in percent over the connection's life: retransmitted segments, less those the peer
    /// reported as duplicates (RFC 2883), of all data segments sent. Unknown before the first. Uses
    /// the widened counters once the kernel's have wrapped.
    #[must_use]
    pub fn loss_percent(&self) -> Known<f64> {
        let Known::Value(tcp, source) = self.socket.tcp.as_ref() else {
            return self.socket.tcp.as_ref().map(|_| 0.0);
        };
        if !self.socket.state.carries_data() {
            return Known::NotApplicable;
        }
        if tcp.why_absent() == Unknown::NotKept {
            return Known::from_option(tcp.kept_loss_percent(), source, Unknown::NotKept);
        }
        let (Some(retransmitted), Some(sent)) = (tcp.total_retrans(), tcp.data_segs_out()) else {
            return Known::Unknown(tcp.why_absent());
        };
        let lost = retransmitted.saturating_sub(tcp.dsack_dups().unwrap_or(0));
        let (lost, sent) = self.totals.map_or((lost.into(), sent.into()), |totals| {
            (totals.segments_lost, totals.segments_out)
        });
        if sent == 0 {
            return Known::Unknown(Unknown::NothingMeasured);
        }
        // A repeated SYN counts as retransmitted, but is no data segment.
        Known::Value((lost as f64 * 100.0 / sent as f64).min(100.0), source)
    }

    /// Payload bytes sent: first transmissions only, so what the application wrote and the
    /// network was given at least once.
    #[must_use]
    pub fn bytes_out(&self) -> Known<u64> {
        match &self.flow {
            Some(flow) => Known::Value(flow.bytes_out, self.socket.source),
            None => self.socket.bytes_out(),
        }
    }

    /// Payload bytes received in order, without the one that the kernel counts for the peer's FIN.
    #[must_use]
    pub fn bytes_in(&self) -> Known<u64> {
        match &self.flow {
            Some(flow) => Known::Value(flow.bytes_in, self.socket.source),
            None => self.socket.bytes_in(self.fin_received()),
        }
    }

    /// Whether the peer's FIN was received, by the final event or else by the state.
    fn fin_received(&self) -> bool {
        match self.closed {
            Known::Value(closed, _) => closed.fin_received,
            _ => self.socket.state.has_received_fin(),
        }
    }

    /// Microseconds since payload was last sent or received.
    #[must_use]
    pub fn idle_us(&self) -> Known<u64> {
        self.socket.idle_us()
    }

    /// Microseconds since payload was last sent; unknown before the first.
    #[must_use]
    pub fn last_sent_us(&self) -> Known<u64> {
        self.since_last(self.bytes_out(), TcpInfo::last_data_sent)
    }

    /// Microseconds since payload last arrived; unknown before the first.
    #[must_use]
    pub fn last_received_us(&self) -> Known<u64> {
        self.since_last(self.bytes_in(), TcpInfo::last_data_recv)
    }

    /// Before the first byte the kernel counts from when the connection was established.
    fn since_last(
        &self,
        bytes: Known<u64>,
        read: impl FnOnce(&TcpInfo) -> Option<u32>,
    ) -> Known<u64> {
        if !self.socket.state.carries_data() {
            return Known::NotApplicable;
        }
        if bytes.get() == Some(0) {
            return Known::Unknown(Unknown::NothingMeasured);
        }
        self.socket.measure(|_| Some(u64::from(self.socket.since(read)?) * 1000))
    }

    /// Payload bytes a second over its whole life, where its age is known.
    #[must_use]
    pub fn average_rates(&self) -> Known<Rates> {
        let (out, received) = (self.bytes_out(), self.bytes_in());
        self.stats.age_us.and_then(Unknown::NothingMeasured, |age_us| {
            let per_second = |bytes: u64| bytes as f64 * 1e6 / age_us as f64;
            let (out, received) = (out.get()?, received.get()?);
            (age_us > 0).then(|| Rates {
                out_bytes_per_s: per_second(out),
                in_bytes_per_s: per_second(received),
            })
        })
    }
}
