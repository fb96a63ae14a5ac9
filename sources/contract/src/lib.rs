//! What a source is: something that looks at the machine when told to, and says what it saw and
//! what it could not see. Sources never know each other; `services/engine` chooses and joins.
//!
//! The one idea: a failure about one thing (a process, a namespace, a message) is a
//! [`Loss`](conns_core::model::Loss) inside the observation; only a source that can say nothing at
//! all returns an error.

use std::io;
use std::time::Duration;

use conns_core::model::{Moment, Observation, OwnerEntry, Source, State};

/// Which part of the machine's sockets is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// TCP.
    pub tcp: bool,
    /// MPTCP, where the kernel lists it.
    pub mptcp: bool,
    /// UDP.
    pub udp: bool,
    /// Sockets of `AF_INET`.
    pub ipv4: bool,
    /// Sockets of `AF_INET6`.
    pub ipv6: bool,
    /// The states wanted.
    pub states: States,
    /// The network namespaces wanted.
    pub namespaces: Namespaces,
}

impl Scope {
    /// Everything that can be seen.
    #[must_use]
    pub fn everything() -> Self {
        Self {
            tcp: true,
            mptcp: true,
            udp: true,
            ipv4: true,
            ipv6: true,
            states: States::all(),
            namespaces: Namespaces::All,
        }
    }
}

/// A set of states, as a bit for each number of `tcp_states.h`.
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

    /// The set as `TCPF_*` bits, as `idiag_states` wants it. SYN-RECV includes the kernel's inner
    /// `NEW_SYN_RECV` (12).
    #[must_use]
    pub fn kernel_bits(self) -> u32 {
        let new_syn_recv = if self.contains(State::SynReceived) { 1 << 12 } else { 0 };
        self.0 | new_syn_recv
    }
}

/// Which network namespaces are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Namespaces {
    /// All that can be seen.
    All,
    /// The one `conns` runs in.
    Own,
    /// These: each a name under `/run/netns`, an inode, a pid or a path.
    These(Vec<String>),
}

/// The sockets whose holders are wanted, for a [`OwnerSource`].
pub trait InodeFilter {
    /// Whether the holders of the socket with this inode are wanted.
    fn wants(&self, inode: u64) -> bool;
}

/// A source of socket rows.
pub trait SocketSource: Send {
    /// Looks at the sockets of `scope` once. `now` is what the observation is dated with.
    ///
    /// # Errors
    /// [`SourceError`] if not a single table could be read, or the scope names what is not there.
    fn observe(&mut self, scope: &Scope, now: Moment) -> Result<Observation, SourceError>;

    /// What the last observation left out although its scope asked for it, for another source to
    /// tell: nothing, unless said otherwise.
    fn delegated(&self) -> Vec<Scope> {
        Vec::new()
    }

    /// Learns what another source told of `scope`, which the last observation left out.
    fn apply_delegated(&mut self, _scope: &Scope, _told: &Observation) {}
}

/// A source of holders.
pub trait OwnerSource: Send {
    /// Looks for the holders of `wanted` once. `now` is what the observation is dated with.
    ///
    /// # Errors
    /// [`SourceError`] if no process at all could be looked into.
    fn observe(
        &mut self,
        wanted: &dyn InodeFilter,
        now: Moment,
    ) -> Result<Observation, SourceError>;
}

/// A process, as the kernel itself names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Task {
    /// The process id, in the pid namespace of the machine.
    pub pid: u32,
    /// Its `comm`.
    pub name: Box<str>,
    /// When it started: nanoseconds since boot (`task_struct.start_boottime`). With the pid it tells
    /// processes apart until reboot.
    pub started_boot_ns: u64,
}

/// Every descriptor of every process that refers to an internet socket.
#[derive(Debug, Clone, Default)]
pub struct Descriptors {
    /// The processes that [`OwnerEntry::process`] points into, by ascending pid.
    pub tasks: Vec<Task>,
    /// One entry for each descriptor; the subject is the socket's identity.
    pub held: Vec<OwnerEntry>,
}

/// A source of descriptors that knows no more of a process than its name.
pub trait DescriptorSource: Send {
    /// Looks at the descriptors of all processes once.
    ///
    /// # Errors
    /// [`SourceError`] if they cannot be read.
    fn observe(&mut self) -> Result<Descriptors, SourceError>;

    /// Counts up whenever who holds what may have changed: while it stays the same, what was
    /// observed after it was read is still true. `None` where that is not followed.
    fn changes(&mut self) -> Option<u64>;
}

/// A source of what happens to connections, told by the kernel at the moment it happens.
pub trait EventSource: Send {
    /// What has happened since the last call, oldest first, as [`Observation::lifecycle`]. `now` is this
    /// moment; events are dated with when they happened. Losses are those since the last call.
    fn observe(&mut self, now: Moment) -> Observation;

    /// Waits until there is something to observe, or so long.
    ///
    /// # Errors
    /// What the system says if it cannot wait.
    fn wait(&mut self, at_most: Duration) -> io::Result<()>;
}

/// Why a source can say nothing at all.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// It does not work here.
    #[error("{source_name}: cannot {attempted}: {cause}. {remedy}")]
    Unavailable {
        /// Which source.
        source_name: Source,
        /// What was attempted, on what.
        attempted: String,
        /// Why it failed.
        #[source]
        cause: io::Error,
        /// What the user can do, as a sentence.
        remedy: &'static str,
    },
    /// The source that was to stand in for another does not work here either.
    #[error("{first}. In its place: {second}")]
    Both {
        /// Why the first does not work.
        first: String,
        /// Why the second does not.
        second: Box<SourceError>,
    },
    /// The scope names a network namespace that is not there.
    #[error("no network namespace `{wanted}`: {reason}. Known here: {known}")]
    NoSuchNamespace {
        /// What was asked for.
        wanted: String,
        /// Why it is none.
        reason: String,
        /// The names that would work.
        known: String,
    },
}
