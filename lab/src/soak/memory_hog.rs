//! Clients that make the agent use memory: bodies and lines without an end, and answers that are not read.

use std::io::{self, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::context::{AttackContext, HTTP_PORTS, LINE_PORTS, Pool};

/// Bodies and lines without an end, at once.
const UNFINISHED: usize = 120;
/// Longer than any body or line the agent accepts, so that the agent closes the connection.
const MAX_SENT: usize = 2 << 20;
/// Clients that send requests and read nothing.
const PIPELINED: usize = 40;
/// Bytes of one write.
const CHUNK: usize = 32 << 10;

/// Sends all but the end of long bodies and lines.
pub(super) fn unfinished(context: &AttackContext<'_>, _: u64) {
    let mut pool = Pool::new(context, UNFINISHED);
    let mut sent = vec![0; UNFINISHED];
    let chunk = vec![b'7'; CHUNK];
    while context.is_running() {
        pool.tend(
            |number| {
                if number % 2 == 0 {
                    return context.dial(LINE_PORTS[number / 2 % LINE_PORTS.len()]);
                }
                let mut client = context.dial(HTTP_PORTS[number / 2 % HTTP_PORTS.len()])?;
                // As long as the longest any dialect takes, and a byte less is sent of it.
                let head =
                    "POST /json_rpc HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1048576\r\n\r\n";
                client.write_all(head.as_bytes())?;
                Ok(client)
            },
            |number, client| {
                let most = if number % 2 == 0 { MAX_SENT } else { (1 << 20) - 1 };
                fill(client, &chunk, &mut sent[number], most)
            },
        );
        context.pause(Duration::from_millis(200));
    }
}

/// Sends more, until the socket's buffer is full.
fn fill(client: &mut TcpStream, chunk: &[u8], sent: &mut usize, most: usize) -> io::Result<()> {
    while *sent < most {
        let left = (most - *sent).min(chunk.len());
        match client.write(&chunk[..left]) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => *sent += written,
            Err(error) => {
                if error.kind() != io::ErrorKind::WouldBlock {
                    *sent = 0;
                }
                return Err(error);
            }
        }
    }
    let peeked = client.peek(&mut [0]);
    if matches!(peeked, Ok(0))
        || peeked.as_ref().is_err_and(|e| e.kind() != io::ErrorKind::WouldBlock)
    {
        *sent = 0;
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}

/// Pipelines requests for long answers, and reads none.
pub(super) fn pipelined(context: &AttackContext<'_>, _: u64) {
    const OVER_HTTP: &str = "GET /api/v1/connections?limit=1000 HTTP/1.1\r\nHost: localhost\r\n\r\n\
         GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";
    const IN_LINES: &str = "listConnections\r\nlistConnectionsIds\r\nhelp\r\n";
    let mut pool = Pool::new(context, PIPELINED);
    let [over_http, in_lines] = [OVER_HTTP, IN_LINES].map(|request| request.repeat(50));
    while context.is_running() {
        pool.tend(
            |number| context.dial_from(None, if number % 2 == 0 { 7979 } else { 1112 }),
            |number, client| {
                let requests = if number % 2 == 0 { &over_http } else { &in_lines };
                client.write(requests.as_bytes()).map(drop)
            },
        );
        context.pause(Duration::from_millis(500));
    }
}
