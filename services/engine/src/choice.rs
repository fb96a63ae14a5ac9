//! Chooses the sources. The only module that depends on the operating system.

use std::collections::HashSet;

use conns_contract::{Namespaces, Scope, SourceError};
use conns_core::model::{Known, Loss, Moment, PairKey, SocketId};
use conns_portable::Portable;

use crate::sources::Sources;

/// The source the user chooses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Choice {
    /// The kernel's tables where they can be read, else the portable source; with eBPF programs where
    /// they work and are worth loading.
    #[default]
    Auto,
    /// `sock_diag` and procfs, or an error; without eBPF.
    Kernel,
    /// The tables by eBPF programs, or an error.
    Ebpf,
    /// The portable source.
    Portable,
}

/// What an engine is used for, which decides which eBPF programs are worth loading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// One sample of the tables.
    Sample,
    /// Lifecycle events ([`Follower`](crate::Follower)).
    Follow,
    /// All of it, for a long time.
    Agent {
        /// Whether payload is decoded.
        tap: bool,
    },
}

/// Opens the sources of `choice`.
pub(crate) fn open(
    choice: Choice,
    purpose: Purpose,
    pair_key: PairKey,
) -> Result<Sources, SourceError> {
    match choice {
        Choice::Portable => Ok(portable()),
        Choice::Kernel => kernel::open(),
        Choice::Ebpf => kernel::open_ebpf(purpose, pair_key),
        Choice::Auto => match kernel::open() {
            Ok(sources) => Ok(kernel::with_ebpf(sources, purpose, pair_key)),
            Err(error) => Ok(portable_instead(&error)),
        },
    }
}

/// Opens the sources of `choice` again, without eBPF programs, which are not loaded again.
pub(crate) fn open_again(choice: Choice) -> Option<Sources> {
    match choice {
        Choice::Portable => Some(portable()),
        Choice::Kernel => kernel::open().ok(),
        Choice::Ebpf => None,
        Choice::Auto => Some(kernel::open().unwrap_or_else(|error| portable_instead(&error))),
    }
}

/// The inodes of these network namespaces; `None` for all of them.
pub(crate) fn namespaces(names: &Namespaces) -> Result<Option<Vec<u64>>, SourceError> {
    match names {
        Namespaces::All => Ok(None),
        some => kernel::namespaces(some).map(Some),
    }
}

/// The namespaces behind these descriptors that are not known, and a path to each that is valid while the value
/// is held.
pub(crate) fn hidden_namespaces(
    descriptors: &[(u32, u32)],
    is_known: impl Fn(u64) -> bool,
) -> kernel::Hidden {
    kernel::hidden_namespaces(descriptors, is_known)
}

/// The sockets of `scope` that the kernel has made for itself, where programs in the kernel can be loaded to find
/// them, which takes a tenth of a second; no other source reports it.
pub(crate) fn held_by_kernel(scope: &Scope, now: Moment) -> HashSet<SocketId> {
    kernel::held_by_kernel(scope, now)
}

/// A socket that a process has open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SocketFile {
    /// Its inode.
    pub(crate) inode: u64,
    /// User id of its creator.
    pub(crate) uid: Known<u32>,
    /// The name of its protocol in the kernel.
    pub(crate) protocol: Box<str>,
    /// The inode of its network namespace; `None` if it may not be read.
    pub(crate) netns: Option<u64>,
}

/// The socket behind a descriptor; `None` if it is closed, no socket, or may not be inspected.
pub(crate) fn socket_file(pid: u32, descriptor: u32) -> Option<SocketFile> {
    kernel::socket_file(pid, descriptor)
}

fn portable() -> Sources {
    Sources::of(Box::new(Portable::new()))
}

fn portable_instead(error: &SourceError) -> Sources {
    let losses: Vec<Loss> = kernel::unavailable(error).into_iter().collect();
    let second_choice = losses.first().map(|loss| loss.to_string().into());
    Sources { losses, second_choice, ..portable() }
}

