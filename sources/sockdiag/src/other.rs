//! Sockets that are neither TCP nor UDP: unix, packet, netlink and vsock by their diag modules, raw and UDP-Lite as the
//! internet families, or from `/proc/net` where the kernel has no module for them. Opened when they are first asked for.

mod names;
mod proc_net;
mod row;

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, Read, Seek};
use std::sync::Arc;

use conns_contract::{Scope, SourceError, States};
use conns_core::model::{
    Family, Known, Loss, LossCause, Netns, OtherFamily, OtherSocket, Protocol, Socket,
    SocketSample, SocketType, Source,
};
use conns_namespaces::{Entered, NamespaceSet};
use rustix::io::Errno;

use crate::dump::{DiagSocket, DumpBuffer, DumpOutcome, Table};
use crate::interfaces::name_interfaces;
use crate::loss::{needs_modules, place, unreadable};
use crate::row::RowReader;

pub use proc_net::read as read_proc_net_line;
pub use row::{DiagFamily, read as read_family_row};

/// Longest file of `/proc/net` that is read: about 400 000 sockets.
const MAX_FILE_BYTES: u64 = 64 * 1024 * 1024;

/// A namespace with its socket, and its files of `/proc/net`, which show it wherever they are read.
struct Opened {
    netns: Arc<Netns>,
    socket: DiagSocket,
    files: Vec<(Table, File)>,
}

impl Opened {
    /// Opens them in the namespace of the calling thread.
    fn open(netns: Arc<Netns>) -> io::Result<Self> {
        // Where a file cannot be opened, the module that replaces it is the only way.
        let open = |table: Table| Some((table, File::open(file_of(table)?).ok()?));
        let files = internet_tables(|_| true).into_iter().filter_map(open).collect();
        Ok(Self { netns, socket: DiagSocket::open()?, files })
    }

    fn place(&self) -> String {
        place(&self.netns)
    }
}

impl Entered for Opened {
    fn netns(&self) -> &Arc<Netns> {
        &self.netns
    }

    fn rename(&mut self, netns: Arc<Netns>) {
        self.netns = netns;
    }
}

/// Reads the other sockets.
pub(crate) struct Others {
    namespaces: NamespaceSet<Opened>,
}

impl Others {
    pub(crate) fn open() -> io::Result<Self> {
        let namespaces = NamespaceSet::open(Source::SockDiag, Box::new(Opened::open))?;
        Ok(Self { namespaces })
    }

    /// Adds the sockets of `scope`. A table that cannot be read is a loss.
    pub(crate) fn read(
        &mut self,
        scope: &Scope,
        buffer: &mut DumpBuffer,
        sockets: &mut Vec<SocketSample>,
        losses: &mut Vec<Loss>,
    ) -> Result<(), SourceError> {
        // The tables of the internet families have already reported what of this fails.
        let chosen = self.namespaces.refresh(&scope.namespaces, &mut Vec::new())?;
        let mut rows = Vec::new();
        for inode in chosen {
            let Some(opened) = self.namespaces.get_mut(inode) else { continue };
            for family in DiagFamily::ALL {
                if scope.others.contains(asked(family)) {
                    read_family(opened, family, buffer, &mut rows, losses);
                }
            }
            let is_asked = |family| scope.others.contains(family);
            for table in internet_tables(is_asked) {
                let is_family = match table.family {
                    Some(Family::Ipv6) => scope.ipv6,
                    _ => scope.ipv4,
                };
                if is_family {
                    read_internet(opened, table, buffer, &mut rows, losses);
                }
            }
        }
        name_peers(&mut rows);
        let room = scope.max_sockets.saturating_sub(sockets.len());
        let omitted = rows.len().saturating_sub(room) as u64;
        let bound = LossCause::SocketsBeyondBound { bound: scope.max_sockets as u64 };
        losses.extend(Loss::counted(Source::SockDiag, bound, omitted));
        sockets.extend(rows.into_iter().take(room).map(SocketSample::from));
        Ok(())
    }
}

fn asked(family: DiagFamily) -> OtherFamily {
    match family {
        DiagFamily::Unix => OtherFamily::Unix,
        DiagFamily::Packet => OtherFamily::Packet,
        DiagFamily::Netlink => OtherFamily::Netlink,
        DiagFamily::Vsock => OtherFamily::Vsock,
    }
}

fn asked_internet(table: Table) -> OtherFamily {
    match table.protocol {
        Protocol::Raw => OtherFamily::Raw,
        _ => OtherFamily::UdpLite,
    }
}

