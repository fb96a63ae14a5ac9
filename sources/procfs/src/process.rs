//! The details of one process, read through one open descriptor of its `/proc` directory: if the process ends, reads
//! fail, and never return data of another process with the same pid.

use std::os::fd::{AsFd, OwnedFd};

use conns_contract::user_id;
use conns_core::model::{Known, Process, Source, Unknown};
use rustix::fs::{Mode, OFlags, openat, readlinkat};
use rustix::io::Errno;
use uzers::Users;

use crate::parse;

/// Most bytes read of one file of a process.
const MAX_FILE_BYTES: usize = 16 * 1024;
/// Longest text of a process, in bytes of JSON. A process chooses its arguments and paths itself, and they are
/// repeated in each of its connections.
const MAX_TEXT_BYTES: usize = 2048;

/// What all processes of one scan share.
pub(crate) struct Machine {
    /// Microseconds since 1970 at boot, from `/proc/stat`.
    pub(crate) boot_wall_us: Option<i64>,
    /// Clock ticks per second (`sysconf(_SC_CLK_TCK)`).
    pub(crate) ticks_per_s: u64,
    pub(crate) users: uzers::UsersCache,
}

/// What was read of a process.
pub(crate) struct Read {
    pub(crate) process: Process,
    /// Its start, in clock ticks after boot.
    pub(crate) started_ticks: Option<u64>,
}

/// Reads the details of the process whose `/proc` directory is `folder`.
pub(crate) fn read(pid: u32, folder: &OwnedFd, machine: &Machine) -> Read {
    let stat = file(folder, "stat").map(|bytes| parse::stat(&bytes));
    let mut started_ticks = None;
    let (name, parent_pid, started) = match stat {
        Ok(Some(stat)) => {
            started_ticks = stat.started_ticks;
            let started = started_ticks.and_then(|ticks| machine.started_wall_us(ticks));
            (stat.name, known(stat.parent_pid), known(started))
        }
        Ok(None) => ("?".into(), unknown(Unknown::SourceFailed), unknown(Unknown::SourceFailed)),
        Err(error) => ("?".into(), unknown(why(error)), unknown(why(error))),
    };
    let uid = match from_file(folder, "status", parse::effective_uid) {
        Known::Value(uid, source) => user_id(uid, source),
        unknown => unknown,
    };
    let cgroup = file(folder, "cgroup").map(|bytes| parse::cgroup(&bytes));
    let (cgroup, container_id, systemd_unit) = match cgroup {
        Ok(cgroup) => (
            known(cgroup.path.map(bounded)),
            known_or_none(cgroup.container_id),
            known_or_none(cgroup.systemd_unit),
        ),
        Err(error) => (unknown(why(error)), unknown(why(error)), unknown(why(error))),
    };
    let executable = match readlinkat(folder, "exe", Vec::with_capacity(128)) {
        Ok(path) => Known::Value(bounded(path.to_string_lossy().into()), Source::Procfs),
        Err(error) => unknown(why(error)),
    };
    let process = Process {
        pid,
        name,
        executable,
        command_line: from_file(folder, "cmdline", parse::command_line).map(bounded),
        uid,
        // A user without an account has its number for a name, as in ps(1).
        user: uid.map(|uid| match machine.users.get_user_by_uid(uid) {
            Some(user) => user.name().to_string_lossy().into(),
            None => uid.to_string().into(),
        }),
        started_wall_us: started,
        parent_pid,
        cgroup,
        container_id,
        systemd_unit,
    };
    Read { process, started_ticks }
}

impl Machine {
    /// Whether both are the same start. `/proc/PID/stat` has whole ticks (`nsec_to_clock_t`), so a difference of one
    /// is ignored.
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
        Ok(bytes) => known(parse(&bytes)),
        Err(error) => unknown(why(error)),
    }
}

/// The text, cut at [`MAX_TEXT_BYTES`] and ended by how many bytes are missing: `…(+14336 bytes)`.
fn bounded(text: Box<str>) -> Box<str> {
    let escaped_bytes = |character: char| match character {
        '"' | '\\' => 2,
        character if character.is_control() => 6,
        character => character.len_utf8(),
    };
    let mut length = 0;
    let is_beyond = |(_, character): &(usize, char)| {
        length += escaped_bytes(*character);
        length > MAX_TEXT_BYTES
    };
    let Some((end, _)) = text.char_indices().find(is_beyond) else { return text };
    let (kept, cut) = text.split_at(end);
    format!("{kept}…(+{} bytes)", cut.len()).into()
}

/// The first [`MAX_FILE_BYTES`] of a file in `folder`.
fn file(folder: impl AsFd, name: &str) -> rustix::io::Result<Vec<u8>> {
    let file = openat(folder, name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let mut bytes = vec![0; MAX_FILE_BYTES];
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

fn known<T>(value: Option<T>) -> Known<T> {
    Known::from_option(value, Source::Procfs, Unknown::SourceDoesNotReport)
}

/// A process outside any container or unit has none, which is known.
fn known_or_none<T>(value: Option<T>) -> Known<T> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_by_their_length_in_json() {
        let plain = "a".repeat(MAX_TEXT_BYTES);
        assert_eq!(*bounded(plain.clone().into()), *plain);
        assert_eq!(*bounded(format!("{plain}bcd").into()), format!("{plain}…(+3 bytes)"));
        let kept = MAX_TEXT_BYTES / 6;
        let hostile = bounded("\u{1}".repeat(1000).into());
        assert_eq!(*hostile, format!("{}…(+{} bytes)", "\u{1}".repeat(kept), 1000 - kept));
        let wide = bounded("é".repeat(MAX_TEXT_BYTES).into());
        assert_eq!(*wide, format!("{}…(+{MAX_TEXT_BYTES} bytes)", "é".repeat(MAX_TEXT_BYTES / 2)));
    }
}
