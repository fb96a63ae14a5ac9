//! Records and types from `corpus/ebpf` and `corpus/btf`: each is parsed as its name states; cut records are refused.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test panics on failure")]

use std::fs;
use std::path::Path;

use conns_core::model::{CloseReason, EventKind, Moment, Protocol, State};
use conns_ebpf::{Records, trim_btf};

fn all() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus/ebpf");
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    entries
        .map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            (name.trim_end_matches(".bin").to_owned(), fs::read(entry.path()).unwrap())
        })
        .collect()
}

fn reader() -> Records {
    Records::new(Moment { monotonic_us: 1_000_000, wall_us: 1_700_000_000_000_000 })
}

#[test]
fn each_record_is_parsed_as_its_name_states() {
    let (mut rows, mut events) = (0, 0);
    for (name, bytes) in all() {
        let mut reader = reader();
        let words: Vec<&str> = name.split('-').collect();
        let kind = EventKind::ALL.into_iter().find(|kind| kind.name() == words[0]);
        let socket = match kind {
            Some(kind) => {
                let event = reader.event(&bytes).unwrap();
                assert_eq!(event.kind, kind, "{name}");
                let how = event.closed.get().map(|closed| closed.how);
                match words[1] {
                    "fin" => assert_eq!(how, Some(CloseReason::Fin)),
                    "rst" => assert_eq!(how, Some(CloseReason::ResetReceived)),
                    "timeout" => assert_eq!(how, Some(CloseReason::TimedOut)),
                    _ => {}
                }
                events += 1;
                event.socket
            }
            None => {
                rows += 1;
                reader.row(&bytes).unwrap()
            }
        };
        let is_udp = socket.protocol == Protocol::Udp;
        assert_eq!(is_udp, words[0] == "udp", "{name}");
        assert_eq!((socket.local.port, socket.id.cookie), (443, 77), "{name}");
        if words[0] == "tcp" {
            // Of IPv4 the initial sequence numbers are known.
            let is_known = words[1] == "2" && socket.state.carries_data();
            assert_eq!(socket.pair.value().is_some(), is_known, "{name}");
            let state: u8 = words[2].parse().unwrap();
            let state = State::from_kernel(state).unwrap();
            // Tables contain closed sockets only if they are bound.
            let state = if state == State::Close { State::BoundInactive } else { state };
            assert_eq!(socket.state, state, "{name}");
        }
    }
    assert!(rows > 20 && events > 10, "{rows} rows and {events} events");
}

#[test]
fn a_cut_record_is_refused_or_has_the_same_socket() {
    for (name, bytes) in all() {
        for length in 0..bytes.len() {
            let mut reader = reader();
            let cut = bytes.get(..length).unwrap();
            let row = reader.row(cut);
            assert!(row.is_none() || length == 208, "{name} cut to {length} is {row:?}");
            if let Some(event) = reader.event(cut) {
                assert_eq!(event.socket.id.cookie, 77, "{name} cut to {length}");
            }
        }
    }
}

#[test]
fn trimmed_types_are_types_again() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus/btf");
    let names: [&[u8]; 2] = [b"sock", b"row"];
    let (mut trimmed_files, mut refused) = (0, Vec::new());
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match trim_btf(&fs::read(&path).unwrap(), &names) {
            Some(trimmed) => {
                assert_eq!(trim_btf(&trimmed, &names), Some(trimmed), "{}", path.display());
                trimmed_files += 1;
            }
            None => refused.push(path.file_name().unwrap().to_string_lossy().into_owned()),
        }
    }
    refused.sort();
    assert_eq!(refused, ["cut", "version-2"]);
    assert!(trimmed_files > 20, "{trimmed_files}");
}
