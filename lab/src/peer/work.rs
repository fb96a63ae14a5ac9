//! What a connection does, written as `name:number:number` in scenarios.

use std::io::{ErrorKind, Read, Result, Write};
use std::net::{Shutdown, TcpStream};
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use serde_json::json;

use super::stdio::{COMMANDS, emit};

/// The work of one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// `sink`: reads all, at once.
    Sink,
    /// `flood` or `flood:BYTES`: writes as fast as the kernel accepts, BYTES a call.
    Flood(usize),
    /// `drip:BYTES:MILLIS`: writes BYTES every MILLIS.
    Drip(usize, u64),
    /// `sip:BYTES`: reads BYTES per second.
    Sip(u64),
    /// `ignore`: neither reads nor writes.
    Ignore,
    /// `ask:REQUEST:RESPONSE:MILLIS`: sends a request, reads the response, pauses, again.
    Ask(usize, usize, u64),
    /// `answer:REQUEST:RESPONSE`: the other side of `ask`.
    Answer(usize, usize),
    /// `exact:SEND:RECEIVE`: moves exactly SEND and RECEIVE bytes, reports that, and stays open; `fin` shuts its sending side.
    Exact(u64, u64),
    /// `hello:BYTES`: writes once, then reads all.
    Hello(usize),
    /// `bye:BYTES`: writes once, then closes.
    Bye(usize),
    /// `leak`: reads all, and does not close after the peer has.
    Leak,
}

const CHUNK: usize = 256 * 1024;
/// Reads per second of a slow reader: often enough that the window, not the interval, limits the peer.
const SIPS_PER_SECOND: u64 = 20;

impl FromStr for Work {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let (name, rest) = text.split_once(':').unwrap_or((text, ""));
        let numbers: Vec<u64> = rest
            .split(':')
            .filter(|part| !part.is_empty())
            .map(|part| {
                part.parse()
                    .map_err(|_| format!("`{part}` in the work `{text}` is no whole number"))
            })
            .collect::<std::result::Result<_, _>>()?;
        let size = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        match (name, numbers.as_slice()) {
            ("sink", []) => Ok(Self::Sink),
            ("flood", []) => Ok(Self::Flood(CHUNK)),
            ("flood", &[bytes]) => Ok(Self::Flood(size(bytes))),
            ("drip", &[bytes, millis]) => Ok(Self::Drip(size(bytes), millis)),
            ("sip", &[bytes]) => Ok(Self::Sip(bytes)),
            ("ignore", []) => Ok(Self::Ignore),
            ("ask", &[request, response, millis]) => {
                Ok(Self::Ask(size(request), size(response), millis))
            }
            ("answer", &[request, response]) => Ok(Self::Answer(size(request), size(response))),
            ("exact", &[send, receive]) => Ok(Self::Exact(send, receive)),
            ("hello", &[bytes]) => Ok(Self::Hello(size(bytes))),
            ("bye", &[bytes]) => Ok(Self::Bye(size(bytes))),
            ("leak", []) => Ok(Self::Leak),
            _ => Err(format!(
                "`{text}` is no work; known are sink, flood, flood:B, drip:B:MS, sip:B, ignore, ask:B:B:MS, answer:B:B, exact:B:B, hello:B, bye:B, leak"
            )),
        }
    }
}

