//! A connection: the kernel's socket joined with its holders, its history and the verdict.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{
    Application, Closed, ConnectionId, Endpoint, Flow, Known, Opened, Owner, Process, Protocol,
    Rates, SocketSample, State, Stats, TcpInfo, Unknown, Verdict,
};

/// Who opened a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Direction {
    /// The remote end connected to this machine.
    Inbound,
    /// This machine connected to the remote end.
    Outbound,
}

impl Direction {
    /// `inbound` or `outbound`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Inbound => "inbound",
            Self::Outbound => "outbound",
        }
    }
}

/// One connection (or listening endpoint) at one moment.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Connection {
    /// What the kernel says of the socket.
    pub socket: SocketSample,
    /// Every hold on it; several where a descriptor was inherited or passed on.
    pub owners: Known<Arc<[Owner]>>,
    /// Who opened it.
    pub direction: Known<Direction>,
    /// How it came to be, where that was watched; not applicable to listeners and the like.
    pub opened: Known<Arc<Opened>>,
    /// How it ended; not applicable as long as it has not.
    pub closed: Known<Closed>,
    /// What became known of it by looking more than once.
    pub stats: Stats,
    /// The flow below the socket that this connection is; `None` if it is the socket itself.
    pub flow: Option<Arc<Flow>>,
    /// What it carries; not applicable to listeners.
    pub application: Known<Arc<Application>>,
    /// What keeps it from being faster.
    pub verdict: Verdict,
}

