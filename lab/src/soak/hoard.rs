//! Clients that make the agent keep something: bodies and lines without an end, and answers nobody reads.

use std::io::{self, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::field::{Field, HTTP_PORTS, LINE_PORTS, Pool};

/// Bodies and lines without an end, at once.
const UNFINISHED: usize = 120;
/// Longer than any body or line the agent takes, so that it is the agent who ends it.
const SENT_MOST: usize = 2 << 20;
/// Clients that ask again and again and read nothing.
const PIPELINED: usize = 40;
/// So much is written at once.
const PIECE: usize = 32 << 10;

/// Sends all but the end of long bodies and lines.
pub(super) fn unfinished(field: &Field<'_>, _: u64) {
    let mut pool = Pool::new(field, UNFINISHED);
    let mut sent = vec![0; UNFINISHED];
    let piece = vec![b'7'; PIECE];
    while field.goes_on() {
        pool.tend(
            |number| {
                if number % 2 == 0 {
                    return field.dial(LINE_PORTS[number / 2 % LINE_PORTS.len()]);
                }
                let mut client = field.dial(HTTP_PORTS[number / 2 % HTTP_PORTS.len()])?;
                // As long as the longest any dialect takes, and a byte less is sent of it.
                let head =
                    "POST /json_rpc HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1048576\r\n\r\n";
                client.write_all(head.as_bytes())?;
                Ok(client)
            },
            |number, client| {
                let most = if number % 2 == 0 { SENT_MOST } else { (1 << 20) - 1 };
                fill(client, &piece, &mut sent[number], most)
            },
        );
        field.pause(Duration::from_millis(200));
    }
}

/// Sends more, as far as the socket takes it.
fn fill(client: &mut TcpStream, piece: &[u8], sent: &mut usize, most: usize) -> io::Result<()> {
    while *sent < most {
        let left = (most - *sent).min(piece.len());
        match client.write(&piece[..left]) {
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
    let gone = client.peek(&mut [0]);
    if matches!(gone, Ok(0)) || gone.as_ref().is_err_and(|e| e.kind() != io::ErrorKind::WouldBlock)
    {
        *sent = 0;
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}

/// Asks for long answers, one behind the other, and reads none.
pub(super) fn pipelined(field: &Field<'_>, _: u64) {
    const OVER_HTTP: &str = "GET /api/v1/connections?limit=1000 HTTP/1.1\r\nHost: localhost\r\n\r\n\
         GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";
    const IN_LINES: &str = "listConnections\r\nlistConnectionsIds\r\nhelp\r\n";
    let mut pool = Pool::new(field, PIPELINED);
    let [over_http, in_lines] = [OVER_HTTP, IN_LINES].map(|question| question.repeat(50));
    while field.goes_on() {
        pool.tend(
            |number| field.dial_from(None, if number % 2 == 0 { 7979 } else { 1112 }),
            |number, client| {
                let questions = if number % 2 == 0 { &over_http } else { &in_lines };
                client.write(questions.as_bytes()).map(drop)
            },
        );
        field.pause(Duration::from_millis(500));
    }
}
