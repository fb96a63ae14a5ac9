//! Which process is asked, at which of its ports, for which connections.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use conns_core::decode::{ReportedPeer, is_handshake_missing};
use conns_core::model::{Connection, ConnectionId, Known, Protocol, Snapshot, State, unmapped};

use super::answer::Peer;

/// Names of processes that are Monero nodes, for connections on which nothing was decoded yet.
const NODES: [&str; 2] = ["monerod", "cuprated"];
/// RPC ports by default, restricted ones last.
const RPC_PORTS: [u16; 6] = [18081, 28081, 38081, 18089, 28089, 38089];
/// Most ports of a process that are asked.
const MAX_PORTS: usize = 4;

/// What a process is asked.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) pid: u32,
    /// Where it may answer, likely ports first.
    pub(super) ports: Vec<SocketAddr>,
    /// The connections, and their remote ends.
    pub(super) connections: Vec<(ConnectionId, SocketAddr)>,
}

/// Whether this is a connection of a node that began before it was seen, and of whose peer nothing is known.
pub(super) fn is_asked_for(connection: &Connection) -> bool {
    let socket = &connection.socket;
    if socket.protocol != Protocol::Tcp || socket.state != State::Established {
        return false;
    }
    match &connection.application {
        Known::Value(application, _) => is_handshake_missing(application),
        Known::Unknown(_) => {
            connection.opened.value().is_none()
                && connection.only_process().is_some_and(|process| NODES.contains(&&*process.name))
        }
        Known::NotApplicable => false,
    }
}

/// The questions for those of these connections that `is_new` selects, one for each process, which is in the
/// network namespace `netns`.
pub(super) fn questions<'a>(
    snapshot: &Snapshot,
    connections: impl Iterator<Item = &'a Connection>,
    netns: Option<u64>,
    is_new: impl Fn(ConnectionId) -> bool,
) -> Vec<Question> {
    let is_here =
        |connection: &Connection| netns.is_none_or(|own| connection.socket.id.netns == own);
    let mut by_pid: BTreeMap<u32, Vec<&Connection>> = BTreeMap::new();
    for connection in connections.filter(|connection| is_here(connection)) {
        if let Some(process) = connection.only_process() {
            by_pid.entry(process.pid).or_default().push(connection);
        }
    }
    let question = |(pid, peers): (u32, Vec<&Connection>)| {
        let asked = peers.iter().filter(|peer| is_new(peer.id()));
        let connections: Vec<_> =
            asked.filter_map(|peer| Some((peer.id(), remote_of(peer)?))).collect();
        if connections.is_empty() {
            return None;
        }
        let listeners = snapshot.connections.iter().filter(|listener| {
            listener.socket.protocol == Protocol::Tcp
                && listener.socket.state == State::Listen
                && is_here(listener)
                && listener.only_process().is_some_and(|process| process.pid == pid)
        });
        let listeners: Vec<SocketAddr> = listeners
            .map(|listener| {
                SocketAddr::new(listener.socket.local.address, listener.socket.local.port)
            })
            .collect();
        let is_of_peers = |port: u16| peers.iter().any(|peer| peer.socket.local.port == port);
        Some(Question { pid, ports: rpc_ports(&listeners, is_of_peers), connections })
    };
    by_pid.into_iter().filter_map(question).filter(|question| !question.ports.is_empty()).collect()
}

/// The ports on loopback that may be RPC ports. Those where peers come in are none.
fn rpc_ports(listeners: &[SocketAddr], is_of_peers: impl Fn(u16) -> bool) -> Vec<SocketAddr> {
    let mut ports: Vec<SocketAddr> = listeners
        .iter()
        .filter(|listener| !is_of_peers(listener.port()))
        .filter_map(|listener| {
            let address = unmapped(listener.ip());
            address.is_loopback().then_some(SocketAddr::new(address, listener.port()))
        })
        .collect();
    // A node has its RPC port behind its P2P port, unless it is configured otherwise.
    let is_after = |port: u16| listeners.iter().any(|one| one.port().checked_add(1) == Some(port));
    ports.sort_by_key(|port| {
        let known = RPC_PORTS.iter().position(|known| *known == port.port());
        (known.unwrap_or(RPC_PORTS.len()), !is_after(port.port()), port.port(), port.is_ipv6())
    });
    ports.dedup_by_key(|port| port.port());
    ports.truncate(MAX_PORTS);
    ports
}

fn remote_of(connection: &Connection) -> Option<SocketAddr> {
    let remote = connection.remote()?;
    Some(SocketAddr::new(unmapped(remote.address), remote.port))
}

impl Question {
    /// What the node reports of each connection. Two rows, or two connections, with one remote end are
    /// ambiguous, and skipped.
    pub(super) fn reported(
        &self,
        peers: &[Peer],
    ) -> impl Iterator<Item = (ConnectionId, ReportedPeer)> {
        let only = |end: &SocketAddr| {
            let mut rows = peers.iter().filter(|peer| peer.end == *end);
            rows.next().filter(|_| rows.next().is_none())
        };
        let is_alone = |end: &SocketAddr| {
            self.connections.iter().filter(|(_, other)| other == end).count() == 1
        };
        self.connections
            .iter()
            .filter(move |(_, end)| is_alone(end))
            .filter_map(move |(id, end)| Some((*id, only(end)?.reported?)))
    }
}
