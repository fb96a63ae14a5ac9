//! The source for macOS and Windows, by crates for these systems. It also runs on Linux, where it is tested; there it
//! reads only the network namespace it runs in. The crates report no measures, no queues and no UDP peers; these stay
//! unknown, but for round trip times on Windows, which the system itself is asked for.

mod owners;
#[cfg(any(windows, test))]
mod round_trip;
mod tuple;

use std::error::Error as _;
use std::io;
use std::sync::Arc;

use netsock::error::Error;
use netsock::family::AddressFamilyFlags;
use netsock::iter_sockets;
use netsock::protocol::ProtocolFlags;
use netsock::socket::SocketInfo;

use conns_contract::{Namespaces, Scope, SocketSource, SourceError};
use conns_core::model::{
    Loss, LossCause, Moment, Netns, Observation, PortableFault, SocketSample, Source,
};

use crate::tuple::Tuples;

/// Most failed rows; then reading stops. The crate's Linux reader repeats a persistent error of its netlink socket
/// endlessly. On macOS each descriptor closed meanwhile fails once, far fewer than this.
const MAX_FAILED_ROWS: usize = 1024;

/// Sockets and owners, as far as all systems report them.
#[derive(Debug)]
pub struct Portable {
    netns: Arc<Netns>,
}

impl Portable {
    /// A source of the sockets of the current network namespace, on systems that have them.
    #[must_use]
    pub fn new() -> Self {
        let netns = Netns::only();
        Self { netns: Arc::new(netns) }
    }
}

impl Default for Portable {
    fn default() -> Self {
        Self::new()
    }
}

impl SocketSource for Portable {
    /// Sockets and owners in one observation. Missing without a loss, as the crates do not report it: other namespaces
    /// on Linux, and on macOS the sockets of processes that this user may not inspect.
    fn observe(&mut self, scope: &Scope, now: Moment) -> Result<Observation, SourceError> {
        if let Namespaces::These(names) = &scope.namespaces {
            return Err(SourceError::NoSuchNamespace {
                name: names.join(", "),
                reason: "the portable source only reads the one it runs in".into(),
                known: "none by name".into(),
            });
        }
        let Read { rows, failures } = read(scope).map_err(unavailable)?;
        let mut losses = Losses::default();
        if failures.len() >= MAX_FAILED_ROWS {
            let cause = LossCause::PortableStopped { failures: MAX_FAILED_ROWS as u64 };
            losses.0.push(Loss::one(Source::Portable, cause));
        }
        for failure in &failures {
            let fault = match failure {
                Error::FailedToQueryFileDescriptors(_) => PortableFault::SocketVanished,
                _ => PortableFault::TableCut,
            };
            losses.add(fault, &in_full(failure));
        }
        let mut tuples = Tuples::default();
        for row in rows {
            if tuples.add(&row).is_none() {
                losses.add(PortableFault::StateUnknown, &format!("{row:?}"));
            }
        }
        let (sockets, owners) = tuples.into_sockets(&self.netns, scope.states);
        #[cfg(windows)]
        let sockets = round_trip::added(sockets);
        let (owner_table, vanished) = owners::look_up(&owners);
        for pid in vanished {
            losses.add(PortableFault::OwnerVanished, &format!("pid {pid}"));
        }
        let rows = sockets.into_iter().map(SocketSample::from).collect();
        Ok(Observation::new(Source::Portable, now)
            .with_sockets(rows)
            .with_owners(owner_table.into())
            .with_losses(losses.0))
    }
}

/// Rows and errors of the crate.
#[derive(Default)]
struct Read {
    rows: Vec<SocketInfo>,
    failures: Vec<Error>,
}

impl Read {
    fn take(&mut self, rows: impl Iterator<Item = Result<SocketInfo, Error>>) {
        for row in rows {
            match row {
                Ok(row) => self.rows.push(row),
                Err(error) => self.failures.push(error),
            }
            if self.failures.len() >= MAX_FAILED_ROWS {
                break;
            }
        }
    }
}

/// Reads the tables in scope; an error if all of them fail.
fn read(scope: &Scope) -> Result<Read, Error> {
    let mut families = AddressFamilyFlags::empty();
    families.set(AddressFamilyFlags::IPV4, scope.ipv4);
    families.set(AddressFamilyFlags::IPV6, scope.ipv6);
    let mut protocols = ProtocolFlags::empty();
    protocols.set(ProtocolFlags::TCP, scope.tcp);
    protocols.set(ProtocolFlags::UDP, scope.udp);

    let mut read = Read::default();
    let tables = families.iter().count() * protocols.iter().count();
    if tables == 0 {
        return Ok(read);
    }
    // All in one call, as each call scans all processes.
    match iter_sockets(families, protocols) {
        Ok(rows) => read.take(rows),
        // One missing table (Windows without IPv6) fails the call; the others can still be read.
        Err(_) => {
            let pairs = families.iter().flat_map(|f| protocols.iter().map(move |p| (f, p)));
            for (family, protocol) in pairs {
                match iter_sockets(family, protocol) {
                    Ok(rows) => read.take(rows),
                    Err(error) => read.failures.push(error),
                }
            }
        }
    }
    if read.rows.is_empty() && read.failures.len() >= tables {
        return Err(read.failures.swap_remove(0));
    }
    Ok(read)
}

fn unavailable(error: Error) -> SourceError {
    SourceError::Unavailable {
        source_name: Source::Portable,
        attempted: "read the system's socket tables".into(),
        cause: io::Error::other(in_full(&error)),
        remedy: "Run conns as an administrator; on Linux, omit `--source portable`.",
    }
}

/// The error and its cause, which the crate's text does not contain.
fn in_full(error: &Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

/// Losses, counted by kind; each shows its first cause.
#[derive(Default)]
struct Losses(Vec<Loss>);

impl Losses {
    fn add(&mut self, fault: PortableFault, first: &str) {
        let cause = LossCause::PortableRow { fault, first: first.into() };
        match self.0.iter_mut().find(|loss| loss.cause.is_same(&cause)) {
            Some(loss) => loss.count += 1,
            None => self.0.push(Loss::one(Source::Portable, cause)),
        }
    }
}

#[cfg(test)]
mod tests;
