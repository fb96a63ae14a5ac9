//! A row for each peer of an unconnected UDP socket whose protocol is recognised.

use std::collections::HashMap;

use conns_core::model::{ConnectionId, Endpoint, FlowKey, Observation, SocketId};
use foldhash::fast::RandomState;

/// The peers whose protocol is recognised, by their socket.
#[derive(Debug, Clone, Default)]
pub(crate) struct Peers(HashMap<SocketId, Vec<Endpoint>, RandomState>);

fn peer(id: ConnectionId) -> Option<Endpoint> {
    id.flow.and_then(FlowKey::peer)
}

/// The identity of the row of a connection whose payload is decoded.
pub(crate) fn row_of(id: ConnectionId) -> ConnectionId {
    peer(id).map_or(id, |peer| ConnectionId::of_socket(id.socket.of_peer(peer)))
}

impl Peers {
    /// Adds a flow, once it is recognised; without effect if it is a socket.
    pub(crate) fn add(&mut self, flow: ConnectionId) {
        if let Some(peer) = peer(flow) {
            self.0.entry(flow.socket).or_default().push(peer);
        }
    }

    /// Removes a flow.
    pub(crate) fn remove(&mut self, flow: ConnectionId) {
        if let Some(peer) = peer(flow)
            && let Some(peers) = self.0.get_mut(&flow.socket)
        {
            peers.retain(|other| *other != peer);
            if peers.is_empty() {
                self.0.remove(&flow.socket);
            }
        }
    }

    /// Adds their rows behind those of their sockets.
    pub(crate) fn add_rows(&self, observations: &mut [Observation]) {
        if self.0.is_empty() {
            return;
        }
        for rows in observations.iter_mut().filter_map(|observation| observation.sockets.as_mut()) {
            let of = rows.iter().filter_map(|row| Some((row, self.0.get(&row.id)?)));
            let peers =
                of.flat_map(|(row, peers)| peers.iter().filter_map(|peer| row.of_peer(*peer)));
            let peers: Vec<_> = peers.map(Into::into).collect();
            rows.extend(peers);
        }
    }
}
