//! Sockets in no table of the kernel: created and never bound, or closed at both ends while a process keeps the descriptor.
//!
//! All tables are read, then all descriptors, then the tables again: what a process has open between two readings and
//! neither shows is in no table. A socket that is bound meanwhile is in the second one.

use std::collections::HashMap;
use std::sync::Arc;

use conns_contract::{Clock, InodeFilter, Scope, SourceError, cookie};
use conns_core::model::{
    Fallback, Family, Known, Loss, LossCause, Netns, Observation, OtherFamilies, OtherFamily,
    OtherSocket, OwnerTable, Protocol, Socket, SocketId, SocketSample, SocketType, Source, State,
    Subject, Unknown,
};

use crate::choice::{self, SocketFile};
use crate::numbers::Numbers;
use crate::owners::CachedOwners;
use crate::peers::Peers;
use crate::reading;
use crate::sources::{Sources, lost_source, source_unavailable};

/// All sockets that are not in a set.
struct NotIn<'a>(&'a Numbers);

impl InodeFilter for NotIn<'_> {
    fn contains(&self, inode: u64) -> bool {
        !self.0.contains(inode)
    }

    /// Unknown before they are searched.
    fn count(&self) -> u64 {
        0
    }
}

/// The sockets of `scope`, which asks for those in no table, and their owners.
pub(crate) fn read(
    sources: &mut Sources,
    owners: &mut CachedOwners,
    scope: &Scope,
    clock: &dyn Clock,
    peers: &Peers,
) -> Result<Vec<Observation>, SourceError> {
    let chosen = choice::namespaces(&scope.namespaces)?;
    let without_none = OtherFamily::ALL
        .into_iter()
        .filter(|family| *family != OtherFamily::None)
        .fold(OtherFamilies::EMPTY, OtherFamilies::with);
    let everything = Scope { others: without_none, ..Scope::everything() };
    owners.clear();
    let mut observations = reading::read(sources, owners, &everything, clock, peers)?;
    let known = Numbers::inodes(&observations);
    let found = match sources.owners.as_mut().map(|s| s.observe(&NotIn(&known), clock.now())) {
        Some(Ok(observation)) => observation.owners,
        // The scan for owners has failed before, and its loss is in the observations.
        Some(Err(_)) | None => None,
    };
    let mut rows = Vec::new();
    if let Some(table) = found.filter(|table| !table.entries.is_empty()) {
        let again = sources.sockets(&everything, clock.now())?;
        let listed = Numbers::inodes(&again);
        rows = rows_of(&table, &listed, &observations);
    }
    retain(&mut observations, &mut rows, scope, chosen.as_deref());
    observations.retain(|observation| observation.owners.is_none());
    observations.push(Observation::new(Source::Procfs, clock.now()).with_sockets(rows));
    if let Some(owners) = sources.owners.as_mut() {
        let inodes = Numbers::inodes(&observations);
        let now = clock.now();
        observations.push(owners.observe(&inodes, now).unwrap_or_else(|error| {
            lost_source(now, source_unavailable(Source::Procfs, &error, Fallback::None))
        }));
    }
    Ok(observations)
}

/// One row for each socket of `found` that is still open and that the second reading has not `listed`.
fn rows_of(found: &OwnerTable, listed: &Numbers, observed: &[Observation]) -> Vec<SocketSample> {
    let rows = observed.iter().flat_map(Observation::rows);
    let namespaces: HashMap<u64, &Arc<Netns>> =
        rows.map(|row| (row.netns.inode, &row.netns)).collect();
    let mut made: HashMap<u64, SocketSample> = HashMap::new();
    for entry in found.entries.iter() {
        let Subject::Inode(inode) = entry.subject else { continue };
        let process = usize::try_from(entry.process).ok().and_then(|at| found.processes.get(at));
        let (Some(process), Some(descriptor)) = (process, entry.descriptor) else { continue };
        if listed.contains(inode) || made.contains_key(&inode) {
            continue;
        }
        // Closed since, or its number refers to another file by now.
        let Some(file) = choice::socket_file(process.pid, descriptor) else { continue };
        if file.inode == inode {
            let netns = match file.netns {
                Some(netns) => namespaces.get(&netns).copied().cloned(),
                None => Some(Arc::new(Netns::only())),
            };
            let new = || Arc::new(Netns::new(file.netns.unwrap_or(0), None, false));
            made.insert(inode, row(&file, netns.unwrap_or_else(new)).into());
        }
    }
    let mut rows: Vec<SocketSample> = made.into_values().collect();
    rows.sort_unstable_by_key(|row| row.inode.get());
    rows
}

fn row(file: &SocketFile, netns: Arc<Netns>) -> Socket {
    let source = Source::Procfs;
    let (protocol, family, kind) = kind_of(&file.protocol);
    let other = OtherSocket {
        socket_type: kind.map_or(Known::NotApplicable, |kind| Known::Value(kind, source)),
        protocol: Known::Value(file.protocol.clone(), source),
        is_in_no_table: true,
        ..OtherSocket::bare()
    };
    let id = SocketId { netns: netns.inode, cookie: cookie::of_inode(file.inode) };
    let why = Unknown::KernelDoesNotReport;
    let socket = Socket::new_other(id, source, netns, (protocol, family), State::Close, other, why);
    Socket { inode: Known::Value(file.inode, source), uid: file.uid, ..socket }
}

