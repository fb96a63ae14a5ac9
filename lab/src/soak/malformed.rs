//! Requests that HTTP does not allow, and huge ones, on every port that speaks it.

use std::io::{Read, Write};
use std::time::Duration;

use super::context::{AttackContext, HTTP_PORTS};
use super::random::Random;

/// How long to wait for an answer to a malformed request.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(100);
/// Requests between two pauses, which leave the agent to the other attacks.
const BURST: usize = 20;
/// Between two bursts.
const REST: Duration = Duration::from_millis(100);
/// Longer than any part of a request that is accepted.
const HUGE: usize = 1 << 20;

const ONCE: &[&[u8]] = &[
    b"\r\n\r\n\r\n\r\n",
    b"GET\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\n folded: yes\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nNo colon\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nNul: \0\r\n\r\n",
    b"GET http://[::1 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /%zz%00/../../etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /api/v1/connections?filter=((((((((((((( HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /api/v1/connections?limit=-1&limit=99999999999999999999 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /api/v1/connections?cursor=%ff%fe%00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"POST /json_rpc HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
    b"POST /json_rpc HTTP/1.1\r\nHost: localhost\r\nContent-Length: 18446744073709551616\r\n\r\n",
    b"POST /json_rpc HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9223372036854775807\r\n\r\nx",
    b"POST /json_rpc HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
    b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\nx",
    b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n7fffffffffffffff\r\nx",
    b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\nx\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip, chunked, chunked\r\n\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 1000\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x12\x04\x00\x00\x00\x00\x00",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"CONNECT localhost:1 HTTP/1.1\r\nHost: localhost:1\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
];

/// Sends malformed and huge requests.
pub(super) fn requests(context: &AttackContext<'_>, number: u64) {
    let mut random = Random::new(context.seed ^ number);
    while context.is_running() {
        for _ in 0..BURST {
            let request = match random.below(4) {
                0 => huge(&mut random),
                _ => random.pick(ONCE).to_vec(),
            };
            send(context, *random.pick(&HTTP_PORTS), &request);
        }
        context.pause(REST);
    }
}

/// Sends heads near and beyond the limits, pipelined on one connection.
pub(super) fn header_floods(context: &AttackContext<'_>, number: u64) {
    let mut random = Random::new(context.seed ^ number);
    while context.is_running() {
        let (count, length) =
            *random.pick(&[(90, 100), (99, 150), (120, 10), (10_000, 3), (3, 9000)]);
        let mut head = b"GET /health HTTP/1.1\r\nHost: localhost\r\n".to_vec();
        for header in 0..count {
            head.extend_from_slice(format!("X-{header}: ").as_bytes());
            head.resize(head.len() + length, b'a');
            head.extend_from_slice(b"\r\n");
        }
        head.extend_from_slice(b"\r\n");
        send(context, *random.pick(&HTTP_PORTS), &head.repeat(1 + random.below(8)));
        context.pause(Duration::from_millis(20));
    }
}

fn huge(random: &mut Random) -> Vec<u8> {
    let long = |byte: u8| vec![byte; HUGE];
    match random.below(6) {
        // A target, a method, a header's name, a header's value, a body, and a body in small chunks.
        0 => [b"GET /".as_slice(), &long(b'a'), b" HTTP/1.1\r\nHost: localhost\r\n\r\n"].concat(),
        1 => long(b'G'),
        2 => [b"GET / HTTP/1.1\r\nHost: localhost\r\n".as_slice(), &long(b'h')].concat(),
        3 => [b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ".as_slice(), &long(b'v')].concat(),
        4 => {
            let head = format!(
                "POST /json_rpc HTTP/1.1\r\nHost: localhost\r\nContent-Length: {HUGE}\r\n\r\n"
            );
            [head.as_bytes(), &long(b'[')].concat()
        }
        _ => {
            let head =
                b"POST /json_rpc HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
            [head.as_slice(), &b"1\r\n[\r\n".repeat(HUGE / 32)].concat()
        }
    }
}

/// Sends the request, waits shortly for an answer, and closes.
fn send(context: &AttackContext<'_>, port: u16, request: &[u8]) {
    let Ok(mut client) = context.dial(port) else { return };
    let timed = client
        .set_write_timeout(Some(ANSWER_TIMEOUT))
        .and_then(|()| client.set_read_timeout(Some(ANSWER_TIMEOUT)));
    if timed.is_ok() {
        // The agent may have closed already; its answer does not matter here.
        let _ = client.write_all(request);
        let _ = client.read(&mut [0; 4096]);
    }
}
