//! Rows of socket tables, made of what packets show. What only a kernel knows is unknown.

use std::sync::Arc;

use conns_core::decode::Side;
use conns_core::model::{
    Closed, Endpoint, EventKind, Known, LifecycleEvent, Moment, Netns, Protocol, Socket, SocketId,
    SocketSample, Source, State, TcpInfo, TcpInfoBuilder, UdpPeer, UdpTraffic, Unknown,
};

use crate::connection::{Connection, FinishKind};
use crate::flow::Flow;
use crate::half::Half;

/// Bytes of the option of time stamps in each segment, padded (RFC 7323 appendix A).
const TIMESTAMP_BYTES: u32 = 12;
/// The bits of `tcpi_options`.
const TIMESTAMPS: u8 = 1;
const SACK: u8 = 2;
const WINDOW_SCALE: u8 = 4;
const ECN: u8 = 8;

/// The identity of a row: the connection's place in the file, and the end that the row is seen from. A capture file
/// has no cookies, and a file that is read again has the same identities.
pub(crate) fn id(serial: u64, side: Side) -> SocketId {
    let end = match side {
        Side::Sent => 0,
        Side::Received => 1,
    };
    SocketId { netns: 0, cookie: serial << 1 | end }
}

/// Makes rows.
#[derive(Debug)]
pub(crate) struct Rows {
    netns: Arc<Netns>,
}

impl Default for Rows {
    fn default() -> Self {
        // Which namespace an end lives in, packets do not show; it is not that of this program.
        Self { netns: Arc::new(Netns { inode: 0, label: None, is_own: false }) }
    }
}

impl Rows {
    /// The row of one end of a connection in `state`.
    pub(crate) fn tcp(
        &self,
        serial: u64,
        connection: &Connection,
        side: Side,
        state: State,
        now: Moment,
    ) -> SocketSample {
        let ends = (*connection.ends.of(side), Some(*connection.ends.of(side.other())));
        let mut socket = self.row(serial, Protocol::Tcp, side, state, ends);
        // As the kernel: there is no socket any more, or none yet.
        socket.tcp = match state {
            State::TimeWait | State::SynReceived => Known::NotApplicable,
            _ => Known::Value(measures(connection, side, state, now), Source::Capture),
        };
        socket.into()
    }

    /// The row of one end of a UDP flow.
    pub(crate) fn udp(&self, serial: u64, flow: &Flow, side: Side) -> SocketSample {
        let (out, received) = (flow.sent.of(side), flow.sent.of(side.other()));
        let peer = UdpPeer {
            remote: *flow.ends.of(side.other()),
            bytes_out: out.bytes,
            bytes_in: received.bytes,
            datagrams_out: out.datagrams,
            datagrams_in: received.datagrams,
        };
        let traffic = UdpTraffic {
            bytes_out: out.bytes,
            bytes_in: received.bytes,
            peers: [peer].into(),
            peers_omitted: 0,
        };
        let remote = Some(*flow.ends.of(side.other()));
        let local = *flow.ends.of(side);
        self.datagrams(serial, side, State::Established, (local, remote), traffic)
    }

    /// The row of a socket of UDP that has received nothing yet.
    pub(crate) fn receiver(&self, serial: u64, local: Endpoint) -> SocketSample {
        let traffic = UdpTraffic { bytes_out: 0, bytes_in: 0, peers: [].into(), peers_omitted: 0 };
        self.datagrams(serial, Side::Received, State::Close, (local, None), traffic)
    }

    fn datagrams(
        &self,
        serial: u64,
        side: Side,
        state: State,
        ends: (Endpoint, Option<Endpoint>),
        traffic: UdpTraffic,
    ) -> SocketSample {
        let mut socket = self.row(serial, Protocol::Udp, side, state, ends);
        socket.udp = Known::Value(traffic, Source::Capture);
        socket.tcp = Known::NotApplicable;
        socket.congestion = Known::NotApplicable;
        socket.into()
    }

    fn row(
        &self,
        serial: u64,
        protocol: Protocol,
        side: Side,
        state: State,
        (local, remote): (Endpoint, Option<Endpoint>),
    ) -> Socket {
        let (id, netns) = (id(serial, side), Arc::clone(&self.netns));
        let why = Unknown::SourceDoesNotReport;
        let mut socket = Socket::new(id, Source::Capture, netns, protocol, state, local, why);
        socket.remote = remote;
        // A kernel may have a timer running.
        socket.timer = Known::Unknown(why);
        socket
    }

    /// The event that one end of a connection opened.
    pub(crate) fn opened_event(
        &self,
        serial: u64,
        connection: &Connection,
        side: Side,
        at: Moment,
    ) -> LifecycleEvent {
        let at = connection.opened.of(side).as_ref().map_or(at, |opened| opened.at);
        LifecycleEvent {
            at,
            kind: EventKind::Opened,
            socket: self.tcp(serial, connection, side, State::Established, at),
            direction: connection.direction(side),
            opened: connection.opened(side),
            closed: Known::NotApplicable,
        }
    }

