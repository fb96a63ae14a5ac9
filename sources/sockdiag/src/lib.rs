//! The kernel's socket tables over netlink `sock_diag` (sock_diag(7)), of every network namespace that can be
//! entered. Owners of sockets come from `sources/procfs`.
//!
//! Kernel versions differ in the length of their structures, so everything is read by length. A failed dump is
//! retried; what remains missing is a loss.

mod dump;
mod interfaces;
mod loss;
mod mptcp;
mod other;
mod row;
pub mod wire;

use std::io;
use std::sync::Arc;

use conns_contract::{Scope, SocketSource, SourceError};
use conns_core::model::{
    Family, Loss, LossCause, Moment, Netns, Observation, Protocol, SocketSample, Source,
};
use rustix::io::Errno;

use conns_namespaces::{Entered, NamespaceSet};
use dump::{DiagSocket, DumpBuffer, DumpOutcome, Table};
use interfaces::name_interfaces;
use loss::{place, unreadable};
use mptcp::MptcpTables;
use other::Others;
pub use other::{DiagFamily, read_family_row, read_proc_net_line};
pub use row::RowReader;

/// A namespace with its socket.
struct Tables {
    netns: Arc<Netns>,
    socket: DiagSocket,
    rows: RowReader,
    mptcp: MptcpTables,
}

impl Tables {
    /// Opens a socket in the namespace of the calling thread.
    fn open(netns: Arc<Netns>) -> io::Result<Self> {
        let rows = RowReader::new(Arc::clone(&netns));
        Ok(Self { netns, socket: DiagSocket::open()?, rows, mptcp: MptcpTables::default() })
    }
}

impl Entered for Tables {
    fn netns(&self) -> &Arc<Netns> {
        &self.netns
    }

    fn rename(&mut self, netns: Arc<Netns>) {
        self.rows = RowReader::new(Arc::clone(&netns));
        self.netns = netns;
    }
}

/// The source that reads `sock_diag`.
pub struct SockDiag {
    namespaces: NamespaceSet<Tables>,
    buffer: DumpBuffer,
    /// Opened once they are asked for.
    others: Option<Others>,
}

impl SockDiag {
    /// Opens a netlink socket in the caller's network namespace.
    ///
    /// # Errors
    /// [`SourceError::Unavailable`] if the kernel or a seccomp filter has no `NETLINK_SOCK_DIAG`.
    pub fn open() -> Result<Self, SourceError> {
        let namespaces = NamespaceSet::open(Source::SockDiag, Box::new(Tables::open));
        let namespaces = namespaces.map_err(|cause| SourceError::Unavailable {
            source_name: Source::SockDiag,
            attempted: "open a NETLINK_SOCK_DIAG socket".to_owned(),
            cause,
            remedy: "The kernel needs CONFIG_INET_DIAG, and a sandbox (seccomp, systemd's \
                     RestrictAddressFamilies) must allow AF_NETLINK; `--source portable` lists \
                     without it, but knows no latency",
        })?;
        Ok(Self { namespaces, buffer: DumpBuffer::new(), others: None })
    }
}

impl SocketSource for SockDiag {
    fn observe(&mut self, scope: &Scope, now: Moment) -> Result<Observation, SourceError> {
        let mut losses = Vec::new();
        let mut sockets = Vec::new();
        let chosen = self.namespaces.refresh(&scope.namespaces, &mut losses)?;
        let (mut tables_read, mut beyond_bound) = (0, 0);
        let mut first_failure = None;
        for inode in chosen {
            let Some(entered) = self.namespaces.get_mut(inode) else {
                continue; // it could not be entered, which `refresh` has reported as a loss
            };
            let first_row = sockets.len();
            for table in tables(scope) {
                let rows = sockets.get(first_row..).unwrap_or_default();
                if table.protocol == Protocol::Mptcp && scope.tcp && entered.mptcp.may_skip(rows) {
                    continue;
                }
                match read_table(entered, table, scope, &mut self.buffer, &mut sockets, &mut losses)
                {
                    Ok(omitted) => {
                        tables_read += 1;
                        beyond_bound += omitted;
                    }
                    Err(cause) if is_absent_mptcp(table, &cause) => {}
                    Err(cause) => {
                        losses.push(unreadable(describe(entered, table), None, &cause));
                        first_failure.get_or_insert(cause);
                    }
                }
            }
            let read = sockets.get_mut(first_row..).unwrap_or_default();
            let bound = read.iter_mut().filter(|row| row.interface != 0);
            name_interfaces(&entered.socket, bound.map(|row| &mut **row));
            // The next dump can only be skipped on the evidence of both tables.
            if scope.tcp && scope.mptcp {
                entered.mptcp.observe(sockets.get(first_row..).unwrap_or_default());
            }
        }
        let is_asked_for = scope.tcp || scope.udp || scope.mptcp;
        if !scope.others.is_empty() {
            self.read_others(scope, &mut sockets, &mut losses)?;
        }
        if let (0, Some(cause), true) = (tables_read, first_failure, is_asked_for) {
            return Err(SourceError::Unavailable {
                source_name: Source::SockDiag,
                attempted: "read any socket table".to_owned(),
                cause,
                remedy: "The kernel needs CONFIG_INET_DIAG (modules tcp_diag, udp_diag); \
                         `--source portable` lists without it, but knows no latency",
            });
        }
        let bound = LossCause::SocketsBeyondBound { bound: scope.max_sockets as u64 };
        losses.extend(Loss::counted(Source::SockDiag, bound, beyond_bound));
        Ok(Observation::new(Source::SockDiag, now).with_sockets(sockets).with_losses(losses))
    }
}