/// The tables of raw and UDP-Lite sockets.
fn internet_tables(is_asked: impl Fn(OtherFamily) -> bool) -> Vec<Table> {
    let mut tables = Vec::new();
    for (family, protocol) in
        [(OtherFamily::Raw, Protocol::Raw), (OtherFamily::UdpLite, Protocol::UdpLite)]
    {
        if is_asked(family) {
            let of = |family| Table { protocol, family: Some(family) };
            tables.extend([of(Family::Ipv4), of(Family::Ipv6)]);
        }
    }
    tables
}

/// The file with the same rows, of the namespace of the calling thread.
fn file_of(table: Table) -> Option<&'static str> {
    Some(match (table.protocol, table.family?) {
        (Protocol::Raw, Family::Ipv6) => "/proc/thread-self/net/raw6",
        (Protocol::Raw, _) => "/proc/thread-self/net/raw",
        (Protocol::UdpLite, Family::Ipv6) => "/proc/thread-self/net/udplite6",
        (Protocol::UdpLite, _) => "/proc/thread-self/net/udplite",
        _ => return None,
    })
}

/// Dumps again while the kernel reports the dump as incomplete.
fn dump(
    rows: &mut Vec<Socket>,
    table: &str,
    losses: &mut Vec<Loss>,
    mut once: impl FnMut(&mut Vec<Socket>) -> io::Result<DumpOutcome>,
) -> io::Result<()> {
    let before = rows.len();
    let outcome = DumpOutcome::of_attempts(|| {
        rows.truncate(before);
        once(rows)
    })?;
    losses.extend(outcome.losses(table));
    Ok(())
}

fn read_family(
    opened: &mut Opened,
    family: DiagFamily,
    buffer: &mut DumpBuffer,
    rows: &mut Vec<Socket>,
    losses: &mut Vec<Loss>,
) {
    let table = format!("{}{}", family.describe(), opened.place());
    let first = rows.len();
    // Names are asked for after the dump: the socket is busy meanwhile.
    let read = dump(rows, &table, losses, |rows| {
        let netns = &opened.netns;
        opened.socket.dump_family(&family.request(), buffer, |payload| {
            rows.push(row::read(family, netns, payload, &mut |_| None)?);
            Ok(())
        })
    });
    if let Err(cause) = read {
        if !is_absent(&cause, family.kernel_name()) {
            lose(losses, (family.describe(), asked(family)), &opened.place(), &cause);
        }
        return;
    }
    let new = rows.get_mut(first..).unwrap_or_default();
    name_interfaces(&opened.socket, new.iter_mut());
    match family {
        DiagFamily::Packet => name_packet_sockets(new),
        DiagFamily::Netlink => mark_kernel_sockets(new),
        DiagFamily::Unix | DiagFamily::Vsock => {}
    }
}

/// Puts the names of interfaces in the place of their indexes, which is where a packet socket is bound.
fn name_packet_sockets(rows: &mut [Socket]) {
    for row in rows {
        if let (Some(name), Some(other)) = (row.interface_name.value(), &mut row.other) {
            Arc::make_mut(other).local_name = Known::Value((**name).into(), Source::SockDiag);
        }
    }
}

/// The kernel's own socket is the one of its subsystem with port 0, which the dump lists first: a process can only have one
/// without a port if it subscribed to groups without being bound.
fn mark_kernel_sockets(rows: &mut [Socket]) {
    let mut seen: HashSet<Box<str>> = HashSet::new();
    for row in rows {
        let Some(other) = &mut row.other else { continue };
        let (Some(port), Some(protocol)) = (other.local_name.value(), other.protocol.value())
        else {
            continue;
        };
        // The kernel has none of its own there.
        if &**port == "0" && &**protocol != "usersock" && seen.insert(protocol.clone()) {
            Arc::make_mut(other).local_name = Known::Value("kernel".into(), Source::SockDiag);
            row.held_by_kernel = true;
        }
    }
}

