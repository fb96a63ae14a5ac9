//! The head of a message: its first line and its header fields.

use crate::decode::start_line;
pub(super) use crate::decode::start_line::{Begin, MAX_HEAD};
use crate::decode::text::{host_name, text};

/// Most header fields of a head: servers accept 100.
const MAX_FIELDS: usize = 128;

/// The head of a request.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) method: Box<str>,
    pub(super) host: Option<Box<str>>,
    /// Whether the target has the host, as requests to a proxy have.
    pub(super) is_absolute: bool,
    pub(super) body: Body,
}

/// The head of an answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) server: Option<Box<str>>,
    pub(super) upgrade: Option<Box<str>>,
    /// The media type in lower case, without parameters.
    pub(super) content_type: Option<Box<str>>,
    pub(super) body: Body,
}

/// How long the body is, as far as the head states it (RFC 9112 section 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Body {
    Length(u64),
    Chunked,
    /// Neither is stated: none of a request, up to the close of an answer.
    Unstated,
}

/// What a head is.
#[derive(Debug)]
pub(super) enum Head {
    Request(Request),
    Answer(Answer),
    Malformed,
}

/// Whether a message begins here.
pub(super) fn begin(bytes: &[u8]) -> Begin {
    start_line::begin(bytes, b"HTTP/1.", b'-')
}

/// Reads a complete head.
pub(super) fn read(bytes: &[u8]) -> Head {
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    if bytes.starts_with(b"HTTP/") {
        let mut answer = httparse::Response::new(&mut fields);
        let Ok(httparse::Status::Complete(_)) = answer.parse(bytes) else { return Head::Malformed };
        let fields = Fields(answer.headers);
        return Head::Answer(Answer {
            status: answer.code.unwrap_or(0),
            server: fields.get("server").map(|value| text(value).into()),
            upgrade: fields.get("upgrade").map(|value| text(value).to_ascii_lowercase().into()),
            content_type: fields.get("content-type").map(media_type),
            body: fields.body(),
        });
    }
    let mut request = httparse::Request::new(&mut fields);
    let Ok(httparse::Status::Complete(_)) = request.parse(bytes) else { return Head::Malformed };
    let fields = Fields(request.headers);
    Head::Request(Request {
        method: text(request.method.unwrap_or_default().as_bytes()).into(),
        host: fields.get("host").and_then(host_name).map(Into::into),
        is_absolute: request
            .path
            .is_some_and(|target| !target.starts_with('/') && target.contains("://")),
        body: fields.body(),
    })
}

/// A media type without its parameters.
fn media_type(value: &[u8]) -> Box<str> {
    let name = value.split(|byte| *byte == b';').next().unwrap_or_default();
    text(name).to_ascii_lowercase().into()
}

/// Header fields.
struct Fields<'a>(&'a [httparse::Header<'a>]);

impl Fields<'_> {
    /// The first value of this name.
    fn get(&self, name: &str) -> Option<&[u8]> {
        let field = self.0.iter().find(|field| field.name.eq_ignore_ascii_case(name));
        field.map(|field| field.value)
    }

    fn body(&self) -> Body {
        let is_chunked = |value: &[u8]| {
            let last = value.rsplit(|byte| *byte == b',').next().unwrap_or_default();
            last.trim_ascii().eq_ignore_ascii_case(b"chunked")
        };
        if self.get("transfer-encoding").is_some_and(is_chunked) {
            return Body::Chunked;
        }
        let length = self.get("content-length").and_then(|value| std::str::from_utf8(value).ok());
        match length.and_then(|value| value.trim().parse().ok()) {
            Some(length) => Body::Length(length),
            None => Body::Unstated,
        }
    }
}