    /// The event that one end of a connection closed, or failed to open; `None` before, or if it never had a socket.
    pub(crate) fn end_event(
        &self,
        serial: u64,
        connection: &Connection,
        side: Side,
    ) -> Option<LifecycleEvent> {
        let end = connection.end?;
        let is_opened = connection.opened.of(side).is_some() || !connection.is_opener_known;
        // Of an attempt the other end has no socket that anything reports.
        if !is_opened && side == Side::Received {
            return None;
        }
        let kind = if is_opened { EventKind::Closed } else { EventKind::Failed };
        let opened = connection.opened(side);
        let duration_us = match (&opened, end.kind) {
            (_, FinishKind::Unseen) => Known::Unknown(Unknown::NothingMeasured),
            (Known::Value(opened, source), _) => {
                let us = end.at.monotonic_us.saturating_sub(opened.at.monotonic_us);
                Known::Value(us, *source)
            }
            (Known::Unknown(why), _) => Known::Unknown(*why),
            (Known::NotApplicable, _) => Known::NotApplicable,
        };
        let closed = Closed {
            at: end.at,
            duration_us,
            how: end.kind.reason(side),
            first_closer: connection.first_closer(side, end.kind),
            fin_received: connection.halves.of(side.other()).is_finished(),
        };
        let mut socket = self.tcp(serial, connection, side, State::Established, end.at);
        socket.state = State::Close;
        Some(LifecycleEvent {
            at: end.at,
            kind,
            socket,
            direction: connection.direction(side),
            opened,
            closed: match end.kind {
                FinishKind::Unseen => Known::Unknown(Unknown::NothingMeasured),
                _ => Known::Value(closed, Source::Capture),
            },
        })
    }
}

/// The fields of `tcp_info` that packets show, as the end `side` would have them.
fn measures(connection: &Connection, side: Side, state: State, now: Moment) -> TcpInfo {
    let (own, peer) = (connection.halves.of(side), connection.halves.of(side.other()));
    let mut tcp = TcpInfoBuilder::default();
    let again = own.retransmitted_bytes;
    let fin = u64::from(peer.is_finished());
    tcp.bytes_sent(own.payload_sent().saturating_add(again))
        .bytes_retrans(again)
        .bytes_received(peer.payload_received() + fin)
        .bytes_acked(own.payload_acked() + u64::from(side == Side::Sent))
        .total_retrans(own.retransmitted_segments)
        .segs_out(own.segments)
        .segs_in(peer.segments)
        .data_segs_out(own.data_segments)
        .data_segs_in(peer.data_segments)
        .rcv_ooopack(peer.reordered_segments);
    let since = |then: Option<Moment>| {
        let opened = connection.opened.of(side).as_ref().map(|opened| opened.at);
        then.or(opened).map(|then| u32::try_from(now.since(then).as_millis()).unwrap_or(u32::MAX))
    };
    // Before the first payload the kernel counts from the handshake.
    since(own.last_data).map(|ms| tcp.last_data_sent(ms));
    since(peer.last_data).map(|ms| tcp.last_data_recv(ms));
    since(own.last_ack).map(|ms| tcp.last_ack_recv(ms));
    add_round_trip(&mut tcp, own, peer);
    add_options(&mut tcp, connection, own, peer, state);
    tcp.build()
}

/// A round trip goes from the capture to the peer and back, and from the capture to this end and back.
fn add_round_trip(tcp: &mut TcpInfoBuilder, own: &Half, peer: &Half) {
    // 0 is that none was measured.
    let us = |us: u64| u32::try_from(us).unwrap_or(u32::MAX).max(1);
    let Some(to_peer) = own.round_trip.smoothed_us() else {
        tcp.rtt(0).min_rtt(u32::MAX);
        return;
    };
    let to_own = peer.round_trip.min_us().unwrap_or(0);
    tcp.rtt(us(to_peer.saturating_add(to_own)));
    tcp.rttvar(us(own.round_trip.deviation_us().unwrap_or(0)));
    tcp.min_rtt(us(own.round_trip.min_us().unwrap_or(to_peer).saturating_add(to_own)));
}

/// What both ends agreed to in their SYNs, and the windows.
fn add_options(
    tcp: &mut TcpInfoBuilder,
    connection: &Connection,
    own: &Half,
    peer: &Half,
    state: State,
) {
    let are_syns_seen = own.began_at_syn && peer.began_at_syn;
    if !are_syns_seen {
        return;
    }
    let scales = match (own.window_scale, peer.window_scale) {
        (Some(own), Some(peer)) => Some((own, peer)),
        _ => None,
    };
    let has_timestamps = own.has_timestamps && peer.has_timestamps;
    let has_sack = own.sack_permitted && peer.sack_permitted;
    let bit = |is_set: bool, bit: u8| if is_set { bit } else { 0 };
    tcp.options(
        bit(has_timestamps, TIMESTAMPS)
            | bit(has_sack, SACK)
            | bit(scales.is_some(), WINDOW_SCALE)
            | bit(connection.has_ecn, ECN),
    );
    // Linux subtracts the option of each segment, and may then send smaller ones (`tcp_bound_to_half_wnd`).
    let options = if has_timestamps { TIMESTAMP_BYTES } else { 0 };
    let without = |mss: u16| u32::from(mss).saturating_sub(options);
    own.mss.map(|mss| tcp.advmss(without(mss)));
    peer.mss.map(|mss| tcp.snd_mss(without(mss)));
    let (own_shift, peer_shift) = scales.unwrap_or((0, 0));
    tcp.window_scales(peer_shift, own_shift);
    // The window in a SYN is not scaled.
    if state != State::SynSent {
        let scaled = |window: Option<u16>, shift: u8| window.map(|n| u32::from(n) << shift);
        scaled(peer.window, peer_shift).map(|window| tcp.snd_wnd(window));
        scaled(own.window, own_shift).map(|window| tcp.rcv_wnd(window));
    }
}
