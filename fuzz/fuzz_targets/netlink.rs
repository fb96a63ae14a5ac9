//! Any bytes as netlink messages with the rows of each protocol; then everything that is computed from them.

#![no_main]

#[path = "shared/downstream.rs"]
mod downstream;
#[path = "shared/read.rs"]
mod read;

use std::sync::Arc;

use conns_core::model::{Netns, Protocol, SocketSample};
use conns_sockdiag::{RowReader, wire};
use downstream::downstream;
use libfuzzer_sys::fuzz_target;

/// More rows find nothing more, and cost time.
const MAX_ROWS: usize = 8;

fuzz_target!(|datagram: &[u8]| {
    for protocol in [Protocol::Tcp, Protocol::Udp, Protocol::Mptcp] {
        let sockets = read(protocol, datagram);
        if !sockets.is_empty() {
            downstream(&sockets);
        }
    }
});

fn read(protocol: Protocol, datagram: &[u8]) -> Vec<SocketSample> {
    let mut reader = RowReader::new(Arc::new(Netns::new(1, None, true)));
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
