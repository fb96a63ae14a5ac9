//! Rows become sockets, one for each tuple of protocol and ends.
//!
//! The one idea: a tuple is all the identity these systems tell. macOS repeats a socket for each
//! descriptor, Windows and Linux show sockets that share a port one by one; the crate's rows look
//! alike in both cases. So equal tuples are one socket with all their holders, never one of them
//! at random.

use std::collections::{BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use netsock::socket::{ProtocolSocketInfo, SocketInfo};
use netsock::state::TcpState;

use conns_contract::States;
use conns_core::model::{
    Endpoint, Family, Known, Netns, Protocol, Socket, SocketId, Source, State, Unknown,
};

/// The processes that hold each socket, by pid.
pub(crate) type Holds = Vec<(SocketId, BTreeSet<u32>)>;

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

/// The rows seen, in the order of their first appearance.
#[derive(Default)]
pub(crate) struct Tuples {
    rows: Vec<Row>,
    places: HashMap<Tuple, usize>,
}

impl Tuples {
    /// Takes one row; `None` if its state is none that `conns` knows.
    pub(crate) fn add(&mut self, told: &SocketInfo) -> Option<()> {
        let (protocol, state, local, remote) = match &told.protocol_socket_info {
            ProtocolSocketInfo::Tcp(tcp) => {
                let remote = Endpoint { address: mapped(tcp.remote_addr), port: tcp.remote_port };
                let state = tcp_state(tcp.state)?;
                // Windows leaves any number in the remote port of a listener (MIB_TCPROW).
                let has_peer = state != State::Listen && !remote.is_unspecified();
                let local = Endpoint { address: mapped(tcp.local_addr), port: tcp.local_port };
                (Protocol::Tcp, state, local, has_peer.then_some(remote))
            }
            ProtocolSocketInfo::Udp(udp) => {
                let local = Endpoint { address: mapped(udp.local_addr), port: udp.local_port };
                (Protocol::Udp, State::Close, local, None)
            }
        };
        // Never bound: in no system's table, but macOS is read descriptor by descriptor.
        if local.port == 0 && remote.is_none() {
            return Some(());
        }
        let tuple = Tuple { protocol, local, remote };
        let place = *self.places.entry(tuple).or_insert_with(|| {
            self.rows.push(Row { tuple, state, pids: BTreeSet::new() });
            self.rows.len() - 1
        });
        if let Some(row) = self.rows.get_mut(place) {
            // A bound but idle socket or a past connection does not hide the live one beside it.
            if matches!(row.state, State::Close | State::TimeWait) {
                row.state = state;
            }
            // Windows gives connections in TIME-WAIT to pid 0, which is no process.
            let pids = told.processes.iter().map(|process| process.pid);
            row.pids.extend(pids.filter(|pid| *pid != 0));
        }
        Some(())
    }

    /// The sockets in one of `states`, and who holds them.
    pub(crate) fn into_sockets(self, netns: &Arc<Netns>, states: States) -> (Vec<Socket>, Holds) {
        self.rows
            .into_iter()
            .filter(|row| states.contains(row.state))
            .map(|row| {
                let socket = socket(row.tuple, row.state, netns);
                let hold = (socket.id, row.pids);
                (socket, hold)
            })
            .unzip()
    }
}

fn socket(tuple: Tuple, state: State, netns: &Arc<Netns>) -> Socket {
    let Tuple { protocol, local, remote } = tuple;
    // Keys are fixed, so a tuple keeps its number. Two of 100 000 tuples share one by chance with
    // a probability of 3 in 10 000 million.
    let mut digest = DefaultHasher::new();
    tuple.hash(&mut digest);
    let carries_data = state.carries_data();
    let is_tcp_stream = protocol == Protocol::Tcp && carries_data;
    let is_full_socket = carries_data || state == State::Listen;
    Socket {
        id: SocketId { netns: netns.inode, cookie: digest.finish() },
        source: Source::Portable,
        netns: Arc::clone(netns),
        protocol,
        family: if local.address.is_ipv4() { Family::Ipv4 } else { Family::Ipv6 },
        state,
        local,
        remote,
        interface: 0,
        inode: untold(is_full_socket),
        uid: untold(state != State::TimeWait),
        queues: untold(carries_data),
        accept_queue: untold(state == State::Listen),
        timer: untold(protocol == Protocol::Tcp),
        memory: untold(is_full_socket),
        congestion: untold(is_tcp_stream),
        tos: untold(is_full_socket),
        mark: untold(is_full_socket),
        cgroup_id: untold(is_full_socket),
        shutdown: untold(carries_data),
        upper_layer: untold(is_tcp_stream),
        tcp: untold(is_tcp_stream),
        mptcp: Known::NotApplicable,
        udp: Known::NotApplicable,
    }
}

/// What applies to a socket and this source cannot tell.
fn untold<T>(applies: bool) -> Known<T> {
    if applies { Known::Unknown(Unknown::SourceCannotTell) } else { Known::NotApplicable }
}

fn tcp_state(told: TcpState) -> Option<State> {
    Some(match told {
        // DELETE-TCB is Windows' name for a closed connection whose memory is being freed.
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

/// Mends `::a.b.c.d` to the `::ffff:a.b.c.d` it means. macOS keeps the address of an IPv4 peer of
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
