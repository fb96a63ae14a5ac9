//! The client that behaves. It asks every protocol in turn, on a connection of its own, and must be answered.

use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use super::context::{AttackContext, at};
use super::gauge::Gauge;

/// Who waits longer than this has not been answered. Long answers are written two at a time, and everybody waits for
/// their turn; in a debug build on a busy machine that is seconds.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// Between two requests.
const INTERVAL: Duration = Duration::from_millis(250);
/// Enough of an answer to know it by.
const ENOUGH: usize = 4096;

/// One request.
pub(super) struct Request {
    pub(super) name: &'static str,
    port: u16,
    words: &'static str,
    /// What its answer has in its first bytes.
    answer: &'static str,
}

/// One for each protocol, and the API.
pub(super) const REQUESTS: &[Request] = &[
    Request {
        name: "API",
        port: 7979,
        words: "GET /api/v1/connections?limit=1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        answer: "{\"connections\":[",
    },
    Request {
        name: "health",
        port: 7979,
        words: "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        answer: "\"status\":",
    },
    Request {
        name: "metrics",
        port: 7979,
        words: "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        answer: "# TYPE conns",
    },
    Request {
        name: "1e",
        port: 7980,
        words: "POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 25\r\n\r\n\
                Network.GetConnections();",
        answer: "\"LocalAddress\"",
    },
    Request {
        name: "monero",
        port: 18081,
        words: "POST /json_rpc HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 53\r\n\r\n\
                {\"jsonrpc\":\"2.0\",\"id\":\"0\",\"method\":\"get_connections\"}",
        answer: "\"connections\": [{",
    },
    Request {
        name: "ems-http",
        port: 7777,
        words: "GET /getConnectionsCount HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        answer: "\"count\":",
    },
    Request {
        name: "ems-json",
        port: 1112,
        words: "getConnectionsCount\r\nquit\r\n",
        answer: "\"count\":",
    },
    Request {
        name: "ems-ascii",
        port: 1222,
        words: "getConnectionsCount\r\nquit\r\n",
        answer: "count",
    },
    Request {
        name: "jetstream over HTTP",
        port: 8886,
        words: "POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 53\r\n\r\n\
                {\"jsonrpc\":\"2.0\",\"method\":\"getConnections\",\"id\":\"me\"}",
        answer: "\"result\"",
    },
    Request {
        name: "jetstream in lines",
        port: 8886,
        words: "{\"jsonrpc\":\"2.0\",\"method\":\"getServerInfo\",\"id\":1}\n",
        answer: "\"result\"",
    },
];

/// Asks until the context says stop.
pub(super) fn run(context: &AttackContext<'_>, gauge: &Gauge) {
    for request in REQUESTS.iter().cycle() {
        if !context.is_running() {
            return;
        }
        let asked = Instant::now();
        match request.ask() {
            Ok(()) => gauge.answered(request.name, asked.elapsed()),
            // Whoever is asked while all is being ended may not answer.
            Err(_) if !context.is_running() => {}
            Err(why) => gauge.refused(request.name, &why),
        }
        context.pause(INTERVAL.saturating_sub(asked.elapsed()));
    }
}

impl Request {
    fn ask(&self) -> Result<(), String> {
        let asked = Instant::now();
        let mut heard = Vec::new();
        let mut talk = || -> io::Result<bool> {
            let mut client = std::net::TcpStream::connect_timeout(&at(self.port), ANSWER_TIMEOUT)?;
            client.set_write_timeout(Some(ANSWER_TIMEOUT))?;
            client.write_all(self.words.as_bytes())?;
            let mut chunk = [0; ENOUGH];
            while asked.elapsed() < ANSWER_TIMEOUT && heard.len() < 2 * ENOUGH {
                let left = ANSWER_TIMEOUT.saturating_sub(asked.elapsed());
                client.set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
                let read = client.read(&mut chunk)?;
                heard.extend_from_slice(&chunk[..read]);
                let is_it = contains(&heard, self.answer.as_bytes());
                if is_it || read == 0 {
                    return Ok(is_it);
                }
            }
            Ok(false)
        };
        let outcome = talk();
        let shown = || String::from_utf8_lossy(&heard[..heard.len().min(200)]).into_owned();
        match outcome {
            Ok(true) => Ok(()),
            Ok(false) => Err(format!("answered {:?} after {:?}", shown(), asked.elapsed())),
            Err(error) => Err(format!("{error} after {:?} and {:?}", asked.elapsed(), shown())),
        }
    }
}

fn contains(all: &[u8], part: &[u8]) -> bool {
    all.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_as_long_as_they_say() {
        for request in REQUESTS {
            let Some((head, body)) = request.words.split_once("\r\n\r\n") else { continue };
            let said = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
            assert_eq!(said.map_or(Ok(0), str::parse), Ok(body.len()), "{}", request.name);
        }
    }
}
