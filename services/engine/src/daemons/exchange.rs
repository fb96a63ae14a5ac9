//! One question over HTTP to a port on loopback, within bounds of time and size, without credentials.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::answer::{self, Peer};

/// Most time for one port, from the connection to the end of the answer.
const EXCHANGE_TIME: Duration = Duration::from_secs(2);
/// Most bytes of an answer: 4000 rows.
const MAX_ANSWER: usize = 4 << 20;
/// What an answer begins with. Anything else is of another protocol, and the rest of it is not read.
const HTTP: &[u8] = b"HTTP/1.";
const BODY: &str = r#"{"jsonrpc":"2.0","id":"0","method":"get_connections"}"#;

/// The peers of the node that answers there; `None` if no node does.
pub(super) fn ask(port: SocketAddr) -> Option<Vec<Peer>> {
    let answer = exchange(port).ok()?;
    let end_of_head = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let (head, body) = answer.split_at(end_of_head);
    let mut lines = std::str::from_utf8(head).ok()?.split("\r\n");
    let is_ok = lines.next()?.split(' ').nth(1) == Some("200");
    if !is_ok {
        return None;
    }
    answer::peers(body.get(4..)?)
}

/// The bytes of the answer, up to the end of the connection.
fn exchange(port: SocketAddr) -> io::Result<Vec<u8>> {
    let deadline = Instant::now() + EXCHANGE_TIME;
    let left = || {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { io::Result::Ok(left) }
    };
    let mut stream = TcpStream::connect_timeout(&port, left()?)?;
    let length = BODY.len();
    let request = format!(
        "POST /json_rpc HTTP/1.1\r\nHost: {port}\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n{BODY}"
    );
    stream.set_write_timeout(Some(left()?))?;
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    let mut part = [0; 16 * 1024];
    loop {
        stream.set_read_timeout(Some(left()?))?;
        let read = stream.read(&mut part)?;
        if read == 0 {
            return Ok(answer);
        }
        answer.extend_from_slice(part.get(..read).unwrap_or_default());
        let is_http = answer.iter().zip(HTTP).all(|(byte, expected)| byte == expected);
        if !is_http || answer.len() > MAX_ANSWER {
            return Err(io::ErrorKind::InvalidData.into());
        }
    }
}
