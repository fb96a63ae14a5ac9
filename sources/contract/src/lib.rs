//! The traits that sources implement. A source samples the machine when it is called, and returns what it read and
//! what it could not read. Sources do not depend on each other; `services/engine` chooses and joins them.
//!
//! Invariant: a failure that concerns one process, namespace or message is a [`Loss`](conns_core::model::Loss) in the
//! observation; a source returns an error only if it read nothing at all.

mod clock;
pub mod cookie;
mod payload;
#[cfg(target_os = "linux")]
mod time_namespace;
#[cfg(target_os = "linux")]
mod user_namespace;

use std::io;
use std::time::Duration;

use conns_core::model::{Moment, Observation, OtherFamilies, OwnerEntries, Source, State};

pub use clock::{Clock, ReplayClock, SystemClock, after};
pub use payload::{Ends, Payload, PayloadBatch, PayloadSource, Side, Steering, Want};
#[cfg(target_os = "linux")]
pub use time_namespace::ClockOffsets;
#[cfg(target_os = "linux")]
pub use user_namespace::{is_mapped, user_id};

/// Which sockets to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// TCP.
    pub tcp: bool,
    /// MPTCP, if the kernel lists it.
    pub mptcp: bool,
    /// UDP.
    pub udp: bool,
    /// Sockets of `AF_INET`.
    pub ipv4: bool,
    /// Sockets of `AF_INET6`.
    pub ipv6: bool,
    /// Sockets that are neither TCP nor UDP, in every state. A source that cannot read them leaves them out.
    pub others: OtherFamilies,
    /// In these states.
    pub states: States,
    /// In these network namespaces.
    pub namespaces: Namespaces,
    /// At most this many. The others are a loss.
    pub max_sockets: usize,
}

impl Scope {
    /// All sockets of TCP and UDP.
    #[must_use]
    pub fn everything() -> Self {
        Self {
            tcp: true,
            mptcp: true,
            udp: true,
            ipv4: true,
            ipv6: true,
            others: OtherFamilies::EMPTY,
            states: States::all(),
            namespaces: Namespaces::All,
            max_sockets: usize::MAX,
        }
    }
}

/// A set of states: one bit for each number of `tcp_states.h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct States(u32);

impl States {
    /// Every state.
    #[must_use]
    pub fn all() -> Self {
        Self::of(&State::ALL)
    }

    /// These states.
    #[must_use]
    pub fn of(states: &[State]) -> Self {
        let bits = states.iter().fold(0, |bits, state| bits | 1 << (*state as u32));
        Self(bits)
    }

    /// Whether `state` is one of them.
    #[must_use]
    pub fn contains(self, state: State) -> bool {
        self.0 & (1 << (state as u32)) != 0
    }

    /// The set as `TCPF_*` bits for `idiag_states`. SYN-RECV includes the kernel's internal `NEW_SYN_RECV` (12).
    #[must_use]
    pub fn kernel_bits(self) -> u32 {
        let new_syn_recv = if self.contains(State::SynReceived) { 1 << 12 } else { 0 };
        self.0 | new_syn_recv
    }
}

/// A choice of network namespaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Namespaces {
    /// All that can be entered.
    All,
    /// The one `conns` runs in.
    Own,
    /// These: each a name under `/run/netns`, `self`, an inode, a pid or a path.
    These(Vec<String>),
}

/// A set of sockets by inode, for an [`OwnerSource`].
pub trait InodeFilter {
    /// Whether the socket with this inode is in the set.
    fn contains(&self, inode: u64) -> bool;

    /// How many there are.
    fn count(&self) -> u64;
}

/// A source of socket rows.
pub trait SocketSource: Send {
    /// Samples the sockets of `scope`; `now` is the time of the observation.
    ///
    /// # Errors
    /// [`SourceError`] if no table could be read, or `scope` names a namespace that does not exist.
    fn observe(&mut self, scope: &Scope, now: Moment) -> Result<Observation, SourceError>;

    /// The parts of the last scope that the last observation does not contain, because this source cannot read
    /// them: the engine reads them from the fallback source. Empty by default.
    fn delegated(&self) -> Vec<Scope> {
        Vec::new()
    }

    /// Called with the fallback's observation of a scope that [`delegated`](Self::delegated) returned, so that this
    /// source can stop delegating what is empty. Does nothing by default.
    fn apply_delegated(&mut self, _scope: &Scope, _observation: &Observation) {}
}

/// A source of socket owners.
pub trait OwnerSource: Send {
    /// Finds the owners of `sockets`; `now` is the time of the observation.
    ///
    /// # Errors
    /// [`SourceError`] if no process could be inspected.
    fn observe(
        &mut self,
        sockets: &dyn InodeFilter,
        now: Moment,
    ) -> Result<Observation, SourceError>;
}

/// A process as the kernel describes it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Task {
    /// The process id, in the pid namespace of the machine.
    pub pid: u32,
    /// Its `comm`.
    pub name: Box<str>,
    /// Its start: nanoseconds since boot (`task_struct.start_boottime`) in the time namespace of this process. Unique
    /// together with the pid until reboot.
    pub started_boot_ns: u64,
}

/// Every descriptor of every process that refers to an internet socket.
#[derive(Debug, Clone, Default)]
pub struct Descriptors {
    /// The processes that [`OwnerEntry::process`](conns_core::model::OwnerEntry::process) points into, by ascending
    /// pid.
    pub tasks: Vec<Task>,
    /// One entry for each descriptor; the subject is the socket's identity.
    pub entries: OwnerEntries,
    /// Whether processes outside of the pid namespace of this process are missing.
    pub is_partial: bool,
}

/// A source of descriptors. Of processes it knows only pid, name and start.
pub trait DescriptorSource: Send {
    /// Reads the descriptors of all processes.
    ///
    /// # Errors
    /// [`SourceError`] if they cannot be read.
    fn observe(&mut self) -> Result<Descriptors, SourceError>;

    /// A counter that increases when owners may have changed: as long as it is the same, an observation made after
    /// reading it is still valid. `None` if changes are not tracked.
    fn changes(&mut self) -> Option<u64>;
}

/// A source of lifecycle events, which the kernel reports as they happen.
pub trait EventSource: Send {
    /// The events since the last call, oldest first, as [`Observation::lifecycle`], and the losses since then. `now` is
    /// the time of the call; events have times of their own.
    fn observe(&mut self, now: Moment) -> Observation;

    /// Waits until there are events, at most for `timeout`.
    ///
    /// # Errors
    /// The error of poll(2).
    fn wait(&mut self, timeout: Duration) -> io::Result<()>;
}

/// Why a source read nothing at all.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// It does not work on this machine.
    #[error("{source_name}: cannot {attempted}: {cause}. {remedy}")]
    Unavailable {
        /// Which source.
        source_name: Source,
        /// What was attempted, and on what.
        attempted: String,
        /// Why it failed.
        #[source]
        cause: io::Error,
        /// What the user can do, as a sentence.
        remedy: &'static str,
    },
    /// Neither the source nor its fallback works here.
    #[error("{first}. Fallback: {second}")]
    Both {
        /// The error of the source.
        first: String,
        /// The error of the fallback.
        second: Box<SourceError>,
    },
    /// The scope names a network namespace that does not exist.
    #[error("no network namespace `{name}`: {reason}. Known here: {known}")]
    NoSuchNamespace {
        /// The requested name.
        name: String,
        /// Why there is no such namespace.
        reason: String,
        /// The names that exist.
        known: String,
    },
}
