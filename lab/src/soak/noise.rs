//! Random bytes, mutated requests, and connections that are opened and closed.

use std::io::{Read, Write};
use std::time::Duration;

use super::context::{AttackContext, PORTS, reset};
use super::random::Random;

/// How long to wait for an answer to noise.
const NOISE_TIMEOUT: Duration = Duration::from_millis(30);
/// Longest random bytes.
const LONGEST: usize = 8 << 10;
/// Most mutations of one request.
const MUTATIONS: usize = 6;
/// Connections between two pauses.
const BURST: usize = 30;
/// Between two bursts; so a few hundred a second.
const REST: Duration = Duration::from_millis(50);

/// Valid requests, to be mutated.
const VALID_REQUESTS: &[&[u8]] = &[
    b"GET /api/v1/connections?filter=process%20==%20nginx&sort=-rtt&limit=3 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /api/v1/changes?since=0123456789abcdef-7 HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n",
    b"GET /api/v1/snapshot?view=all HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nAccept: application/openmetrics-text\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 25\r\n\r\nNetwork.GetConnections();",
    b"POST /1e HTTP/1.1\r\nHost: localhost\r\nContent-Length: 35\r\n\r\nNetwork.GetListeningEndpoints();   ",
    b"POST /json_rpc HTTP/1.1\r\nHost: localhost\r\nContent-Length: 53\r\n\r\n{\"jsonrpc\":\"2.0\",\"id\":\"0\",\"method\":\"get_connections\"}",
    b"GET /listConnections?params=ZXhjbHVkZU5vbk5ldHdvcmtQcm90b2NvbHM9MA== HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"listConnections excludeNonNetworkProtocols=0 commandId=a\\ b\r\n",
    b"getConnectionInfo id=1\r\ngetConnectionsCount\r\nresetMaxFdCounters\r\n",
    b"{\"jsonrpc\":\"2.0\",\"method\":\"getConnections\",\"params\":{\"limit\":5},\"id\":1}\n",
    b"[{\"jsonrpc\":\"2.0\",\"method\":\"send.getConnection\",\"params\":[1],\"id\":null}]\n",
];

/// Random and mutated bytes on every port.
pub(super) fn bytes(context: &AttackContext<'_>, number: u64) {
    let mut random = Random::new(context.seed ^ (number << 32));
    while context.is_running() {
        let (_, port) = *random.pick(&PORTS);
        let words = match random.below(3) {
            0 => {
                let length = 1 + random.below(LONGEST);
                random.bytes(length)
            }
            _ => {
                let request = random.pick(VALID_REQUESTS).to_vec();
                mutated(request, &mut random)
            }
        };
        let Ok(mut client) = context.dial(port) else { continue };
        let timed = client
            .set_write_timeout(Some(NOISE_TIMEOUT))
            .and_then(|()| client.set_read_timeout(Some(NOISE_TIMEOUT)));
        if timed.is_ok() {
            // The agent may have closed already; its answer does not matter here.
            let _ = client.write_all(&words);
            let _ = client.read(&mut [0; 4096]);
        }
    }
}

fn mutated(mut bytes: Vec<u8>, random: &mut Random) -> Vec<u8> {
    for _ in 0..=random.below(MUTATIONS) {
        if bytes.is_empty() {
            break;
        }
        let at = random.below(bytes.len());
        match random.below(6) {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes[at] = *random.pick(&[0, b'\n', b'\r', b'"', b'\\', b'{', b'%', 0x80, 0xff]),
            2 => {
                bytes.remove(at);
            }
            3 => {
                let more = 1 + random.below(64);
                let more = random.bytes(more);
                bytes.splice(at..at, more);
            }
            4 => bytes.truncate(at),
            _ => {
                let part = bytes[at..].to_vec();
                bytes.splice(at..at, part);
            }
        }
    }
    bytes
}

/// Opens and closes connections, some with a reset, some after a request.
pub(super) fn churn(context: &AttackContext<'_>, number: u64) {
    let mut random = Random::new(context.seed ^ (number << 32));
    while context.is_running() {
        for _ in 0..BURST {
            let (_, port) = *random.pick(&PORTS);
            let Ok(mut client) = context.dial(port) else { continue };
            if random.below(2) == 0 {
                // Whether the request arrives does not matter here.
                let _ = client.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
            }
            if random.below(2) == 0 {
                reset(&client);
            }
        }
        context.pause(REST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mutations_are_reproducible_and_change_something() {
        let all = |seed| {
            let mut random = Random::new(seed);
            (0..50).map(|_| mutated(VALID_REQUESTS[0].to_vec(), &mut random)).collect::<Vec<_>>()
        };
        assert_eq!(all(3), all(3));
        assert!(all(3).iter().filter(|bytes| *bytes != VALID_REQUESTS[0]).count() > 45);
    }
}