impl Work {
    /// Does the work until the connection or the process ends; a connection ended by the peer is no error.
    pub(super) fn run(self, mut stream: TcpStream) {
        let outcome = match self {
            Self::Sink | Self::Leak => sink(&mut stream),
            Self::Bye(bytes) => stream.write_all(&vec![7; bytes]),
            Self::Flood(bytes) => flood(&mut stream, bytes),
            Self::Drip(bytes, millis) => drip(&mut stream, bytes, Duration::from_millis(millis)),
            Self::Sip(bytes) => sip(&mut stream, bytes),
            Self::Ignore => Ok(()),
            Self::Ask(request, response, millis) => {
                ask(&mut stream, request, response, Duration::from_millis(millis))
            }
            Self::Answer(request, response) => answer(&mut stream, request, response),
            Self::Exact(send, receive) => exact(&stream, send, receive),
            Self::Hello(bytes) => {
                stream.write_all(&vec![7; bytes]).and_then(|()| sink(&mut stream))
            }
        };
        if let Err(error) = outcome
            && !matches!(
                error.kind(),
                ErrorKind::ConnectionReset
                    | ErrorKind::BrokenPipe
                    | ErrorKind::UnexpectedEof
                    | ErrorKind::TimedOut
            )
        {
            eprintln!("lab peer: doing {self:?} failed: {error}");
        }
        // The end of the work does not close the connection: the scenario decides when that happens.
        if matches!(self, Self::Ignore | Self::Exact(..) | Self::Leak) {
            COMMANDS.wait("close");
        }
    }
}

fn sink(stream: &mut TcpStream) -> Result<()> {
    let mut chunk = vec![0; CHUNK];
    while stream.read(&mut chunk)? > 0 {}
    Ok(())
}

fn flood(stream: &mut TcpStream, bytes: usize) -> Result<()> {
    let chunk = vec![7; bytes];
    loop {
        stream.write_all(&chunk)?;
    }
}

fn drip(stream: &mut TcpStream, bytes: usize, every: Duration) -> Result<()> {
    let chunk = vec![7; bytes];
    let mut next = Instant::now();
    loop {
        stream.write_all(&chunk)?;
        next += every;
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
}

fn sip(stream: &mut TcpStream, bytes_per_second: u64) -> Result<()> {
    let ration = usize::try_from(bytes_per_second / SIPS_PER_SECOND).unwrap_or(usize::MAX).max(1);
    let mut chunk = vec![0; ration];
    let mut next = Instant::now();
    loop {
        if stream.read(&mut chunk)? == 0 {
            return Ok(());
        }
        next += Duration::from_millis(1000 / SIPS_PER_SECOND);
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
}

fn ask(stream: &mut TcpStream, request: usize, response: usize, pause: Duration) -> Result<()> {
    let asked = vec![7; request];
    let mut answered = vec![0; response];
    loop {
        stream.write_all(&asked)?;
        stream.read_exact(&mut answered)?;
        std::thread::sleep(pause);
    }
}

fn answer(stream: &mut TcpStream, request: usize, response: usize) -> Result<()> {
    let mut asked = vec![0; request];
    let answered = vec![7; response];
    loop {
        stream.read_exact(&mut asked)?;
        stream.write_all(&answered)?;
    }
}

fn exact(stream: &TcpStream, send: u64, receive: u64) -> Result<()> {
    let sent = AtomicU64::new(0);
    let received = std::thread::scope(|scope| {
        scope.spawn(|| {
            let chunk = vec![7; CHUNK];
            let mut stream = stream;
            while let left @ 1.. = send - sent.load(Relaxed) {
                let take = usize::try_from(left).map_or(CHUNK, |left| left.min(CHUNK));
                match stream.write(&chunk[..take]) {
                    Ok(bytes) => sent.fetch_add(bytes as u64, Relaxed),
                    Err(_) => break,
                };
            }
        });
        let mut chunk = vec![0; CHUNK];
        let mut received = 0;
        let mut stream = stream;
        while received < receive {
            match stream.read(&mut chunk) {
                Ok(0) | Err(_) => break,
                Ok(bytes) => received += bytes as u64,
            }
        }
        received
    });
    emit(&json!({"event": "moved", "sent": sent.load(Relaxed), "received": received}));
    COMMANDS.wait("fin");
    stream.shutdown(Shutdown::Write)?;
    emit(&json!({"event": "fin"}));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_read_and_a_wrong_one_names_itself() {
        assert_eq!("ask:10:20:30".parse(), Ok(Work::Ask(10, 20, 30)));
        assert_eq!("sink".parse(), Ok(Work::Sink));
        assert!("sink:1".parse::<Work>().unwrap_err().contains("`sink:1`"));
        assert!("drip:x:1".parse::<Work>().unwrap_err().contains("`x`"));
    }
}
