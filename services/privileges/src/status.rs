//! Credentials of a thread, read from `/proc/PID/status` (proc_pid_status(5)).

use std::fs;
use std::io;
use std::path::Path;

use rustix::thread::CapabilitySet;

/// Credentials of one thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Status {
    pub(crate) name: String,
    /// Real, effective, saved and file system user id.
    pub(crate) uids: [u32; 4],
    /// The same of the group.
    pub(crate) gids: [u32; 4],
    pub(crate) groups: Vec<u32>,
    pub(crate) inheritable: CapabilitySet,
    pub(crate) permitted: CapabilitySet,
    pub(crate) effective: CapabilitySet,
    pub(crate) bounding: CapabilitySet,
    pub(crate) ambient: CapabilitySet,
    pub(crate) no_new_privs: bool,
    /// `None` where the kernel is built without seccomp.
    pub(crate) seccomp: Option<u32>,
}

impl Status {
    /// Of the first thread of a process: its pid, or `self`.
    pub(crate) fn of_process(process: &str) -> io::Result<Self> {
        Self::read(format!("/proc/{process}/status").as_ref())
    }

    /// Of each thread of a process, its pid or `self`, without those that exit meanwhile.
    pub(crate) fn of_threads(process: &str) -> io::Result<Vec<Self>> {
        let mut all = Vec::new();
        for entry in fs::read_dir(format!("/proc/{process}/task"))? {
            match Self::read(&entry?.path().join("status")) {
                Ok(status) => all.push(status),
                Err(error) if has_exited(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(all)
    }

    fn read(path: &Path) -> io::Result<Self> {
        let text = fs::read_to_string(path)?;
        Self::parse(&text).ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                format!("{}: a line is missing", path.display()),
            )
        })
    }

    fn parse(text: &str) -> Option<Self> {
        let line = |key: &str| {
            let mut lines = text.lines().filter_map(|line| line.split_once(':'));
            lines.find(|(found, _)| *found == key).map(|(_, value)| value.trim())
        };
        let numbers = |key| -> Option<Vec<u32>> {
            line(key)?.split_whitespace().map(|number| number.parse().ok()).collect()
        };
        let set = |key| {
            let bits = u64::from_str_radix(line(key)?, 16).ok()?;
            Some(CapabilitySet::from_bits_retain(bits))
        };
        Some(Self {
            name: line("Name")?.to_owned(),
            uids: numbers("Uid")?.try_into().ok()?,
            gids: numbers("Gid")?.try_into().ok()?,
            groups: numbers("Groups")?,
            inheritable: set("CapInh")?,
            permitted: set("CapPrm")?,
            effective: set("CapEff")?,
            bounding: set("CapBnd")?,
            ambient: set("CapAmb")?,
            no_new_privs: line("NoNewPrivs")? == "1",
            seccomp: line("Seccomp").and_then(|mode| mode.parse().ok()),
        })
    }
}

/// Whether a read failed because its thread has exited.
fn has_exited(error: &io::Error) -> bool {
    // The file is removed, or reading the open file finds no thread (ESRCH).
    error.kind() == io::ErrorKind::NotFound
        || rustix::io::Errno::from_io_error(error) == Some(rustix::io::Errno::SRCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Linux 6.18 writes it, shortened.
    const TEXT: &str = "Name:\tconns: x\nUmask:\t0022\nUid:\t1\t2\t3\t4\nGid:\t5\t6\t7\t8\n\
        Groups:\t4 24 \nCapInh:\t0000000000000000\nCapPrm:\t0000000000080004\n\
        CapEff:\t0000000000080000\nCapBnd:\t000001ffffffffff\nCapAmb:\t0000000000000000\n\
        NoNewPrivs:\t1\nSeccomp:\t2\nSeccomp_filters:\t3\n";

    #[test]
    fn every_line_is_read() {
        let status = Status::parse(TEXT).unwrap();
        assert_eq!(status.name, "conns: x");
        assert_eq!((status.uids, status.gids), ([1, 2, 3, 4], [5, 6, 7, 8]));
        assert_eq!(status.groups, [4, 24]);
        assert_eq!(status.permitted, CapabilitySet::SYS_PTRACE | CapabilitySet::DAC_READ_SEARCH);
        assert_eq!(status.effective, CapabilitySet::SYS_PTRACE);
        assert_eq!(status.bounding.bits(), (1 << 41) - 1);
        assert!(status.inheritable.is_empty() && status.ambient.is_empty());
        assert!(status.no_new_privs);
        assert_eq!(status.seccomp, Some(2));
    }

    #[test]
    fn without_seccomp_the_mode_is_unknown() {
        let text = TEXT.replace("Seccomp:\t2\n", "");
        assert_eq!(Status::parse(&text).unwrap().seccomp, None);
    }

    #[test]
    fn a_missing_line_is_an_error() {
        for key in ["Uid", "Groups", "CapEff", "CapBnd", "NoNewPrivs"] {
            let text = TEXT.replace(&format!("\n{key}:"), "\nOther:");
            assert_eq!(Status::parse(&text), None, "{key}");
        }
    }
}
