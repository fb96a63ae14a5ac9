//! Clients that stay connected: idle ones, slow senders and slow readers.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::context::{AttackContext, HTTP_PORTS, PORTS, Pool};

/// Between two checks of clients that send nothing.
const CHECK_INTERVAL: Duration = Duration::from_millis(500);
/// Clients that send a head without an end.
const SLOW_HEADS: usize = 200;
/// Slow readers; every third never reads.
const SLOW_READERS: usize = 90;
/// Streams requested; the agent allows fewer.
const SUBSCRIBERS: usize = 60;

/// Requests for the longest answers. `NUMBER` becomes the client's, so that no two share an answer.
const LONG_ANSWERS: &[(u16, &str)] = &[
    (7979, "GET /api/v1/connections?view=all&limit=NUMBER HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    (7979, "GET /api/v1/connections?fields=all&limit=NUMBER HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    (7979, "GET /api/v1/verdicts?view=all&limit=NUMBER HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    (7979, "GET /api/v1/snapshot HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    (
        18081,
        "POST /json_rpc HTTP/1.1\r\nHost: localhost\r\nContent-Length: 53\r\n\r\n\
         {\"jsonrpc\":\"2.0\",\"id\":\"0\",\"method\":\"get_connections\"}",
    ),
    (7777, "GET /listConnections HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    (1112, "listConnections\r\n"),
    (1222, "listConnections\r\n"),
    (
        7980,
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 25\r\n\r\nNetwork.GetConnections();",
    ),
];

/// Fails once the agent closed the connection; what it sends is discarded.
fn discard(client: &mut TcpStream) -> io::Result<()> {
    match client.read(&mut [0; 512])? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}

/// Connects and sends nothing.
pub(super) fn idle(context: &AttackContext<'_>, _: u64) {
    let mut pool = Pool::new(context, context.idle);
    while context.is_running() {
        pool.tend(
            |number| context.dial(PORTS[number % PORTS.len()].1),
            |_, client| discard(client),
        );
        context.pause(CHECK_INTERVAL);
    }
}

/// Sends the head of a request, a byte at a time.
pub(super) fn slow_heads(context: &AttackContext<'_>, _: u64) {
    const HEAD: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: ";
    let mut pool = Pool::new(context, SLOW_HEADS);
    let mut turn = 0;
    while context.is_running() {
        pool.tend(
            |number| context.dial(HTTP_PORTS[number % HTTP_PORTS.len()]),
            |_, client| {
                let byte = HEAD.get(turn % 400).copied().unwrap_or(b'x');
                client.write_all(&[byte])?;
                discard(client)
            },
        );
        turn += 1;
        context.pause(CHECK_INTERVAL);
    }
}

/// Requests megabytes and reads a byte a second, or none.
pub(super) fn slow_readers(context: &AttackContext<'_>, _: u64) {
    let mut pool = Pool::new(context, SLOW_READERS);
    while context.is_running() {
        let started = Instant::now();
        pool.tend(
            |number| {
                let (port, request) = LONG_ANSWERS[number % LONG_ANSWERS.len()];
                let mut client = context.dial_from(None, port)?;
                let limit = 10_000 - number % 1000;
                let request = request.replace("NUMBER", &limit.to_string());
                client.write_all(request.as_bytes())?;
                Ok(client)
            },
            |number, client| {
                if number % 3 == 0 {
                    return is_open(client);
                }
                let mut byte = [0];
                match client.read(&mut byte)? {
                    0 => Err(io::ErrorKind::UnexpectedEof.into()),
                    _ => Ok(()),
                }
            },
        );
        context.pause(Duration::from_secs(1).saturating_sub(started.elapsed()));
    }
}

/// Fails once the agent reset the connection; nothing is read.
fn is_open(client: &TcpStream) -> io::Result<()> {
    client.take_error()?.map_or(Ok(()), Err)?;
    // A reset that was reported already shows as the end of the stream.
    client.peek(&mut [0]).and_then(|seen| match seen {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    })
}

/// Subscribes to every change of everything and never reads.
pub(super) fn unread_streams(context: &AttackContext<'_>, _: u64) {
    const REQUEST: &[u8] =
        b"GET /api/v1/changes?view=all&updates=true HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let mut pool = Pool::new(context, SUBSCRIBERS);
    while context.is_running() {
        pool.tend(
            |_| {
                let mut client = context.dial_from(None, 7979)?;
                client.write_all(REQUEST)?;
                Ok(client)
            },
            |_, client| is_open(client),
        );
        context.pause(Duration::from_secs(1));
    }
}
