//! What passed between UDP sockets and their peers, counted by the programs of `bpf/flows.h` where
//! packets enter and leave control groups.
//!
//! The one idea: bounded in the kernel by how many pairs it remembers, here by how many are told.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, OwnedFd};

use aya::maps::MapData;
use aya::programs::{CgroupAttachMode, CgroupSkb, CgroupSkbAttachType};
use aya::{Btf, Ebpf};
use conns_core::model::{Endpoint, UdpPeer};
use foldhash::fast::RandomState;

use crate::call::open_iterator;
use crate::iterate::Reader;
use crate::object::{self, why_not_program};
use crate::wire::{Bytes, PEER_BYTES};

/// Most peers told of one socket, those with the most bytes: a resolver or a game server has thousands.
const PEERS_TOLD: usize = 64;

/// Counts what passes, as long as it lives.
pub(crate) struct Flows {
    link: OwnedFd,
    /// Keeps the map the iterator goes over.
    _map: MapData,
}

/// Peers by the cookie of their socket.
pub(crate) type Peers = HashMap<u64, Vec<UdpPeer>, RandomState>;

impl Flows {
    /// Attaches the programs among `programs` to the outermost control group that can be seen.
    pub(crate) fn open(programs: &mut Ebpf, types: &Btf) -> Result<Self, Box<str>> {
        let group = object::open_control_groups()?;
        for (name, direction) in [
            ("packet_out", CgroupSkbAttachType::Egress),
            ("packet_in", CgroupSkbAttachType::Ingress),
        ] {
            let program: &mut CgroupSkb = object::program(programs, name)?;
            program.load().map_err(|error| why_not_program(&error))?;
            // As links, several programs always go together; the mode is for attaching without.
            program
                .attach(&group, direction, CgroupAttachMode::Single)
                .map_err(|error| why_not_program(&error))?;
        }
        let map = object::bare_map(programs, "flows")?;
        let link = object::iterator(programs, "flow_table", "bpf_map_elem", types, Some(&map))?;
        Ok(Self { link, _map: map })
    }

    /// All peers, those of each socket with the most bytes first.
    pub(crate) fn read(&self, reader: &mut Reader) -> io::Result<Peers> {
        let mut file = open_iterator(self.link.as_fd())?;
        let mut peers = Peers::default();
        reader.read(&mut file, |rest| {
            let b = Bytes(rest.get(..PEER_BYTES)?);
            let address: IpAddr = match b.u16(26) {
                10 => Ipv6Addr::from(b.part::<16>(8)).into(),
                _ => Ipv4Addr::from(b.part::<4>(8)).into(),
            };
            peers.entry(b.u64(0)).or_default().push(UdpPeer {
                remote: Endpoint { address, port: b.u16(24) },
                bytes_out: b.u64(32),
                bytes_in: b.u64(40),
                datagrams_out: b.u64(48),
                datagrams_in: b.u64(56),
            });
            Some(PEER_BYTES)
        })?;
        for of_one in peers.values_mut() {
            of_one.sort_by_key(|peer| Reverse(peer.bytes_out.saturating_add(peer.bytes_in)));
            of_one.truncate(PEERS_TOLD);
        }
        Ok(peers)
    }
}
