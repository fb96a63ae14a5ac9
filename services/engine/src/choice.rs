//! Which source is used where. The only place that knows the operating system.

use conns_contract::{Namespaces, SourceError};
use conns_core::model::Loss;
use conns_portable::Portable;

use crate::Sources;

/// Which source the user wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Choice {
    /// The kernel's own tables where they can be read, else the portable source; with our own
    /// programs in the kernel (eBPF) where they work and are worth loading.
    #[default]
    Auto,
    /// `sock_diag` and procfs, or an error; never our own programs.
    Kernel,
    /// The tables by our own programs in the kernel, or an error.
    Ebpf,
    /// The portable source.
    Portable,
}

/// What an engine is opened for: which of our programs in the kernel are worth loading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Looks at the tables and no more.
    Look,
    /// What happens to connections ([`Engine::follow`](crate::Engine::follow)).
    Follow,
    /// Everything, for long.
    Agent,
}

/// Opens the sources of `choice`.
pub(crate) fn open(choice: Choice, purpose: Purpose) -> Result<Sources, SourceError> {
    match choice {
        Choice::Portable => Ok(portable()),
        Choice::Kernel => kernel::open(),
        Choice::Ebpf => kernel::open_ebpf(purpose),
        Choice::Auto => match kernel::open() {
            Ok(sources) => Ok(kernel::with_ebpf(sources, purpose)),
            Err(error) => Ok(in_place_of(&error)),
        },
    }
}

/// Opens the sources of `choice` anew that may have broken; none of our own programs, which are
/// not loaded again.
pub(crate) fn open_again(choice: Choice) -> Option<Sources> {
    match choice {
        Choice::Portable => Some(portable()),
        Choice::Kernel => kernel::open().ok(),
        Choice::Ebpf => None,
        Choice::Auto => Some(kernel::open().unwrap_or_else(|error| in_place_of(&error))),
    }
}

/// The inodes of the network namespaces that are wanted; `None` for all of them.
pub(crate) fn namespaces(wanted: &Namespaces) -> Result<Option<Vec<u64>>, SourceError> {
    match wanted {
        Namespaces::All => Ok(None),
        some => kernel::namespaces(some).map(Some),
    }
}

fn portable() -> Sources {
    Sources::of(Box::new(Portable::new()))
}

fn in_place_of(error: &SourceError) -> Sources {
    let losses: Vec<Loss> = kernel::missing(error).into_iter().collect();
    let second_choice = losses.first().map(|loss| loss.to_string().into());
    Sources { losses, second_choice, ..portable() }
}

#[cfg(target_os = "linux")]
mod kernel {
    use std::io;
    use std::sync::Arc;

    use conns_contract::{Namespaces, SourceError, Task};
    use conns_core::model::{Fallback, Loss, Process, Source};
    use conns_ebpf::Features;
    use conns_namespaces::NamespaceSet;
    use conns_procfs::Procfs;
    use conns_sockdiag::SockDiag;

    use super::Purpose;
    use crate::sources::{self, ProcessSource, Sources, is_of_tables};
    use crate::table_size;

    /// From so many sockets on, loading our programs for one look costs less than they save.
    const LARGE_TABLE: u64 = 5_000;

    impl ProcessSource for Procfs {
        fn processes(&mut self, tasks: &[Task]) -> Vec<Arc<Process>> {
            Procfs::processes(self, tasks)
        }
    }

    pub(super) fn open() -> Result<Sources, SourceError> {
        let mut sources = Sources::of(Box::new(SockDiag::open()?));
        sources.owners = Some(Box::new(Procfs::at("/proc")));
        Ok(sources)
    }

    /// What is loaded of our programs where they are only an improvement.
    pub(super) fn with_ebpf(netlink: Sources, purpose: Purpose) -> Sources {
        let is_worth_it = match purpose {
            Purpose::Look => table_size::sockets() >= LARGE_TABLE,
            Purpose::Follow | Purpose::Agent => true,
        };
        if !is_worth_it {
            return netlink;
        }
        // To follow takes a look a minute: no reason to load programs for the tables.
        let tables = purpose == Purpose::Look;
        joined(netlink, conns_ebpf::open(features(purpose, tables)))
    }

