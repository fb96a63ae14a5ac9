//! What the rows of listeners do not have: how full their SYN queue is, and whether accept queues of their
//! network namespace overflowed.

use std::collections::HashMap;
use std::net::IpAddr;

use foldhash::fast::RandomState;

use crate::model::{Known, ListenCounters, Socket, SocketSample, State, Totals, Unknown};

/// What is known of one listener besides its row.
#[derive(Debug, Clone, Copy)]
pub(super) struct ListenerFacts {
    /// Since the sample before.
    pub(super) lately: QueueFacts,
    /// Since the namespace was made.
    pub(super) ever: QueueFacts,
    /// Its accept queue overflows since it listens.
    pub(super) overflows: Known<u64>,
}

/// What happened to the queues of a listener in some time.
#[derive(Debug, Clone, Copy)]
pub(super) struct QueueFacts {
    /// Whether an accept queue of the namespace overflowed; `None` if that could not be read.
    pub(super) has_overflowed: Option<bool>,
    /// Whether the SYN queue is full, and SYNs were dropped or answered with cookies.
    pub(super) syn_queue_is_full: bool,
}

/// The counters of the namespaces that have listeners, and the SYN queues.
#[derive(Debug, Default)]
pub(super) struct ListenStates {
    namespaces: HashMap<u64, Namespace, RandomState>,
    /// How many rows are in SYN-RECV, by namespace and local port, and of these by local address.
    handshakes: HashMap<(u64, u16), Vec<IpAddr>, RandomState>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Namespace {
    /// `None` if they could not be read.
    now: Option<ListenCounters>,
    /// The increase since the sample before; 0 in the first one.
    increase: ListenCounters,
    /// What its listeners dropped, for any reason.
    drops: u64,
}

impl ListenerFacts {
    /// The overflows, widened if the drops were.
    pub(super) fn widened_overflows(&self, totals: Option<Totals>) -> Known<u64> {
        let widened = totals.map(|totals| totals.drops);
        self.overflows.map(|overflows| widened.filter(|_| overflows > 0).unwrap_or(overflows))
    }
}

impl ListenStates {
    /// Applies the rows of a sample and the counters read for it.
    pub(super) fn apply(&mut self, rows: &[SocketSample], counters: Vec<(u64, ListenCounters)>) {
        let before = std::mem::take(&mut self.namespaces);
        self.handshakes.clear();
        for row in rows.iter().filter(|row| row.protocol.is_tcp()) {
            match row.state {
                State::Listen => {
                    let namespace = self.namespaces.entry(row.id.netns).or_default();
                    namespace.drops += u64::from(drops(row).unwrap_or(0));
                }
                State::SynReceived => {
                    let key = (row.id.netns, row.local.port);
                    self.handshakes.entry(key).or_default().push(row.local.address);
                }
                _ => {}
            }
        }
        for (inode, now) in counters {
            let Some(namespace) = self.namespaces.get_mut(&inode) else { continue };
            let earlier = before.get(&inode).and_then(|before| before.now).unwrap_or(now);
            (namespace.now, namespace.increase) = (Some(now), now.since(&earlier));
        }
    }

    /// What is known of `socket`; `None` unless it listens.
    pub(super) fn of(&self, socket: &Socket) -> Option<ListenerFacts> {
        if socket.state != State::Listen || !socket.protocol.is_tcp() {
            return None;
        }
        let namespace = self.namespaces.get(&socket.id.netns).copied().unwrap_or_default();
        let is_full = self.fills_syn_queue(socket);
        let queues = |counters: Option<ListenCounters>| QueueFacts {
            has_overflowed: counters.map(|counters| counters.overflows > 0),
            syn_queue_is_full: is_full && counters.is_some_and(|c| c.has_full_syn_queue()),
        };
        Some(ListenerFacts {
            lately: queues(namespace.now.map(|_| namespace.increase)),
            ever: queues(namespace.now),
            overflows: overflows(socket, namespace),
        })
    }

    /// Whether as many handshakes wait as the SYN queue holds, which is as long as the accept queue may be
    /// (`inet_csk_reqsk_queue_is_full`). Some may have expired since the last SYN.
    fn fills_syn_queue(&self, socket: &Socket) -> bool {
        let Some(queue) = socket.accept_queue.get() else { return false };
        let Some(handshakes) = self.handshakes.get(&(socket.id.netns, socket.local.port)) else {
            return false;
        };
        let address = socket.local.address;
        let is_here = |to: &&IpAddr| address.is_unspecified() || **to == address;
        let waiting = handshakes.iter().filter(is_here).count() as u64;
        waiting * 8 >= u64::from(queue.limit.max(1)) * 7
    }
}

/// The kernel counts drops for each listener and overflows for each namespace. They are overflows if the
/// namespace had no fewer of these than its listeners dropped in all.
fn overflows(socket: &Socket, namespace: Namespace) -> Known<u64> {
    let memory = socket.memory.as_ref();
    let dropped = memory.and_then(Unknown::KernelDoesNotReport, |memory| memory.drops);
    let why = namespace.now.map_or(Unknown::SourceDoesNotReport, |_| Unknown::Ambiguous);
    dropped.map(u64::from).and_then(why, |dropped| match (dropped, namespace.now) {
        (0, _) | (_, Some(ListenCounters { overflows: 0, .. })) => Some(0),
        (_, now) => (now?.overflows >= namespace.drops).then_some(dropped),
    })
}

fn drops(socket: &Socket) -> Option<u32> {
    socket.memory.value().and_then(|memory| memory.drops)
}