#[cfg(target_os = "linux")]
mod kernel {
    use std::collections::HashSet;
    use std::io;
    use std::os::fd::{AsRawFd, OwnedFd};
    use std::sync::Arc;

    use conns_contract::{Namespaces, Scope, SourceError, Task};
    use conns_core::model::{
        Ability, AbilityKind, Fallback, Loss, Moment, Observation, PairKey, Process, SocketId,
        SocketSample, Source,
    };
    use conns_ebpf::Features;
    use conns_namespaces::{NamespaceSet, NetstatReader};
    use conns_procfs::Procfs;
    use conns_sockdiag::SockDiag;

    use super::{Purpose, SocketFile};
    use crate::sources::{self, ListenCounterSource, ProcessSource, Sources, is_of_tables};
    use crate::table_size;

    /// From this many sockets on, loading eBPF programs for one sample costs less than they save.
    const LARGE_TABLE: u64 = 5_000;

    impl ProcessSource for Procfs {
        fn processes(&mut self, tasks: &[Task]) -> Vec<Arc<Process>> {
            Procfs::processes(self, tasks)
        }
    }

    impl ListenCounterSource for NetstatReader {
        fn observe(
            &mut self,
            rows: &mut dyn Iterator<Item = &SocketSample>,
            now: Moment,
        ) -> Observation {
            NetstatReader::observe(self, rows, now)
        }
    }

    pub(super) fn open() -> Result<Sources, SourceError> {
        let mut sources = Sources::of(Box::new(SockDiag::open()?));
        sources.owners = Some(Box::new(Procfs::at("/proc")));
        sources.listen_counters = Some(Box::new(NetstatReader::default()));
        Ok(sources)
    }

    /// Adds eBPF programs where they are an improvement.
    pub(super) fn with_ebpf(netlink: Sources, purpose: Purpose, pair_key: PairKey) -> Sources {
        let is_worth_it = match purpose {
            Purpose::Sample => table_size::sockets() >= LARGE_TABLE,
            Purpose::Follow | Purpose::Agent { .. } => true,
        };
        if !is_worth_it {
            return netlink;
        }
        // A follower samples once a minute: no reason to load programs for the tables.
        let tables = purpose == Purpose::Sample;
        let mut opened = conns_ebpf::open(features(purpose, tables, pair_key));
        note_no_tap(&mut opened, purpose);
        joined(netlink, opened)
    }

