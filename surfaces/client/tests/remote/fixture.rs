//! Something that answers at an address: prepared bytes, over TCP, TLS or a socket file.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use conns_api::{SNAPSHOT_TYPE, UpdateQuery, encode_update};
use conns_core::model::Update;

/// A bound that no test reaches; a test that would hang fails.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// What is done with one connection.
#[derive(Clone)]
pub(crate) enum Act {
    /// After each request, the next of these bytes.
    Answer(Vec<Vec<u8>>),
    /// These bytes once a request begins, whatever it is: bytes before it make the client connect again.
    Send(Vec<u8>),
    /// Nothing, until the client goes.
    Silence,
}

/// An HTTP answer.
pub(crate) fn answer(status: &str, media_type: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {media_type}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// What an agent answers to this query.
pub(crate) fn answered(update: &Update, query: &UpdateQuery) -> Vec<u8> {
    answer("200 OK", SNAPSHOT_TYPE, &encode_update(update, 0, query).unwrap())
}

/// A listener with prepared answers, and the requests it got.
pub(crate) struct Fixture {
    pub(crate) address: SocketAddr,
    heads: Receiver<String>,
}

impl Fixture {
    /// Each connection gets the next act; after the last no connection is accepted.
    pub(crate) fn open(acts: Vec<Act>) -> Self {
        Self::over(acts, Some)
    }

    /// The same, over whatever `wrap` makes of the stream.
    pub(crate) fn over<S: Read + Write>(
        acts: Vec<Act>,
        wrap: impl Fn(std::net::TcpStream) -> Option<S> + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (asked, heads) = channel();
        thread::spawn(move || {
            for act in acts {
                let (stream, _) = listener.accept().unwrap();
                stream.set_read_timeout(Some(DEADLINE)).unwrap();
                if let Some(stream) = wrap(stream) {
                    play(stream, act, |head| drop(asked.send(head)));
                }
            }
        });
        Self { address, heads }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The head of the next request.
    pub(crate) fn asked(&self) -> String {
        self.heads.recv_timeout(DEADLINE).unwrap()
    }

    pub(crate) fn was_asked_no_more(&self) -> bool {
        self.heads.try_recv().is_err()
    }
}

pub(crate) fn play<S: Read + Write>(mut stream: S, act: Act, asked: impl Fn(String)) {
    match act {
        Act::Answer(answers) => {
            for answer in answers {
                let Some(head) = head(&mut stream) else { return };
                asked(head);
                let _ = stream.write_all(&answer).and_then(|()| stream.flush());
            }
        }
        Act::Send(bytes) => {
            let _ = stream.read_exact(&mut [0]);
            let _ = stream.write_all(&bytes).and_then(|()| stream.flush());
            wait_for_end(&mut stream);
        }
        Act::Silence => wait_for_end(&mut stream),
    }
}

/// The head of one request.
fn head(stream: &mut impl Read) -> Option<String> {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        bytes.push(byte[0]);
    }
    String::from_utf8(bytes).ok()
}

fn wait_for_end(stream: &mut impl Read) {
    let mut rest = [0; 1024];
    while stream.read(&mut rest).is_ok_and(|count| count > 0) {}
}
