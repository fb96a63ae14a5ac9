//! Any request to the Monero dialect: plain, in the old shape, restricted, and behind a login. It
//! is answered with a whole answer or the connection is closed, and no client without the password sees a peer.
//!
//! An input is a request as on the wire, its lines ended by LF: verb and path, headers, an empty
//! line, the body. What is none is a body posted to `/json_rpc`.

#![no_main]

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use conns_core::model::{
    Health, Moment, Netns, Observation, Protocol, SocketSample, Source, Update,
};
use conns_core::query::Filter;
use conns_core::track::{Retention, Tracker};
use conns_dialects::monero::{Era, Login, Node, Options};
use conns_dialects::{HttpDialect, HttpOutcome, ResponseCache};
use conns_sockdiag::{RowReader, wire};
use http::{Method, Request, Response};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let request = read(bytes).unwrap_or_else(|| post(bytes));
    for (at, node) in NODES.iter().enumerate() {
        let HttpOutcome::Answer(response) = node.answer(&request, &CACHE) else { continue };
        let response = response.map(|chunks| chunks.concat());
        judge(&request, &response);
        if at >= 2 {
            let shows = response.body().windows(13).any(|part| part == b"\"address_type");
            assert!(!shows, "a peer is shown to a client that may not see it");
        }
    }
});

/// What holds of every answer.
fn judge(request: &Request<Bytes>, response: &Response<Vec<u8>>) {
    let body = response.body();
    let length = response.headers()["content-length"].to_str().ok().and_then(|n| n.parse().ok());
    if request.method().as_str().eq_ignore_ascii_case("HEAD") {
        assert!(body.is_empty());
    } else {
        assert_eq!(length, Some(body.len()));
    }
    match response.status().as_u16() {
        200 if body.is_empty() => {}
        200 => assert!(body.starts_with(b"{\r\n  \"") && body.ends_with(b"\r\n}")),
        401 => assert_eq!(response.headers().get_all("www-authenticate").iter().count(), 2),
        status => assert!(matches!(status, 404 | 500) && body.is_empty(), "{status}"),
    }
}

fn post(body: &[u8]) -> Request<Bytes> {
    let mut request = Request::new(Bytes::copy_from_slice(body));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = http::Uri::from_static("/json_rpc");
    request
}

fn read(bytes: &[u8]) -> Option<Request<Bytes>> {
    let end = bytes.windows(2).position(|two| two == b"\n\n")?;
    let head = std::str::from_utf8(&bytes[..end]).ok()?;
    let mut lines = head.lines();
    let (verb, path) = lines.next()?.split_once(' ')?;
    let mut request = Request::builder().method(verb).uri(path);
    for line in lines {
        let (name, value) = line.split_once(": ")?;
        request = request.header(name, value);
    }
    request.body(Bytes::copy_from_slice(&bytes[end + 2..])).ok()
}

static NODES: LazyLock<[Node; 4]> = LazyLock::new(|| {
    let all = Options {
        peers: Filter::parse("").unwrap(),
        node: None,
        era: Era::Current,
        restricted: false,
        login: None,
        secret: *b"sixteen secrets!",
    };
    [
        Node::new(all.clone()),
        Node::new(Options { era: Era::V0_11, ..all.clone() }),
        Node::new(Options { restricted: true, ..all.clone() }),
        Node::new(Options { login: Some(Login::new("user", "pass")), ..all }),
    ]
});

static CACHE: LazyLock<ResponseCache> = LazyLock::new(|| {
    let mut reader = RowReader::new(Arc::new(Netns::new(1, None, true)));
    let datagram = include_bytes!("../../corpus/sockdiag/linux-6.18/tcp-established-0.bin");
    let messages = wire::messages(datagram).flatten();
    let sockets = messages.flat_map(|message| reader.read(Protocol::Tcp, message.payload));
    let observation = Observation::new(Source::SockDiag, Moment::default())
        .with_sockets(sockets.map(SocketSample::from).collect());
    let snapshot = Tracker::new(Retention::None).apply(vec![observation]);
    assert!(!snapshot.connections.is_empty(), "the corpus has connections");
    ResponseCache::new(Arc::new(Update {
        instance: 1,
        snapshot: Arc::new(snapshot),
        closed: Arc::new([]),
        closed_complete_since: 1,
        health: Health::default(),
        ..Update::default()
    }))
});
