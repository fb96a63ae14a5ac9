//! The head of a message (RFC 2326 section 4): a request line or a status line, and header fields.

use crate::decode::start_line;
pub(super) use crate::decode::start_line::{Begin, MAX_HEAD};
use crate::decode::text::text;

use super::sdp::number;

const VERSION: &[u8] = b"RTSP/1.";

/// Whether a message begins here.
pub(super) fn begin(bytes: &[u8]) -> Begin {
    start_line::begin(bytes, VERSION, b'_')
}

/// A complete head.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) kind: HeadKind,
    /// `CSeq`, by which a request and its answer belong together.
    pub(super) number: Option<u32>,
    pub(super) body_bytes: u64,
    pub(super) transport: Option<Box<[u8]>>,
    pub(super) user_agent: Option<Box<str>>,
    pub(super) server: Option<Box<str>>,
}

#[derive(Debug)]
pub(super) enum HeadKind {
    Request { method: Box<str>, url: Box<[u8]> },
    Answer { status: u16 },
}

/// Reads a head; `None` if it is malformed.
pub(super) fn read(bytes: &[u8]) -> Option<Head> {
    let mut lines = bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let mut words = lines.next()?.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
    let (first, second) = (words.next()?, words.next()?);
    let kind = if first.starts_with(VERSION) {
        HeadKind::Answer { status: number(second)? }
    } else {
        HeadKind::Request { method: text(first).into(), url: second.into() }
    };
    let mut head =
        Head { kind, number: None, body_bytes: 0, transport: None, user_agent: None, server: None };
    for line in lines {
        let Some(at) = line.iter().position(|byte| *byte == b':') else { continue };
        let (name, value) = line.split_at(at);
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
        if is("CSeq") {
            head.number = number(value);
        } else if is("Content-Length") {
            head.body_bytes = number(value)?;
        } else if is("Transport") {
            head.transport = Some(value.into());
        } else if is("User-Agent") {
            head.user_agent = Some(text(value).into());
        } else if is("Server") {
            head.server = Some(text(value).into());
        }
    }
    Some(head)
}

/// The path of a URL, without host, parameters and the slashes around.
pub(super) fn path(url: &[u8]) -> &[u8] {
    let behind_scheme = url.windows(3).position(|three| three == b"://").map(|at| at + 3);
    let path = match behind_scheme.and_then(|at| url.get(at..)) {
        Some(rest) => {
            let at = rest.iter().position(|byte| *byte == b'/').unwrap_or(rest.len());
            rest.get(at..).unwrap_or_default()
        }
        None => url,
    };
    let path = path.split(|byte| *byte == b'?').next().unwrap_or_default();
    let path = path.strip_prefix(b"/").unwrap_or(path);
    path.strip_suffix(b"/").unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::{Begin, HeadKind, begin, path, read};

    #[test]
    fn other_bytes_are_no_messages() {
        assert_eq!(begin(b"OPTIONS rtsp://a/b RTSP/1.0\r\n"), Begin::Request);
        assert_eq!(begin(b"RTSP/1.0 200 OK\r\n"), Begin::Answer);
        assert_eq!(begin(b"GET_PARAM"), Begin::NeedMore);
        assert_eq!(begin(b"RT"), Begin::NeedMore);
        assert_eq!(begin(b"OPTIONS rtsp://a/b RTS"), Begin::NeedMore);
        assert_eq!(begin(b"GET / HTTP/1.1\r\n"), Begin::Other);
        assert_eq!(begin(b"$\0\0\x01"), Begin::Other);
    }

    #[test]
    fn fields_are_read_whatever_their_case() {
        let head = read(b"ANNOUNCE rtsp://u:p@h:554/live/camera?x=1 RTSP/1.0\r\ncseq: 2\r\nCONTENT-LENGTH:503\r\n\r\n");
        let head = head.unwrap();
        let HeadKind::Request { method, url } = head.kind else { panic!("a request") };
        assert_eq!((&*method, path(&url)), ("ANNOUNCE", &b"live/camera"[..]));
        assert_eq!((head.number, head.body_bytes), (Some(2), 503));
        assert!(read(b"RTSP/1.0 abc\r\n\r\n").is_none());
        assert!(read(b"\r\n").is_none());
        assert_eq!(path(b"*"), b"*");
        assert_eq!(path(b"rtsp://host"), b"");
    }
}