    pub(super) fn open_ebpf(purpose: Purpose, pair_key: PairKey) -> Result<Sources, SourceError> {
        let is_agent = matches!(purpose, Purpose::Agent { .. });
        let mut opened = conns_ebpf::open(features(purpose, !is_agent, pair_key));
        note_no_tap(&mut opened, purpose);
        if opened.tables.is_some() {
            let mut sources = joined(open()?, opened);
            sources.falls_back = false;
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

    fn features(purpose: Purpose, tables: bool, pair_key: PairKey) -> Features {
        Features {
            tables,
            sampling: matches!(purpose, Purpose::Agent { .. }),
            descriptors: true,
            events: purpose != Purpose::Sample,
            tap: purpose == Purpose::Agent { tap: true },
            pair_key,
        }
    }

    /// Reports that payload is not decoded because the user does not want it.
    fn note_no_tap(opened: &mut conns_ebpf::Opened, purpose: Purpose) {
        if purpose == (Purpose::Agent { tap: false }) {
            let error = "the setting `tap` is false".into();
            opened.abilities.push(Ability::tried(AbilityKind::EbpfTap, Some(error)));
        }
    }

    /// Puts eBPF in the place of netlink and procfs, which become the fallback.
    fn joined(mut sources: Sources, opened: conns_ebpf::Opened) -> Sources {
        let conns_ebpf::Opened { tables, descriptors, events, tap, abilities } = opened;
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
        if let Some(tap) = tap {
            sources.payload = Some(Box::new(tap));
        }
        sources.abilities = abilities;
        sources
    }

    pub(super) fn held_by_kernel(scope: &Scope, now: Moment) -> HashSet<SocketId> {
        let tables = conns_ebpf::open(Features { tables: true, ..Features::NONE }).tables;
        let observed = tables.and_then(|mut tables| tables.observe(scope, now).ok());
        let rows = observed.and_then(|observation| observation.sockets).unwrap_or_default();
        rows.iter().filter(|row| row.held_by_kernel).map(|row| row.id).collect()
    }

    pub(super) fn namespaces(names: &Namespaces) -> Result<Vec<u64>, SourceError> {
        let opened = NamespaceSet::open(Source::Ebpf, Box::new(Ok));
        let mut named = opened.map_err(|cause| SourceError::Unavailable {
            source_name: Source::Ebpf,
            attempted: "find the network namespaces".to_owned(),
            cause,
            remedy: "Mount procfs on /proc",
        })?;
        named.refresh(names, &mut Vec::new())
    }

    /// Open namespaces.
    pub(crate) struct Hidden(Vec<OwnedFd>);

    impl Hidden {
        /// A path to each.
        pub(crate) fn paths(&self) -> Vec<String> {
            self.0.iter().map(|fd| format!("/proc/self/fd/{}", fd.as_raw_fd())).collect()
        }
    }

    pub(super) fn socket_file(pid: u32, descriptor: u32) -> Option<SocketFile> {
        let conns_procfs::SocketFile { inode, uid, protocol } =
            conns_procfs::socket_file(pid, descriptor)?;
        let netns = conns_namespaces::inode_behind(pid, descriptor);
        Some(SocketFile { inode, uid, protocol, netns })
    }

    pub(super) fn hidden_namespaces(
        descriptors: &[(u32, u32)],
        is_known: impl Fn(u64) -> bool,
    ) -> Hidden {
        Hidden(conns_namespaces::behind(descriptors, is_known).into_values().collect())
    }

    /// The loss that netlink is unavailable.
    pub(super) fn unavailable(error: &SourceError) -> Option<Loss> {
        Some(sources::source_unavailable(Source::SockDiag, error, Fallback::Portable))
    }
}

#[cfg(not(target_os = "linux"))]
mod kernel {
    use std::collections::HashSet;
    use std::io;

    use conns_contract::{Namespaces, Scope, SourceError};
    use conns_core::model::{Loss, Moment, PairKey, SocketId, Source};

    use super::{Purpose, SocketFile};
    use crate::sources::Sources;

    pub(super) fn open() -> Result<Sources, SourceError> {
        Err(not_linux(Source::SockDiag, "open a NETLINK_SOCK_DIAG socket"))
    }

    pub(super) fn open_ebpf(_: Purpose, _: PairKey) -> Result<Sources, SourceError> {
        Err(not_linux(Source::Ebpf, "load programs into the kernel"))
    }

    pub(super) fn with_ebpf(sources: Sources, _: Purpose, _: PairKey) -> Sources {
        sources
    }

    pub(super) fn held_by_kernel(_: &Scope, _: Moment) -> HashSet<SocketId> {
        HashSet::new()
    }

    pub(super) fn namespaces(_: &Namespaces) -> Result<Vec<u64>, SourceError> {
        Err(not_linux(Source::Ebpf, "find network namespaces"))
    }

    /// None.
    pub(crate) struct Hidden;

    impl Hidden {
        /// None.
        pub(crate) fn paths(&self) -> Vec<String> {
            Vec::new()
        }
    }

    pub(super) fn socket_file(_: u32, _: u32) -> Option<SocketFile> {
        None
    }

    pub(super) fn hidden_namespaces(_: &[(u32, u32)], _: impl Fn(u64) -> bool) -> Hidden {
        Hidden
    }

    fn not_linux(source_name: Source, attempted: &str) -> SourceError {
        SourceError::Unavailable {
            source_name,
            attempted: attempted.to_owned(),
            cause: io::ErrorKind::Unsupported.into(),
            remedy: "This is not Linux; use `--source portable`",
        }
    }

    /// On other systems the portable source is the first choice: nothing is lost.
    pub(super) fn unavailable(_: &SourceError) -> Option<Loss> {
        None
    }
}
