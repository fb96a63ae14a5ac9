//! The socket tables, by iterators over the kernel's own.
//!
//! The one idea: an iterator shows the network namespace it was opened in, so one is opened in each, and
//! read once.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;

use aya::{Btf, Ebpf};
use conns_contract::{Scope, SocketSource, SourceError, States};
use conns_core::model::{
    Family, Loss, LossCause, Moment, Netns, Observation, Protocol, Socket, SocketSample, Source,
    State,
};
use conns_namespaces::{Entered, NamespaceSet};

use crate::call::open_iterator;
use crate::flows::Peers;
use crate::iterate::Reader;
use crate::object;
use crate::row::{RowReader, udp_totals, value};
use crate::wire::{Bytes, Ends, ROW_BYTES, RowKind, TCP_ROW_BYTES};

/// The source of socket rows.
pub struct Tables {
    _programs: Ebpf,
    namespaces: NamespaceSet<Opened>,
    /// Whether what is open in the namespaces was read already: it can be read once only.
    is_read: bool,
    reader: Reader,
    rows: RowReader,
    delegated: Vec<Scope>,
}

/// Both tables of a namespace, not read yet.
struct Opened {
    netns: Arc<Netns>,
    tcp: File,
    udp: File,
}

impl Entered for Opened {
    fn netns(&self) -> &Arc<Netns> {
        &self.netns
    }

    fn rename(&mut self, netns: Arc<Netns>) {
        self.netns = netns;
    }
}

impl Tables {
    pub(crate) fn open(types: &Btf) -> Result<Self, Box<str>> {
        let constants = [("HZ", object::ticks_per_second())];
        let mut programs = object::load(crate::object!("tables"), types, &constants)?;
        let tcp = object::iterator(&mut programs, "tcp_table", "tcp", types, None)?;
        let udp = object::iterator(&mut programs, "udp_table", "udp", types, None)?;
        let opener = move |netns| {
            let (tcp, udp) = (open_iterator(tcp.as_fd())?, open_iterator(udp.as_fd())?);
            Ok(Opened { netns, tcp, udp })
        };
        let namespaces = NamespaceSet::open(Source::Ebpf, Box::new(opener))
            .map_err(|error| format!("cannot open an iterator: {error}"))?;
        Ok(Self {
            _programs: programs,
            namespaces,
            is_read: false,
            reader: Reader::new(),
            rows: RowReader::new(),
            delegated: Vec::new(),
        })
    }

    fn look(
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
                continue; // could not be entered, and that is among the losses
            };
            let rows = &mut self.rows;
            rows.labels.learn(Arc::clone(&opened.netns));
            let mut take = |record: &[u8]| match rows.row(record) {
                Some(socket) if wants(scope, &socket) => sockets.push(socket),
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
        let cause = LossCause::RecordsUnknown { are_events: false };
        losses.extend(Loss::counted(Source::Ebpf, cause, unknown));
        Ok(())
    }
}

/// What iterators do not show: sockets that are only bound, and MPTCP above its subflows.
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
        self.look(scope, &mut sockets, &mut losses)?;
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

/// How long the first record of `rest` is; `None` if that is not there yet.
fn length(rest: &[u8]) -> Option<usize> {
    let ends = Ends(Bytes(rest.get(..ROW_BYTES)?));
    let is_tcp = ends.protocol() == 6 && ends.kind() == Some(RowKind::Full);
    Some(if is_tcp { TCP_ROW_BYTES } else { ROW_BYTES })
}

/// Whether the scope asks for a socket of this kind.
pub(crate) fn wants(scope: &Scope, socket: &Socket) -> bool {
    let is_family = match socket.family {
        Family::Ipv4 => scope.ipv4,
        Family::Ipv6 => scope.ipv6,
    };
    is_family && scope.states.contains(socket.state)
}

/// What passed through a UDP socket, if that is counted.
pub(crate) fn add_peers(socket: &mut Socket, record: &[u8], peers: Option<&Peers>) {
    if let (Protocol::Udp, Some(peers)) = (socket.protocol, peers) {
        let mut traffic = udp_totals(record);
        if let Some(of_this) = peers.get(&socket.id.cookie) {
            traffic.peers = of_this.as_slice().into();
        }
        socket.udp = value(traffic);
    }
}