impl SockDiag {
    fn read_others(
        &mut self,
        scope: &Scope,
        sockets: &mut Vec<SocketSample>,
        losses: &mut Vec<Loss>,
    ) -> Result<(), SourceError> {
        let others = match &mut self.others {
            Some(opened) => opened,
            none => none.insert(Others::open().map_err(|cause| SourceError::Unavailable {
                source_name: Source::SockDiag,
                attempted: "open a NETLINK_SOCK_DIAG socket".to_owned(),
                cause,
                remedy: "A sandbox (seccomp, systemd's RestrictAddressFamilies) must allow AF_NETLINK",
            })?),
        };
        others.read(scope, &mut self.buffer, sockets, losses)
    }
}

/// The tables a scope needs.
fn tables(scope: &Scope) -> Vec<Table> {
    let families: &[Option<Family>] = match (scope.ipv4, scope.ipv6) {
        (true, true) => &[Some(Family::Ipv4), Some(Family::Ipv6)],
        (true, false) => &[Some(Family::Ipv4)],
        (false, true) => &[Some(Family::Ipv6)],
        (false, false) => &[],
    };
    let of = |protocol, families: &[Option<Family>]| -> Vec<Table> {
        families.iter().map(|family| Table { protocol, family: *family }).collect()
    };
    let mut tables = Vec::new();
    if scope.tcp {
        let both = families.len() == 2;
        tables.extend(of(Protocol::Tcp, if both { &[None] } else { families }));
    }
    if scope.mptcp {
        tables.extend(of(Protocol::Mptcp, families));
    }
    if scope.udp {
        tables.extend(of(Protocol::Udp, families));
    }
    tables
}

/// A kernel without MPTCP answers `ENOENT`, or `EINVAL` before 5.9. It has no such connections, so this is no loss.
fn is_absent_mptcp(table: Table, cause: &io::Error) -> bool {
    let number = cause.raw_os_error().map(Errno::from_raw_os_error);
    table.protocol == Protocol::Mptcp && matches!(number, Some(Errno::NOENT | Errno::INVAL))
}

/// Dumps one table, again while the kernel reports it as incomplete; what remains missing is a loss. Returns how many
/// sockets are beyond the bound of the scope.
fn read_table(
    entered: &mut Tables,
    table: Table,
    scope: &Scope,
    buffer: &mut DumpBuffer,
    sockets: &mut Vec<SocketSample>,
    losses: &mut Vec<Loss>,
) -> io::Result<u64> {
    let before = sockets.len();
    let Tables { socket, rows, .. } = entered;
    let mut beyond_bound = 0;
    let outcome = DumpOutcome::of_attempts(|| {
        sockets.truncate(before);
        beyond_bound = 0;
        socket.dump(table, scope.states, buffer, |payload| {
            if sockets.len() >= scope.max_sockets {
                beyond_bound += 1;
                return Ok(());
            }
            sockets.push(SocketSample::from(rows.read(table.protocol, payload)?));
            Ok(())
        })
    })?;
    losses.extend(outcome.losses(&describe(entered, table)));
    Ok(beyond_bound)
}

/// "TCP over IPv4 in network namespace blue".
fn describe(entered: &Tables, table: Table) -> String {
    format!("{}{}", table.describe(), place(&entered.netns))
}
