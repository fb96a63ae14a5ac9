//! Any bytes as netlink messages with the rows of each protocol and family, and as lines of `/proc/net/raw`; then everything that is computed from them.

#![no_main]

#[path = "shared/downstream.rs"]
mod downstream;
#[path = "shared/read.rs"]
mod read;

use std::sync::Arc;

use conns_core::model::{Netns, Protocol, SocketSample};
use conns_sockdiag::{DiagFamily, RowReader, read_family_row, read_proc_net_line, wire};
use downstream::downstream;
use libfuzzer_sys::fuzz_target;

/// More rows find nothing more, and cost time.
const MAX_ROWS: usize = 8;

fuzz_target!(|datagram: &[u8]| {
    let protocols = [
        Protocol::Tcp,
        Protocol::Udp,
        Protocol::Mptcp,
        Protocol::UdpLite,
        Protocol::Raw,
    ];
    let of_families = DiagFamily::ALL.map(|family| read_family(family, datagram));
    let of_internet = protocols.map(|protocol| read(protocol, datagram));
    for sockets in of_internet.into_iter().chain(of_families).chain([read_lines(datagram)]) {
        if !sockets.is_empty() {
            downstream(&sockets);
        }
    }
});

fn netns() -> Arc<Netns> {
    Arc::new(Netns::new(1, None, true))
}

fn read_family(family: DiagFamily, datagram: &[u8]) -> Vec<SocketSample> {
    let payloads = wire::messages(datagram).flatten().map(|message| message.payload);
    let mut name = |index: u32| (index % 2 == 0).then(|| format!("if{index}"));
    let rows = payloads.filter_map(|row| read_family_row(family, &netns(), row, &mut name).ok());
    rows.take(MAX_ROWS).map(SocketSample::from).collect()
}

fn read_lines(text: &[u8]) -> Vec<SocketSample> {
    let text = String::from_utf8_lossy(text);
    let rows = text.lines().filter_map(|line| read_proc_net_line(Protocol::Raw, &netns(), line));
    rows.take(MAX_ROWS).map(SocketSample::from).collect()
}

fn read(protocol: Protocol, datagram: &[u8]) -> Vec<SocketSample> {
    let mut reader = RowReader::new(netns());
    let mut sockets = Vec::new();
    for message in wire::messages(datagram) {
        let message = match message {
            Ok(message) => message,
            Err(malformed) => {
                assert!(!malformed.to_string().is_empty());
                continue;
            }
        };
        assert!(message.error_number() >= 0);
        if let Ok(socket) = reader.read(protocol, message.payload)
            && sockets.len() < MAX_ROWS
        {
            sockets.push(SocketSample::from(socket));
        }
    }
    sockets
}
