//! Converts rows to sockets: one for each tuple of protocol and endpoints.
//!
//! A tuple is the only identity that these systems report. macOS repeats a socket for each descriptor, Windows and
//! Linux list sockets that share a port one by one, and the rows look alike. So equal tuples are one socket with all
//! owners.

use std::collections::{BTreeSet, HashMap};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use netsock::socket::{ProtocolSocketInfo, SocketInfo};
use netsock::state::TcpState;

use conns_contract::States;
use conns_contract::cookie::of_endpoints;
use conns_core::model::{
    Endpoint, Family, Known, Netns, Protocol, Socket, SocketId, Source, State, Unknown,
};

/// The owners of each socket, by pid.
pub(crate) type Owners = Vec<(SocketId, BTreeSet<u32>)>;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Tuple {
    protocol: Protocol,
    local: Endpoint,
    remote: Option<Endpoint>,
}

struct Row {
    tuple: Tuple,
    state: State,
    pids: BTreeSet<u32>,
}

/// The tuples in the order of their first appearance.
#[derive(Default)]
pub(crate) struct Tuples {
    rows: Vec<Row>,
    indices: HashMap<Tuple, usize>,
}

impl Tuples {
    /// Adds a row; `None` if its state is unknown.
    pub(crate) fn add(&mut self, info: &SocketInfo) -> Option<()> {
        let (protocol, state, local, remote) = match &info.protocol_socket_info {
            ProtocolSocketInfo::Tcp(tcp) => {
                let remote = Endpoint { address: mapped(tcp.remote_addr), port: tcp.remote_port };
                let state = tcp_state(tcp.state)?;
                // On Windows the remote port of a listener is undefined (MIB_TCPROW).
                let has_peer = state != State::Listen && !remote.is_unspecified();
                let local = Endpoint { address: mapped(tcp.local_addr), port: tcp.local_port };
                (Protocol::Tcp, state, local, has_peer.then_some(remote))
            }
            ProtocolSocketInfo::Udp(udp) => {
                let local = Endpoint { address: mapped(udp.local_addr), port: udp.local_port };
                (Protocol::Udp, State::Close, local, None)
            }
        };
        // Unbound sockets are in no system's table; macOS is read by descriptor.
        if local.port == 0 && remote.is_none() {
            return Some(());
        }
        let tuple = Tuple { protocol, local, remote };
        let index = *self.indices.entry(tuple).or_insert_with(|| {
            self.rows.push(Row { tuple, state, pids: BTreeSet::new() });
            self.rows.len() - 1
        });
        if let Some(row) = self.rows.get_mut(index) {
            // A bound socket or a past connection does not hide a live one with the same tuple.
            if matches!(row.state, State::Close | State::TimeWait) {
                row.state = state;
            }
            // On Windows connections in TIME-WAIT belong to pid 0, which is no process.
            let pids = info.processes.iter().map(|process| process.pid);
            row.pids.extend(pids.filter(|pid| *pid != 0));
        }
        Some(())
    }

    /// The sockets in one of `states`, and their owners.
    pub(crate) fn into_sockets(self, netns: &Arc<Netns>, states: States) -> (Vec<Socket>, Owners) {
        self.rows
            .into_iter()
            .filter(|row| states.contains(row.state))
            .map(|row| {
                let socket = socket(row.tuple, row.state, netns);
                let owners = (socket.id, row.pids);
                (socket, owners)
            })
            .unzip()
    }
}

fn socket(tuple: Tuple, state: State, netns: &Arc<Netns>) -> Socket {
    let Tuple { protocol, local, remote } = tuple;
    let carries_data = state.carries_data();
    let is_tcp_stream = protocol == Protocol::Tcp && carries_data;
    let is_full_socket = carries_data || state == State::Listen;
    let family = if local.address.is_ipv4() { Family::Ipv4 } else { Family::Ipv6 };
    let why = Unknown::SourceDoesNotReport;
    Socket {
        id: SocketId { netns: netns.inode, cookie: of_endpoints(protocol, local, remote) },
        source: Source::Portable,
        netns: Arc::clone(netns),
        protocol,
        family,
        state,
        local,
        remote,
        interface: 0,
        interface_name: Known::NotApplicable,
        ipv6_only: Socket::missing_ipv6_only(family, state, why),
        inode: unknown(is_full_socket),
        uid: unknown(state != State::TimeWait),
        queues: unknown(carries_data),
        accept_queue: unknown(state == State::Listen),
        timer: unknown(protocol == Protocol::Tcp),
        memory: unknown(is_full_socket),
        congestion: unknown(is_tcp_stream),
        tos: unknown(is_full_socket),
        mark: unknown(is_full_socket),
        cgroup_id: unknown(is_full_socket),
        shutdown: unknown(carries_data),
        upper_layer: unknown(is_tcp_stream),
        tcp: unknown(is_tcp_stream),
        pair: unknown(is_tcp_stream),
        mptcp: Known::NotApplicable,
        udp: Known::NotApplicable,
        held_by_kernel: false,
        peer_of: None,
        other: None,
    }
}

/// A value that this source does not report, if it applies.
fn unknown<T>(applies: bool) -> Known<T> {
    if applies { Known::Unknown(Unknown::SourceDoesNotReport) } else { Known::NotApplicable }
}

fn tcp_state(state: TcpState) -> Option<State> {
    Some(match state {
        // DELETE-TCB: on Windows, a closed connection whose memory is being freed.
        TcpState::Closed | TcpState::DeleteTcb => State::Close,
        TcpState::Listen => State::Listen,
        TcpState::SynSent => State::SynSent,
        TcpState::SynReceived => State::SynReceived,
        TcpState::Established => State::Established,
        TcpState::FinWait1 => State::FinWait1,
        TcpState::FinWait2 => State::FinWait2,
        TcpState::CloseWait => State::CloseWait,
        TcpState::Closing => State::Closing,
        TcpState::LastAck => State::LastAck,
        TcpState::TimeWait => State::TimeWait,
        TcpState::Unknown => return None,
    })
}

/// Corrects `::a.b.c.d` to `::ffff:a.b.c.d`. macOS keeps the address of an IPv4 peer of
/// an IPv6 socket in the last four bytes alone, and the crate reads all sixteen (measured in
/// <https://github.com/GyulyVGC/listeners/pull/57>). As real addresses these are out of use (RFC
/// 4291 section 2.5.5.1); 0.0.0.0/8 is never a host, so `::` and `::1` stay.
fn mapped(address: IpAddr) -> IpAddr {
    if let IpAddr::V6(v6) = address
        && let [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, a @ 1..=255, b, c, d] = v6.octets()
    {
        return IpAddr::V6(Ipv4Addr::new(a, b, c, d).to_ipv6_mapped());
    }
    address
}

#[cfg(test)]
mod tests;
