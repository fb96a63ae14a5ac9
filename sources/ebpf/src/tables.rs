//! The socket tables, read by iterators over the kernel's own tables. An iterator shows the network namespace it
//! was opened in, so one is opened in each.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;

use aya::{Btf, Ebpf};
use conns_contract::{Scope, SocketSource, SourceError, States};
use conns_core::model::{
    Family, Loss, LossCause, Moment, Netns, Observation, PairKey, Protocol, Socket, SocketSample,
    Source, State,
};
use conns_namespaces::{Entered, NamespaceSet};
use zerocopy::FromBytes;

use crate::call::open_iterator;
use crate::flows::Peers;
use crate::iterate::RecordReader;
use crate::layout::{ROW_FULL, Row, TcpRow};
use crate::object;
use crate::row::{RowReader, TCP, interfaces, lock, udp_totals, value};

/// The source of socket rows.
pub struct Tables {
    _programs: Ebpf,
    namespaces: NamespaceSet<Iterators>,
    /// Whether the open iterators were read: each can be read once.
    is_read: bool,
    reader: RecordReader,
    rows: RowReader,
    delegated: Vec<Scope>,
}

/// Both iterators of a namespace.
struct Iterators {
    netns: Arc<Netns>,
    tcp: File,
    udp: File,
}

impl Entered for Iterators {
    fn netns(&self) -> &Arc<Netns> {
        &self.netns
    }

    fn rename(&mut self, netns: Arc<Netns>) {
        self.netns = netns;
    }
}

impl Tables {
    pub(crate) fn open(types: &Btf, pair_key: PairKey) -> Result<Self, Box<str>> {
        let constants = [("HZ", object::ticks_per_second())];
        let mut programs = object::load(object::compiled!("tables"), types, &constants)?;
        let tcp = object::iterator(&mut programs, "tcp_table", "tcp", types, None)?;
        let udp = object::iterator(&mut programs, "udp_table", "udp", types, None)?;
        let opener = move |netns| {
            let (tcp, udp) = (open_iterator(tcp.as_fd())?, open_iterator(udp.as_fd())?);
            Ok(Iterators { netns, tcp, udp })
        };
        let namespaces = NamespaceSet::open(Source::Ebpf, Box::new(opener))
            .map_err(|error| format!("cannot open an iterator: {error}"))?;
        Ok(Self {
            _programs: programs,
            namespaces,
            is_read: false,
            reader: RecordReader::new(),
            rows: RowReader::new(interfaces(), pair_key),
            delegated: Vec::new(),
        })
    }

    fn sample(
        &mut self,
        scope: &Scope,
        sockets: &mut Vec<SocketSample>,
        losses: &mut Vec<Loss>,
    ) -> Result<(), SourceError> {
        if self.is_read {
            self.namespaces.open_own().map_err(|cause| unavailable("open a table", cause))?;
        }
        self.is_read = true;
        let chosen = self.namespaces.refresh(&scope.namespaces, losses)?;
        let mut unknown = 0_u64;
        for inode in chosen {
            let Some(opened) = self.namespaces.get_mut(inode) else {
                continue; // it could not be entered, which `refresh` has reported as a loss
            };
            let rows = &mut self.rows;
            rows.namespaces.insert(Arc::clone(&opened.netns));
            let mut take = |record: &[u8]| match rows.row(record) {
                Some(socket) if is_in_scope(scope, &socket) => sockets.push(socket),
                Some(_) => {}
                None => unknown += 1,
            };
            let mut read = |file: &mut File, what| {
                let read = self.reader.read(file, |rest| {
                    let record = rest.get(..length(rest)?)?;
                    take(record);
                    Some(record.len())
                });
                read.map_err(|cause| unavailable(what, cause))
            };
            if scope.tcp {
                read(&mut opened.tcp, "read the table of TCP (iter/tcp)")?;
            }
            if scope.udp {
                read(&mut opened.udp, "read the table of UDP (iter/udp)")?;
            }
        }
        let mut interfaces = lock(&self.rows.interfaces);
        losses.extend(interfaces.losses());
        // They may have other names at the next sample, and an open socket keeps a namespace.
        interfaces.clear();
        drop(interfaces);
        let cause = LossCause::RecordsUnknown { are_events: false };
        losses.extend(Loss::counted(Source::Ebpf, cause, unknown));
        Ok(())
    }
}

