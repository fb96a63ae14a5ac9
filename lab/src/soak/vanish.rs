//! Clients whose machine is gone: no end of the connection ever comes, and nothing sent to them arrives.
//!
//! The one idea: they speak from an address that is then taken off the loopback device, so the kernel has no way to
//! them; what they still send, such as the end of their sockets, does not leave either.

use std::io::Write;
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use super::field::Field;

/// Clients that vanish together; the agent takes no more from one address than 256.
const TOGETHER: usize = 40;
/// Between two machines that vanish.
const EVERY: Duration = Duration::from_secs(2);
/// For what they said to arrive.
const ARRIVES: Duration = Duration::from_millis(300);

/// What they were in the middle of.
const WORDS: &[(u16, &str)] = &[
    // A head.
    (7979, "GET /api/v1/connections HTTP/1.1\r\nHost: 127"),
    (18081, "POST /json_rpc HTTP/1.1\r\nContent-Le"),
    // A body.
    (18081, "POST /json_rpc HTTP/1.1\r\nHost: localhost\r\nContent-Length: 900\r\n\r\n{\"json"),
    (7980, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 25\r\n\r\nNetwork."),
    // An answer.
    (7979, "GET /api/v1/connections?limit=9000&view=all HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    (7777, "GET /listConnections HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    (1112, "listConnections\r\n"),
    // A stream.
    (7979, "GET /api/v1/changes?updates=true HTTP/1.1\r\nHost: localhost\r\n\r\n"),
];

/// Vanishes again and again.
pub(super) fn vanish(field: &Field<'_>, _: u64) {
    let mut machine: u32 = 0;
    while field.goes_on() {
        machine += 1;
        let [_, _, high, low] = machine.to_be_bytes();
        let address = Ipv4Addr::new(10, 99, high, low);
        let place = format!("{address}/32");
        if field.namespace.ip(&["addr", "add", &place, "dev", "lo"]).is_ok() {
            let clients: Vec<TcpStream> =
                (0..TOGETHER).filter_map(|number| speak(field, address, number)).collect();
            field.pause(ARRIVES);
            // Without the address they are as good as gone; if it stays they only end as others do.
            let _ = field.namespace.ip(&["addr", "del", &place, "dev", "lo"]);
            drop(clients);
        }
        field.pause(EVERY);
    }
}

fn speak(field: &Field<'_>, from: Ipv4Addr, number: usize) -> Option<TcpStream> {
    let (port, words) = WORDS[number % WORDS.len()];
    let mut client = field.dial_from(Some(from), port).ok()?;
    // The first of them has said nothing, where there is the time to wait for what becomes of it.
    if !(field.vanish_idle && number < WORDS.len()) {
        client.write_all(words.as_bytes()).ok()?;
    }
    Some(client)
}
