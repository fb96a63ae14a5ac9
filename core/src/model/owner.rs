//! The owners of a socket: processes, each read once and shared by all the sockets it owns.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Known, Unknown};

/// A process that owns at least one socket.
///
/// All of it is read through one open descriptor of its `/proc` folder, so it is about the same
/// process even when the pid is reused (proc(5)).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Process {
    /// The process id, as seen from the pid namespace `conns` runs in.
    pub pid: u32,
    /// The name: `comm`, at most 15 bytes on Linux.
    pub name: Box<str>,
    /// Path of the executable.
    pub executable: Known<Box<str>>,
    /// The arguments, joined by spaces.
    pub command_line: Known<Box<str>>,
    /// The effective user id.
    pub uid: Known<u32>,
    /// The name of that user.
    pub user: Known<Box<str>>,
    /// When it started: microseconds since 1970-01-01 UTC.
    pub started_wall_us: Known<i64>,
    /// The process id of its parent.
    pub parent_pid: Known<u32>,
    /// Its control group: path within the hierarchy.
    pub cgroup: Known<Box<str>>,
    /// The container it runs in, by its control group: the id, or of LXC and systemd-nspawn the name.
    pub container_id: Known<Box<str>>,
    /// The systemd unit it belongs to, from its control group.
    pub systemd_unit: Known<Box<str>>,
}

impl Process {
    /// A process with a known pid and name; everything else is unknown because of `why`.
    #[must_use]
    pub fn bare(pid: u32, name: impl Into<Box<str>>, why: Unknown) -> Self {
        Self {
            pid,
            name: name.into(),
            executable: Known::Unknown(why),
            command_line: Known::Unknown(why),
            uid: Known::Unknown(why),
            user: Known::Unknown(why),
            started_wall_us: Known::Unknown(why),
            parent_pid: Known::Unknown(why),
            cgroup: Known::Unknown(why),
            container_id: Known::Unknown(why),
            systemd_unit: Known::Unknown(why),
        }
    }
}

/// One owner of a socket: a process and its descriptor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Owner {
    /// The process.
    pub process: Arc<Process>,
    /// The number of the file descriptor in that process; `None` where the system reports none.
    pub descriptor: Option<u32>,
}
