//! Clients whose machine is gone: no end of the connection ever comes, and nothing sent to them arrives.
//!
//! The one idea: they speak from an address that is then taken off the loopback device, so the kernel has no way to
//! them; what they still send, such as the end of their sockets, does not leave either.

use std::io::Write;
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use super::context::AttackContext;

/// Clients that vanish together; the agent takes no more from one address than 256.
const TOGETHER: usize = 40;
/// Between two machines that vanish.
const INTERVAL: Duration = Duration::from_secs(2);
/// For what they said to arrive.
const ARRIVES: Duration = Duration::from_millis(300);

/// What they were in the middle of, and seconds after which the agent knows.
const WORDS: &[(u16, &str, u64)] = &[
    // A head.
    (7979, "GET /api/v1/connections HTTP/1.1\r\nHost: 127", 10),
    (18081, "POST /json_rpc HTTP/1.1\r\nContent-Le", 10),
    // A body.
    (18081, "POST /json_rpc HTTP/1.1\r\nHost: localhost\r\nContent-Length: 900\r\n\r\n{\"json", 10),
    (7980, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 25\r\n\r\nNetwork.", 10),
    // Nothing.
    (7979, "", 75),
    // An answer; those the kernel has room for look taken to the agent, and the client idle.
    (7979, "GET /api/v1/connections?limit=9000&view=all HTTP/1.1\r\nHost: localhost\r\n\r\n", 75),
    (7777, "GET /listConnections HTTP/1.1\r\nHost: localhost\r\n\r\n", 75),
    // A stream; or the answer that there are too many.
    (7979, "GET /api/v1/changes?updates=true HTTP/1.1\r\nHost: localhost\r\n\r\n", 75),
    // A line, and its answer.
    (1222, "listConn", 120),
    (1112, "listConnections\r\n", 600),
];

/// Vanishes again and again.
pub(super) fn unreachable(context: &AttackContext<'_>, _: u64) {
    let mut machine: u32 = 0;
    while context.is_running() {
        machine += 1;
        let [_, _, high, low] = machine.to_be_bytes();
        let address = Ipv4Addr::new(10, 99, high, low);
        let place = format!("{address}/32");
        if context.namespace.ip(&["addr", "add", &place, "dev", "lo"]).is_ok() {
            let clients: Vec<TcpStream> =
                (0..TOGETHER).filter_map(|number| speak(context, address, number)).collect();
            context.pause(ARRIVES);
            // Without the address they are as good as gone; if it stays they only end as others do.
            let _ = context.namespace.ip(&["addr", "del", &place, "dev", "lo"]);
            drop(clients);
        }
        context.pause(INTERVAL);
    }
}

fn speak(context: &AttackContext<'_>, from: Ipv4Addr, number: usize) -> Option<TcpStream> {
    let cleanup_timeout = context.cleanup_timeout.as_secs();
    let known = WORDS.iter().filter(|(.., seconds)| *seconds < cleanup_timeout).count();
    let (port, words, _) = WORDS[number % known.max(1)];
    let mut client = context.dial_from(Some(from), port).ok()?;
    client.write_all(words.as_bytes()).ok()?;
    Some(client)
}
