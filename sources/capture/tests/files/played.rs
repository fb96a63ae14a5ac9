//! Plays a file of bytes to its end, and writes down what it shows in lines.

use std::io::Cursor;

use conns_capture::{Capture, CaptureError};
use conns_contract::{EventSource, Scope, SocketSource};
use conns_core::model::{CaptureFault, Loss, LossCause, Observation, SocketSample};

/// What a file shows at its end.
pub(crate) struct Played {
    pub(crate) end: Observation,
    pub(crate) events: Observation,
}

/// Plays it.
pub(crate) fn play(file: Vec<u8>) -> Result<Played, CaptureError> {
    let capture = Capture::read(Cursor::new(file))?;
    let mut events = capture.events();
    let mut all = events.observe(capture.now());
    while !capture.is_ended() {
        let mut more = events.observe(capture.now());
        let lifecycle = more.lifecycle.take().into_iter().flatten();
        all.lifecycle.get_or_insert_default().extend(lifecycle);
        all.applications.extend(more.applications);
    }
    let end = capture.tables().observe(&Scope::everything(), capture.now());
    Ok(Played { end: end.expect("rows"), events: all })
}

impl Played {
    /// A line for each row: ends, state, bytes sent and received, segments sent again.
    pub(crate) fn rows(&self) -> Vec<String> {
        self.end.rows().iter().map(row).collect()
    }

    /// A line for each event.
    pub(crate) fn events(&self) -> Vec<String> {
        let line = |event: &conns_core::model::LifecycleEvent| {
            let closed = event.closed.get();
            let how = closed.map_or("", |closed| closed.how.name());
            let by = closed.and_then(|closed| closed.first_closer.get());
            let by = by.map_or("", |closer| closer.name());
            let direction = event.direction.get().map_or("?", |direction| direction.name());
            format!("{} {direction} {how} {by} {}", event.kind.name(), row(&event.socket))
        };
        self.events.events().iter().map(line).collect()
    }

    /// How often each fault was counted.
    pub(crate) fn losses(&self) -> Vec<(CaptureFault, u64)> {
        let fault = |loss: &Loss| match &loss.cause {
            LossCause::Capture { fault, .. } => (*fault, loss.count),
            other => panic!("{other:?}"),
        };
        self.end.losses.iter().map(fault).collect()
    }
}

fn row(sample: &SocketSample) -> String {
    let number = |n: Option<u64>| n.map_or("?".to_owned(), |n| n.to_string());
    let again = sample.tcp.value().and_then(|tcp| tcp.total_retrans());
    let remote = sample.remote.expect("a peer");
    let fin = sample.tcp.value().is_some_and(|_| sample.state.has_received_fin());
    format!(
        "{}:{}>{}:{} {} {}/{} again {}",
        last(sample.local.address),
        sample.local.port,
        last(remote.address),
        remote.port,
        sample.state.name(),
        number(sample.bytes_out().get()),
        number(sample.bytes_in(fin).get()),
        number(again.map(u64::from)),
    )
}

/// The host part of an address.
fn last(address: std::net::IpAddr) -> u8 {
    match address {
        std::net::IpAddr::V4(v4) => v4.octets()[3],
        std::net::IpAddr::V6(v6) => v6.octets()[15],
    }
}
