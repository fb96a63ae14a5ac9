//! What the programs are to copy of the peers of unconnected UDP sockets: the entries that they make themselves, changed.

use std::collections::HashMap;

use aya::Ebpf;
use aya::maps::MapData;
use conns_contract::{Side, Steering, Want};
use conns_core::model::{ConnectionId, Endpoint, FlowKey};
use foldhash::fast::RandomState;
use zerocopy::IntoBytes;

use crate::layout::{FlowEntry, PeerEntry};
use crate::object;

type Key = [u8; size_of::<FlowEntry>()];
type Value = [u8; size_of::<PeerEntry>()];

/// Flag of `bpf_map_update_elem`: only an entry that is there is changed (`BPF_EXIST`).
const EXISTING: u64 = 2;

/// The map of peers, and what was written to it.
pub(super) struct Peers {
    map: aya::maps::HashMap<MapData, Key, Value>,
    /// By the side: sent, received.
    wanted: HashMap<ConnectionId, [bool; 2], RandomState>,
}

impl Peers {
    pub(super) fn open(programs: &mut Ebpf) -> Result<Self, Box<str>> {
        let map = object::map(programs, "tap_peers")?;
        Ok(Self { map, wanted: HashMap::default() })
    }

    /// Applies what is wanted of a peer.
    pub(super) fn steer(&mut self, steering: &Steering<ConnectionId>) {
        if steering.key.flow.and_then(FlowKey::peer).is_none() {
            return;
        }
        let is_wanted = steering.want != Want::NoMore;
        let [sent, received] = self.wanted.entry(steering.key).or_insert([true; 2]);
        *(if steering.side == Side::Sent { sent } else { received }) = is_wanted;
        self.restore(steering.key);
    }

    /// Writes what is wanted of a peer, if that is known, to its entry: the programs make an entry that was evicted again with the
    /// next datagram, as that of a new peer.
    pub(super) fn restore(&mut self, connection: ConnectionId) {
        let (Some(wanted), Some(key)) = (self.wanted.get(&connection), key(connection)) else {
            return;
        };
        let entry = PeerEntry {
            first_bytes: [0.into(); 2],
            is_steered: 1,
            is_wanted: wanted.map(u8::from),
            is_opened: 1,
        };
        let mut bytes = [0; size_of::<PeerEntry>()];
        bytes.copy_from_slice(entry.as_bytes());
        // Without an entry nothing is written: it was evicted since.
        let _ = self.map.insert(key, bytes, EXISTING);
    }

    /// Removes the entry: what comes next from this peer opens the flow anew.
    pub(super) fn close(&mut self, connection: ConnectionId) {
        if let Some(key) = key(connection) {
            self.wanted.remove(&connection);
            let _ = self.map.remove(&key);
        }
    }
}

/// The key of a peer in the map; `None` if the connection is a socket.
fn key(connection: ConnectionId) -> Option<Key> {
    let peer = connection.flow?.peer()?;
    let mut bytes = [0; size_of::<FlowEntry>()];
    bytes.copy_from_slice(FlowEntry::new(connection.socket.cookie, peer).as_bytes());
    Some(bytes)
}

/// The connection of a datagram of an unconnected socket.
pub(super) fn of_peer(socket: ConnectionId, peer: Endpoint) -> ConnectionId {
    ConnectionId { flow: Some(FlowKey::Peer(peer)), ..socket }
}
