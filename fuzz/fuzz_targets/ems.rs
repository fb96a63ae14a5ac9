//! Any bytes as what a client of a media server sends: as one line, as a stream cut into lines, and
//! as the target of a request. Whatever it is, each answer is framed as its interface frames it.

#![no_main]

use std::cell::RefCell;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use conns_core::model::{
    Health, Moment, Netns, Observation, Protocol, SocketSample, Source, Update,
};
use conns_core::query::Filter;
use conns_core::track::{Retention, Tracker};
use conns_dialects::ems::{Argument, Call, LONGEST_LINE, Options, Server};
use conns_dialects::{HttpDialect, HttpOutcome, LineDialect, LineOutcome, ResponseCache};
use conns_sockdiag::{RowReader, wire};
use http::Request;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    grammar(bytes);
    lines(&SERVER.json_cli(), bytes, |answer| {
        let (length, answer) = answer.split_first_chunk::<4>().expect("a length");
        assert_eq!(usize::try_from(u32::from_be_bytes(*length)).ok(), Some(answer.len()));
        check_json(answer);
    });
    lines(&SERVER.ascii_cli(), bytes, |answer| {
        let is_success = answer.starts_with(b"Command entered successfully!\n\r");
        assert!(is_success || answer.starts_with(b"Command failed!\n\r"));
        assert!(answer.ends_with(if is_success { b"\n\r\n\r\n" } else { b"\n\r\n\r" }));
    });
    request(bytes);
});

/// Reading a line makes nothing larger than it, and reading it again makes the same.
fn grammar(bytes: &[u8]) {
    let call = Call::parse(bytes);
    assert_eq!(call, Call::parse(bytes));
    let read = call.arguments.iter().map(|(key, given)| {
        key.len()
            + match given {
                Argument::Text(text) => text.len(),
                Argument::Array(texts) => {
                    assert!(!texts.is_empty() && texts.iter().all(|text| !text.is_empty()));
                    texts.iter().map(String::len).sum()
                }
            }
    });
    // Three bytes stand for one that is no text.
    assert!(call.command.len() + read.sum::<usize>() <= bytes.len() * 3);
}

/// Cuts `bytes` into lines as a serving shell does, until one closes.
fn lines(dialect: &impl LineDialect, bytes: &[u8], check: impl Fn(&[u8])) {
    CACHE.with_borrow(|cache| {
        for line in bytes.split(|byte| dialect.ends_line(*byte)) {
            if line.len() > dialect.longest_line() {
                assert!(dialect.line_too_long().close);
                break;
            }
            let LineOutcome { chunks, close } = dialect.answer(line, cache);
            let answer = chunks.concat();
            assert_eq!(answer.is_empty(), line.is_empty());
            if !answer.is_empty() {
                check(&answer);
            }
            if close {
                break;
            }
        }
    });
}

fn request(bytes: &[u8]) {
    let Ok(request) = Request::builder().uri(bytes).body(Bytes::new()) else { return };
    CACHE.with_borrow(|cache| match SERVER.http().answer(&request, cache) {
        HttpOutcome::Answer(response) => {
            let body = response.body().concat();
            assert_eq!(response.headers()["content-length"], body.len().to_string());
            check_json(&body);
        }
        HttpOutcome::Hangup => assert!(bytes.len() > LONGEST_LINE),
    });
}

/// One object with its trailer, on one line, all brackets closed and all strings ended.
fn check_json(answer: &[u8]) {
    let object = answer.strip_suffix(b"\r\n\r\n").expect("a trailer");
    assert!(object.starts_with(b"{\"data\":"));
    let is_success = object.ends_with(b",\"status\":\"SUCCESS\"}");
    assert!(is_success || object.ends_with(b",\"status\":\"FAIL\"}"));
    std::str::from_utf8(object).expect("text");
    let (mut open, mut is_string, mut is_escaped) = (Vec::new(), false, false);
    for byte in object {
        assert!(*byte >= b' ', "a control character");
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => {
                assert!(is_string);
                is_escaped = true;
            }
            b'"' => is_string = !is_string,
            _ if is_string => {}
            b'{' => open.push(b'}'),
            b'[' => open.push(b']'),
            b'}' | b']' => assert_eq!(open.pop(), Some(*byte)),
            _ => {}
        }
    }
    assert!(open.is_empty() && !is_string && !is_escaped);
}

static SERVER: LazyLock<Server> = LazyLock::new(|| {
    Server::new(Options {
        streams: Filter::parse("").expect("it matches everything"),
        length_prefix: true,
        brand: "conns".to_owned(),
    })
});

thread_local! {
    static CACHE: RefCell<ResponseCache> = RefCell::new(cache());
}

/// A few sockets as a kernel reports them.
fn cache() -> ResponseCache {
    let mut reader = RowReader::new(Arc::new(Netns::new(1, None, true)));
    let mut sockets = Vec::new();
    for (protocol, datagram) in [
        (Protocol::Tcp, &include_bytes!("../../corpus/sockdiag/linux-6.18/tcp-listen-0.bin")[..]),
        (Protocol::Tcp, include_bytes!("../../corpus/sockdiag/linux-6.18/tcp-established-0.bin")),
        (Protocol::Tcp, include_bytes!("../../corpus/sockdiag/linux-6.18/tcp-time-wait-0.bin")),
        (Protocol::Udp, include_bytes!("../../corpus/sockdiag/linux-6.18/udp4-0.bin")),
    ] {
        for message in wire::messages(datagram).flatten() {
            sockets.extend(reader.read(protocol, message.payload).map(SocketSample::from));
        }
    }
    let at = Moment { monotonic_us: 1_000_000, wall_us: 1_800_000_000_000_000 };
    let observation = Observation::new(Source::SockDiag, at).with_sockets(sockets);
    let snapshot = Tracker::new(Retention::None).apply(vec![observation]);
    assert!(snapshot.connections.len() >= 5, "the corpus has sockets");
    ResponseCache::new(Arc::new(Update {
        instance: 1,
        snapshot: Arc::new(snapshot),
        closed: Arc::new([]),
        closed_complete_since: 0,
        health: Health::default(),
        ..Update::default()
    }))
}
