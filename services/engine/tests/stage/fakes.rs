//! Sources that say what a test tells them to, and count how often they were asked.

#![allow(dead_code, reason = "each test file uses some of it")]

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use conns_contract::{
    DescriptorSource, Descriptors, EventSource, Scope, SocketSource, SourceError, Task,
};
use conns_core::model::{
    CloseReason, Closed, Direction, Endpoint, EventKind, Family, Known, LifecycleEvent, Loss,
    Moment, Netns, Observation, Opened, OwnerEntry, Process, Protocol, Socket, SocketId,
    SocketSample, Source, State, Subject, Unknown,
};

/// Something a test holds one end of, and a source the other.
pub(crate) struct Shared<T>(Arc<(Mutex<T>, Condvar)>);

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: Default> Default for Shared<T> {
    fn default() -> Self {
        Self(Arc::new((Mutex::new(T::default()), Condvar::new())))
    }
}

impl<T> Shared<T> {
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes it, and wakes whoever waits.
    pub(crate) fn set<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        let result = change(&mut self.lock());
        self.0.1.notify_all();
        result
    }
}

/// A table of sockets.
#[derive(Default)]
pub(crate) struct Table {
    pub(crate) rows: Vec<SocketSample>,
    pub(crate) fails: bool,
    pub(crate) delegated: Vec<Scope>,
    pub(crate) asked: Vec<Scope>,
    /// A look lasts until nothing is in there.
    pub(crate) lasts_until_empty: Option<Shared<Ring>>,
}

