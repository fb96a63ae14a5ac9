//! eBPF programs that read socket tables and descriptors and emit lifecycle events. The programs are in `bpf/`,
//! compiled in `objects/`.
//!
//! Each feature is tried by itself; where one does not work, its error is reported and another source is
//! the fallback.

mod btf;
mod call;
mod descriptors;
mod events;
mod flows;
mod iterate;
mod kernel_clock;
mod layout;
mod namespaces;
mod object;
mod records;
mod row;
mod sampling;
mod shared_object;
mod tables;
mod tap;
mod types;

use std::sync::Arc;

use aya::Btf;
use conns_contract::SocketSource;
use conns_core::model::{Ability, AbilityKind, PairKey};
use descriptors::Changes;
use object::{compiled, split};
use row::interfaces;
use shared_object::{Purpose, SharedObject};

pub use descriptors::ProcessDescriptors;
pub use events::Events;
pub use records::Records;
pub use sampling::SampledTables;
pub use tables::Tables;
pub use tap::Tap;
#[doc(hidden)]
pub use types::trim_btf;

/// The objects that are loaded, for the types they name.
const OBJECTS: [&[u8]; 4] =
    [compiled!("descriptors"), compiled!("owners"), compiled!("sockets"), compiled!("tables")];

/// Which features to load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Features {
    /// The socket tables, for one sample or a few.
    pub tables: bool,
    /// The socket tables for repeated samples, with the peers of UDP sockets.
    pub sampling: bool,
    /// The descriptors of all processes.
    pub descriptors: bool,
    /// Lifecycle events of TCP connections.
    pub events: bool,
    /// Payload of TCP connections.
    pub tap: bool,
    /// The key of what both ends of a connection have in common.
    pub pair_key: PairKey,
}

impl Features {
    /// None, and a key of zeros.
    pub const NONE: Self = Self {
        tables: false,
        sampling: false,
        descriptors: false,
        events: false,
        tap: false,
        pair_key: PairKey::new([0; 16]),
    };
}

/// The features that work here.
#[derive(Default)]
pub struct Opened {
    /// The socket tables of all network namespaces.
    pub tables: Option<Box<dyn SocketSource>>,
    /// The descriptors of all processes.
    pub descriptors: Option<ProcessDescriptors>,
    /// Lifecycle events of TCP connections.
    pub events: Option<Events>,
    /// Payload of TCP connections.
    pub tap: Option<Tap>,
    /// What was tried, and the errors.
    pub abilities: Vec<Ability>,
}

/// A feature, and the error of a second one that is part of it.
type Outcome<T> = Result<(T, Option<Box<str>>), Box<str>>;

