//! Parsers of the files of `/proc/PID` (proc(5)). They never fail: what cannot be parsed is `None`.

mod container;

use container::container;

/// The socket inode in the target of a `/proc/PID/fd` link: `socket:[12345]`.
#[must_use]
pub fn socket_inode(link: &[u8]) -> Option<u64> {
    let digits = link.strip_prefix(b"socket:[")?.strip_suffix(b"]")?;
    decimal(digits)
}

/// A whole decimal number without sign.
#[must_use]
pub fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

/// The flags with which a file was opened (open(2)), from `/proc/PID/fdinfo/N`, where they are octal.
#[must_use]
pub fn open_flags(info: &[u8]) -> Option<u32> {
    let line = info.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"flags:"))?;
    u32::from_str_radix(std::str::from_utf8(line).ok()?.trim(), 8).ok()
}

/// Fields of `/proc/PID/stat`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stat {
    /// Field 2, `comm`, without its parentheses.
    pub name: Box<str>,
    /// Field 4, `ppid`.
    pub parent_pid: Option<u32>,
    /// Field 22, `starttime`: clock ticks after boot.
    pub started_ticks: Option<u64>,
}

/// Parses `/proc/PID/stat`. The name may contain anything, also parentheses and line breaks, so it ends at the *last*
/// closing parenthesis.
#[must_use]
pub fn stat(bytes: &[u8]) -> Option<Stat> {
    let open = bytes.iter().position(|byte| *byte == b'(')?;
    let close = bytes.iter().rposition(|byte| *byte == b')')?;
    let name = String::from_utf8_lossy(bytes.get(open + 1..close)?).into();
    let mut rest = bytes.get(close + 1..)?.split(u8::is_ascii_whitespace).filter(|f| !f.is_empty());
    // After the name come state (field 3), ppid (4), …, starttime (22).
    let parent_pid = rest.nth(1).and_then(decimal).and_then(|pid| u32::try_from(pid).ok());
    let started_ticks = rest.nth(17).and_then(decimal);
    Some(Stat { name, parent_pid, started_ticks })
}

/// The effective user id in `/proc/PID/status`: second number of the line `Uid:`.
#[must_use]
pub fn effective_uid(status: &[u8]) -> Option<u32> {
    let line = status.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"Uid:"))?;
    let mut numbers = line.split(u8::is_ascii_whitespace).filter(|f| !f.is_empty());
    u32::try_from(decimal(numbers.nth(1)?)?).ok()
}

/// The arguments in `/proc/PID/cmdline`, joined by spaces; `None` for a process without any.
#[must_use]
pub fn command_line(bytes: &[u8]) -> Option<Box<str>> {
    let end = bytes.iter().rposition(|byte| *byte != 0)? + 1;
    let joined: Vec<u8> =
        bytes.get(..end)?.iter().map(|byte| if *byte == 0 { b' ' } else { *byte }).collect();
    Some(String::from_utf8_lossy(&joined).into())
}

/// Fields of `/proc/PID/cgroup`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cgroup {
    /// The path in the unified hierarchy, else in systemd's, else in the first that has one.
    pub path: Option<Box<str>>,
    /// The innermost container in any of its paths: an id, or a name.
    pub container_id: Option<Box<str>>,
    /// The deepest systemd unit in that path.
    pub systemd_unit: Option<Box<str>>,
}

/// Parses `/proc/PID/cgroup` (cgroups(7)): lines of `hierarchy:controllers:path`.
#[must_use]
pub fn cgroup(bytes: &[u8]) -> Cgroup {
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<(&str, &str)> = text
        .lines()
        .filter_map(|line| {
            let (_hierarchy, rest) = line.split_once(':')?;
            rest.split_once(':')
        })
        .collect();
    let of = |controllers: &str| {
        lines.iter().find(|(c, path)| *c == controllers && is_within(path)).map(|(_, path)| *path)
    };
    let path = of("")
        .or_else(|| of("name=systemd"))
        .or_else(|| lines.iter().map(|(_, path)| *path).find(|path| is_within(path)))
        .or_else(|| lines.first().map(|(_, path)| *path));
    let unit = path.and_then(|path| path.rsplit('/').find(|segment| is_unit(segment)));
    Cgroup {
        path: path.map(Into::into),
        container_id: lines.iter().find_map(|(_, path)| container(path)),
        systemd_unit: unit.map(Into::into),
    }
}

