//! Any bytes as records of programs in the kernel: rows of tables and samples, and events; then everything that is
//! computed from them.

#![no_main]
#![cfg_attr(not(target_os = "linux"), allow(unused))]

#[path = "shared/downstream.rs"]
mod downstream;
#[path = "shared/read.rs"]
mod read;

use conns_contract::Payload;
use conns_core::decode::Streams;
use conns_core::model::{Observation, Source};
use conns_core::track::{Retention, Tracker};
use conns_ebpf::Records;
use downstream::{at, downstream};
use libfuzzer_sys::fuzz_target;
use read::read_all;

fuzz_target!(|bytes: &[u8]| {
    let mut records = Records::new(at(1_000_000));
    if let Some(row) = records.row(bytes) {
        downstream(&[row]);
    }
    let mut streams = Streams::default();
    let mut payload = |record: &[u8]| {
        records.payload(record, &mut |id, at, payload| match payload {
            Payload::Opened { ends, .. } => {
                streams.open(id, ends);
            }
            Payload::Segment { side, segment, before } => {
                streams.lost(id, side, Some(before), at);
                streams.segment(id, side, segment, at);
            }
            Payload::Datagram { side, bytes, cut } => streams.datagram(id, side, bytes, cut, at),
            Payload::Moved { side, bytes_total } => {
                streams.moved_by_process(id, side, bytes_total, at);
            }
        })
    };
    for part in [bytes, bytes.split_at(bytes.len() / 2).1, bytes] {
        payload(part);
    }
    // The same connection may have several events, and be in tables before, between and after them.
    let halves = bytes.split_at(bytes.len() / 2);
    let events: Vec<_> = [bytes, halves.0, halves.1, bytes]
        .iter()
        .filter_map(|record| records.event(record))
        .collect();
    if events.is_empty() {
        return;
    }
    let rows: Vec<_> = events.iter().map(|event| event.socket.clone()).collect();
    let new = |us| Observation::new(Source::Ebpf, at(us));
    let mut tracker = Tracker::new(Retention::Window(std::time::Duration::from_secs(10)));
    for observation in [
        new(0).with_lifecycle(events.clone()),
        new(1_000_000).with_sockets(rows.clone()),
        new(2_000_000).with_lifecycle(events),
        new(2_000_000).with_sockets(rows),
        new(u64::MAX).with_sockets(Vec::new()),
    ] {
        read_all(&tracker.apply(vec![observation]).connections);
        let connections: Vec<_> =
            tracker.take_events().iter().map(|event| event.connection.clone()).collect();
        read_all(&connections);
    }
});
