//! Records of programs, from `corpus/ebpf`: each is read as what its name says, and cut anywhere it is refused.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test says by panicking what went wrong")]

use std::fs;
use std::path::Path;

use conns_core::model::{CloseReason, EventKind, Moment, Protocol, State};
use conns_ebpf::Records;

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
fn each_is_read_as_what_it_is() {
    let (mut rows, mut events) = (0, 0);
    for (name, bytes) in all() {
        let mut reader = reader();
        let words: Vec<&str> = name.split('-').collect();
        let kind = EventKind::ALL.into_iter().find(|kind| kind.name() == words[0]);
        let socket = match kind {
            Some(kind) => {
                let told = reader.event(&bytes).unwrap();
                assert_eq!(told.kind, kind, "{name}");
                let how = told.closed.get().map(|closed| closed.how);
                match words[1] {
                    "fin" => assert_eq!(how, Some(CloseReason::Fin)),
                    "rst" => assert_eq!(how, Some(CloseReason::ResetReceived)),
                    "timeout" => assert_eq!(how, Some(CloseReason::TimedOut)),
                    _ => {}
                }
                events += 1;
                told.socket
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
            let state: u8 = words[2].parse().unwrap();
            let told = State::from_kernel(state).unwrap();
            // Of closed sockets only bound ones are in a table.
            let told = if told == State::Close { State::BoundInactive } else { told };
            assert_eq!(socket.state, told, "{name}");
        }
    }
    assert!(rows > 20 && events > 10, "{rows} rows and {events} events");
}

#[test]
fn cut_anywhere_it_is_none_or_still_says_who() {
    for (name, bytes) in all() {
        for length in 0..bytes.len() {
            let mut reader = reader();
            let cut = bytes.get(..length).unwrap();
            let row = reader.row(cut);
            assert!(row.is_none() || length == 200, "{name} cut to {length} is {row:?}");
            if let Some(told) = reader.event(cut) {
                assert_eq!(told.socket.id.cookie, 77, "{name} cut to {length}");
            }
        }
    }
}
