//! The identity of this machine, read once at the start.

use std::fs;
use std::io;

use conns_core::model::{Known, Machine, Source, Unknown};

/// Where the identity of the installation is kept (machine-id(5)); the second is of D-Bus alone.
const MACHINE_ID_FILES: [&str; 2] = ["/etc/machine-id", "/var/lib/dbus/machine-id"];
/// The identity of the boot (random(4)).
const BOOT_ID_FILE: &str = "/proc/sys/kernel/random/boot_id";

/// Reads it. What cannot be read is unknown, with the reason.
pub(crate) fn read() -> Machine {
    let machine_id = MACHINE_ID_FILES.map(|path| text(fs::read_to_string(path), Source::Portable));
    let [first, second] = machine_id.map(|id| id.and_then(Unknown::SourceFailed, hex_32));
    let boot_id = text(fs::read_to_string(BOOT_ID_FILE), Source::Procfs);
    Machine {
        machine_id: if first.value().is_some() || second.value().is_none() {
            first
        } else {
            second
        },
        boot_id: boot_id.and_then(Unknown::SourceFailed, |id| (!id.is_empty()).then_some(id)),
        host: host(),
    }
}

/// The content without white space around it, or why there is none.
fn text(read: io::Result<String>, source: Source) -> Known<Box<str>> {
    match read {
        Ok(text) => Known::Value(text.trim().into(), source),
        Err(error) => Known::Unknown(match error.kind() {
            io::ErrorKind::NotFound => Unknown::SourceDoesNotReport,
            io::ErrorKind::PermissionDenied => Unknown::NotPrivileged,
            _ => Unknown::SourceFailed,
        }),
    }
}

/// A machine id has 32 hexadecimal digits; an image that was never booted has "uninitialized".
fn hex_32(id: Box<str>) -> Option<Box<str>> {
    (id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(id)
}

#[cfg(unix)]
fn host() -> Known<Box<str>> {
    let uname = rustix::system::uname();
    let name = uname.nodename().to_string_lossy();
    let name = (!name.is_empty()).then(|| name.into());
    Known::from_option(name, Source::Portable, Unknown::SourceDoesNotReport)
}

#[cfg(not(unix))]
fn host() -> Known<Box<str>> {
    Known::Unknown(Unknown::SourceDoesNotReport)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_32_hexadecimal_digits() {
        let id = "0123456789abcdef0123456789ABCDEF";
        assert_eq!(hex_32(id.into()).as_deref(), Some(id));
        assert_eq!(hex_32("uninitialized".into()), None);
        assert_eq!(hex_32(id.replace('A', "G").into()), None);
        assert_eq!(hex_32("".into()), None);
    }

    #[test]
    fn an_unreadable_file_is_unknown_with_its_reason() {
        let unknown = |kind: io::ErrorKind| text(Err(kind.into()), Source::Procfs);
        assert_eq!(unknown(io::ErrorKind::NotFound), Known::Unknown(Unknown::SourceDoesNotReport));
        let denied = unknown(io::ErrorKind::PermissionDenied);
        assert_eq!(denied, Known::Unknown(Unknown::NotPrivileged));
        assert_eq!(unknown(io::ErrorKind::TimedOut), Known::Unknown(Unknown::SourceFailed));
        let read = text(Ok(" an id\n".to_owned()), Source::Procfs);
        assert_eq!(read, Known::Value("an id".into(), Source::Procfs));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_boot_id_and_the_host_name_are_those_of_this_machine() {
        let machine = read();
        let boot_id = fs::read_to_string(BOOT_ID_FILE).unwrap();
        assert_eq!(machine.boot_id.value().map(|id| &**id), Some(boot_id.trim()));
        let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
        assert_eq!(machine.host.value().map(|host| &**host), Some(host.trim()));
    }
}
