//! Any bytes as what programs in the kernel tell: rows of tables and of looks, and events; then everything that is
//! made of them.

#![no_main]
#![cfg_attr(not(target_os = "linux"), allow(unused))]

#[path = "shared/downstream.rs"]
mod downstream;

use conns_core::model::{Facts, Observation, Source};
use conns_core::track::{Retention, Tracker};
use conns_ebpf::Records;
use downstream::{at, downstream, look_at};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut records = Records::new(at(1_000_000));
    if let Some(row) = records.row(bytes) {
        downstream(&[row]);
    }
    // The same connection may be told of again and again, and be in tables before, between and after.
    let halves = bytes.split_at(bytes.len() / 2);
    let told: Vec<_> =
        [bytes, halves.0, halves.1, bytes].iter().filter_map(|record| records.event(record)).collect();
    if told.is_empty() {
        return;
    }
    let rows: Vec<_> = told.iter().map(|lifecycle_event| lifecycle_event.socket.clone()).collect();
    let say = |facts, us| {
        vec![Observation { source: Source::Ebpf, at: at(us), facts: vec![facts], losses: Vec::new() }]
    };
    let mut tracker = Tracker::new(Retention::Window(std::time::Duration::from_secs(10)));
    for (facts, us) in [
        (Facts::LifecycleEvents(told.clone()), 0),
        (Facts::Sockets(rows.clone()), 1_000_000),
        (Facts::LifecycleEvents(told), 2_000_000),
        (Facts::Sockets(rows), 2_000_000),
        (Facts::Sockets(Vec::new()), u64::MAX),
    ] {
        look_at(&tracker.apply(say(facts, us)).connections);
        let events: Vec<_> =
            tracker.take_events().iter().map(|event| event.connection.clone()).collect();
        look_at(&events);
    }
});
