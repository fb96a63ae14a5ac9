//! Clients whose host becomes unreachable: the agent receives no FIN or RST, and nothing it sends arrives.
//!
//! They connect from an address that is then removed from the loopback device, so the kernel has no route to them; their
//! own FIN is not sent either.

use std::io::Write;
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use super::context::AttackContext;

/// Clients of one host; the agent accepts at most 256 from one address.
const TOGETHER: usize = 40;
/// Between two hosts.
const INTERVAL: Duration = Duration::from_secs(2);
/// For their requests to arrive.
const ARRIVES: Duration = Duration::from_millis(300);

/// Port, what was sent so far, and seconds after which the agent closes the connection.
const PARTIAL_REQUESTS: &[(u16, &str, u64)] = &[
    // A head.
    (7979, "GET /api/v1/connections HTTP/1.1\r\nHost: 127", 10),
    (18081, "POST /json_rpc HTTP/1.1\r\nContent-Le", 10),
    // A body.
    (18081, "POST /json_rpc HTTP/1.1\r\nHost: localhost\r\nContent-Length: 900\r\n\r\n{\"json", 10),
    (7980, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 25\r\n\r\nNetwork.", 10),
    // Nothing.
    (7979, "", 75),
    // An answer. One that fits the kernel's buffers counts as sent to the agent, and the client as idle.
    (7979, "GET /api/v1/connections?limit=9000&view=all HTTP/1.1\r\nHost: localhost\r\n\r\n", 75),
    (7777, "GET /listConnections HTTP/1.1\r\nHost: localhost\r\n\r\n", 75),
    // A stream, or the refusal of one too many.
    (7979, "GET /api/v1/changes?updates=true HTTP/1.1\r\nHost: localhost\r\n\r\n", 75),
    // A line, and its answer.
    (1222, "listConn", 120),
    (1112, "listConnections\r\n", 600),
];

/// Makes one host after another unreachable.
pub(super) fn unreachable(context: &AttackContext<'_>, _: u64) {
    let mut machine: u32 = 0;
    while context.is_running() {
        machine += 1;
        let [_, _, high, low] = machine.to_be_bytes();
        let address = Ipv4Addr::new(10, 99, high, low);
        let place = format!("{address}/32");
        if context.namespace.ip(&["addr", "add", &place, "dev", "lo"]).is_ok() {
            let clients: Vec<TcpStream> =
                (0..TOGETHER).filter_map(|number| start_client(context, address, number)).collect();
            context.pause(ARRIVES);
            // If this fails the clients only close as others do.
            let _ = context.namespace.ip(&["addr", "del", &place, "dev", "lo"]);
            drop(clients);
        }
        context.pause(INTERVAL);
    }
}

fn start_client(context: &AttackContext<'_>, from: Ipv4Addr, number: usize) -> Option<TcpStream> {
    let cleanup_timeout = context.cleanup_timeout.as_secs();
    let known = PARTIAL_REQUESTS.iter().filter(|(.., seconds)| *seconds < cleanup_timeout).count();
    let (port, words, _) = PARTIAL_REQUESTS[number % known.max(1)];
    let mut client = context.dial_from(Some(from), port).ok()?;
    client.write_all(words.as_bytes()).ok()?;
    Some(client)
}
