//! Any bytes as any file of a process: a process chooses its name and its arguments itself.

#![no_main]

use conns_procfs::parse;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Some(stat) = parse::stat(bytes) {
        // Nothing behind the last parenthesis can be part of the name, nothing before it a number.
        let close = bytes.iter().rposition(|byte| *byte == b')').expect("a name ends");
        let after = bytes.get(close..).expect("it is within");
        let again = parse::stat(&[b"1 (x", after].concat()).expect("it is still a stat");
        assert_eq!(again.parent_pid, stat.parent_pid);
        assert_eq!(again.started_ticks, stat.started_ticks);
    }

    let _ = parse::effective_uid(bytes);

    if let Some(line) = parse::command_line(bytes) {
        assert!(!line.is_empty() && !line.contains('\0'));
    }

    let cgroup = parse::cgroup(bytes);
    if let Some(id) = cgroup.container_id {
        assert!(id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit()));
    }
    if let Some(unit) = cgroup.systemd_unit {
        assert!(!unit.contains('/'));
        assert!(cgroup.path.expect("a unit is part of a path").contains(&*unit));
    }

    if let Some(inode) = parse::socket_inode(bytes) {
        let link = String::from_utf8_lossy(bytes);
        assert!(link.starts_with("socket:[") && link.ends_with(&format!("{inode}]")));
    }

    let digits = bytes.iter().all(u8::is_ascii_digit);
    let expected =
        std::str::from_utf8(bytes).ok().filter(|_| digits).and_then(|text| text.parse().ok());
    assert_eq!(parse::decimal(bytes), expected);

    let _ = parse::boot_time_s(bytes);
});