fn read_internet(
    opened: &mut Opened,
    table: Table,
    buffer: &mut DumpBuffer,
    rows: &mut Vec<Socket>,
    losses: &mut Vec<Loss>,
) {
    let name = format!("{}{}", table.describe(), opened.place());
    let mut reader = RowReader::new(Arc::clone(&opened.netns));
    let first = rows.len();
    let read = dump(rows, &name, losses, |rows| {
        opened.socket.dump(table, States::all(), buffer, |payload| {
            let socket = reader.read(table.protocol, payload)?;
            rows.push(Socket { other: Some(Arc::new(OtherSocket::bare())), ..socket });
            Ok(())
        })
    });
    if let Err(cause) = read {
        rows.truncate(first);
        let (name, family) = (table.describe(), asked_internet(table));
        let file = opened.files.iter_mut().find(|(of, _)| *of == table);
        let from_file = file.map(|(_, file)| read_file(file, table.protocol, &opened.netns));
        match from_file {
            Some(Ok(read)) => rows.extend(read),
            Some(Err(cause)) => lose(losses, (&name, family), &opened.place(), &cause),
            None if is_absent(&cause, kernel_name(table)) => {}
            None => lose(losses, (&name, family), &opened.place(), &cause),
        }
    }
    let new = rows.get_mut(first..).unwrap_or_default();
    name_interfaces(&opened.socket, new.iter_mut());
    new.iter_mut().for_each(complete);
}

/// The rows of a file of `/proc/net`, from its beginning.
fn read_file(file: &mut File, protocol: Protocol, netns: &Arc<Netns>) -> io::Result<Vec<Socket>> {
    file.rewind()?;
    let mut text = String::new();
    file.take(MAX_FILE_BYTES).read_to_string(&mut text)?;
    Ok(text.lines().filter_map(|line| proc_net::read(protocol, netns, line)).collect())
}

/// Adds type and protocol. In the place of the port of a raw socket the kernel has the number of its protocol.
fn complete(row: &mut Socket) {
    let is_raw = row.protocol == Protocol::Raw;
    let (source, port) = (row.source, row.local.port);
    if is_raw {
        row.local.port = 0;
    }
    let Some(other) = &mut row.other else { return };
    let other = Arc::make_mut(other);
    let kind = if is_raw { SocketType::Raw } else { SocketType::Datagram };
    other.socket_type = Known::Value(kind, source);
    if is_raw {
        let number = u8::try_from(port).unwrap_or(u8::MAX);
        other.protocol = Known::Value(names::ip_protocol(number), source);
    }
}

/// Gives unix sockets the names of their peers.
fn name_peers(rows: &mut [Socket]) {
    let name = |row: &Socket| {
        let other = row.other.as_ref().filter(|_| row.protocol == Protocol::Unix)?;
        Some((row.inode.get()?, other.local_name.value()?.clone()))
    };
    let names: HashMap<u64, Box<str>> = rows.iter().filter_map(name).collect();
    for other in rows.iter_mut().filter_map(|row| row.other.as_mut()) {
        let peer = other.peer.value().and_then(|peer| names.get(&peer.inode));
        if let Some(peer) = peer {
            Arc::make_mut(other).peer_name = Known::Value(peer.clone(), Source::SockDiag);
        }
    }
}

/// The name in `/proc/net/protocols`.
fn kernel_name(table: Table) -> &'static str {
    match (table.protocol, table.family) {
        (Protocol::Raw, Some(Family::Ipv6)) => "RAWv6",
        (Protocol::Raw, _) => "RAW",
        (_, Some(Family::Ipv6)) => "UDPLITEv6",
        _ => "UDP-Lite",
    }
}

/// Whether the kernel has no such sockets, so that nothing is missing: it knows neither the table nor the protocol.
fn is_absent(cause: &io::Error, kernel_name: &str) -> bool {
    let number = cause.raw_os_error().map(Errno::from_raw_os_error);
    let is_unknown = matches!(number, Some(Errno::NOENT | Errno::INVAL));
    let protocols = || std::fs::read_to_string("/proc/net/protocols").ok();
    is_unknown && protocols().is_some_and(|text| !lists(&text, kernel_name))
}

/// Whether `/proc/net/protocols` lists this protocol.
fn lists(protocols: &str, name: &str) -> bool {
    protocols.lines().any(|line| line.split_ascii_whitespace().next() == Some(name))
}

/// Adds the loss of a table. A module that the kernel lacks is missing in every namespace, and reported once.
fn lose(
    losses: &mut Vec<Loss>,
    (table, family): (&str, OtherFamily),
    place: &str,
    cause: &io::Error,
) {
    let place = if needs_modules(cause) { "" } else { place };
    let loss = unreadable(format!("{table}{place}"), Some(family), cause);
    if !losses.contains(&loss) {
        losses.push(loss);
    }
}

#[cfg(test)]
mod tests {
    use super::lists;

    #[test]
    fn a_protocol_is_listed_by_its_whole_name() {
        let text = "protocol  size sockets\nAF_VSOCK  1240      0\nRAWv6     1344      0\n";
        assert!(lists(text, "AF_VSOCK") && lists(text, "RAWv6"));
        assert!(!lists(text, "RAW") && !lists("", "RAW"));
    }
}
