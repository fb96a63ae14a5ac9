//! Our own programs in the kernel: tables at the kernel's speed, every descriptor of every process,
//! and what happens to connections at the moment it happens. The programs are in `bpf/`, compiled in
//! `objects/`.
//!
//! The one idea: each ability is tried by itself, and where it does not work the reason is said and
//! another source takes its place.

mod call;
mod descriptors;
mod events;
mod flows;
mod iterate;
mod namespaces;
mod object;
mod records;
mod row;
mod sockets;
mod tables;
mod types;
mod watch;
mod wire;

use conns_contract::SocketSource;
use conns_core::model::{Ability, AbilityKind};
use descriptors::Changes;

pub use descriptors::ProcessDescriptors;
pub use events::Events;
pub use records::Records;
pub use tables::Tables;
pub use watch::WatchedTables;

/// Every compiled object, for the types it needs.
const OBJECTS: [&[u8]; 4] =
    [object!("descriptors"), object!("owners"), object!("sockets"), object!("tables")];

/// Which parts are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// The socket tables, for one look or a few.
    pub tables: bool,
    /// The socket tables, for somebody who looks again and again, with the peers of UDP sockets.
    pub watch: bool,
    /// The descriptors of all processes.
    pub descriptors: bool,
    /// What happens to connections.
    pub events: bool,
}

/// What works here.
#[derive(Default)]
pub struct Opened {
    /// The socket tables, of all network namespaces.
    pub tables: Option<Box<dyn SocketSource>>,
    /// The descriptors of all processes.
    pub descriptors: Option<ProcessDescriptors>,
    /// What happens to connections.
    pub events: Option<Events>,
    /// What was tried, and why it does not work where it does not.
    pub abilities: Vec<Ability>,
}

/// Tries to load what is wanted, once.
#[must_use]
pub fn open(wanted: Wanted) -> Opened {
    let mut opened = Opened::default();
    let types = types::of_kernel(&OBJECTS);
    let mut tried = |kind: AbilityKind, error: Option<Box<str>>| {
        opened.abilities.push(Ability::tried(kind, error));
    };
    let types = types.as_ref().map_err(Clone::clone);
    let pid_level = types.clone().and_then(descriptors::pid_level);
    if wanted.tables {
        let (tables, missing) = split(types.clone().and_then(Tables::open));
        tried(AbilityKind::EbpfTables, missing);
        opened.tables = tables.map(|tables| Box::new(tables) as Box<dyn SocketSource>);
    }
    let (watch, events) = match types {
        Ok(types) => sockets::open(types, &pid_level, wanted.watch, wanted.events),
        Err(ref why) => {
            (wanted.watch.then(|| Err(why.clone())), wanted.events.then(|| Err(why.clone())))
        }
    };
    if let Some(watch) = watch {
        let (tables, missing, no_flows) = split_two(watch);
        tried(AbilityKind::EbpfWatch, missing);
        tried(AbilityKind::EbpfUdpPeers, no_flows);
        opened.tables = tables.map(|tables| Box::new(tables) as Box<dyn SocketSource>);
    }
    if wanted.descriptors {
        // Only who looks again and again gains by being told of changes; it costs every system call.
        let changes = wanted.watch.then(|| split(types.clone().and_then(Changes::open)));
        let (changes, no_changes) =
            changes.map_or((None, None), |(changes, why)| (changes, Some(why)));
        let descriptors =
            types.clone().and_then(|types| ProcessDescriptors::open(types, pid_level?, changes));
        let (descriptors, missing) = split(descriptors);
        tried(AbilityKind::EbpfOwners, missing);
        if let Some(no_changes) = no_changes {
            tried(AbilityKind::EbpfOwnerChanges, no_changes);
        }
        opened.descriptors = descriptors;
    }
    if let Some(events) = events {
        let (events, missing, no_accepts) = split_two(events);
        tried(AbilityKind::EbpfEvents, missing);
        tried(AbilityKind::EbpfAccepts, no_accepts);
        opened.events = events;
    }
    opened
}

/// What works, or why it does not.
fn split<T>(outcome: Result<T, Box<str>>) -> (Option<T>, Option<Box<str>>) {
    match outcome {
        Ok(there) => (Some(there), None),
        Err(why) => (None, Some(why)),
    }
}

/// As [`split`], of what comes with a second ability, which may be missing by itself.
fn split_two<T>(
    outcome: Result<(T, Option<Box<str>>), Box<str>>,
) -> (Option<T>, Option<Box<str>>, Option<Box<str>>) {
    match outcome {
        Ok((there, no_second)) => (Some(there), None, no_second),
        Err(why) => (None, Some(why.clone()), Some(why)),
    }
}

/// Whether programs can be loaded here at all, found by loading a small one.
#[must_use]
pub fn are_possible() -> bool {
    types::of_kernel(&OBJECTS).and_then(|types| ProcessDescriptors::open(&types, 0, None)).is_ok()
}
