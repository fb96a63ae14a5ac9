//! Any bytes as an answer of an agent: they are refused, or become connections and events that can be
//! written as records.

#![no_main]

use conns_api::{Answer, Decoder, EventRecords};
use conns_core::model::Connection;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut decoder = Decoder::default();
    let mut out = Vec::new();
    if let Ok(delta) = decoder.decode_update(bytes)
        && delta.since.is_none()
    {
        let update = delta.apply(None).unwrap_or_else(|error| panic!("{error}"));
        let connections: Vec<&Connection> = update.snapshot.connections.iter().collect();
        let (fields, losses) = (Answer::Connections.usual_fields(), &update.snapshot.losses);
        let written = Answer::Connections.write(&mut out, &fields, &connections, losses);
        assert!(written.is_ok());
    }
    if let Ok(answer) = decoder.decode_events(bytes) {
        let mut records = EventRecords::new(None);
        answer.events.iter().for_each(|event| records.append(&mut out, event));
    }
});