/// Whether a path is below the root of this cgroup namespace.
fn is_within(path: &str) -> bool {
    path != "/" && !path.starts_with("/..")
}

fn is_unit(segment: &str) -> bool {
    [".service", ".scope", ".socket", ".mount"]
        .iter()
        .any(|suffix| segment.strip_suffix(suffix).is_some_and(|stem| !stem.is_empty()))
}

/// Seconds since 1970 at which the machine started: the line `btime` of `/proc/stat`.
#[must_use]
pub fn boot_time_s(stat: &[u8]) -> Option<u64> {
    let line = stat.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"btime "))?;
    decimal(line.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_socket_links_have_an_inode() {
        assert_eq!(socket_inode(b"socket:[12345]"), Some(12345));
        for other in [
            &b"pipe:[1]"[..],
            b"socket:[",
            b"socket:[]",
            b"socket:[1x]",
            b"/socket:[1]",
            b"socket:[18446744073709551616]",
        ] {
            assert_eq!(socket_inode(other), None);
        }
    }

    #[test]
    fn stat_is_parsed_behind_any_name() {
        let line = b"77 (a) (b\n) S 12 77 77 0 -1 4194560 1 0 0 0 3 4 0 0 20 0 1 0 98765 1 1";
        let read = stat(line).unwrap();
        assert_eq!(&*read.name, "a) (b\n");
        assert_eq!((read.parent_pid, read.started_ticks), (Some(12), Some(98765)));
        assert_eq!(stat(b"77 (cut) S").unwrap().started_ticks, None);
        assert_eq!(stat(b")("), None);
        assert_eq!(stat(b""), None);
    }

    #[test]
    fn status_and_command_line_are_parsed() {
        let status = b"Name:\tx\nUid:\t1000\t1001\t1002\t1003\nGid:\t0\t0\t0\t0\n";
        assert_eq!(effective_uid(status), Some(1001));
        assert_eq!(effective_uid(b"Uid:\t1000"), None);
        assert_eq!(
            command_line(b"nginx: worker process\0\0\0").as_deref(),
            Some("nginx: worker process")
        );
        assert_eq!(command_line(b"a\0b c\0").as_deref(), Some("a b c"));
        assert_eq!(command_line(b"\0\0"), None);
    }

    #[test]
    fn cgroups_of_both_versions_are_parsed() {
        let id = "0123456789abcdef".repeat(4);
        let v2 = format!("0::/system.slice/docker-{id}.scope\n");
        let read = cgroup(v2.as_bytes());
        assert_eq!(read.container_id.as_deref(), Some(&*id));
        assert_eq!(read.systemd_unit.as_deref(), Some(&*format!("docker-{id}.scope")));
        let hybrid = b"12:cpu,cpuacct:/\n1:name=systemd:/system.slice/nginx.service\n0::/\n";
        let read = cgroup(hybrid);
        assert_eq!(read.path.as_deref(), Some("/system.slice/nginx.service"));
        assert_eq!(read.systemd_unit.as_deref(), Some("nginx.service"));
        assert_eq!(read.container_id, None);
        assert_eq!(cgroup(b"0::/\n").path.as_deref(), Some("/"));
        assert_eq!(cgroup(b"nonsense"), Cgroup::default());
        // A longer run of digits is not a container id.
        assert_eq!(cgroup(format!("0::/{id}0\n").as_bytes()).container_id, None);
    }

    #[test]
    fn boot_time_is_parsed() {
        assert_eq!(boot_time_s(b"cpu 1\nbtime 1700000000\nprocesses 3\n"), Some(1_700_000_000));
        assert_eq!(boot_time_s(b"cpu 1\n"), None);
    }
}