/// Protocol, family and type by the kernel's name of the protocol (`struct proto`); the type where the name implies it.
fn kind_of(name: &str) -> (Protocol, Family, Option<SocketType>) {
    let stream = Some(SocketType::Stream);
    let datagram = Some(SocketType::Datagram);
    match name {
        "TCP" => (Protocol::Tcp, Family::Ipv4, stream),
        "TCPv6" => (Protocol::Tcp, Family::Ipv6, stream),
        "MPTCP" => (Protocol::Mptcp, Family::Ipv4, stream),
        "MPTCPv6" => (Protocol::Mptcp, Family::Ipv6, stream),
        "UDP" => (Protocol::Udp, Family::Ipv4, datagram),
        "UDPv6" => (Protocol::Udp, Family::Ipv6, datagram),
        "UDP-Lite" => (Protocol::UdpLite, Family::Ipv4, datagram),
        "UDPLITEv6" => (Protocol::UdpLite, Family::Ipv6, datagram),
        "RAW" => (Protocol::Raw, Family::Ipv4, Some(SocketType::Raw)),
        "RAWv6" => (Protocol::Raw, Family::Ipv6, Some(SocketType::Raw)),
        "UNIX-STREAM" => (Protocol::Unix, Family::Unix, stream),
        "UNIX" => (Protocol::Unix, Family::Unix, None),
        "PACKET" => (Protocol::Packet, Family::Packet, None),
        "NETLINK" => (Protocol::Netlink, Family::Netlink, None),
        "AF_VSOCK" => (Protocol::Vsock, Family::Vsock, None),
        _ => (Protocol::Other, Family::Other, None),
    }
}

/// Leaves the rows that `scope` asks for, in the `chosen` namespaces; `None` is all of them.
fn retain(
    observations: &mut [Observation],
    rows: &mut Vec<SocketSample>,
    scope: &Scope,
    chosen: Option<&[u64]>,
) {
    let is_chosen =
        |row: &SocketSample| chosen.is_none_or(|inodes| inodes.contains(&row.netns.inode));
    let is_family = |row: &SocketSample| match row.family {
        Family::Ipv4 => scope.ipv4,
        Family::Ipv6 => scope.ipv6,
        _ => true,
    };
    let is_asked = |row: &SocketSample| {
        let other = match row.protocol {
            Protocol::Tcp => return scope.tcp && scope.states.contains(row.state),
            Protocol::Mptcp => return scope.mptcp && scope.states.contains(row.state),
            Protocol::Udp => return scope.udp && scope.states.contains(row.state),
            Protocol::UdpLite => OtherFamily::UdpLite,
            Protocol::Raw => OtherFamily::Raw,
            Protocol::Unix => OtherFamily::Unix,
            Protocol::Packet => OtherFamily::Packet,
            Protocol::Netlink => OtherFamily::Netlink,
            Protocol::Vsock => OtherFamily::Vsock,
            Protocol::Other => OtherFamily::None,
        };
        scope.others.contains(other)
    };
    for observation in observations.iter_mut() {
        observation.losses.retain(|loss| !is_of_another_family(loss, scope));
    }
    for sockets in observations.iter_mut().filter_map(|o| o.sockets.as_mut()) {
        sockets.retain(|row| is_chosen(row) && is_family(row) && is_asked(row));
    }
    rows.retain(|row| is_chosen(row) && is_family(row));
}

/// Whether the loss is that the kernel lacks the module of a family that `scope` does not ask for. Nothing is missing then:
/// sockets of such a family are found by their descriptors.
fn is_of_another_family(loss: &Loss, scope: &Scope) -> bool {
    matches!(
        loss.cause,
        LossCause::TableUnreadable { needs_modules: true, family: Some(family), .. }
            if !scope.others.contains(family)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_those_of_the_kernels_names() {
        let ends = |name| {
            let (protocol, family, _) = kind_of(name);
            (protocol, family)
        };
        assert_eq!(ends("TCPv6"), (Protocol::Tcp, Family::Ipv6));
        assert_eq!(ends("UDP-Lite"), (Protocol::UdpLite, Family::Ipv4));
        assert_eq!(ends("UNIX-STREAM"), (Protocol::Unix, Family::Unix));
        assert_eq!(ends("ALG"), (Protocol::Other, Family::Other));
    }

    #[test]
    fn a_row_has_what_its_file_has() {
        let file = SocketFile {
            inode: 77,
            uid: Known::Value(1000, Source::Procfs),
            protocol: "PINGv6".into(),
            netns: Some(5),
        };
        let row = row(&file, Arc::new(Netns::new(5, None, true)));
        assert!(row.is_in_no_table() && !row.has_internet_ends());
        assert_eq!((row.inode.get(), row.uid.get(), row.id.netns), (Some(77), Some(1000), 5));
        let protocol = row.other.as_ref().and_then(|other| other.protocol.value().cloned());
        assert_eq!(protocol.as_deref(), Some("PINGv6"));
    }
}
