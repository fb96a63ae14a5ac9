//! Any bytes as a capture file: it is played to its end, within bounds, and its rows and events agree.

#![no_main]

use std::collections::HashSet;
use std::io::Cursor;

use conns_capture::Capture;
use conns_contract::{EventSource, Scope, SocketSource};
use conns_core::model::{EventKind, Known, Protocol};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(capture) = Capture::read(Cursor::new(bytes.to_vec())) else { return };
    let mut events = capture.events();
    let mut opened = HashSet::new();
    loop {
        let is_ended = capture.is_ended();
        let observation = events.observe(capture.now());
        for event in observation.events() {
            let id = event.socket.id;
            match event.kind {
                EventKind::Opened => assert!(opened.insert(id), "opened twice"),
                EventKind::Closed | EventKind::Failed => {
                    opened.remove(&id);
                }
                EventKind::Accepted => unreachable!("packets show no accept"),
            }
        }
        if is_ended {
            break;
        }
    }
    let scope = Scope::everything();
    let Ok(observation) = capture.tables().observe(&scope, capture.now()) else { unreachable!() };
    let mut seen = HashSet::new();
    for row in observation.rows() {
        assert!(seen.insert(row.id), "a row is listed twice");
        if row.protocol == Protocol::Tcp
            && let (Known::Value(tcp, _), Known::Value(out, _)) = (&row.tcp, row.bytes_out())
        {
            assert!(tcp.bytes_sent() >= Some(out));
            assert!(tcp.data_segs_out() <= tcp.segs_out());
        }
    }
    for loss in capture.losses() {
        assert!(loss.count > 0 && !loss.to_string().contains("{count}"));
    }
    // Once more it shows nothing new.
    let Ok(again) = capture.tables().observe(&scope, capture.now()) else { unreachable!() };
    assert_eq!(again.rows().len(), observation.rows().len());
    assert!(again.events().is_empty());
});
