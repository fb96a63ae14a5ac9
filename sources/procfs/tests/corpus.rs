//! Recorded files of processes from `corpus/procfs`: complete, cut and damaged.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "clippy knows only the functions marked #[test] as tests"
)]

use std::fs;
use std::path::{Path, PathBuf};

use conns_procfs::parse;
use proptest::prelude::*;

/// The recording that tests take figures from.
const FIGURES_OF: &str = "linux-6.18";
/// The folders of the corpus: one for each parser.
const KINDS: [&str; 6] = ["stat", "status", "cmdline", "cgroup", "link", "boot"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus/procfs")
}

/// A recorded file by kind and name; a missing one fails the test.
fn file(kind: &str, name: &str) -> Vec<u8> {
    let path = root().join(kind).join(FIGURES_OF).join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every file of this kind, of every kernel: its name and its bytes.
fn all(kind: &str) -> Vec<(String, Vec<u8>)> {
    let listed = |folder: &Path| {
        let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
        entries.map(|entry| entry.unwrap().path()).collect::<Vec<_>>()
    };
    let paths = listed(&root().join(kind)).into_iter().flat_map(|kernel| listed(&kernel));
    let mut files: Vec<(String, Vec<u8>)> = paths
        .map(|path| (path.display().to_string(), fs::read(&path).expect("a file of the corpus")))
        .collect();
    files.sort_unstable();
    assert!(!files.is_empty(), "no {kind} in the corpus");
    files
}

#[test]
fn process_names_may_contain_anything() {
    for (name, expected) in [
        ("plain", "nginx"),
        ("spaces", "web content  x"),
        ("parentheses", "a) (b"),
        ("only-closing", "))))"),
        ("forged", "x) R 1 1 1 0 -1"),
        ("newline", "two\nlines\n"),
        ("tab-and-escape", "\t\x1b[31m\\"),
        ("not-utf8", "\u{fffd}\u{fffd}\u{fffd}"),
        ("cut-character", "aaaaaaaaaaaaa\u{e9}"),
        ("empty", "\n"),
        ("kernel-thread", "kthreadd"),
    ] {
        assert_eq!(&*parse::stat(&file("stat", name)).expect(name).name, expected);
    }
}

#[test]
fn numbers_after_the_name_are_found_behind_any_name() {
    let plain = parse::stat(&file("stat", "plain")).unwrap();
    for (path, bytes) in all("stat") {
        let stat = parse::stat(&bytes).unwrap_or_else(|| panic!("{path}"));
        assert!(stat.parent_pid.is_some() && stat.started_ticks.is_some(), "{path}");
        let is_child = !path.ends_with("kernel-thread") && !path.ends_with("zombie");
        if is_child && path.contains(FIGURES_OF) {
            assert_eq!(stat.parent_pid, plain.parent_pid, "{path}");
        }
    }
    let thread = parse::stat(&file("stat", "kernel-thread")).unwrap();
    assert_eq!((thread.parent_pid, thread.started_ticks), (Some(0), Some(30)));
}

#[test]
fn the_effective_user_is_the_second_number() {
    assert_eq!(parse::effective_uid(&file("status", "three-uids")), Some(1001));
    for (path, bytes) in all("status") {
        assert!(parse::effective_uid(&bytes).is_some(), "{path}");
    }
}

#[test]
fn arguments_are_joined_and_empty_ones_are_none() {
    let line = |name| parse::command_line(&file("cmdline", name));
    assert_eq!(line("arguments").as_deref(), Some("nginx -g daemon off;"));
    assert_eq!(line("title").as_deref(), Some("nginx: worker process"));
    assert_eq!(line("empty-arguments").as_deref(), Some("sleep   x"));
    assert_eq!(line("newline").as_deref(), Some("sh -c read line\n:"));
    assert_eq!(line("not-utf8").as_deref(), Some("sleep \u{fffd}\u{fffd} gr\u{f6}\u{df}e"));
    assert!(line("long").is_some_and(|line| line.ends_with(" -Dproperty.59=value")));
    assert_eq!((line("zombie"), line("kernel-thread")), (None, None));
}

#[test]
fn units_and_containers_are_found_in_either_version() {
    let id = "0123456789abcdef".repeat(4);
    let docker = format!("docker-{id}.scope");
    let kubernetes = format!("cri-containerd-{id}.scope");
    for version in ["v1", "v2"] {
        let read = |name| parse::cgroup(&file("cgroup", &format!("{name}-{version}")));
        let unit = read("unit");
        assert_eq!(unit.path.as_deref(), Some("/system.slice/nginx.service"));
        assert_eq!(unit.systemd_unit.as_deref(), Some("nginx.service"));
        assert_eq!(unit.container_id, None);
        for (name, unit) in [("docker", &docker), ("kubernetes", &kubernetes)] {
            let group = read(name);
            assert_eq!(group.container_id.as_deref(), Some(&*id));
            assert_eq!(group.systemd_unit.as_deref(), Some(&**unit));
        }
        assert_eq!(read("user").systemd_unit.as_deref(), Some("app:foot.scope"));
        let odd = read("colon-and-spaces");
        assert_eq!(odd.path.as_deref(), Some("/odd.slice/a: b:c.service"));
    }
    let none = parse::cgroup(&file("cgroup", "root"));
    assert_eq!(none.path.as_deref(), Some("/"));
    assert_eq!((none.container_id, none.systemd_unit), (None, None));
}

#[test]
fn only_sockets_have_an_inode() {
    for (path, link) in all("link") {
        let is_socket = path.ends_with("/socket") || path.ends_with("/socket-unix");
        assert_eq!(parse::socket_inode(&link).is_some(), is_socket, "{path}");
    }
}

#[test]
fn the_boot_time_is_found() {
    for (path, bytes) in all("boot") {
        assert!(parse::boot_time_s(&bytes).is_some_and(|s| s > 1_000_000_000), "{path}");
    }
}

/// Passes the bytes to every parser.
fn read_as_anything(bytes: &[u8]) {
    let _ = parse::stat(bytes);
    let _ = parse::effective_uid(bytes);
    assert!(parse::command_line(bytes).is_none_or(|line| !line.contains('\0')));
    let _ = parse::cgroup(bytes);
    let _ = parse::socket_inode(bytes);
    let _ = parse::decimal(bytes);
    let _ = parse::boot_time_s(bytes);
}

#[test]
fn a_cut_file_has_fewer_fields_but_no_other_values() {
    for kind in KINDS {
        for (_, bytes) in all(kind) {
            for length in 0..bytes.len() {
                read_as_anything(&bytes[..length]);
            }
        }
    }
    for (path, bytes) in all("stat") {
        let whole = parse::stat(&bytes).unwrap();
        let name_ends = bytes.iter().rposition(|byte| *byte == b')').unwrap();
        for length in name_ends + 1..bytes.len() {
            let cut = parse::stat(&bytes[..length]).unwrap();
            assert_eq!(cut.name, whole.name, "{path}");
            // A number that is cut within its digits looks like a complete one.
            assert!(cut.started_ticks.is_none() || cut.parent_pid == whole.parent_pid, "{path}");
        }
    }
}

proptest! {
    #[test]
    fn a_damaged_file_is_parsed_or_refused(
        kind in prop::sample::select(&KINDS[..]),
        which in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
    ) {
        let files = all(kind);
        let mut bytes = files[which.index(files.len())].1.clone();
        for (at, byte) in changes {
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                match byte % 3 {
                    0 => bytes.truncate(at),
                    1 => bytes.insert(at, byte),
                    _ => bytes[at] = byte,
                }
            }
        }
        read_as_anything(&bytes);
    }

    #[test]
    fn any_bytes_are_parsed_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..256)) {
        read_as_anything(&bytes);
    }
}