impl Connection {
    /// Its identity.
    #[must_use]
    pub fn id(&self) -> ConnectionId {
        let flow = self.flow.as_ref().map(|flow| flow.key);
        ConnectionId { socket: self.socket.id, flow }
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

    /// `tcp_info` of the socket as it was told, if it is a TCP socket and the kernel told it; for
    /// what grows with time alone see [`SocketSample::since`].
    #[must_use]
    pub fn tcp(&self) -> Option<&TcpInfo> {
        self.socket.tcp.value()
    }

    /// The first holder: lowest pid, then lowest descriptor.
    #[must_use]
    pub fn first_owner(&self) -> Known<&Owner> {
        self.owners.as_ref().and_then(Unknown::NoOwnerFound, |held| held.first())
    }

    /// The process that holds it, if it is one alone, by however many descriptors.
    #[must_use]
    pub fn only_process(&self) -> Option<&Arc<Process>> {
        let (first, rest) = self.owners.value()?.split_first()?;
        let is_alone = rest.iter().all(|owner| owner.process.pid == first.process.pid);
        is_alone.then_some(&first.process)
    }

    /// Whether this is a connection as the plain list means it: established TCP (or MPTCP), or UDP
    /// with a peer.
    #[must_use]
    pub fn is_established(&self) -> bool {
        self.socket.state == State::Established
    }

    /// Whether it is an endpoint that waits for others: a listening TCP socket, or an unconnected
    /// UDP socket with a port.
    #[must_use]
    pub fn is_listening(&self) -> bool {
        match self.socket.protocol {
            Protocol::Tcp | Protocol::Mptcp => self.socket.state == State::Listen,
            Protocol::Udp => self.socket.state == State::Close && self.socket.local.port != 0,
        }
    }

    /// Smoothed round trip time in microseconds (RFC 6298 SRTT); unknown before the first sample.
    #[must_use]
    pub fn rtt_us(&self) -> Known<u32> {
        if !self.socket.state.carries_data() {
            return Known::NotApplicable;
        }
        self.socket
            .tcp
            .as_ref()
            .and_then(Unknown::KernelDoesNotTell, |tcp| tcp.rtt())
            .and_then(Unknown::NothingMeasured, |us| (us > 0).then_some(us))
    }

    /// Loss in percent over the connection's life: retransmitted segments, less those the peer
    /// reported as duplicates (RFC 2883), of all data segments sent. Unknown before the first.
    #[must_use]
    pub fn loss_percent(&self) -> Known<f64> {
        let Known::Value(tcp, source) = self.socket.tcp.as_ref() else {
            return self.socket.tcp.as_ref().map(|_| 0.0);
        };
        if !self.socket.state.carries_data() {
            return Known::NotApplicable;
        }
        match (tcp.total_retrans(), tcp.data_segs_out()) {
            (Some(_), Some(0)) => Known::Unknown(Unknown::NothingMeasured),
            (Some(retransmitted), Some(sent)) => {
                let lost = retransmitted.saturating_sub(tcp.dsack_dups().unwrap_or(0));
                // A repeated SYN counts as retransmitted, but is no data segment.
                let percent = f64::from(lost) * 100.0 / f64::from(sent);
                Known::Value(percent.min(100.0), source)
            }
            _ => Known::Unknown(Unknown::KernelDoesNotTell),
        }
    }

    /// Payload bytes sent: first transmissions only, so what the application wrote and the
    /// network was given at least once.
    #[must_use]
    pub fn bytes_out(&self) -> Known<u64> {
        if let Some(flow) = &self.flow {
            return Known::Value(flow.bytes_out, self.socket.source);
        }
        if let Known::Value(mptcp, source) = self.socket.mptcp {
            return Known::from_option(mptcp.bytes_sent, source, Unknown::KernelDoesNotTell);
        }
        if self.socket.protocol == Protocol::Udp {
            return self.socket.udp.as_ref().map(|udp| udp.bytes_out);
        }
        self.stream_counter(TcpInfo::payload_sent)
    }

    /// Payload bytes received in order. The kernel counts the peer's FIN as one byte (its
    /// `rcv_nxt` moves on); that one is taken off again.
    #[must_use]
    pub fn bytes_in(&self) -> Known<u64> {
        if let Some(flow) = &self.flow {
            return Known::Value(flow.bytes_in, self.socket.source);
        }
        if let Known::Value(mptcp, source) = self.socket.mptcp {
            return Known::from_option(mptcp.bytes_received, source, Unknown::KernelDoesNotTell);
        }
        if self.socket.protocol == Protocol::Udp {
            return self.socket.udp.as_ref().map(|udp| udp.bytes_in);
        }
        let fin = u64::from(match self.closed {
            Known::Value(closed, _) => closed.fin_received,
            _ => self.socket.state.has_received_fin(),
        });
        self.stream_counter(|tcp| Some(tcp.bytes_received()?.saturating_sub(fin)))
    }

    fn stream_counter(&self, read: impl FnOnce(&TcpInfo) -> Option<u64>) -> Known<u64> {
        self.socket.tcp.as_ref().and_then(Unknown::KernelDoesNotTell, read)
    }

    /// Microseconds since payload last went either way.
    #[must_use]
    pub fn idle_us(&self) -> Known<u64> {
        if !self.socket.state.carries_data() {
            return Known::NotApplicable;
        }
        self.socket.tcp.as_ref().and_then(Unknown::KernelDoesNotTell, |_| {
            let sent = self.socket.since(TcpInfo::last_data_sent)?;
            let received = self.socket.since(TcpInfo::last_data_recv)?;
            Some(u64::from(sent.min(received)) * 1000)
        })
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
        let tcp = self.socket.tcp.as_ref();
        tcp.and_then(Unknown::KernelDoesNotTell, |_| {
            Some(u64::from(self.socket.since(read)?) * 1000)
        })
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

    /// Connections that were waiting for `accept` and that this listener had to drop.
    #[must_use]
    pub fn overflows(&self) -> Known<u64> {
        if self.socket.state != State::Listen {
            return Known::NotApplicable;
        }
        self.socket
            .memory
            .map(|memory| memory.drops)
            .and_then(Unknown::KernelDoesNotTell, |drops| drops.map(u64::from))
    }
}
