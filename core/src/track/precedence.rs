//! Which source wins where two sources report the same socket.
//!
//! Sources complete each other: a value that the winning source does not know is taken from the
//! next one.

use std::collections::{HashMap, HashSet};

use foldhash::fast::RandomState;

use crate::model::{Known, Socket, SocketId, SocketSample, Source};

/// Fields for which the same source wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FieldGroup {
    /// Protocol, family, state, both ends, interface, namespace, inode, user, timer, shutdown.
    State,
    /// Send, receive and accept queues, and the memory of the socket.
    Queues,
    /// `tcp_info`, MPTCP's state and the congestion control.
    Measures,
    /// Options and attributes: type of service, mark, control group, upper layer.
    Options,
    /// Traffic of UDP sockets and of their peers.
    UdpTraffic,
    /// The processes that own the socket.
    Owners,
    /// Opened and closed, and the direction by events.
    Lifecycle,
    /// Application layers.
    Application,
}

/// The sources of each group, the winning one first. A source that is not listed loses against every
/// one that is.
pub const PRECEDENCE: [(FieldGroup, &[Source]); 8] = [
    // A capture file knows only what packets show, the portable source only what every system has.
    (FieldGroup::State, &[Source::Ebpf, Source::SockDiag, Source::Portable, Source::Capture]),
    (FieldGroup::Queues, &[Source::Ebpf, Source::SockDiag, Source::Portable]),
    (FieldGroup::Measures, &[Source::Ebpf, Source::SockDiag, Source::Capture]),
    (FieldGroup::Options, &[Source::Ebpf, Source::SockDiag]),
    // Only programs in the kernel count it; packets of a capture file are what its filter let pass.
    (FieldGroup::UdpTraffic, &[Source::Ebpf, Source::Capture]),
    // By socket identity; `/proc` by inode, and only of processes that this user may inspect.
    (FieldGroup::Owners, &[Source::Ebpf, Source::Procfs, Source::Portable]),
    (FieldGroup::Lifecycle, &[Source::Ebpf, Source::Capture, Source::Derived]),
    // What is seen is of now, what was reported of when it was asked.
    (
        FieldGroup::Application,
        &[Source::Wire, Source::Capture, Source::Ebpf, Source::Procfs, Source::Reported],
    ),
];

/// Place of `source` in the order of `group`; lower wins.
fn rank(group: FieldGroup, source: Source) -> usize {
    let sources = PRECEDENCE.iter().find(|(known, _)| *known == group).map(|(_, sources)| *sources);
    let place = |sources: &[Source]| sources.iter().position(|one| *one == source);
    sources.and_then(place).unwrap_or(usize::MAX)
}

/// Whether `one` wins against `other` for this group of fields.
#[must_use]
pub fn outranks(group: FieldGroup, one: Source, other: Source) -> bool {
    rank(group, one) < rank(group, other)
}

/// The rows of all tables in the order they were reported, with one row for each socket that several
/// sources report. Rows of one source stay as they are.
pub(super) fn merged(mut tables: Vec<Vec<SocketSample>>) -> Vec<SocketSample> {
    tables.retain(|rows| !rows.is_empty());
    if tables.len() < 2 {
        return tables.pop().unwrap_or_default();
    }
    if !share_sockets(&tables) {
        return tables.into_iter().flatten().collect();
    }
    let mut rows: Vec<SocketSample> = Vec::with_capacity(tables.iter().map(Vec::len).sum());
    let mut places: HashMap<SocketId, usize, RandomState> = HashMap::default();
    for row in tables.into_iter().flatten() {
        let place = *places.entry(row.id).or_insert(rows.len());
        match rows.get_mut(place) {
            Some(earlier) if earlier.source != row.source => *earlier = combined(earlier, &row),
            _ => rows.push(row),
        }
    }
    rows
}

/// Whether a socket may be in more than one of the tables.
fn share_sockets(tables: &[Vec<SocketSample>]) -> bool {
    // The largest table is searched, and only the others are indexed.
    let Some(largest) = (0..tables.len()).max_by_key(|at| tables.get(*at).map_or(0, Vec::len))
    else {
        return false;
    };
    let others = tables.iter().enumerate().filter(|(at, _)| *at != largest);
    let mut ids: HashSet<SocketId, RandomState> = HashSet::default();
    for row in others.flat_map(|(_, rows)| rows) {
        if !ids.insert(row.id) {
            return true;
        }
    }
    let mut searched = tables.get(largest).into_iter().flatten();
    !ids.is_empty() && searched.any(|row| ids.contains(&row.id))
}

/// One row of the rows that two sources report of a socket.
fn combined(one: &SocketSample, other: &SocketSample) -> SocketSample {
    let (first, second) = if outranks(FieldGroup::State, other.source, one.source) {
        (other, one)
    } else {
        (one, other)
    };
    // Rows in different states are of different moments, and their values do not belong together.
    if first.state != second.state {
        return first.clone();
    }
    let (first, second) = (first.to_socket(), second.to_socket());
    let sources = (first.source, second.source);
    let swaps = |group| outranks(group, sources.1, sources.0);
    let queues = swaps(FieldGroup::Queues);
    let measures = swaps(FieldGroup::Measures);
    let options = swaps(FieldGroup::Options);
    let traffic = swaps(FieldGroup::UdpTraffic);
    let combined = Socket {
        remote: first.remote.or(second.remote),
        inode: known_of(first.inode, second.inode, false),
        uid: known_of(first.uid, second.uid, false),
        interface_name: known_of(first.interface_name, second.interface_name, false),
        ipv6_only: known_of(first.ipv6_only, second.ipv6_only, false),
        timer: known_of(first.timer, second.timer, false),
        shutdown: known_of(first.shutdown, second.shutdown, false),
        queues: known_of(first.queues, second.queues, queues),
        accept_queue: known_of(first.accept_queue, second.accept_queue, queues),
        memory: known_of(first.memory, second.memory, queues),
        tcp: known_of(first.tcp, second.tcp, measures),
        pair: known_of(first.pair, second.pair, false),
        mptcp: known_of(first.mptcp, second.mptcp, measures),
        congestion: known_of(first.congestion, second.congestion, measures),
        tos: known_of(first.tos, second.tos, options),
        mark: known_of(first.mark, second.mark, options),
        cgroup_id: known_of(first.cgroup_id, second.cgroup_id, options),
        upper_layer: known_of(first.upper_layer, second.upper_layer, options),
        udp: known_of(first.udp, second.udp, traffic),
        held_by_kernel: first.held_by_kernel || second.held_by_kernel,
        other: first.other.or(second.other),
        ..first
    };
    combined.into()
}

/// The value of the winner, `second` if `swaps`; of the other one if the winner does not know it.
fn known_of<T>(first: Known<T>, second: Known<T>, swaps: bool) -> Known<T> {
    let (winner, other) = if swaps { (second, first) } else { (first, second) };
    match (winner, other) {
        (Known::Unknown(_), Known::Value(value, source)) => Known::Value(value, source),
        (winner, _) => winner,
    }
}
