//! The details of one process, read through one open descriptor of its `/proc` folder: if the
//! process ends, reads fail, and never answer for another process with the same pid.

use std::os::fd::{AsFd, OwnedFd};

use conns_core::model::{Known, Process, Source, Unknown};
use rustix::fs::{Mode, OFlags, openat, readlinkat};
use rustix::io::Errno;
use uzers::Users;

use crate::parse;

/// Most bytes read of one file of a process; command lines beyond are cut.
const FILE_BYTES: usize = 16 * 1024;

/// What is the same for all processes of one pass.
pub(crate) struct Machine {
    /// Microseconds since 1970 at boot, if `/proc/stat` tells.
    pub(crate) boot_wall_us: Option<i64>,
    /// Clock ticks a second (`sysconf(_SC_CLK_TCK)`).
    pub(crate) ticks_per_s: u64,
    pub(crate) users: uzers::UsersCache,
}

/// What was read of a process.
pub(crate) struct Read {
    pub(crate) process: Process,
    /// When it started, in clock ticks after boot.
    pub(crate) started_ticks: Option<u64>,
}

/// Reads everything of the process whose folder is `folder`.
pub(crate) fn read(pid: u32, folder: &OwnedFd, machine: &Machine) -> Read {
    let stat = file(folder, "stat").map(|bytes| parse::stat(&bytes));
    let mut started_ticks = None;
    let (name, parent_pid, started) = match stat {
        Ok(Some(stat)) => {
            started_ticks = stat.started_ticks;
            let started = started_ticks.and_then(|ticks| machine.started_wall_us(ticks));
            (stat.name, told(stat.parent_pid), told(started))
        }
        Ok(None) => ("?".into(), unknown(Unknown::SourceFailed), unknown(Unknown::SourceFailed)),
        Err(error) => ("?".into(), unknown(why(error)), unknown(why(error))),
    };
    let uid = from_file(folder, "status", parse::effective_uid);
    let cgroup = file(folder, "cgroup").map(|bytes| parse::cgroup(&bytes));
    let (cgroup, container_id, systemd_unit) = match cgroup {
        Ok(cgroup) => {
            (told(cgroup.path), in_none(cgroup.container_id), in_none(cgroup.systemd_unit))
        }
        Err(error) => (unknown(why(error)), unknown(why(error)), unknown(why(error))),
    };
    let executable = match readlinkat(folder, "exe", Vec::with_capacity(128)) {
        Ok(path) => Known::Value(path.to_string_lossy().into(), Source::Procfs),
        Err(error) => unknown(why(error)),
    };
    let process = Process {
        pid,
        name,
        executable,
        command_line: from_file(folder, "cmdline", parse::command_line),
        uid,
        user: uid.and_then(Unknown::SourceCannotTell, |uid| {
            let user = machine.users.get_user_by_uid(uid)?;
            Some(user.name().to_string_lossy().into())
        }),
        started_wall_us: started,
        parent_pid,
        cgroup,
        container_id,
        systemd_unit,
    };
    Read { process, started_ticks }
}

/// A process of which no more than its pid and name is known, because of `why`.
pub(crate) fn bare(pid: u32, name: &str, why: Unknown) -> Process {
    Process {
        pid,
        name: name.into(),
        executable: unknown(why),
        command_line: unknown(why),
        uid: unknown(why),
        user: unknown(why),
        started_wall_us: unknown(why),
        parent_pid: unknown(why),
        cgroup: unknown(why),
        container_id: unknown(why),
        systemd_unit: unknown(why),
    }
}

impl Machine {
    /// Whether a process that started at `ticks` is the one that started so long after boot. The
    /// file tells whole ticks (`nsec_to_clock_t`), so one more or less is the same.
    pub(crate) fn is_same_start(&self, ticks: u64, boot_ns: u64) -> bool {
        let expected = u128::from(boot_ns) * u128::from(self.ticks_per_s) / 1_000_000_000;
        u128::from(ticks).abs_diff(expected) <= 1
    }

    fn started_wall_us(&self, ticks: u64) -> Option<i64> {
        let after_boot_us = ticks.checked_mul(1_000_000)?.checked_div(self.ticks_per_s)?;
        self.boot_wall_us?.checked_add(i64::try_from(after_boot_us).ok()?)
    }
}

fn from_file<T>(folder: &OwnedFd, name: &str, parse: impl FnOnce(&[u8]) -> Option<T>) -> Known<T> {
    match file(folder, name) {
        Ok(bytes) => told(parse(&bytes)),
        Err(error) => unknown(why(error)),
    }
}

/// The first [`FILE_BYTES`] of a file in `folder`.
fn file(folder: impl AsFd, name: &str) -> rustix::io::Result<Vec<u8>> {
    let file = openat(folder, name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let mut bytes = vec![0; FILE_BYTES];
    let mut filled = 0;
    while let Some(room) = bytes.get_mut(filled..).filter(|room| !room.is_empty()) {
        match rustix::io::read(&file, room) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

fn told<T>(value: Option<T>) -> Known<T> {
    Known::from_option(value, Source::Procfs, Unknown::SourceCannotTell)
}

/// A process outside any container or unit has none: that is known, and nothing to show.
fn in_none<T>(value: Option<T>) -> Known<T> {
    value.map_or(Known::NotApplicable, |value| Known::Value(value, Source::Procfs))
}

fn unknown<T>(why: Unknown) -> Known<T> {
    Known::Unknown(why)
}

pub(crate) fn why(error: Errno) -> Unknown {
    match error {
        Errno::ACCESS | Errno::PERM => Unknown::NotPrivileged,
        // A process without an executable (a kernel thread, a zombie) answers ENOENT as well.
        Errno::NOENT | Errno::SRCH => Unknown::Vanished,
        _ => Unknown::SourceFailed,
    }
}
