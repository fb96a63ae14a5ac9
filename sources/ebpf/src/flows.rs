//! Traffic between UDP sockets and their peers, counted by the programs of `bpf/flows.h` where packets enter
//! and leave cgroups.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use aya::maps::MapData;
use aya::programs::{CgroupAttachMode, CgroupSkb, CgroupSkbAttachType};
use aya::{Btf, Ebpf};
use conns_core::model::UdpPeer;
use foldhash::fast::RandomState;
use zerocopy::FromBytes;

use crate::call::open_iterator;
use crate::iterate::RecordReader;
use crate::layout::Peer;
use crate::object::{self, why_not_program};

/// Most peers listed of one socket, those with the most bytes: a resolver or a game server has thousands.
const MAX_PEERS: usize = 256;
/// Entries of the map `flows`, as in `bpf/flows.h`.
pub(crate) const MAX_FLOWS: u64 = 16_384;

/// The attached programs; they count until this is dropped.
pub(crate) struct Flows {
    link: OwnedFd,
    /// Keeps the map that the iterator reads.
    _map: MapData,
}

/// Peers by the cookie of their socket.
pub(crate) type Peers = HashMap<u64, SocketPeers, RandomState>;

/// The peers of one socket.
#[derive(Default)]
pub(crate) struct SocketPeers {
    /// Those with the most bytes.
    pub(crate) listed: Vec<UdpPeer>,
    /// How many the map has.
    pub(crate) in_map: u64,
}

impl Flows {
    /// Attaches the programs to the root cgroup.
    pub(crate) fn open(programs: &mut Ebpf, types: &Btf) -> Result<Self, Box<str>> {
        let group = object::open_cgroup_root()?;
        for (name, direction) in [
            ("packet_out", CgroupSkbAttachType::Egress),
            ("packet_in", CgroupSkbAttachType::Ingress),
        ] {
            let program: &mut CgroupSkb = object::program(programs, name)?;
            program.load().map_err(|error| why_not_program(&error))?;
            // Links always allow several programs; the mode is ignored.
            program
                .attach(&group, direction, CgroupAttachMode::Single)
                .map_err(|error| why_not_program(&error))?;
        }
        let map = object::iterated_map(programs, "flows")?;
        let link = object::iterator(programs, "flow_table", "bpf_map_elem", types, Some(&map))?;
        Ok(Self { link, _map: map })
    }

    /// All peers; of each socket, those with the most bytes come first.
    pub(crate) fn read(&self, reader: &mut RecordReader) -> io::Result<Peers> {
        let mut file = open_iterator(self.link.as_fd())?;
        let mut peers = Peers::default();
        reader.read(&mut file, |rest| {
            let (peer, _) = Peer::ref_from_prefix(rest).ok()?;
            peers.entry(peer.cookie.get()).or_default().listed.push(UdpPeer {
                remote: peer.endpoint(),
                bytes_out: peer.bytes_out.get(),
                bytes_in: peer.bytes_in.get(),
                datagrams_out: peer.datagrams_out.get(),
                datagrams_in: peer.datagrams_in.get(),
            });
            Some(size_of::<Peer>())
        })?;
        for of_socket in peers.values_mut() {
            let bytes = |peer: &UdpPeer| peer.bytes_out.saturating_add(peer.bytes_in);
            of_socket.in_map = u64::try_from(of_socket.listed.len()).unwrap_or(u64::MAX);
            of_socket.listed.sort_by_key(|peer| Reverse(bytes(peer)));
            of_socket.listed.truncate(MAX_PEERS);
        }
        Ok(peers)
    }
}