    pub(super) fn open_ebpf(purpose: Purpose) -> Result<Sources, SourceError> {
        let opened = conns_ebpf::open(features(purpose, purpose != Purpose::Agent));
        if opened.tables.is_some() {
            let mut sources = joined(open()?, opened);
            sources.takes_over = false;
            return Ok(sources);
        }
        let of_tables = opened.abilities.iter().find(|ability| is_of_tables(ability));
        let why = of_tables.and_then(|ability| ability.missing.as_ref()).map(ToString::to_string);
        Err(SourceError::Unavailable {
            source_name: Source::Ebpf,
            attempted: "read the socket tables by programs in the kernel".to_owned(),
            cause: io::Error::other(why.unwrap_or_else(|| "they could not be loaded".to_owned())),
            remedy: "Without `--source ebpf` they are read over netlink",
        })
    }

    fn features(purpose: Purpose, tables: bool) -> Features {
        Features {
            tables,
            sampling: purpose == Purpose::Agent,
            descriptors: true,
            events: purpose != Purpose::Look,
        }
    }

    /// What was opened in the place of what netlink and procfs tell, which stand by.
    fn joined(mut sources: Sources, opened: conns_ebpf::Opened) -> Sources {
        let conns_ebpf::Opened { tables, descriptors, events, abilities } = opened;
        if let Some(tables) = tables {
            sources.fallback = Some(std::mem::replace(&mut sources.tables, tables));
        }
        if let Some(descriptors) = descriptors {
            sources.descriptors = Some(Box::new(descriptors));
            sources.processes = Some(Box::new(Procfs::at("/proc")));
        }
        if let Some(events) = events {
            sources.events = Some(Box::new(events));
        }
        sources.abilities = abilities;
        sources
    }

    pub(super) fn namespaces(wanted: &Namespaces) -> Result<Vec<u64>, SourceError> {
        let opened = NamespaceSet::open(Source::Ebpf, Box::new(Ok));
        let mut named = opened.map_err(|cause| SourceError::Unavailable {
            source_name: Source::Ebpf,
            attempted: "find the network namespaces".to_owned(),
            cause,
            remedy: "Mount procfs on /proc",
        })?;
        named.refresh(wanted, &mut Vec::new())
    }

    /// What it means to do without.
    pub(super) fn missing(error: &SourceError) -> Option<Loss> {
        Some(sources::missing(Source::SockDiag, error, Fallback::Portable))
    }
}

#[cfg(not(target_os = "linux"))]
mod kernel {
    use std::io;

    use conns_contract::{Namespaces, SourceError};
    use conns_core::model::{Loss, Source};

    use super::Purpose;
    use crate::sources::Sources;

    pub(super) fn open() -> Result<Sources, SourceError> {
        Err(not_linux(Source::SockDiag, "open a NETLINK_SOCK_DIAG socket"))
    }

    pub(super) fn open_ebpf(_: Purpose) -> Result<Sources, SourceError> {
        Err(not_linux(Source::Ebpf, "load programs into the kernel"))
    }

    pub(super) fn with_ebpf(sources: Sources, _: Purpose) -> Sources {
        sources
    }

    pub(super) fn namespaces(_: &Namespaces) -> Result<Vec<u64>, SourceError> {
        Err(not_linux(Source::Ebpf, "find network namespaces"))
    }

    fn not_linux(source_name: Source, attempted: &str) -> SourceError {
        SourceError::Unavailable {
            source_name,
            attempted: attempted.to_owned(),
            cause: io::ErrorKind::Unsupported.into(),
            remedy: "This is not Linux; use `--source portable`",
        }
    }

    /// Elsewhere the portable source is the source: nothing is missing.
    pub(super) fn missing(_: &SourceError) -> Option<Loss> {
        None
    }
}