/// What iterators do not show: bound sockets that neither listen nor connect, and MPTCP connections, of which
/// they show the subflows.
fn delegated(scope: &Scope, sockets: &[SocketSample]) -> Vec<Scope> {
    let mut delegated = Vec::new();
    if scope.tcp && scope.states.contains(State::BoundInactive) {
        delegated.push(Scope {
            udp: false,
            mptcp: false,
            states: States::of(&[State::BoundInactive]),
            ..scope.clone()
        });
    }
    if scope.mptcp && sockets.iter().any(|socket| socket.is_subflow()) {
        delegated.push(Scope { tcp: false, udp: false, ..scope.clone() });
    }
    delegated
}

impl SocketSource for Tables {
    fn observe(&mut self, scope: &Scope, now: Moment) -> Result<Observation, SourceError> {
        let (mut sockets, mut losses) = (Vec::new(), Vec::new());
        self.sample(scope, &mut sockets, &mut losses)?;
        self.delegated = delegated(scope, &sockets);
        Ok(Observation::new(Source::Ebpf, now).with_sockets(sockets).with_losses(losses))
    }

    fn delegated(&self) -> Vec<Scope> {
        self.delegated.clone()
    }
}

pub(crate) fn unavailable(attempted: &str, cause: io::Error) -> SourceError {
    SourceError::Unavailable {
        source_name: Source::Ebpf,
        attempted: attempted.to_owned(),
        cause,
        remedy: "`--source kernel` reads them over netlink",
    }
}

/// The length of the first record of `bytes`; `None` if its fixed part is not complete.
fn length(bytes: &[u8]) -> Option<usize> {
    let (Row { header, .. }, _) = Row::ref_from_prefix(bytes).ok()?;
    let is_tcp_row = header.protocol.get() == TCP && header.kind == ROW_FULL;
    Some(if is_tcp_row { size_of::<TcpRow>() } else { size_of::<Row>() })
}

/// Whether family and state of a socket are in scope.
pub(crate) fn is_in_scope(scope: &Scope, socket: &Socket) -> bool {
    let is_family = match socket.family {
        Family::Ipv4 => scope.ipv4,
        Family::Ipv6 => scope.ipv6,
        _ => false,
    };
    is_family && scope.states.contains(socket.state)
}

/// Sets the traffic of a UDP socket, if it is counted. Returns how many of its peers the map has evicted.
pub(crate) fn add_peers(socket: &mut Socket, record: &[u8], peers: Option<&Peers>) -> u64 {
    let (Protocol::Udp, Some(peers)) = (socket.protocol, peers) else { return 0 };
    // Packets of a tunnel pass neither program: they are received before ingress (encap_rcv, net/ipv4/udp.c) and sent with
    // the socket of the inner packet.
    if socket.held_by_kernel {
        return 0;
    }
    let Some((mut traffic, made)) = udp_totals(record) else { return 0 };
    let (mut listed, mut in_map) = (0, 0);
    if let Some(of_socket) = peers.get(&socket.id.cookie) {
        traffic.peers = of_socket.listed.as_slice().into();
        listed = u64::try_from(traffic.peers.len()).unwrap_or(u64::MAX);
        in_map = of_socket.in_map;
    }
    // An entry may be made between the two reads.
    traffic.peers_omitted = made.max(in_map).saturating_sub(listed);
    socket.udp = value(traffic);
    made.saturating_sub(in_map)
}