impl SocketSource for Shared<Table> {
    fn observe(&mut self, scope: &Scope, now: Moment) -> Result<Observation, SourceError> {
        if let Some(ring) = self.lock().lasts_until_empty.clone() {
            while !ring.lock().lifecycle_events.is_empty() {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        let mut table = self.lock();
        table.asked.push(scope.clone());
        if table.fails {
            return Err(broken("read the table"));
        }
        Ok(Observation::new(Source::Ebpf, now).with_sockets(table.rows.clone()))
    }

    fn delegated(&self) -> Vec<Scope> {
        self.lock().delegated.clone()
    }
}

/// What processes hold.
#[derive(Default)]
pub(crate) struct Held {
    pub(crate) changes: Option<u64>,
    pub(crate) told: Descriptors,
    pub(crate) fails: bool,
    pub(crate) walks: u64,
}

impl DescriptorSource for Shared<Held> {
    fn observe(&mut self) -> Result<Descriptors, SourceError> {
        let mut held = self.lock();
        held.walks += 1;
        if held.fails { Err(broken("list the descriptors")) } else { Ok(held.told.clone()) }
    }

    fn changes(&mut self) -> Option<u64> {
        self.lock().changes
    }
}

/// What happens.
#[derive(Default)]
pub(crate) struct Ring {
    pub(crate) lifecycle_events: VecDeque<LifecycleEvent>,
    pub(crate) losses: Vec<Loss>,
    pub(crate) cannot_wait: bool,
    /// Most events told at once.
    pub(crate) batch: Option<usize>,
    pub(crate) waits: u64,
    pub(crate) drains: u64,
}

impl EventSource for Shared<Ring> {
    fn observe(&mut self, now: Moment) -> Observation {
        let mut ring = self.lock();
        ring.drains += 1;
        let count = ring.batch.unwrap_or(usize::MAX).min(ring.lifecycle_events.len());
        let mut lifecycle_events: Vec<_> = ring.lifecycle_events.drain(..count).collect();
        for lifecycle_event in &mut lifecycle_events {
            lifecycle_event.at = now;
        }
        let losses = std::mem::take(&mut ring.losses);
        Observation::new(Source::Ebpf, now).with_lifecycle(lifecycle_events).with_losses(losses)
    }

    fn wait(&mut self, at_most: Duration) -> io::Result<()> {
        let mut ring = self.lock();
        ring.waits += 1;
        if ring.cannot_wait {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let is_empty = |ring: &mut Ring| ring.lifecycle_events.is_empty() && ring.losses.is_empty();
        drop(self.0.1.wait_timeout_while(ring, at_most, is_empty));
        Ok(())
    }
}

fn broken(attempted: &str) -> SourceError {
    SourceError::Unavailable {
        source_name: Source::Ebpf,
        attempted: attempted.to_owned(),
        cause: io::ErrorKind::BrokenPipe.into(),
        remedy: "Do without",
    }
}

/// An established socket with this cookie and inode.
pub(crate) fn socket(cookie: u64) -> SocketSample {
    let end = |last, port| Endpoint { address: [10, 0, 0, last].into(), port };
    let untold = Unknown::SourceCannotTell;
    SocketSample::from(Socket {
        id: SocketId { netns: 1, cookie },
        source: Source::Ebpf,
        netns: Arc::new(Netns::new(1, None, true)),
        protocol: Protocol::Tcp,
        family: Family::Ipv4,
        state: State::Established,
        local: end(1, 1000),
        remote: Some(end(2, 443)),
        interface: 0,
        inode: Known::Value(cookie, Source::Ebpf),
        uid: Known::Unknown(untold),
        queues: Known::Unknown(untold),
        accept_queue: Known::NotApplicable,
        timer: Known::NotApplicable,
        memory: Known::Unknown(untold),
        congestion: Known::Unknown(untold),
        tos: Known::Unknown(untold),
        mark: Known::Unknown(untold),
        cgroup_id: Known::Unknown(untold),
        shutdown: Known::Unknown(untold),
        upper_layer: Known::NotApplicable,
        tcp: Known::Unknown(untold),
        mptcp: Known::NotApplicable,
        udp: Known::NotApplicable,
    })
}

/// The same in another state, in which no descriptor refers to it.
pub(crate) fn unheld(cookie: u64, state: State) -> SocketSample {
    let mut socket = socket(cookie);
    (socket.state, socket.inode) = (state, Known::NotApplicable);
    socket
}

pub(crate) fn task(pid: u32, name: &str) -> Task {
    Task { pid, name: name.into(), started_boot_ns: u64::from(pid) * 1000 }
}

/// The process `process` of the list holds the socket with this cookie by this descriptor.
pub(crate) fn hold(process: u32, cookie: u64, descriptor: u32) -> OwnerEntry {
    let subject = Subject::Socket(SocketId { netns: 1, cookie });
    OwnerEntry { subject, process, descriptor: Some(descriptor) }
}

/// A process of which the name says all.
pub(crate) fn process(pid: u32, name: &str) -> Arc<Process> {
    let untold = Unknown::SourceCannotTell;
    Arc::new(Process {
        pid,
        name: name.into(),
        executable: Known::Unknown(untold),
        command_line: Known::Unknown(untold),
        uid: Known::Unknown(untold),
        user: Known::Unknown(untold),
        started_wall_us: Known::Unknown(untold),
        parent_pid: Known::Unknown(untold),
        cgroup: Known::Unknown(untold),
        container_id: Known::Unknown(untold),
        systemd_unit: Known::Unknown(untold),
    })
}

fn told<T>(value: T) -> Known<T> {
    Known::Value(value, Source::Ebpf)
}

/// Just now, by the process 77.
pub(crate) fn opened(cookie: u64) -> LifecycleEvent {
    LifecycleEvent {
        at: Moment::default(),
        kind: EventKind::Opened,
        socket: socket(cookie),
        direction: told(Direction::Outbound),
        opened: told(Arc::new(Opened {
            at: Moment::default(),
            handshake_us: told(10),
            accept_wait_us: Known::NotApplicable,
            by: told(process(77, "curl")),
        })),
        closed: Known::NotApplicable,
    }
}

pub(crate) fn closed(cookie: u64) -> LifecycleEvent {
    LifecycleEvent {
        kind: EventKind::Closed,
        socket: unheld(cookie, State::Close),
        closed: told(Closed {
            at: Moment::default(),
            duration_us: told(5),
            how: CloseReason::Fin,
            first_closer: Known::Unknown(Unknown::BeganBefore),
            fin_received: true,
        }),
        ..opened(cookie)
    }
}