/// Tries to load each of `features` once.
#[must_use]
pub fn open(features: Features) -> Opened {
    let mut opened = Opened::default();
    let types = match object::is_permitted() {
        true => types::of_kernel(&OBJECTS),
        false => Err(object::not_permitted()),
    };
    let mut tried = |kind: AbilityKind, error: Option<Box<str>>| {
        opened.abilities.push(Ability::tried(kind, error));
    };
    let types = types.as_ref().map_err(Clone::clone);
    let pid_level = types.clone().and_then(descriptors::pid_level);
    if features.tables {
        let (tables, missing) =
            split(types.clone().and_then(|types| Tables::open(types, features.pair_key)));
        tried(AbilityKind::EbpfTables, missing);
        opened.tables = tables.map(|tables| Box::new(tables) as Box<dyn SocketSource>);
    }
    let (sampling, events, tap) = match types {
        Ok(types) => open_sockets(types, &pid_level, features),
        Err(ref why) => (
            features.sampling.then(|| Err(why.clone())),
            features.events.then(|| Err(why.clone())),
            features.tap.then(|| Err(why.clone())),
        ),
    };
    if let Some(sampling) = sampling {
        let (tables, missing, no_flows) = split_two(sampling);
        tried(AbilityKind::EbpfWatch, missing);
        tried(AbilityKind::EbpfUdpPeers, no_flows);
        opened.tables = tables.map(|tables| Box::new(tables) as Box<dyn SocketSource>);
    }
    if features.descriptors {
        // Only repeated samples use the change counter, which costs every fork, exec and exit.
        let changes = features.sampling.then(|| split(types.clone().and_then(Changes::open)));
        let (changes, no_changes) =
            changes.map_or((None, None), |(changes, why)| (changes, Some(why)));
        let descriptors =
            types.clone().and_then(|types| ProcessDescriptors::open(types, pid_level?, changes));
        let (descriptors, missing) = split(descriptors);
        // Only the program that reads descriptors asks for changes.
        let unused =
            missing.as_ref().map(|why| format!("owners are read from /proc: {why}").into());
        tried(AbilityKind::EbpfOwners, missing);
        if let Some(no_changes) = no_changes {
            tried(AbilityKind::EbpfOwnerChanges, no_changes.or(unused));
        }
        opened.descriptors = descriptors;
    }
    if let Some(events) = events {
        let (events, missing, no_accepts) = split_two(events);
        tried(AbilityKind::EbpfEvents, missing);
        tried(AbilityKind::EbpfAccepts, no_accepts);
        opened.events = events;
    }
    if let Some(tap) = tap {
        let (tap, missing, no_reads) = split_two(tap);
        let watched = match (&tap, &opened.events) {
            (Some(tap), Some(events)) => tap.wakes_for(events),
            _ => Ok(()),
        };
        let missing = missing.or_else(|| Some(format!("epoll: {}", watched.err()?).into()));
        opened.tap = tap.filter(|_| missing.is_none());
        tried(AbilityKind::EbpfTap, missing);
        tried(AbilityKind::EbpfReads, no_reads);
    }
    opened
}

/// What the object of `bpf/sockets.bpf.c` has, as far as it is asked for.
type OfSockets = (Option<Outcome<SampledTables>>, Option<Outcome<Events>>, Option<Outcome<Tap>>);

/// Loads the sampler, the event stream and the tap: all from one object, or, if that fails, each from its own, so that
/// each has an error of its own.
fn open_sockets(types: &Btf, pid_level: &Result<u32, Box<str>>, features: Features) -> OfSockets {
    if features.sampling
        && features.events
        && let Ok(level) = pid_level
        && let Ok((shared, sampling, events)) = open_both(types, features, *level)
    {
        let tap = features.tap.then(|| Tap::open(&shared, types));
        return (Some(Ok(sampling)), Some(Ok(events)), tap);
    }
    let sampling = || {
        let shared = shared_object::load(types, Purpose::Sampling, false, 0)?;
        SampledTables::open(&shared, types, interfaces(), features.pair_key)
    };
    let events = || {
        let shared = shared_object::load(types, Purpose::Events, false, pid_level.clone()?)?;
        Events::open(&shared, types, interfaces(), features.pair_key)
    };
    let tap = || {
        let shared = shared_object::load(types, Purpose::Payload, true, 0)?;
        Tap::open(&shared, types)
    };
    (features.sampling.then(sampling), features.events.then(events), features.tap.then(tap))
}

type Both = (SharedObject, (SampledTables, Option<Box<str>>), (Events, Option<Box<str>>));

fn open_both(types: &Btf, features: Features, pid_level: u32) -> Result<Both, Box<str>> {
    let shared = shared_object::load(types, Purpose::Both, features.tap, pid_level)?;
    let names = interfaces();
    let sampling = SampledTables::open(&shared, types, Arc::clone(&names), features.pair_key)?;
    let events = Events::open(&shared, types, names, features.pair_key)?;
    Ok((shared, sampling, events))
}

/// The feature, its error, and the error of its second feature.
fn split_two<T>(outcome: Outcome<T>) -> (Option<T>, Option<Box<str>>, Option<Box<str>>) {
    match outcome {
        Ok((value, no_second)) => (Some(value), None, no_second),
        Err(why) => (None, Some(why.clone()), Some(why)),
    }
}

/// Whether programs can be loaded here at all, found out by loading a small one.
#[must_use]
pub fn are_possible() -> bool {
    types::of_kernel(&OBJECTS).and_then(|types| ProcessDescriptors::open(&types, 0, None)).is_ok()
}
